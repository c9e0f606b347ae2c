// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// Passcode is that of every card whose Persona names no other.
const Passcode = "246810"

// MaxTries is how many wrong passcodes in a row lock a card.
const MaxTries = 3

// opened does something with the card while it is open for that passcode, and says no as an agent does.
func (c *Card) opened(ctx context.Context, passcode []byte, do func() error) error {
	if c.virtual != nil {
		return c.virtual.opened(ctx, passcode, do)
	}
	if err := c.typed(passcode); err != nil {
		return asAgent(err)
	}
	return do()
}

// typed tries a passcode on a card in memory.
func (c *Card) typed(passcode []byte) error {
	switch {
	case c.Tries >= MaxTries:
		return card.ErrLocked
	case bytes.Equal(passcode, c.Passcode):
		if c.Tries > 0 { // many may sign in at once with a card that nobody mistyped
			c.Tries = 0
		}
		return nil
	}
	if c.Tries++; c.Tries >= MaxTries {
		return card.ErrLocked
	}
	return card.ErrWrongPIN
}

// asAgent is the refusal that an agent makes of a card's error.
func asAgent(err error) error {
	rule := wardkey.RuleOf(err)
	if rule == "" {
		return err
	}
	book, broken := agent.Rulebook()
	if broken != nil {
		return broken
	}
	return book.Refuse(rule).Because(err)
}

// empty makes the card ready to be issued: no keys, this SO PIN, its holder's passcode.
func (c *Card) empty(ctx context.Context, soPIN []byte) error {
	if c.virtual != nil {
		if err := c.virtual.empty(ctx, c.SOPIN, soPIN, c.Passcode); err != nil {
			return err
		}
	}
	c.SOPIN, c.Tries = soPIN, 0
	return nil
}

// requests makes two new keys on the card, and their requests.
func (c *Card) requests(ctx context.Context, plan []careid.KeyPlan) ([]crypto.Signer, []*x509.CertificateRequest, error) {
	if c.virtual != nil {
		return c.virtual.requests(ctx, plan)
	}
	return pkitest.Requests()
}

// keep puts a new pair in the place of the old one.
func (c *Card) keep(ctx context.Context, keys []crypto.Signer, certificates []*x509.Certificate) error {
	if c.virtual != nil {
		if err := c.virtual.keep(ctx, keys, certificates); err != nil {
			return err
		}
	}
	c.Keys, c.Certificates = keys, certificates
	return nil
}

// officer says whether an SO PIN opens the card.
func (c *Card) officer(ctx context.Context, soPIN []byte) (bool, error) {
	if c.virtual != nil {
		return c.virtual.officer(ctx, soPIN)
	}
	return bytes.Equal(soPIN, c.SOPIN), nil
}

// reset gives an opened card the next SO PIN and its holder's passcode.
func (c *Card) reset(ctx context.Context, soPIN, next []byte) error {
	if c.virtual != nil {
		if err := c.virtual.reset(ctx, soPIN, next, c.Passcode); err != nil {
			return err
		}
	}
	c.SOPIN, c.Tries = next, 0
	return nil
}
