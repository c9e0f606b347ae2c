// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func (d *desk) behave(b cardtest.Behaviour) {
	d.Helper()
	require.NoError(d, d.tray.Behave(0, b))
}

// A card that fails at any one call: the error says so, no try is lost, and the
// next call works, because a session with an unfinished operation isn't used
// again.
func TestFailsAtEachCall(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	k := d.key(d.card, 1)
	for name, do := range map[string]func() error{
		"sign": func() error { return signs(ctx, k) },
		"keys": func() error { _, err := d.card.Keys(ctx); return err },
		"login": func() error {
			return d.card.Login(ctx, goodPIN, card.LoginOptions{})
		},
		"change PIN": func() error { return d.card.ChangePIN(ctx, goodPIN, goodPIN) },
	} {
		t.Run(name, func(t *testing.T) {
			failed := 0
			for at := 1; ; at++ {
				d.login(d.card)
				fresh := d.key(d.card, 1)
				if name == "sign" {
					k = fresh // finds the private key anew: more calls
				}
				d.behave(cardtest.Behaviour{FailAt: at})
				err := do()
				d.behave(cardtest.Behaviour{})
				require.NotErrorIs(t, err, card.ErrWrongPIN)
				require.NotErrorIs(t, err, card.ErrRemoved)
				if err == nil {
					break
				}
				failed++
				var e *card.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, "CKR_DEVICE_ERROR", e.Name)
				require.ErrorIs(t, err, card.ErrFailed)
				require.Equal(t, "card.failed", rule(err))
				require.Equal(t, card.PINReady, d.state())
				if err := signs(ctx, fresh); err != nil {
					require.ErrorIs(t, err, card.ErrNotLoggedIn, "at call %d", at)
					d.login(d.card)
				}
				require.NoError(t, signs(ctx, fresh), "at call %d", at)
			}
			require.Positive(t, failed)
		})
	}
}

// C_Sign fails after C_SignInit: the session has an operation that no call ends.
func TestUnfinishedOperation(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.login(d.card)
	k := d.key(d.card, 1)
	require.NoError(t, signs(ctx, k)) // from now on a signature is C_SignInit and C_Sign
	d.behave(cardtest.Behaviour{FailAt: 2})
	var e *card.Error
	require.ErrorAs(t, signs(ctx, k), &e)
	require.Equal(t, "C_Sign", e.Func)
	require.NoError(t, signs(ctx, k), "in a new session, still logged in")
}

func TestFullAndReadOnly(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.login(d.card)
	k := d.key(d.card, 1)
	cert := newIssuer(t).certificate(t, k.Public(), false)
	spec := card.KeySpec{ID: []byte{9}, Algorithm: card.P256}

	d.behave(cardtest.Behaviour{Full: true})
	err := d.card.StoreCertificate(ctx, cert, "authentication")
	require.ErrorIs(t, err, card.ErrFull)
	require.Equal(t, "card.full", rule(err))
	_, err = d.card.GenerateKey(ctx, spec)
	require.ErrorIs(t, err, card.ErrFull)
	require.NoError(t, signs(ctx, k))

	d.behave(cardtest.Behaviour{ReadOnly: true})
	d.remove(0)
	d.insert(0, d.serial)
	d.login(d.card)
	require.NoError(t, signs(ctx, k))
	_, err = d.card.GenerateKey(ctx, spec)
	require.ErrorIs(t, err, card.ErrUnsupported)
	require.NoError(t, signs(ctx, k), "an error doesn't cost the login")
	require.ErrorIs(t, d.card.StoreCertificate(ctx, cert, "authentication"), card.ErrUnsupported)

	d.behave(cardtest.Behaviour{})
	d.remove(0)
	d.insert(0, d.serial)
	d.login(d.card)
	require.NoError(t, d.card.StoreCertificate(ctx, cert, "authentication"))
}

