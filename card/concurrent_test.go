// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// Closed while others work with it: each of them is answered, nothing calls the
// module afterwards, and it can be opened again.
func TestClosedUnderCalls(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{})
	ctx := t.Context()
	for range 10 {
		m, err := card.Open(card.Config{Module: q.path, Poll: time.Millisecond})
		require.NoError(t, err)
		require.NoError(t, d.module.Close())
		d.module = m // the only one
		c := d.find(d.serial)
		k := d.key(c, 1)
		d.login(c)
		var all sync.WaitGroup
		for _, call := range []func() error{
			func() error { return signs(ctx, k) },
			func() error { _, err := c.Keys(ctx); return err },
			func() error { _, err := c.Info(ctx); return err },
			func() error { _, err := m.Slots(ctx); return err },
			func() error { _, err := m.Card(ctx, card.Selector{Serial: d.serial}); return err },
			func() error { return c.Login(ctx, goodPIN, card.LoginOptions{}) },
			func() error {
				for range m.Events(ctx) {
				}
				return card.ErrClosed
			},
		} {
			all.Go(func() {
				for {
					err := call()
					if errors.Is(err, card.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, card.ErrNotLoggedIn) { // a Login is under way
						t.Error(err)
						return
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		require.NoError(t, m.Close())
		q.trace()
		all.Wait()
		require.Empty(t, q.trace(), "no call after C_Finalize")
		d.module, err = card.Open(card.Config{Module: q.path})
		require.NoError(t, err)
	}
	d.login(d.find(d.serial))
}

// One that was let in before Close doesn't initialise the module anew after it.
func TestClosedUnderALook(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{})
	q.are("hang C_GetInfo")
	looked, closed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := d.module.Slots(t.Context()); looked <- err }()
	require.Eventually(t, func() bool { return len(q.called("C_GetInfo")) > 0 }, 20*time.Second, time.Millisecond)
	go func() { closed <- d.module.Close() }()
	time.Sleep(50 * time.Millisecond)
	q.are()
	require.NoError(t, <-closed)
	if err := <-looked; err != nil {
		require.ErrorIs(t, err, card.ErrClosed)
	}
	_, err := pkcs11.New(q.path).GetInfo()
	require.ErrorIs(t, err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED))
}

// The module dies and answers again while many work with it: each is told that the
// card was away or that the module failed just then, or is served.
func TestRevivedUnderCalls(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{})
	ctx := t.Context()
	d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return bytes.Clone(goodPIN), nil })
	k := d.key(d.card, 1)
	require.NoError(t, signs(ctx, k))
	stop := make(chan struct{})
	var good atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		call := []func() error{
			func() error { return signs(ctx, k) },
			func() error { return signs(ctx, k) },
			func() error { _, err := d.card.Keys(ctx); return err },
			func() error { _, err := d.module.Card(ctx, card.Selector{Serial: d.serial}); return err },
		}[i%4]
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := call()
				switch {
				case err == nil:
					good.Add(1)
				case errors.Is(err, card.ErrRemoved), errors.Is(err, card.ErrNoCard), errors.Is(err, card.ErrNotLoggedIn), errors.Is(err, card.ErrFailed):
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		before := good.Load()
		require.Eventually(t, func() bool { return good.Load() > before+8 }, 20*time.Second, time.Millisecond)
		q.are("dead")
		time.Sleep(5 * time.Millisecond)
		q.are()
	}
	close(stop)
	all.Wait()
	require.NoError(t, signs(ctx, k))
	require.Equal(t, card.PINReady, d.state())
}

// Who stops listening early leaves nothing behind, and may close from within.
func TestEventsThatNobodyWants(t *testing.T) {
	d := newDesk(t)
	for range 3 {
		for e := range d.module.Events(t.Context()) {
			require.Equal(t, card.Inserted, e.Kind)
			break
		}
	}
	m, err := card.Open(card.Config{Module: d.tray.Module(), Poll: time.Millisecond})
	require.NoError(t, err)
	told := 0
	for range m.Events(t.Context()) {
		told++
		require.NoError(t, m.Close())
	}
	require.Equal(t, 1, told)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for e := range d.module.Events(ended) {
		t.Fatal(e)
	}
	d.login(d.card)
	require.NoError(t, signs(t.Context(), d.key(d.card, 1)))
}

// Two Modules of one file: what one does ends nothing of the other's, and a login
// goes with the Module that made it.
func TestTwoModulesOfOneFile(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	second := func() (*card.Module, *card.Card) {
		m, err := card.Open(card.Config{Module: d.tray.Module()})
		require.NoError(t, err)
		c, err := m.Card(ctx, card.Selector{Serial: d.serial})
		require.NoError(t, err)
		return m, c
	}
	d.login(d.card)
	m, c := second()
	require.ErrorIs(t, signs(ctx, d.key(c, 1)), card.ErrNotLoggedIn)
	require.NoError(t, m.Close())
	require.NoError(t, signs(ctx, d.key(d.card, 1)), "the other Module's login stands")

	m, c = second()
	d.login(c)
	require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn, "taken over")
	state := witness(t, d.tray.Module(), 0)
	require.NoError(t, m.Close())
	require.EqualValues(t, pkcs11.CKS_RW_PUBLIC_SESSION, state(), "Close logged out")
}
