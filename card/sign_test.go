// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

var (
	_ crypto.Signer        = (*card.Key)(nil)
	_ crypto.MessageSigner = (*card.Key)(nil)
)

// What no hash stands for is refused, and not a crash.
func TestHashesThatNobodyKnows(t *testing.T) {
	d := deskWith(t, cardtest.Config{}, cardtest.Personal{Keys: []card.KeySpec{
		{ID: []byte{1}, Algorithm: card.P256}, {ID: []byte{2}, Algorithm: card.RSA2048},
	}})
	d.login(d.card)
	digest := make([]byte, 32)
	for id := byte(1); id <= 2; id++ {
		k := d.key(d.card, id)
		for _, opts := range []crypto.SignerOpts{crypto.Hash(99), &rsa.PSSOptions{Hash: 99}, &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA1}} {
			_, err := k.Sign(nil, digest, opts)
			require.ErrorIs(t, err, card.ErrDigest)
			if opts.HashFunc() == 99 {
				_, err = k.SignMessage(nil, digest, opts)
				require.ErrorIs(t, err, card.ErrUnsupported)
			}
		}
		_, err := k.Sign(nil, digest, nil)
		require.ErrorIs(t, err, card.ErrDigest)
		_, err = k.SignMessage(nil, digest, nil)
		require.ErrorIs(t, err, card.ErrDigest)
	}
	_, err := d.key(d.card, 2).Sign(nil, digest, &rsa.PSSOptions{SaltLength: 8})
	require.ErrorIs(t, err, card.ErrUnsupported)
	_, err = d.key(d.card, 2).Sign(nil, digest, &rsa.PSSOptions{SaltLength: -2, Hash: crypto.SHA256})
	require.ErrorIs(t, err, card.ErrUnsupported)
	// The salt fills what the key leaves, and not one byte more.
	for salt, fits := range map[int]bool{256 - 2 - 32: true, 256 - 2 - 32 + 1: false} {
		opts := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
		signature, err := d.key(d.card, 2).Sign(nil, digest, opts)
		if !fits {
			require.ErrorIs(t, err, card.ErrUnsupported)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPSS(d.key(d.card, 2).Public().(*rsa.PublicKey), crypto.SHA256, digest, signature, opts))
	}
}

func TestSignMessage(t *testing.T) {
	d := deskWith(t, cardtest.Config{}, cardtest.Personal{Keys: []card.KeySpec{
		{ID: []byte{1}, Algorithm: card.P384}, {ID: []byte{2}, Algorithm: card.RSA2048},
	}})
	d.login(d.card)
	for _, message := range [][]byte{nil, []byte("night shift"), bytes.Repeat([]byte("w"), 100_000)} {
		digest := sha256.Sum256(message)
		for id := byte(1); id <= 2; id++ {
			k := d.key(d.card, id)
			signature, err := crypto.SignMessage(k, nil, message, crypto.SHA256)
			require.NoError(t, err)
			require.NoError(t, verify(k.Public(), crypto.SHA256, digest[:], signature))
		}
	}
}

// A card that is out is told before a login that is missing.
func TestOutAndLoggedOut(t *testing.T) {
	d := newDesk(t)
	k := d.key(d.card, 1)
	require.ErrorIs(t, signs(t.Context(), k), card.ErrNotLoggedIn)
	d.remove(0)
	require.ErrorIs(t, signs(t.Context(), k), card.ErrRemoved)
	d.insert(0, d.serial)
	require.ErrorIs(t, signs(t.Context(), k), card.ErrNotLoggedIn)
}