// A card that hangs: who waits for it is let go by the context, and the call that
// hangs goes on where it was.
func TestHangs(t *testing.T) {
	d := newDesk(t)
	d.login(d.card)
	k := d.key(d.card, 1)
	d.behave(cardtest.Behaviour{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	for range 2 { // one hangs, and one waits for it
		go func() { answers <- signs(ctx, k) }()
	}
	select {
	case err := <-answers:
		t.Fatalf("the card hangs, and a signature answered %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	require.ErrorIs(t, <-answers, context.Canceled)
	d.behave(cardtest.Behaviour{})
	if err := <-answers; err != nil {
		require.ErrorIs(t, err, context.Canceled, "it came too late to hang")
	}
	require.NoError(t, signs(t.Context(), k))
}

func TestSlowAndPulled(t *testing.T) {
	d := newDesk(t)
	d.login(d.card)
	k := d.key(d.card, 1)
	require.NoError(t, signs(t.Context(), k))
	d.behave(cardtest.Behaviour{Slow: 100 * time.Millisecond})
	start := time.Now()
	require.NoError(t, signs(t.Context(), k))
	require.GreaterOrEqual(t, time.Since(start), 200*time.Millisecond, "C_SignInit and C_Sign")
	slow := make(chan error, 1)
	go func() { slow <- signs(t.Context(), k) }()
	time.Sleep(50 * time.Millisecond)
	d.remove(0)
	require.ErrorIs(t, <-slow, card.ErrRemoved)
}

// Each way to a signature makes one that verifies.
func TestMechanismsThatLack(t *testing.T) {
	d := deskWith(t, cardtest.Config{}, cardtest.Personal{Keys: []card.KeySpec{
		{ID: []byte{1}, Algorithm: card.RSA2048}, {ID: []byte{2}, Algorithm: card.P256},
	}})
	d.login(d.card)
	message := []byte("what is signed")
	digest := sha256.Sum256(message)
	options := []crypto.SignerOpts{crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}, &rsa.PSSOptions{Hash: crypto.SHA256}}
	check := func(public crypto.PublicKey, opts crypto.SignerOpts, signature []byte) {
		t.Helper()
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			require.NoError(t, rsa.VerifyPSS(public.(*rsa.PublicKey), crypto.SHA256, digest[:], signature, pss))
			return
		}
		require.NoError(t, verify(public, crypto.SHA256, digest[:], signature))
	}
	for _, b := range []cardtest.Behaviour{{}, {NoDigests: true}, {NoHashing: true}, {NoDigests: true, NoHashing: true}} {
		d.behave(b)
		k := d.key(d.card, 1)
		for _, opts := range options {
			for range 2 { // the second knows the way
				signature, err := k.Sign(nil, digest[:], opts)
				require.NoError(t, err)
				check(k.Public(), opts, signature)
				signature, err = k.SignMessage(nil, message, opts)
				require.NoError(t, err)
				check(k.Public(), opts, signature)
			}
		}
		ec := d.key(d.card, 2)
		err := signs(t.Context(), ec)
		if b.NoDigests { // nothing else signs a digest by ECDSA
			require.ErrorIs(t, err, card.ErrUnsupported)
			require.ErrorContains(t, err, "CKR_MECHANISM_INVALID")
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, signs(t.Context(), k), "the login stands")
	}
}

func TestResetPINByPUK(t *testing.T) {
	lock := func(t *testing.T) *desk {
		d := newDesk(t)
		d.behave(cardtest.Behaviour{PUK: true})
		for range 3 {
			require.Error(t, d.card.Login(t.Context(), wrongPIN, dareAll))
		}
		return d
	}
	t.Run("opens a locked card and ends logged out", func(t *testing.T) {
		d := lock(t)
		ctx := t.Context()
		require.ErrorIs(t, d.card.ResetPINByPUK(ctx, soPIN, []byte("1")), card.ErrPINLength)
		require.ErrorIs(t, d.card.ResetPINByPUK(ctx, []byte{}, otherPIN), card.ErrSOPINLength)
		require.ErrorIs(t, d.card.ResetPINByPUK(ctx, nil, otherPIN), card.ErrPINLength)
		require.Equal(t, card.PINLocked, d.state())
		require.NoError(t, d.card.ResetPINByPUK(ctx, soPIN, otherPIN))
		require.Equal(t, card.PINReady, d.state())
		require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)
		require.NoError(t, d.card.Login(ctx, otherPIN, card.LoginOptions{}))
		require.NoError(t, signs(ctx, d.key(d.card, 1)))
	})
	t.Run("the PUK locks", func(t *testing.T) {
		d := lock(t)
		for left, want := range []error{card.ErrWrongSOPIN, card.ErrWrongSOPIN, card.ErrSOLocked, card.ErrSOLocked} {
			err := d.card.ResetPINByPUK(t.Context(), wrongSO, otherPIN)
			require.ErrorIs(t, err, want)
			role, _, n := pinError(t, err)
			require.Equal(t, card.RolePUK, role)
			require.Equal(t, []int{-1, 1, 0, 0}[left], n)
		}
		require.ErrorIs(t, d.card.ResetPINByPUK(t.Context(), soPIN, otherPIN), card.ErrSOLocked)
		require.Equal(t, card.PINLocked, d.state())
	})
	t.Run("a holder is logged out", func(t *testing.T) {
		d := newDesk(t)
		d.behave(cardtest.Behaviour{PUK: true})
		d.login(d.card)
		require.NoError(t, d.card.ResetPINByPUK(t.Context(), soPIN, otherPIN))
		require.ErrorIs(t, signs(t.Context(), d.key(d.card, 1)), card.ErrNotLoggedIn)
	})
	t.Run("changing a PIN spends no PUK", func(t *testing.T) {
		d := newDesk(t)
		d.behave(cardtest.Behaviour{PUK: true})
		ctx := t.Context()
		require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrWrongPIN)
		require.NoError(t, d.card.ChangePIN(ctx, goodPIN, otherPIN))
		info, err := d.card.Info(ctx)
		require.NoError(t, err)
		require.Equal(t, card.PINReady, info.SOPIN)
		require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)
	})
	t.Run("pulled", func(t *testing.T) {
		d := lock(t)
		d.remove(0)
		require.ErrorIs(t, d.card.ResetPINByPUK(t.Context(), soPIN, otherPIN), card.ErrRemoved)
		d.insert(0, d.serial)
		require.NoError(t, d.card.ResetPINByPUK(t.Context(), soPIN, otherPIN))
	})
}

