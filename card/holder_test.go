// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"unicode/utf16"

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

// The card's part of threat043: what it logs and what its errors say.
func TestNoPINIsTold(t *testing.T) {
	var log bytes.Buffer
	tray := cardtest.New(t, cardtest.Config{})
	secrets := [][]byte{[]byte("482913"), []byte("715504"), []byte("90346182"), []byte("26617035")}
	pin, wrong, so, wrongSO := secrets[0], secrets[1], secrets[2], secrets[3]
	serial, err := tray.Personalised(0, cardtest.Personal{PIN: pin, SOPIN: so})
	require.NoError(t, err)
	m, err := card.Open(card.Config{Module: tray.Module(), Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))})
	require.NoError(t, err)
	defer m.Close()
	ctx := t.Context()
	c, err := m.Card(ctx, card.Selector{Serial: serial})
	require.NoError(t, err)
	note := func(err error) {
		fmt.Fprintf(&log, "%v %+v %#v\n", err, err, err)
		var e *card.Error
		if errors.As(err, &e) {
			fmt.Fprintf(&log, "%+v %#v\n", e, *e)
		}
	}
	note(c.Login(ctx, pin, card.LoginOptions{}))
	note(c.ChangePIN(ctx, wrong, pin))
	note(c.Login(ctx, pin, card.LoginOptions{}))
	for range 3 {
		note(c.Login(ctx, wrong, dareAll))
		note(c.ResetPIN(ctx, wrongSO, pin))
	}
	note(c.Initialize(ctx, wrongSO, "x"))
	require.NoError(t, tray.Remove(0))
	note(c.Login(ctx, pin, dareAll))
	fmt.Fprintf(&log, "%v %+v %#v %v\n", c, c, c, m)
	for _, file := range []string{"/proc/self/cmdline", "/proc/self/environ"} {
		text, err := os.ReadFile(file)
		if err == nil {
			log.Write(text)
		}
	}
	for _, s := range secrets {
		for _, form := range forms(s) {
			require.NotContains(t, log.String(), form)
		}
	}
}

// forms are how a secret might be written.
func forms(s []byte) []string {
	var wide []byte
	for _, u := range utf16.Encode([]rune(string(s))) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	return []string{
		string(s), string(wide), hex.EncodeToString(s), base64.StdEncoding.EncodeToString(s),
		fmt.Sprint(s), fmt.Sprintf("%#v", s),
	}
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