func TestAlwaysAuthenticate(t *testing.T) {
	type desk3 struct {
		*desk
		key   *card.Key
		asked []card.Prompt
		pin   []byte
	}
	start := func(t *testing.T) *desk3 {
		d := &desk3{pin: goodPIN, desk: deskWith(t, cardtest.Config{}, cardtest.Personal{Keys: []card.KeySpec{
			{ID: []byte{1}, Label: "authentication", Algorithm: card.P256},
			{ID: []byte{2}, Label: "signing", Algorithm: card.P256, AlwaysAuthenticate: true},
		}})}
		d.key = d.desk.key(d.card, 2)
		return d
	}
	prompt := func(d *desk3) {
		var mu sync.Mutex
		d.card.PromptWith(func(_ context.Context, p card.Prompt) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			d.asked = append(d.asked, p)
			return bytes.Clone(d.pin), nil
		})
	}
	t.Run("each signature asks once", func(t *testing.T) {
		d := start(t)
		ctx := t.Context()
		d.login(d.card)
		require.ErrorIs(t, signs(ctx, d.key), card.ErrNotLoggedIn, "nobody to ask")
		require.NoError(t, signs(ctx, d.desk.key(d.card, 1)), "the other key wants none")
		prompt(d)
		for n := range 3 {
			require.NoError(t, signs(ctx, d.key))
			require.Len(t, d.asked, n+1)
			require.Equal(t, card.Prompt{Serial: d.serial, Label: "Wardkey card", Op: "sign", Once: true}, d.asked[n])
		}
		require.NoError(t, signs(ctx, d.desk.key(d.card, 1)))
		require.Len(t, d.asked, 3)
		require.Equal(t, card.PINReady, d.state())
	})
	t.Run("login first, then the signature", func(t *testing.T) {
		d := start(t)
		prompt(d)
		require.NoError(t, signs(t.Context(), d.key))
		require.Len(t, d.asked, 2)
		require.False(t, d.asked[0].Once)
		require.True(t, d.asked[1].Once)
		d.remove(0)
		require.ErrorIs(t, signs(t.Context(), d.key), card.ErrRemoved)
		d.insert(0, d.serial)
		require.NoError(t, signs(t.Context(), d.key))
		require.Len(t, d.asked, 4)
	})
	t.Run("a wrong PIN counts, is not sent again, and locks", func(t *testing.T) {
		d := start(t)
		ctx := t.Context()
		d.login(d.card)
		prompt(d)
		d.pin = wrongPIN
		err := signs(ctx, d.key)
		require.ErrorIs(t, err, card.ErrWrongPIN)
		role, state, left := pinError(t, err)
		require.Equal(t, card.RoleUser, role)
		require.Equal(t, card.PINLow, state)
		require.Equal(t, -1, left)
		require.Len(t, d.asked, 1)
		require.NoError(t, signs(ctx, d.desk.key(d.card, 1)), "the login stands, and no operation is left open")
		require.ErrorIs(t, signs(ctx, d.key), card.ErrWrongPIN)
		require.Equal(t, card.PINFinalTry, d.state())
		require.ErrorIs(t, signs(ctx, d.key), card.ErrFinalTry)
		require.Len(t, d.asked, 2, "nobody is asked for the last try")
		require.Equal(t, card.PINFinalTry, d.state())
		require.NoError(t, d.card.Login(ctx, goodPIN, dareAll))
		d.pin = []byte("1")
		require.ErrorIs(t, signs(ctx, d.key), card.ErrPINLength)
		require.Equal(t, card.PINReady, d.state(), "a length costs no try")
		d.pin = goodPIN
		require.NoError(t, signs(ctx, d.key))
	})
	t.Run("pulled during the prompt", func(t *testing.T) {
		d := start(t)
		ctx := t.Context()
		d.login(d.card)
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
			d.remove(0)
			return bytes.Clone(goodPIN), nil
		})
		require.ErrorIs(t, signs(ctx, d.key), card.ErrRemoved)
		d.insert(0, d.serial)
		require.Equal(t, card.PINReady, d.state())
	})
	t.Run("from many goroutines", func(t *testing.T) {
		d := start(t)
		prompt(d)
		var all sync.WaitGroup
		var good atomic.Int32
		for range 16 {
			all.Go(func() {
				if err := signs(t.Context(), d.key); err != nil {
					t.Error(err)
					return
				}
				good.Add(1)
			})
		}
		all.Wait()
		require.EqualValues(t, 16, good.Load())
		require.Len(t, d.asked, 17, "one login, and one PIN a signature")
	})
}
