// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// The security officer's session ends with the card, and says so to the end.
func TestSOSessionPulled(t *testing.T) {
	t.Run("threat034", func(t *testing.T) {
		d := newDesk(t)
		ctx := t.Context()
		spoof, err := d.tray.Personalised(1, cardtest.Personal{})
		require.NoError(t, err)
		d.remove(1)
		for _, inItsPlace := range []string{"", d.serial, spoof} {
			so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
			require.NoError(t, err)
			d.remove(0)
			if inItsPlace != "" {
				d.insert(0, inItsPlace)
			}
			require.ErrorIs(t, so.ChangeSOPIN(ctx, wrongSO, soPIN), card.ErrRemoved)
			if inItsPlace == spoof {
				info, err := d.find(spoof).Info(ctx)
				require.NoError(t, err)
				require.Equal(t, card.PINReady, info.SOPIN, "the other card was shown no PIN")
				d.remove(0)
			}
			if inItsPlace != d.serial {
				d.insert(0, d.serial)
			}
			require.ErrorIs(t, so.InitPIN(ctx, otherPIN), card.ErrRemoved, "insertion revives nothing")
			so.Close()
			so.Close()
			require.ErrorIs(t, so.InitPIN(ctx, otherPIN), card.ErrClosed)
			info, err := d.card.Info(ctx)
			require.NoError(t, err)
			require.Equal(t, card.PINReady, info.SOPIN, "no try was spent")
			d.login(d.card) // and no PIN was changed
			require.NoError(t, d.card.Logout(ctx))
		}
	})
}

// A certificate is renewed, and the card fails at each call of it: the key has one
// that can be read throughout, and the next try leaves the new one alone.
func TestStoreCertificateCutShort(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	ca := newIssuer(t)
	k := d.key(d.card, 1)
	stored := func() [][]byte {
		all, err := d.card.Certificates(ctx)
		require.NoError(t, err)
		var raw [][]byte
		for _, c := range all {
			raw = append(raw, c.X509.Raw)
		}
		return raw
	}
	both := false
	for at := 1; ; at++ {
		before, after := ca.certificate(t, k.Public(), false), ca.certificate(t, k.Public(), false)
		d.login(d.card)
		require.NoError(t, d.card.StoreCertificate(ctx, before, "authentication"))
		require.Equal(t, [][]byte{before.Raw}, stored())
		d.behave(cardtest.Behaviour{FailAt: at})
		err := d.card.StoreCertificate(ctx, after, "authentication")
		d.behave(cardtest.Behaviour{})
		if err == nil {
			break
		}
		left := stored()
		require.NotEmpty(t, left, "at call %d the key has no certificate", at)
		both = both || len(left) == 2
		d.login(d.card)
		require.NoError(t, d.card.StoreCertificate(ctx, after, "authentication"))
		require.Equal(t, [][]byte{after.Raw}, stored())
	}
	require.True(t, both, "it failed between the new one and the old one too")
}

// A key is deleted, and the card fails at each call of it: what is left is found
// and deleted by who knows the id alone.
func TestDeleteCutShort(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	ca := newIssuer(t)
	spec := card.KeySpec{ID: []byte{9}, Label: "third", Algorithm: card.P256}
	halves := 0
	for at := 1; ; at++ {
		d.login(d.card)
		k, err := d.card.GenerateKey(ctx, spec)
		require.NoError(t, err, "at call %d", at)
		require.NoError(t, d.card.StoreCertificate(ctx, ca.certificate(t, k.Public(), false), "third"))
		d.behave(cardtest.Behaviour{FailAt: at})
		err = k.Delete(ctx)
		d.behave(cardtest.Behaviour{})
		if err == nil {
			break
		}
		d.login(d.card)
		_, err = d.card.GenerateKey(ctx, spec)
		require.ErrorIs(t, err, card.ErrExists, "at call %d", at)
		left := d.key(d.card, 9)
		if err := signs(ctx, left); err != nil {
			require.ErrorIs(t, err, card.ErrNotFound)
			halves++
		}
		require.NoError(t, left.Delete(ctx))
		_, err = d.card.Key(ctx, card.KeySelector{ID: []byte{9}})
		require.ErrorIs(t, err, card.ErrNotFound)
	}
	require.Positive(t, halves, "it failed between the private key and the public one too")
}
