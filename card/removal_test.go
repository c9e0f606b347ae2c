// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func TestRemoval(t *testing.T) {
	t.Run("the same Key works again after a login", func(t *testing.T) {
		d := newDesk(t)
		ctx := t.Context()
		d.login(d.card)
		k := d.key(d.card, 1)
		for reader := range 2 {
			require.NoError(t, signs(ctx, k))
			d.remove(reader)
			err := signs(ctx, k)
			require.ErrorIs(t, err, card.ErrRemoved)
			require.Equal(t, "card.removed", rule(err))
			require.ErrorIs(t, d.card.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrRemoved)
			d.insert(1-reader, d.serial)
			require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)
			d.login(d.card)
			require.NoError(t, signs(ctx, k), "in the other reader too")
		}
	})
	t.Run("row039", func(t *testing.T) {
		d := newDesk(t)
		d.login(d.card)
		k := d.key(d.card, 1)
		require.NoError(t, signs(t.Context(), k))
		d.remove(0)
		d.insert(0, d.serial)
		require.ErrorIs(t, signs(t.Context(), k), card.ErrNotLoggedIn)
		_, err := d.card.GenerateKey(t.Context(), card.KeySpec{ID: []byte{9}, Algorithm: card.P256})
		require.ErrorIs(t, err, card.ErrNotLoggedIn)
	})
	t.Run("reading goes on by itself", func(t *testing.T) {
		d := newDesk(t)
		d.remove(0)
		_, err := d.card.Keys(t.Context())
		require.ErrorIs(t, err, card.ErrRemoved)
		d.insert(0, d.serial)
		keys, err := d.card.Keys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 2)
	})
	t.Run("row034", func(t *testing.T) {
		d := newDesk(t)
		d.remove(0)
		_, err := d.module.Card(t.Context(), card.Selector{Serial: d.serial})
		require.ErrorIs(t, err, card.ErrNoCard)
		require.Equal(t, "card.absent", rule(err), "it is about the card, and not about its PIN")
	})
}

func TestPrompter(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	var asked atomic.Int32
	answer := goodPIN
	var given []byte
	d.card.PromptWith(func(_ context.Context, p card.Prompt) ([]byte, error) {
		asked.Add(1)
		require.Equal(t, d.serial, p.Serial)
		given = append([]byte{}, answer...)
		return given, nil
	})
	k := d.key(d.card, 1)
	require.NoError(t, signs(ctx, k))
	require.NoError(t, signs(ctx, k))
	require.EqualValues(t, 1, asked.Load())
	require.Equal(t, make([]byte, len(goodPIN)), given, "what a Prompter gives is cleared")

	d.remove(0)
	require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
	require.EqualValues(t, 1, asked.Load(), "nobody is asked for a card that isn't there")
	d.insert(0, d.serial)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := signs(ctx, k); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 2, asked.Load(), "one prompt for all who wait")
	_, err := d.card.GenerateKey(ctx, card.KeySpec{ID: []byte{9}, Algorithm: card.P256})
	require.NoError(t, err)

	require.NoError(t, d.card.Logout(ctx))
	cancelled := errors.New("the person went away")
	d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return nil, cancelled })
	require.ErrorIs(t, signs(ctx, k), cancelled)
}

