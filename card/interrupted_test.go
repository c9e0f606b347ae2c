// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// watched is what Events told.
type watched struct {
	*testing.T
	events chan card.Event
}

func watch(ctx context.Context, t *testing.T, m *card.Module) *watched {
	w := &watched{T: t, events: make(chan card.Event, 256)}
	go func() {
		defer close(w.events)
		for e := range m.Events(ctx) {
			w.events <- e
		}
	}()
	return w
}

// expect waits for these kinds of event, in order, all of one card.
func (w *watched) expect(serial string, kinds ...card.Kind) {
	w.Helper()
	for _, kind := range kinds {
		select {
		case e := <-w.events:
			require.Equal(w, kind, e.Kind)
			require.Equal(w, serial, e.Serial)
		case <-time.After(20 * time.Second):
			w.Fatalf("no %v", kind)
		}
	}
}

// The card is pulled while the module works on a call, at each call of what is
// done: it is told as a removal and never as a wrong PIN, spends no try that the
// card didn't see, and after insertion nothing is logged in.
func TestPulledAtEachCall(t *testing.T) {
	t.Run("threat034", func(t *testing.T) {
		ca := newIssuer(t)
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		signer := d.key(d.card, 1)
		certificate := ca.certificate(t, d.key(d.card, 1).Public(), false)
		for name, do := range map[string]func() error{
			"login and sign": func() error {
				if err := d.card.Login(ctx, goodPIN, card.LoginOptions{}); err != nil {
					return err
				}
				return signs(ctx, signer)
			},
			"change PIN": func() error { return d.card.ChangePIN(ctx, goodPIN, goodPIN) },
			"store certificate": func() error {
				if err := d.card.Login(ctx, goodPIN, card.LoginOptions{}); err != nil {
					return err
				}
				return d.card.StoreCertificate(ctx, certificate, "authentication")
			},
			"reset PIN": func() error { return d.card.ResetPIN(ctx, soPIN, goodPIN) },
		} {
			t.Run(name, func(t *testing.T) {
				for at := 1; ; at++ {
					require.NoError(t, d.card.Logout(ctx))
					q.are(fmt.Sprint("stop ", at))
					done := make(chan error, 1)
					go func() { done <- do() }()
					stopped := q.stopped(done)
					if stopped {
						d.remove(0)
						q.goOn()
					}
					err := <-done
					q.are()
					if !stopped {
						require.NoError(t, err)
						return
					}
					if err != nil { // else it was pulled after the last call that mattered
						require.ErrorIs(t, err, card.ErrRemoved, "at call %d", at)
					}
					require.NotErrorIs(t, err, card.ErrWrongPIN)
					require.ErrorIs(t, signs(ctx, signer), card.ErrRemoved)
					d.insert(0, d.serial)
					require.ErrorIs(t, signs(ctx, signer), card.ErrNotLoggedIn, "insertion revives nothing, at call %d", at)
					info, err := d.card.Info(ctx)
					require.NoError(t, err)
					require.Equal(t, card.PINReady, info.PIN, "at call %d", at)
					require.Equal(t, card.PINReady, info.SOPIN)
				}
			})
		}
	})
}

// The ways in which a card leaves without being pulled.
func TestOtherRemovals(t *testing.T) {
	t.Run("threat034", func(t *testing.T) {
		t.Run("the reader is unplugged", func(t *testing.T) {
			d, q := quirkyDesk(t, cardtest.Personal{})
			ctx := t.Context()
			d.login(d.card)
			k := d.key(d.card, 1)
			require.NoError(t, signs(ctx, k))
			w := watch(ctx, t, d.module)
			w.expect(d.serial, card.Inserted)
			q.are("unplugged", "fail C_SignInit b3", "fail C_GetSessionInfo b3")
			w.expect(d.serial, card.Removed)
			require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
			q.are()
			w.expect(d.serial, card.Inserted)
			require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)
		})
		t.Run("into the other reader between two looks", func(t *testing.T) {
			d := newDesk(t)
			w := watch(t.Context(), t, d.module)
			w.expect(d.serial, card.Inserted)
			d.remove(0)
			d.insert(1, d.serial)
			w.expect(d.serial, card.Removed, card.Inserted)
		})
		t.Run("the machine was suspended", func(t *testing.T) {
			d := newDesk(t)
			self, err := os.Executable()
			require.NoError(t, err)
			child := exec.Command(self)
			told := filepath.Join(t.TempDir(), "told")
			child.Env = append(os.Environ(), "CARD_TEST_CHILD=suspend", "CARD_TEST_MODULE="+d.tray.Module(), "CARD_TEST_TOLD="+told)
			child.Stderr = os.Stderr
			require.NoError(t, child.Start())
			ended := make(chan error, 1)
			go func() { ended <- child.Wait() }()
			t.Cleanup(func() { _ = child.Process.Kill() })
			require.Eventually(t, func() bool { _, err := os.Stat(told); return err == nil }, 20*time.Second, time.Millisecond)
			require.NoError(t, child.Process.Signal(syscall.SIGSTOP))
			d.remove(0)
			d.insert(0, d.serial)
			require.NoError(t, os.Remove(told))
			require.NoError(t, child.Process.Signal(syscall.SIGCONT))
			require.NoError(t, <-ended)
		})
	})
}

