// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// The PINs that cardtest gives a card unless told otherwise.
var (
	goodPIN  = []byte("123456")
	wrongPIN = []byte("654321")
	otherPIN = []byte("998877")
	soPIN    = []byte("87654321")
	wrongSO  = []byte("00000000")

	dareAll = card.LoginOptions{FinalTry: true}
)

func TestMain(m *testing.M) {
	if act := os.Getenv("CARD_TEST_CHILD"); act != "" {
		child(act)
		return
	}
	need.Examples("cc", "softhsm")
	os.Exit(m.Run())
}

// desk is a tray with one ready card in reader 0, and its module open.
type desk struct {
	*testing.T
	tray   *cardtest.Tray
	module *card.Module
	card   *card.Card
	serial string
}

func newDesk(t *testing.T) *desk {
	return deskWith(t, cardtest.Config{}, cardtest.Personal{})
}

func deskWith(t *testing.T, c cardtest.Config, p cardtest.Personal) *desk {
	t.Helper()
	d := &desk{T: t, tray: cardtest.New(t, c)}
	var err error
	d.serial, err = d.tray.Personalised(0, p)
	require.NoError(t, err)
	d.module = open(t, d.tray.Module())
	d.card = d.find(d.serial)
	return d
}

func open(t testing.TB, path string) *card.Module {
	t.Helper()
	m, err := card.Open(card.Config{Module: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func (d *desk) find(serial string) *card.Card {
	d.Helper()
	c, err := d.module.Card(d.Context(), card.Selector{Serial: serial})
	require.NoError(d, err)
	return c
}

func (d *desk) login(c *card.Card) {
	d.Helper()
	require.NoError(d, c.Login(d.Context(), goodPIN, card.LoginOptions{}))
}

func (d *desk) key(c *card.Card, id byte) *card.Key {
	d.Helper()
	k, err := c.Key(d.Context(), card.KeySelector{ID: []byte{id}})
	require.NoError(d, err)
	return k
}

func (d *desk) state() card.PINState {
	d.Helper()
	info, err := d.card.Info(d.Context())
	require.NoError(d, err)
	return info.PIN
}

func (d *desk) insert(reader int, serial string) {
	d.Helper()
	require.NoError(d, d.tray.Insert(reader, serial))
}

func (d *desk) remove(reader int) {
	d.Helper()
	require.NoError(d, d.tray.Remove(reader))
}

// signs makes a signature and verifies it with the standard library.
func signs(ctx context.Context, k *card.Key) error {
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := k.SignContext(ctx, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	return verify(k.Public(), crypto.SHA256, digest[:], signature)
}

func verify(public crypto.PublicKey, hash crypto.Hash, digest, signature []byte) error {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(public, digest, signature) {
			return rsa.ErrVerification
		}
		return nil
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, hash, digest, signature)
	}
	return rsa.ErrVerification
}

func rule(err error) string {
	if r, ok := err.(interface{ Rule() string }); ok {
		return r.Rule()
	}
	return ""
}