// A reader with its own PIN pad: the SDK never sees a PIN.
func TestPINPad(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	types := func(pins ...[]byte) { require.NoError(t, d.tray.TypePIN(0, pins...)) }
	d.behave(cardtest.Behaviour{PINPad: true, PUK: true})
	info, err := d.card.Info(ctx)
	require.NoError(t, err)
	require.True(t, info.PINPad)

	require.ErrorIs(t, d.card.Login(ctx, nil, card.LoginOptions{}), card.ErrNotLoggedIn, "cancelled at the reader")
	require.Equal(t, card.PINReady, d.state())
	types(wrongPIN)
	require.ErrorIs(t, d.card.Login(ctx, nil, card.LoginOptions{}), card.ErrWrongPIN)
	types(goodPIN)
	require.NoError(t, d.card.Login(ctx, nil, card.LoginOptions{}))
	require.NoError(t, signs(ctx, d.key(d.card, 1)))

	require.ErrorIs(t, d.card.ChangePIN(ctx, goodPIN, nil), card.ErrPINLength, "one from the pad and one not")
	types(goodPIN, otherPIN)
	require.NoError(t, d.card.ChangePIN(ctx, nil, nil))
	require.NoError(t, d.card.Logout(ctx))
	types(otherPIN, otherPIN, goodPIN) // to log in, and then the change
	require.NoError(t, d.card.ChangePIN(ctx, nil, nil))
	types(soPIN, otherPIN)
	require.NoError(t, d.card.ResetPINByPUK(ctx, nil, nil))
	types(soPIN, goodPIN)
	require.NoError(t, d.card.ResetPIN(ctx, nil, nil))

	d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
		types(goodPIN)
		return nil, nil
	})
	require.NoError(t, signs(ctx, d.key(d.card, 1)), "the prompter only says where to type")
}

func TestPrompterThatFails(t *testing.T) {
	d := newDesk(t)
	gone := errors.New("the person went away")
	given := bytes.Clone(goodPIN)
	d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return given, gone })
	require.ErrorIs(t, signs(t.Context(), d.key(d.card, 1)), gone)
	require.Equal(t, make([]byte, len(goodPIN)), given, "cleared all the same")
}

// Between the question and the answer the card is pulled, or another one is put
// in its place: the PIN goes to neither.
func TestPulledDuringThePrompt(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	k := d.key(d.card, 1)
	spoof, err := d.tray.Personalised(1, cardtest.Personal{})
	require.NoError(t, err)
	d.remove(1)
	asked := 0
	d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
		asked++
		d.remove(0)
		if asked == 2 {
			d.insert(0, spoof)
		}
		return bytes.Clone(wrongPIN), nil
	})
	require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
	d.insert(0, d.serial)
	require.Equal(t, card.PINReady, d.state(), "nothing was sent")
	require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
	info, err := d.find(spoof).Info(ctx)
	require.NoError(t, err)
	require.Equal(t, card.PINReady, info.PIN, "nor to the other card")
	require.Equal(t, 2, asked)
}