// suspended signs until it may no longer, and ends well if that was because it
// isn't logged in.
func suspended(c *card.Card) error {
	if err := c.Login(background, goodPIN, card.LoginOptions{}); err != nil {
		return err
	}
	k, err := c.Key(background, card.KeySelector{ID: []byte{1}})
	if err != nil {
		return err
	}
	if err := signs(background, k); err != nil {
		return err
	}
	told := os.Getenv("CARD_TEST_TOLD")
	if err := os.WriteFile(told, nil, 0o600); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(told); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := signs(background, k); !errors.Is(err, card.ErrNotLoggedIn) {
		return fmt.Errorf("after the sleep: %w", err)
	}
	return nil
}

// What looks like a removal and is none.
func TestNoRemoval(t *testing.T) {
	t.Run("threat035", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		other, err := d.tray.Personalised(1, cardtest.Personal{})
		require.NoError(t, err)
		d.login(d.card)
		k := d.key(d.card, 1)
		require.NoError(t, signs(ctx, k))
		w := watch(ctx, t, d.module)
		var first []string
		for range 2 {
			e := <-w.events
			require.Equal(t, card.Inserted, e.Kind)
			first = append(first, e.Serial)
		}
		require.ElementsMatch(t, []string{d.serial, other}, first)

		// looks waits until the module was asked a few times more.
		looks := func() {
			t.Helper()
			q.trace()
			seen := 0
			require.Eventually(t, func() bool {
				seen += len(q.called("C_GetSlotList"))
				return seen >= 3
			}, 20*time.Second, 10*time.Millisecond)
		}
		for _, quirk := range []string{
			"fail C_GetSlotList 5", "fail C_GetSlotList 30", "fail C_GetSlotInfo 30", "fail C_GetTokenInfo 5",
			"fail C_GetTokenInfo 30", "fail C_GetSessionInfo 30", "bad-reader",
		} {
			q.are(quirk)
			looks()
			q.are()
			looks()
			require.Empty(t, w.events, quirk)
			require.NoError(t, signs(ctx, k), quirk)
		}

		// One bad reader hides no other.
		q.are("bad-reader")
		slots, err := d.module.Slots(ctx)
		require.NoError(t, err)
		require.Len(t, slots, 2)
		require.Equal(t, d.serial, slots[0].Token.Serial)
		require.ErrorIs(t, slots[1].Err, card.ErrFailed)
		d.find(d.serial)
		_, err = d.module.Card(ctx, card.Selector{Serial: other})
		require.ErrorIs(t, err, card.ErrFailed)
		q.are()

		// Another reader's card.
		d.remove(1)
		w.expect(other, card.Removed)
		require.NoError(t, signs(ctx, k))
		d.insert(1, other)
		w.expect(other, card.Inserted)
		require.NoError(t, signs(ctx, k))
		require.Empty(t, w.events)
	})
}

