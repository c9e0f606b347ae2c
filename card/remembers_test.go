// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// OpenSC answers from memory what it has read, until it is asked for a slot: no
// call takes that for a card that is in its reader. The lane of OpenSC itself is
// in cardtest/lanes.
func TestModuleThatRemembers(t *testing.T) {
	t.Run("threat034", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		q.are("remembers")
		k := d.key(d.card, 1)
		certificate := newIssuer(t).certificate(t, k.Public(), false)
		spec := card.KeySpec{ID: []byte{9}, Algorithm: card.P256}
		calls := map[string]func() error{
			"Keys":             func() error { _, err := d.card.Keys(ctx); return err },
			"Key":              func() error { _, err := d.card.Key(ctx, card.KeySelector{ID: []byte{1}}); return err },
			"Certificates":     func() error { _, err := d.card.Certificates(ctx); return err },
			"Authentication":   func() error { _, _, err := d.card.Authentication(ctx); return err },
			"TLS":              func() error { _, err := k.TLS(ctx, certificate); return err },
			"Info":             func() error { _, err := d.card.Info(ctx); return err },
			"Sign":             func() error { return signs(ctx, k) },
			"Login":            func() error { return d.card.Login(ctx, goodPIN, card.LoginOptions{}) },
			"ChangePIN":        func() error { return d.card.ChangePIN(ctx, goodPIN, otherPIN) },
			"GenerateKey":      func() error { _, err := d.card.GenerateKey(ctx, spec); return err },
			"StoreCertificate": func() error { return d.card.StoreCertificate(ctx, certificate, "authentication") },
			"Delete":           func() error { return k.Delete(ctx) },
			"SO":               func() error { _, err := d.card.SO(ctx, soPIN, card.LoginOptions{}); return err },
		}
		for name, call := range calls {
			d.login(d.card)
			require.NoError(t, signs(ctx, k))
			d.remove(0)
			require.ErrorIs(t, call(), card.ErrRemoved, name)
			d.insert(0, d.serial)
			require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn, name)

			d.login(d.card)
			d.remove(0)
			d.insert(0, d.serial)
			keys, err := d.card.Keys(ctx)
			require.NoError(t, err)
			require.Len(t, keys, 2, "what is there now, and not what was remembered")
		}
	})
}

// A signature is what it takes and no more: the reader isn't asked on the way.
func TestWhatASignatureCosts(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{})
	d.login(d.card)
	k := d.key(d.card, 1)
	require.NoError(t, signs(t.Context(), k)) // finds the key
	q.trace()
	require.NoError(t, signs(t.Context(), k))
	calls := slices.Compact(q.trace()) // the length may be asked for first
	require.Equal(t, []string{"C_GetInfo", "C_SignInit", "C_Sign"}, calls)
}
