// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/examples/internal/loopback"
)

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

// listen takes the address. Where the pages are at a name, it takes both addresses that browsers find by it.
func (c Config) listen(address string) ([]net.Listener, error) {
	if len(c.Models) > 0 {
		return loopback.Listen(address)
	}
	one, err := net.Listen("tcp", address)
	return []net.Listener{one}, err
}

// named refuses an address that browsers would not find by the name of the pages.
func (c Config) named(ip net.IP) error {
	if len(c.Models) > 0 && !ip.Equal(net.IPv4(127, 0, 0, 1)) && !ip.Equal(net.IPv6loopback) {
		return fmt.Errorf("-listen %s: with -models the pages are at %s, which is 127.0.0.1 and ::1", ip, loopback.Name)
	}
	return nil
}

// base is the address of the pages: by a name where keys are to be bound to it.
func (c Config) base(at net.Addr) string {
	if len(c.Models) > 0 {
		return loopback.Base(at)
	}
	return "http://" + at.String()
}

func (h *Hospital) openKeys() (err error) {
	if len(h.config.Models) > 0 {
		h.Keys, err = webauthn.New(webauthn.Config{
			Service: h.Care, Sessions: h.Cards, RPID: loopback.Name, RPName: "Wardkey hospital", Origins: []string{h.config.Base},
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
