// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"fmt"
	"net"
	"net/http"
	"os"

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
