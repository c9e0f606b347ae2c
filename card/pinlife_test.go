// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// What is wrong with a PIN's form is found here, and spends no try of any PIN.
func TestWrongFormsSpendNothing(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{})
	ctx := t.Context()
	k := d.key(d.card, 1)
	long := bytes.Repeat([]byte("1"), 300)
	for _, bad := range [][]byte{{}, []byte("1"), long, make([]byte, 6), nil} {
		_, err := d.card.SO(ctx, bad, card.LoginOptions{})
		require.ErrorIs(t, err, card.ErrSOPINLength)
		require.ErrorIs(t, d.card.Initialize(ctx, bad, "x"), card.ErrSOPINLength)
		require.ErrorIs(t, d.card.ResetPIN(ctx, bad, otherPIN), card.ErrSOPINLength)
		require.ErrorIs(t, d.card.Login(ctx, bad, card.LoginOptions{}), card.ErrPINLength)
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return bytes.Clone(bad), nil })
		require.ErrorIs(t, signs(ctx, k), card.ErrPINLength)
	}
	require.ErrorIs(t, d.card.ResetPINByPUK(ctx, []byte{}, otherPIN), card.ErrSOPINLength)
	require.ErrorIs(t, d.card.ResetPINByPUK(ctx, make([]byte, 8), otherPIN), card.ErrSOPINLength)
	require.Empty(t, q.called("C_Login", "C_SetPIN", "C_InitPIN"))

	so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
	require.NoError(t, err)
	q.trace()
	for _, bad := range [][]byte{{}, []byte("1"), long, make([]byte, 6), nil} {
		require.ErrorIs(t, so.ChangeSOPIN(ctx, bad, soPIN), card.ErrSOPINLength)
		require.ErrorIs(t, so.ChangeSOPIN(ctx, soPIN, bad), card.ErrSOPINLength)
		require.ErrorIs(t, so.InitPIN(ctx, bad), card.ErrPINLength)
	}
	require.Empty(t, q.called("C_Login", "C_SetPIN", "C_InitPIN"))
	so.Close()
	info, err := d.card.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, card.PINReady, info.PIN)
	require.Equal(t, card.PINReady, info.SOPIN)
}

func TestOneEntryOneTry(t *testing.T) {
	t.Run("threat044", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		k := d.key(d.card, 1)
		// The slice that was given before is cleared, and no PIN any more.
		mine := bytes.Clone(wrongPIN)
		asked := 0
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
			asked++
			return mine, nil
		})
		require.ErrorIs(t, signs(ctx, k), card.ErrWrongPIN)
		q.trace()
		require.ErrorIs(t, signs(ctx, k), card.ErrPINLength)
		require.Equal(t, 2, asked)
		require.Empty(t, q.called("C_Login"))
		require.Equal(t, card.PINLow, d.state())

		// Many who wait for one answer: it is sent once, and refused to them all.
		d.login(d.card)
		require.NoError(t, d.card.Logout(ctx))
		q.trace()
		asked = 0
		waiting := make(chan struct{})
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
			asked++
			if asked == 1 {
				<-waiting
			}
			return bytes.Clone(wrongPIN), nil
		})
		answers := make(chan error, 16)
		var began sync.WaitGroup
		for range cap(answers) {
			began.Add(1)
			go func() {
				began.Done()
				answers <- signs(ctx, k)
			}()
		}
		began.Wait()
		close(waiting)
		var wrong, final int
		for range cap(answers) {
			err := <-answers
			if role, _, _ := pinError(t, err); role != card.RoleUser {
				t.Error(err)
			}
			if e := (*card.Error)(nil); errors.As(err, &e) {
				wrong++
			} else {
				final++
			}
		}
		require.Equal(t, len(q.called("C_Login")), asked, "one C_Login for each entry")
		require.LessOrEqual(t, asked, 2, "who came late asks anew, and not for the last try")
		require.Equal(t, 16, wrong+final)
		require.Less(t, d.state(), card.PINLocked)
	})
}

