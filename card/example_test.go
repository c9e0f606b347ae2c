// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// A card signs, is pulled, and is inserted again: the same Key goes on.
func Example() {
	dir, err := os.MkdirTemp("", "tray")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tray, err := cardtest.Open(cardtest.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer tray.Close()
	serial, err := tray.Personalised(0, cardtest.Personal{PIN: []byte("482913")})
	if err != nil {
		log.Fatal(err)
	}

	// From here on it is what a workstation does.
	ctx := context.Background()
	module, err := card.Open(card.Config{Module: tray.Module()})
	if err != nil {
		log.Fatal(err)
	}
	defer module.Close()
	c, err := module.Card(ctx, card.Selector{Serial: serial})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Login(ctx, []byte("482913"), card.LoginOptions{}); err != nil {
		log.Fatal(err)
	}
	key, err := c.Key(ctx, card.KeySelector{Label: "authentication"})
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256([]byte("Ward 7, night shift"))
	signature, err := key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("signed:", err == nil && ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature))

	_ = tray.Remove(0)
	_, err = key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("pulled:", errors.Is(err, card.ErrRemoved))

	_ = tray.Insert(1, serial)
	_, err = key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("in the other reader, logged out:", errors.Is(err, card.ErrNotLoggedIn))

	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return []byte("482913"), nil })
	_, err = key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("with somebody to ask:", err)
	// Output:
	// signed: true
	// pulled: true
	// in the other reader, logged out: true
	// with somebody to ask: <nil>
}