func TestThreats(t *testing.T) {
	t.Run("the card's part of threat034", func(t *testing.T) {
		// Pulled at every step of a sign-in, slowly and twice within 200 ms: the
		// login is dead at the next call, and told within two seconds.
		d := newDesk(t)
		ctx := t.Context()
		k := d.key(d.card, 1)
		events := make(chan card.Event, 64)
		go func() {
			for e := range d.module.Events(ctx) {
				events <- e
			}
		}()
		expect := func(kinds ...card.Kind) {
			t.Helper()
			for _, kind := range kinds {
				select {
				case e := <-events:
					require.Equal(t, kind, e.Kind)
					require.Equal(t, d.serial, e.Serial)
				case <-time.After(2 * time.Second):
					t.Fatalf("no %v within two seconds", kind)
				}
			}
		}
		expect(card.Inserted)

		d.login(d.card)
		require.NoError(t, signs(ctx, k))
		d.remove(0)
		expect(card.Removed)
		d.insert(0, d.serial)
		expect(card.Inserted)
		require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn, "insertion revives nothing")

		d.login(d.card)
		d.remove(0)
		d.insert(0, d.serial)
		d.remove(0)
		d.insert(0, d.serial)
		expect(card.Removed, card.Inserted)
		require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)

		d.login(d.card)
		d.remove(0)
		d.insert(0, d.serial)
		require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrWrongPIN, "the next call after it")
		require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)
		expect(card.Removed, card.Inserted)
	})
	t.Run("the card's part of threat035", func(t *testing.T) {
		// A card in another reader comes, goes and fails: no event of ours.
		d := newDesk(t)
		other, err := d.tray.Personalised(1, cardtest.Personal{})
		require.NoError(t, err)
		d.login(d.card)
		ctx, stop := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer stop()
		removed := map[string]int{}
		go func() {
			time.Sleep(300 * time.Millisecond)
			if err := d.tray.Damage(other); err != nil {
				t.Error(err)
			}
		}()
		for e := range d.module.Events(ctx) {
			if e.Kind == card.Removed {
				removed[e.Serial]++
			}
		}
		require.Empty(t, removed, "a card that can't be read is not a card that was pulled")
		require.NoError(t, signs(t.Context(), d.key(d.card, 1)))
	})
	t.Run("threat040", func(t *testing.T) {
		d := newDesk(t)
		ctx := t.Context()
		d.login(d.card)
		k := d.key(d.card, 1)
		spoof, err := d.tray.Personalised(1, cardtest.Personal{}) // same label, PIN and key ids
		require.NoError(t, err)
		_, err = d.module.Card(ctx, card.Selector{Label: "Wardkey card"})
		require.ErrorIs(t, err, card.ErrAmbiguous)

		d.remove(1)
		d.remove(0)
		d.insert(0, spoof) // in the place of ours, between login and signature
		require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
		require.ErrorIs(t, d.card.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrRemoved)
		require.ErrorIs(t, d.card.ChangePIN(ctx, goodPIN, otherPIN), card.ErrRemoved)
		_, err = d.card.Certificates(ctx)
		require.ErrorIs(t, err, card.ErrRemoved)

		// The right serial with another key under the same id.
		d.remove(0)
		d.insert(0, d.serial)
		second := d.find(d.serial)
		d.login(second)
		require.NoError(t, d.key(second, 1).Delete(ctx))
		_, err = second.GenerateKey(ctx, card.KeySpec{ID: []byte{1}, Label: "authentication", Algorithm: card.P256})
		require.NoError(t, err)
		d.login(d.card)
		require.ErrorIs(t, signs(ctx, k), card.ErrNotFound)
	})
	t.Run("threat042", func(t *testing.T) {
		d := newDesk(t)
		ctx := t.Context()
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return append([]byte{}, goodPIN...), nil })
		keys := []*card.Key{d.key(d.card, 1), d.key(d.card, 2)}
		until := time.Now().Add(1500 * time.Millisecond)
		var good atomic.Int64
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				for time.Now().Before(until) {
					switch err := signs(ctx, keys[i%2]); {
					case err == nil: // signs verifies with the right key: no mixed results
						good.Add(1)
					case errors.Is(err, card.ErrRemoved), errors.Is(err, card.ErrNotLoggedIn):
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		for time.Now().Before(until) {
			time.Sleep(rand.N(40 * time.Millisecond))
			d.remove(0)
			time.Sleep(rand.N(10 * time.Millisecond))
			d.insert(0, d.serial)
		}
		all.Wait()
		require.NoError(t, signs(ctx, keys[0]))
		t.Logf("%d good signatures", good.Load())
		require.Positive(t, good.Load())
	})
	t.Run("threat044", func(t *testing.T) {
		// A wrong PIN is never sent again by itself, whoever gave it.
		d := newDesk(t)
		ctx := t.Context()
		asked := 0
		d.card.PromptWith(func(_ context.Context, p card.Prompt) ([]byte, error) {
			asked++
			return append([]byte{}, wrongPIN...), nil
		})
		k := d.key(d.card, 1)
		require.ErrorIs(t, signs(ctx, k), card.ErrWrongPIN)
		require.Equal(t, card.PINLow, d.state())
		require.Equal(t, 1, asked)
		require.ErrorIs(t, signs(ctx, k), card.ErrWrongPIN)
		require.Equal(t, card.PINFinalTry, d.state())
		require.Equal(t, 2, asked, "one question a call")
		require.ErrorIs(t, signs(ctx, k), card.ErrFinalTry)
		require.Equal(t, 2, asked, "nobody is asked for the last try")
		d.remove(0)
		d.insert(0, d.serial)
		require.ErrorIs(t, signs(ctx, k), card.ErrFinalTry)
		require.Equal(t, card.PINFinalTry, d.state(), "a removal sends nothing again")
	})
}