func TestModuleThatHangs(t *testing.T) {
	t.Run("threat035", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		d.login(d.card)
		k := d.key(d.card, 1)
		require.NoError(t, signs(t.Context(), k))
		ctx, cancel := context.WithCancel(t.Context())
		w := watch(ctx, t, d.module)
		w.expect(d.serial, card.Inserted)
		q.are("hang C_GetSlotList")
		q.trace()
		require.Eventually(t, func() bool { return len(q.called("C_GetSlotList")) > 0 }, 20*time.Second, time.Millisecond)
		require.Empty(t, w.events)
		require.NoError(t, signs(t.Context(), k), "what needs no list of readers works")

		// Who waits for the list waits as long as its context, and no longer.
		short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer end()
		_, err := d.module.Slots(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = d.module.Card(short, card.Selector{Serial: d.serial})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = d.card.Info(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		select {
		case _, more := <-w.events:
			require.False(t, more, "nothing was told, and the end of the context ended it")
		case <-time.After(20 * time.Second):
			t.Fatal("Events outlives its context while the module hangs")
		}

		// Another module isn't kept by it.
		newDesk(t)
		q.are()
		_, err = d.card.Info(t.Context())
		require.NoError(t, err)
		require.NoError(t, signs(t.Context(), k))
	})
	t.Run("in every call", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		d.login(d.card)
		k := d.key(d.card, 1)
		q.are("hang C_GetInfo", "hang C_SignInit")
		q.trace()
		hung := make(chan error, 1)
		go func() { hung <- signs(t.Context(), k) }()
		require.Eventually(t, func() bool { return len(q.called("C_GetInfo", "C_SignInit")) > 0 }, 20*time.Second, time.Millisecond)
		short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer end()
		require.ErrorIs(t, signs(short, k), context.DeadlineExceeded, "who waits for the card that hangs")
		q.are()
		require.NoError(t, <-hung)
	})
	t.Run("one card, which hides no other", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		t.Cleanup(func() { q.are() }) // closing the module waits for it
		ctx := t.Context()
		other, err := d.tray.Personalised(1, cardtest.Personal{})
		require.NoError(t, err)
		d.login(d.card)
		k := d.key(d.card, 1)
		w := watch(ctx, t, d.module)
		require.Equal(t, card.Inserted, (<-w.events).Kind)
		require.Equal(t, card.Inserted, (<-w.events).Kind)
		q.are("hanging-card")
		for range 3 { // the first time it is waited for
			slots, err := d.module.Slots(ctx)
			require.NoError(t, err)
			require.Len(t, slots, 2)
			require.Equal(t, d.serial, slots[0].Token.Serial)
			require.Nil(t, slots[1].Token)
			require.ErrorIs(t, slots[1].Err, card.ErrHung)
			require.NotEmpty(t, slots[1].Description)
		}
		_, err = d.module.Card(ctx, card.Selector{Serial: other})
		require.ErrorIs(t, err, card.ErrHung)
		d.find(d.serial)
		require.NoError(t, signs(ctx, k))
		require.Empty(t, w.events, "nobody saw it leave")

		// A dead module is not initialised anew under a call.
		q.are("hanging-card", "fail C_GetInfo 30", "fail C_SignInit 30")
		short, end := context.WithTimeout(ctx, 50*time.Millisecond)
		defer end()
		require.ErrorIs(t, signs(short, k), context.DeadlineExceeded)
		q.are()
		require.Eventually(t, func() bool {
			slots, err := d.module.Slots(ctx)
			return err == nil && slots[1].Token != nil && slots[1].Token.Serial == other
		}, 20*time.Second, time.Millisecond)
		d.find(other)
	})
	t.Run("dead, and answering again", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		d.login(d.card)
		k := d.key(d.card, 1)
		require.NoError(t, signs(ctx, k))
		q.are("fail C_GetInfo 30", "fail C_GetSlotList 30", "fail C_SignInit 30")
		require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
		q.are()
		require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn, "its sessions went with it")
		d.login(d.card)
		require.NoError(t, signs(ctx, k))

		for name, call := range map[string]func() error{
			"sign":  func() error { return signs(ctx, k) },
			"keys":  func() error { _, err := d.card.Keys(ctx); return err },
			"login": func() error { return d.card.Login(ctx, goodPIN, card.LoginOptions{}) },
			"generate key": func() error {
				_, err := d.card.GenerateKey(ctx, card.KeySpec{ID: []byte{1}, Algorithm: card.P256})
				return err
			},
		} {
			for at := 1; ; at++ { // it dies in this call
				d.login(d.card)
				require.NoError(t, signs(ctx, k))
				q.are(fmt.Sprint("stop ", at))
				done := make(chan error, 1)
				go func() { done <- call() }()
				if !q.stopped(done) {
					q.are()
					break
				}
				q.are("dead")
				q.goOn()
				if err := <-done; err != nil { // else it died after the last call that mattered
					require.ErrorIs(t, err, card.ErrRemoved, "%s at call %d", name, at)
				}
				q.are()
				require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)
			}
		}
	})
}