// What other cards say of their PINs.
func TestPINsOfOtherModules(t *testing.T) {
	t.Run("no flags", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		q.are("no-flags")
		require.Equal(t, card.PINReady, d.state())
		for range 3 {
			err := d.card.Login(ctx, wrongPIN, card.LoginOptions{})
			require.ErrorIs(t, err, card.ErrWrongPIN)
			role, state, left := pinError(t, err)
			require.Equal(t, card.RoleUser, role)
			require.Equal(t, card.PINUnknown, state)
			require.Equal(t, "unknown", state.String())
			require.Equal(t, -1, left)
			require.Equal(t, card.PINUnknown, d.state())
		}
		slots, err := d.module.Slots(ctx)
		require.NoError(t, err)
		require.Equal(t, card.PINUnknown, slots[0].Token.PIN)
		var prompt card.Prompt
		d.card.PromptWith(func(_ context.Context, p card.Prompt) ([]byte, error) {
			prompt = p
			return bytes.Clone(goodPIN), nil
		})
		err = signs(ctx, d.key(d.card, 1))
		require.ErrorIs(t, err, card.ErrLocked, "the third was the one that locked, and nothing told")
		require.Equal(t, card.PINUnknown, prompt.PIN)
		_, state, left := pinError(t, err)
		require.Equal(t, card.PINLocked, state)
		require.Zero(t, left)
		require.NoError(t, d.card.ResetPIN(ctx, soPIN, goodPIN))
		require.Equal(t, card.PINReady, d.state())
		require.ErrorIs(t, d.card.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN)
		d.login(d.card)
		require.Equal(t, card.PINReady, d.state())
	})
	t.Run("the try that locks says so", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		q.are("locks-at-once")
		for _, want := range []error{card.ErrWrongPIN, card.ErrWrongPIN, card.ErrLocked, card.ErrLocked} {
			require.ErrorIs(t, d.card.Login(t.Context(), wrongPIN, dareAll), want)
		}
		require.Equal(t, card.PINLocked, d.state())
	})
	t.Run("to be changed", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		q.are("to-be-changed", "fail C_SignInit a3") // CKR_PIN_EXPIRED
		require.Equal(t, card.PINExpired, d.state())
		d.login(d.card)
		k := d.key(d.card, 1)
		err := signs(ctx, k)
		require.ErrorIs(t, err, card.ErrPINExpired)
		require.Equal(t, "passcode.expired", rule(err))
		require.NoError(t, d.card.ChangePIN(ctx, goodPIN, otherPIN))
		q.are()
		require.Equal(t, card.PINReady, d.state())
		require.NoError(t, signs(ctx, k))
	})
	t.Run("expired, and no login until it is changed", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		d.behave(cardtest.Behaviour{})
		ctx := t.Context()
		q.are("login-expired")
		err := d.card.Login(ctx, goodPIN, card.LoginOptions{})
		require.ErrorIs(t, err, card.ErrPINExpired)
		role, _, _ := pinError(t, err)
		require.Equal(t, card.RoleUser, role)
		require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrWrongPIN, "one try for one PIN")
		q.trace()
		require.NoError(t, d.card.ChangePIN(ctx, goodPIN, otherPIN))
		require.Equal(t, []string{"C_Login", "C_SetPIN"}, q.called("C_Login", "C_SetPIN"))
		q.are()
		require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)
		require.NoError(t, d.card.Login(ctx, otherPIN, card.LoginOptions{}))
	})
}

// The security officer's work, call by call: nothing of the holder's is open
// when it begins, and nobody is logged in when it ends.
func TestResetCallByCall(t *testing.T) {
	about := []string{"user:", "SO:", "C_Login", "C_SetPIN", "C_InitPIN", "C_Logout", "C_OpenSession", "C_CloseSession"}
	d, q := quirkyDesk(t, cardtest.Personal{})
	ctx := t.Context()
	d.login(d.card)
	k := d.key(d.card, 1)
	require.NoError(t, signs(ctx, k))
	var all sync.WaitGroup
	q.trace()
	so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
	require.NoError(t, err)
	for range 4 { // who would sign meanwhile waits
		all.Go(func() {
			if err := signs(ctx, k); !errors.Is(err, card.ErrNotLoggedIn) {
				t.Error(err)
			}
		})
	}
	require.NoError(t, so.ChangeSOPIN(ctx, soPIN, []byte("11112222")))
	require.NoError(t, so.InitPIN(ctx, otherPIN))
	so.Close()
	order := []string{"C_Logout", "C_CloseSession", "C_OpenSession", "SO:", "C_Login", "C_SetPIN", "C_InitPIN", "C_Logout"}
	require.Equal(t, order, q.called(about...)[:len(order)])
	all.Wait()
	require.NoError(t, d.card.Login(ctx, otherPIN, card.LoginOptions{}))
}

