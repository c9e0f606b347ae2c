// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

// keyName is what browsers bind the keys of a hospital to. Its programs are at ports of one name, so that a key that one
// has registered signs in at another. WebAuthn Level 2 §5.1.3.
const keyName = "localhost"

// readModels reads the file of -models, "" for none.
func (c *Config) readModels(name string) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err == nil {
		c.Models, err = webauthn.ParseModels(text)
	}
	if err != nil {
		return fmt.Errorf("-models: %w", err)
	}
	return nil
}

// listen takes the address. Where the pages are at a name, it takes the other address that browsers find by it as well:
// whoever else answered there would be this site to them, with its keys and its cookies. RFC 6761 §6.3.
func (c Config) listen(address string) ([]net.Listener, error) {
	first, err := net.Listen("tcp", address)
	if err != nil || len(c.Models) == 0 {
		return []net.Listener{first}, err
	}
	host, port, err := net.SplitHostPort(first.Addr().String())
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	other := "::1"
	if host == other {
		other = "127.0.0.1"
	}
	second, err := net.Listen("tcp", net.JoinHostPort(other, port))
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT): // this machine has one of the two alone
		return []net.Listener{first}, nil
	case err != nil:
		return nil, errors.Join(err, first.Close())
	}
	return []net.Listener{first, second}, nil
}

// named refuses an address that browsers would not find by the name of the pages.
func (c Config) named(ip net.IP) error {
	if len(c.Models) > 0 && !ip.Equal(net.IPv4(127, 0, 0, 1)) && !ip.Equal(net.IPv6loopback) {
		return fmt.Errorf("-listen %s: with -models the pages are at %s, which is 127.0.0.1 and ::1", ip, keyName)
	}
	return nil
}

// base is the address of the pages: by a name where keys are to be bound to it.
func (c Config) base(at net.Addr) string {
	if tcp, ok := at.(*net.TCPAddr); ok && len(c.Models) > 0 {
		return fmt.Sprintf("http://%s:%d", keyName, tcp.Port)
	}
	return "http://" + at.String()
}

func (h *Hospital) openKeys() (err error) {
	if len(h.config.Models) > 0 {
		h.Keys, err = webauthn.New(webauthn.Config{
			Service: h.Care, Sessions: h.Cards, RPID: keyName, RPName: "Wardkey hospital", Origins: []string{h.config.Base},
			Models: h.config.Models, Rules: h.Book, Now: h.config.Now, Log: h.config.Log,
		})
	}
	return err
}

// keys is an interface that is nil where there are none.
func (h *Hospital) keys() http.Handler {
	if h.Keys == nil {
		return nil
	}
	return h.Keys
}
