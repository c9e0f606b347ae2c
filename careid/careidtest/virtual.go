// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
)

// drawer is a tray whose cards come through PKCS#11. Its last reader serves the cards that are in none.
type drawer struct {
	tray   *cardtest.Tray
	module *card.Module
}

func openDrawer(tray *cardtest.Tray) (*drawer, error) {
	module, err := card.Open(card.Config{Module: tray.Module()})
	if err != nil {
		return nil, err
	}
	return &drawer{tray, module}, nil
}

// virtual is one card of the drawer.
type virtual struct {
	drawer *drawer
	serial string
	broken error // why it could not be made

	mu    sync.Mutex
	found *card.Card // one value, since a login belongs to the value that made it
}

// blank makes a card; that it could not is told by the first thing done with it.
func (d *drawer) blank() *Card {
	serial, err := d.tray.Blank()
	return &Card{Serial: serial, Passcode: []byte(Passcode), virtual: &virtual{drawer: d, serial: serial, broken: err}}
}

// inserted does something with the card in a reader: where it is, or in the last one for that time.
func (v *virtual) inserted(ctx context.Context, do func(*card.Card) error) (err error) {
	if v.broken != nil {
		return v.broken
	}
	cards, err := v.drawer.tray.Cards()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(cards, func(c cardtest.Card) bool { return c.Serial == v.serial && c.Reader >= 0 }) {
		spare := v.drawer.tray.Readers() - 1
		if err := v.drawer.tray.Insert(spare, v.serial); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, v.drawer.tray.Remove(spare)) }()
	}
	token, err := v.token(ctx)
	if err != nil {
		return err
	}
	return do(token)
}

// token finds the card, which must be in a reader the first time.
func (v *virtual) token(ctx context.Context) (*card.Card, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.found != nil {
		return v.found, nil
	}
	found, err := v.drawer.module.Card(ctx, card.Selector{Serial: v.serial})
	if err == nil {
		v.found = found
	}
	return found, err
}

func (v *virtual) opened(ctx context.Context, passcode []byte, do func() error) error {
	return v.inserted(ctx, func(token *card.Card) error {
		err := token.Login(ctx, passcode, card.LoginOptions{FinalTry: true})
		if errors.Is(err, card.ErrWrongPIN) {
			if info, unread := token.Info(ctx); unread == nil && info.PIN == card.PINLocked {
				err = card.ErrLocked
			}
		}
		if err != nil {
			return asAgent(err)
		}
		return errors.Join(do(), token.Logout(ctx))
	})
}

// empty makes the card ready anew; before is its SO PIN, if it has one.
func (v *virtual) empty(ctx context.Context, before, soPIN, passcode []byte) error {
	return v.inserted(ctx, func(token *card.Card) error {
		if before != nil {
			so, err := token.SO(ctx, before, card.LoginOptions{})
			if err != nil {
				return err
			}
			err = so.ChangeSOPIN(ctx, before, soPIN)
			so.Close()
			if err != nil {
				return err
			}
		}
		if err := token.Initialize(ctx, soPIN, "Care identity"); err != nil {
			return err
		}
		return token.ResetPIN(ctx, soPIN, passcode)
	})
}

func (v *virtual) requests(ctx context.Context, plan []careid.KeyPlan) ([]crypto.Signer, []*x509.CertificateRequest, error) {
	var keys []crypto.Signer
	var requests []*x509.CertificateRequest
	err := v.inserted(ctx, func(token *card.Card) error {
		for _, p := range plan {
			if p.Algorithm != "" && p.Algorithm != "P-256" {
				return fmt.Errorf("careidtest: a key plan for %s: the cards here have P-256", p.Algorithm)
			}
			key, err := token.GenerateKey(ctx, card.KeySpec{ID: p.ID, Label: string(p.Use), Algorithm: card.P256})
			if err != nil {
				return err
			}
			request, err := key.CertificateRequest(ctx, &x509.CertificateRequest{})
			if err != nil {
				return err
			}
			keys, requests = append(keys, key), append(requests, request)
		}
		return nil
	})
	return keys, requests, err
}

func (v *virtual) keep(ctx context.Context, keys []crypto.Signer, certificates []*x509.Certificate) error {
	return v.inserted(ctx, func(token *card.Card) error {
		for i, use := range []careid.KeyUse{careid.Authentication, careid.Signing} {
			if err := token.StoreCertificate(ctx, certificates[i], string(use)); err != nil {
				return err
			}
		}
		all, err := token.Keys(ctx)
		if err != nil {
			return err
		}
		for _, old := range all {
			if slices.ContainsFunc(keys, func(k crypto.Signer) bool { return samePublic(k.Public(), old.Public()) }) {
				continue
			}
			if err := old.Delete(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

func (v *virtual) officer(ctx context.Context, soPIN []byte) (opens bool, err error) {
	err = v.inserted(ctx, func(token *card.Card) error {
		so, err := token.SO(ctx, soPIN, card.LoginOptions{})
		if errors.Is(err, card.ErrWrongSOPIN) {
			return nil
		}
		if err == nil {
			opens = true
			so.Close()
		}
		return err
	})
	return opens, err
}

func (v *virtual) reset(ctx context.Context, soPIN, next, passcode []byte) error {
	return v.inserted(ctx, func(token *card.Card) error {
		so, err := token.SO(ctx, soPIN, card.LoginOptions{})
		if err != nil {
			return err
		}
		defer so.Close()
		if err := so.ChangeSOPIN(ctx, soPIN, next); err != nil {
			return err
		}
		return so.InitPIN(ctx, passcode)
	})
}