func TestEveryPathLogsOut(t *testing.T) {
	t.Run("threat039", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		// in and out are the logins that the card took, and the logouts after.
		loggedOut := func(path string) {
			t.Helper()
			last := ""
			for _, call := range q.called("C_Login", "C_Logout", "C_CloseSession") {
				last = call
			}
			require.Contains(t, []string{"C_Logout", "C_CloseSession"}, last, path)
		}
		second := open(t, q.path)
		theirs, err := second.Card(ctx, card.Selector{Serial: d.serial})
		require.NoError(t, err)
		d.login(d.card)
		q.are("fail C_Logout 30")
		require.NoError(t, d.card.Logout(ctx))
		q.are()
		state := witness(t, d.tray.Module(), 0)
		require.EqualValues(t, pkcs11.CKS_RW_PUBLIC_SESSION, state(), "the end of its last session logs out where C_Logout doesn't")
		for path, do := range map[string]func(){
			"Logout": func() { require.NoError(t, d.card.Logout(ctx)) },
			"ChangePIN": func() {
				require.NoError(t, d.card.Logout(ctx))
				require.NoError(t, d.card.ChangePIN(ctx, goodPIN, goodPIN))
			},
			"ResetPIN": func() { require.NoError(t, d.card.ResetPIN(ctx, soPIN, goodPIN)) },
			"ResetPIN that fails in the middle": func() {
				q.are("fail C_InitPIN 30")
				require.ErrorIs(t, d.card.ResetPIN(ctx, soPIN, goodPIN), card.ErrFailed)
			},
			"a wrong SO PIN": func() { require.Error(t, d.card.ResetPIN(ctx, wrongSO, goodPIN)) },
			"a panic while the security officer works": func() {
				defer func() { require.NotNil(t, recover()) }()
				so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
				require.NoError(t, err)
				defer so.Close()
				panic("in the caller's code")
			},
			"a panic in the prompter": func() {
				require.NoError(t, d.card.Logout(ctx))
				d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { panic("in the caller's code") })
				func() {
					defer func() { require.NotNil(t, recover()) }()
					_ = signs(ctx, d.key(d.card, 1))
				}()
				d.card.PromptWith(nil)
				require.NoError(t, d.card.ChangePIN(ctx, goodPIN, goodPIN), "nothing is held")
			},
			"a context that ends": func() {
				require.NoError(t, d.card.Logout(ctx))
				ended, cancel := context.WithCancel(ctx)
				cancel()
				require.Error(t, d.card.Login(ended, goodPIN, card.LoginOptions{}))
			},
			"another's login with a wrong PIN": func() {
				require.ErrorIs(t, theirs.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN)
				require.NoError(t, theirs.Login(ctx, goodPIN, card.LoginOptions{}))
				require.NoError(t, theirs.Logout(ctx))
			},
		} {
			d.login(d.card)
			require.NoError(t, signs(ctx, d.key(d.card, 1)))
			q.trace()
			do()
			loggedOut(path)
			q.are()
			require.EqualValues(t, pkcs11.CKS_RW_PUBLIC_SESSION, state(), path)
			require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn, path)
		}

		// Closing one of two Modules ends its logins and not the other's.
		d.login(d.card)
		require.NoError(t, second.Close())
		require.NoError(t, signs(ctx, d.key(d.card, 1)))
		third, err := card.Open(card.Config{Module: q.path})
		require.NoError(t, err)
		theirs, err = third.Card(ctx, card.Selector{Serial: d.serial})
		require.NoError(t, err)
		require.NoError(t, theirs.Login(ctx, goodPIN, card.LoginOptions{}))
		require.NotEqualValues(t, pkcs11.CKS_RW_PUBLIC_SESSION, state())
		require.NoError(t, third.Close())
		require.EqualValues(t, pkcs11.CKS_RW_PUBLIC_SESSION, state())
	})
}
