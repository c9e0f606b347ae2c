// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/wardkey-sdk/wardkey/card"
)

// Personal is what a card is made ready with.
type Personal struct {
	Label string // default "Wardkey card"
	PIN   []byte // default 123456
	SOPIN []byte // default 87654321
	// Keys are made on the card, in this order. Default: P-256 pairs with the
	// ids 1 ("authentication") and 2 ("signing").
	Keys []card.KeySpec
	// Certify gives the certificate of each key, in their order, to be stored;
	// nil leaves the card without.
	Certify func([]*card.Key) ([]*x509.Certificate, error)
}

func (p Personal) withDefaults() Personal {
	if p.Label == "" {
		p.Label = "Wardkey card"
	}
	if p.PIN == nil {
		p.PIN = []byte("123456")
	}
	if p.SOPIN == nil {
		p.SOPIN = []byte("87654321")
	}
	if p.Keys == nil {
		p.Keys = []card.KeySpec{
			{ID: []byte{1}, Label: "authentication", Algorithm: card.P256},
			{ID: []byte{2}, Label: "signing", Algorithm: card.P256},
		}
	}
	return p
}

// Personalised puts a new card into an empty reader and makes it ready there, by
// the same calls that a workstation makes: initialised, with PINs, keys and
// certificates. The card stays in the reader, logged out.
func (t *Tray) Personalised(reader int, p Personal) (serial string, err error) {
	p = p.withDefaults()
	if serial, err = t.Blank(); err != nil {
		return "", err
	}
	if err := t.Insert(reader, serial); err != nil {
		return "", err
	}
	module, err := card.Open(card.Config{Module: t.module})
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	c, err := module.Card(ctx, card.Selector{Serial: serial})
	if err == nil {
		err = p.apply(ctx, c)
	}
	return serial, errors.Join(err, module.Close())
}

// apply makes a blank card ready.
func (p Personal) apply(ctx context.Context, c *card.Card) error {
	if err := c.Initialize(ctx, p.SOPIN, p.Label); err != nil {
		return err
	}
	if err := c.ResetPIN(ctx, p.SOPIN, p.PIN); err != nil {
		return err
	}
	if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
		return err
	}
	var keys []*card.Key
	for _, spec := range p.Keys {
		k, err := c.GenerateKey(ctx, spec)
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	if p.Certify != nil {
		certificates, err := p.Certify(keys)
		if err != nil {
			return err
		}
		for i, cert := range certificates {
			if err := c.StoreCertificate(ctx, cert, p.Keys[i].Label); err != nil {
				return err
			}
		}
	}
	return c.Logout(ctx)
}
