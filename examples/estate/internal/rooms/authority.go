// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// ErrNoTools means that what the estate stands on is not installed.
var ErrNoTools = errors.New("SoftHSM and a C compiler are needed: `make demo` installs them, as does apt-get install softhsm2 build-essential")

const tokenLabel = "estate-issuing"

// openAuthority takes up the root and the issuing CA, or makes them. The root's
// key is in a file under a passphrase and read only to make the issuing CA; the
// issuing key is made in SoftHSM, in a token of its own, and never leaves it.
func openAuthority(ctx context.Context, dir string, now func() time.Time) (*stepca.Authority, error) {
	pin := func() ([]byte, error) { return secretText(dir, "token.pin", 8) }
	module, err := openToken(ctx, dir, pin)
	if err != nil {
		return nil, err
	}
	return stepca.Open(ctx, stepca.Config{
		Dir: dir, Passphrase: func() ([]byte, error) { return secretText(dir, "root.passphrase", 32) },
		IssuingKey:   stepca.PKCS11{Module: module, Token: tokenLabel, PIN: pin},
		Organization: "Wardkey demonstration", RootName: "Estate Root CA", IssuingName: "Estate Issuing CA",
		Now: now,
	})
}

// openToken returns the PKCS#11 module with the token of the issuing key, which
// is made where it is missing. It is a tray with one card that nobody pulls:
// SoftHSM with a folder of its own, beside the cards of the desks and whatever
// else this machine keeps in SoftHSM.
func openToken(ctx context.Context, dir string, pin func() ([]byte, error)) (module string, err error) {
	tray, err := cardtest.Open(cardtest.Config{Dir: filepath.Join(dir, "token"), Readers: 1})
	if errors.Is(err, cardtest.ErrNoShim) {
		return "", fmt.Errorf("%w (%w)", ErrNoTools, err)
	}
	if err != nil {
		return "", fmt.Errorf("estate: the token of the issuing key: %w", err)
	}
	defer func() { err = errors.Join(err, tray.Close()) }()
	cards, err := tray.Cards()
	if err != nil {
		return "", fmt.Errorf("estate: the token of the issuing key: %w", err)
	}
	if !slices.ContainsFunc(cards, func(c cardtest.Card) bool { return c.Reader == 0 }) {
		serial, err := tray.Blank()
		if err == nil {
			err = tray.Insert(0, serial)
		}
		if err != nil {
			return "", fmt.Errorf("estate: the token of the issuing key: %w", err)
		}
	}
	if err := personalise(ctx, tray.Module(), dir, pin); err != nil {
		return "", fmt.Errorf("estate: the token of the issuing key: %w", err)
	}
	return tray.Module(), nil
}

// personalise gives the token its label and PIN, unless it has them.
func personalise(ctx context.Context, path, dir string, pin func() ([]byte, error)) (err error) {
	module, err := card.Open(card.Config{Module: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, module.Close()) }()
	slots, err := module.Slots(ctx)
	if err != nil {
		return err
	}
	if len(slots) == 0 || slots[0].Token == nil {
		return card.ErrNoCard
	}
	token := slots[0].Token
	if token.Label == tokenLabel && token.PIN != card.PINNotSet {
		return nil
	}
	soPIN, err := secretText(dir, "token.so-pin", 8)
	if err != nil {
		return err
	}
	defer clear(soPIN)
	first, err := pin()
	if err != nil {
		return err
	}
	defer clear(first)
	c, err := module.Card(ctx, card.Selector{Serial: token.Serial})
	if err != nil {
		return err
	}
	if err := c.Initialize(ctx, soPIN, tokenLabel); err != nil {
		return err
	}
	return c.ResetPIN(ctx, soPIN, first)
}
