// SPDX-License-Identifier: Apache-2.0

// Package outside_test is somebody else's test, which outside_test.go of cardtest
// copies into a module of its own.
package outside_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func TestCards(t *testing.T) {
	for range 8 {
		// The name has a # from the second on.
		t.Run("card", func(t *testing.T) {
			t.Parallel()
			tray := cardtest.New(t, cardtest.Config{})
			serial, err := tray.Personalised(0, cardtest.Personal{PIN: []byte("482913")})
			if err != nil {
				t.Fatal(err)
			}
			module, err := card.Open(card.Config{Module: tray.Module()})
			if err != nil {
				t.Fatal(err)
			}
			defer module.Close()
			c, err := module.Card(t.Context(), card.Selector{Serial: serial})
			if err != nil {
				t.Fatal(err)
			}
			c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return []byte("482913"), nil })
			key, err := c.Key(t.Context(), card.KeySelector{Label: "authentication"})
			if err != nil {
				t.Fatal(err)
			}
			digest := sha256.Sum256([]byte("what is signed"))
			for range 3 {
				if _, err := key.SignContext(t.Context(), digest[:], crypto.SHA256); err != nil {
					t.Fatal(err)
				}
				if err := tray.Remove(0); err != nil {
					t.Fatal(err)
				}
				if _, err := key.SignContext(t.Context(), digest[:], crypto.SHA256); !errors.Is(err, card.ErrRemoved) {
					t.Fatal(err)
				}
				if err := tray.Insert(0, serial); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				_ = c.Login(t.Context(), []byte("000000"), card.LoginOptions{FinalTry: true})
			}
			if err := c.Login(t.Context(), []byte("482913"), card.LoginOptions{}); !errors.Is(err, card.ErrLocked) {
				t.Fatal(err)
			}
		})
	}
}
