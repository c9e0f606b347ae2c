// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// witness looks at the token as other code of this process would: its session
// shows whether anybody is logged in.
func witness(t *testing.T, module string, slot uint) func() uint {
	t.Helper()
	raw := pkcs11.New(module)
	session, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	return func() uint {
		info, err := raw.GetSessionInfo(session)
		require.NoError(t, err)
		return info.State
	}
}

func TestLoginBleed(t *testing.T) {
	t.Run("threat039", func(t *testing.T) {
		d := newDesk(t)
		ctx := t.Context()
		serial, err := d.tray.Personalised(1, cardtest.Personal{PIN: otherPIN})
		require.NoError(t, err)
		second := d.find(serial)
		state := witness(t, d.tray.Module(), 0)
		const public, user = pkcs11.CKS_RW_PUBLIC_SESSION, pkcs11.CKS_RW_USER_FUNCTIONS

		// Two cards in two readers.
		d.login(d.card)
		require.EqualValues(t, user, state())
		require.ErrorIs(t, signs(ctx, d.key(second, 1)), card.ErrNotLoggedIn)
		require.ErrorIs(t, second.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrWrongPIN)
		require.NoError(t, second.Login(ctx, otherPIN, card.LoginOptions{}))
		require.NoError(t, d.card.Logout(ctx))
		require.EqualValues(t, public, state())
		require.NoError(t, signs(ctx, d.key(second, 1)), "logging one out leaves the other")

		// Two holders of the one card, in one process.
		d.login(d.card)
		intruder := d.find(d.serial)
		require.ErrorIs(t, signs(ctx, d.key(intruder, 1)), card.ErrNotLoggedIn)
		_, err = intruder.GenerateKey(ctx, card.KeySpec{ID: []byte{7}, Algorithm: card.P256})
		require.ErrorIs(t, err, card.ErrNotLoggedIn)
		require.NoError(t, intruder.Logout(ctx))
		require.NoError(t, signs(ctx, d.key(d.card, 1)), "who isn't logged in logs nobody out")
		require.ErrorIs(t, intruder.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN, "a login that stands must not hide a wrong PIN")
		require.EqualValues(t, public, state())
		require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)

		// Every path out ends the login.
		d.login(d.card)
		require.ErrorIs(t, d.card.ResetPIN(ctx, wrongSO, otherPIN), card.ErrWrongSOPIN)
		require.EqualValues(t, public, state())
		d.login(d.card)
		require.NoError(t, d.card.ResetPIN(ctx, soPIN, goodPIN))
		require.EqualValues(t, public, state())
		so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
		require.NoError(t, err)
		require.EqualValues(t, pkcs11.CKS_RW_SO_FUNCTIONS, state())
		so.Close()
		require.EqualValues(t, public, state())
	})
	t.Run("a login of other code is not ours", func(t *testing.T) {
		d := newDesk(t)
		raw := pkcs11.New(d.tray.Module())
		session, err := raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		require.NoError(t, err)
		require.NoError(t, raw.Login(session, pkcs11.CKU_USER, string(goodPIN)))
		require.ErrorIs(t, signs(t.Context(), d.key(d.card, 1)), card.ErrNotLoggedIn)
		require.ErrorIs(t, d.card.Login(t.Context(), wrongPIN, card.LoginOptions{}), card.ErrBusy)
		require.NoError(t, raw.Logout(session))
		d.login(d.card)
	})
}

func TestConcurrentTries(t *testing.T) {
	d := newDesk(t)
	raw := pkcs11.New(d.tray.Module())
	var mu sync.Mutex
	answers := map[error]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			session, err := raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
			if err != nil {
				t.Error(err)
				return
			}
			for range 25 {
				err := raw.Login(session, pkcs11.CKU_USER, string(wrongPIN))
				mu.Lock()
				answers[err]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Equal(t, map[error]int{
		pkcs11.Error(pkcs11.CKR_PIN_INCORRECT): 3,
		pkcs11.Error(pkcs11.CKR_PIN_LOCKED):    197,
	}, answers)
	require.Equal(t, card.PINLocked, d.state())
}
