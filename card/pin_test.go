// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

func TestPINLocks(t *testing.T) {
	t.Run("row040", func(t *testing.T) {
		d := newDesk(t)
		ctx := t.Context()
		require.Equal(t, card.PINReady, d.state())
		require.ErrorIs(t, d.card.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN)
		require.Equal(t, card.PINLow, d.state())
		require.ErrorIs(t, d.card.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN)
		require.Equal(t, card.PINFinalTry, d.state())
		require.ErrorIs(t, d.card.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrFinalTry)
		require.Equal(t, card.PINFinalTry, d.state(), "a refused try must not count")

		err := d.card.Login(ctx, wrongPIN, dareAll)
		require.ErrorIs(t, err, card.ErrLocked)
		require.NotErrorIs(t, err, card.ErrWrongPIN)
		require.Equal(t, "card.locked", rule(err))
		require.ErrorContains(t, err, "CKR_PIN_INCORRECT", "the card's own word stays readable")
		require.Equal(t, card.PINLocked, d.state())
		require.ErrorIs(t, d.card.Login(ctx, goodPIN, dareAll), card.ErrLocked)
		require.ErrorIs(t, d.card.ChangePIN(ctx, goodPIN, otherPIN), card.ErrLocked)
		require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)
	})
	t.Run("a right PIN makes the tries good", func(t *testing.T) {
		d := newDesk(t)
		require.Error(t, d.card.Login(t.Context(), wrongPIN, dareAll))
		require.Error(t, d.card.Login(t.Context(), wrongPIN, dareAll))
		require.NoError(t, d.card.Login(t.Context(), goodPIN, dareAll))
		require.Equal(t, card.PINReady, d.state())
	})
	t.Run("lengths cost no try", func(t *testing.T) {
		d := newDesk(t)
		for _, pin := range []string{"", "1", strings.Repeat("1", 300), "\x00\x00\x00\x00\x00\x00", "12345\x00"} {
			err := d.card.Login(t.Context(), []byte(pin), card.LoginOptions{})
			require.ErrorIs(t, err, card.ErrPINLength)
			require.Equal(t, "passcode.length", rule(err))
			require.ErrorIs(t, d.card.ChangePIN(t.Context(), []byte(pin), otherPIN), card.ErrPINLength)
			require.ErrorIs(t, d.card.ChangePIN(t.Context(), goodPIN, []byte(pin)), card.ErrPINLength)
			require.ErrorIs(t, d.card.ResetPIN(t.Context(), soPIN, []byte(pin)), card.ErrPINLength)
			require.ErrorIs(t, d.card.ResetPIN(t.Context(), []byte(pin), otherPIN), card.ErrSOPINLength)
		}
		require.ErrorIs(t, d.card.Login(t.Context(), nil, card.LoginOptions{}), card.ErrPINLength, "no PIN pad here")
		require.Equal(t, card.PINReady, d.state())
	})
}

func TestChangePIN(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrWrongPIN)
	require.Equal(t, card.PINLow, d.state(), "a wrong current PIN counts")
	require.NoError(t, d.card.ChangePIN(ctx, goodPIN, otherPIN))
	require.Equal(t, card.PINReady, d.state())
	require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn, "changing is not logging in")
	require.ErrorIs(t, d.card.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrWrongPIN)
	require.NoError(t, d.card.Login(ctx, otherPIN, card.LoginOptions{}))
	require.NoError(t, d.card.ChangePIN(ctx, otherPIN, goodPIN))
	require.NoError(t, signs(ctx, d.key(d.card, 1)), "a login stays")

	require.NoError(t, d.card.Logout(ctx))
	require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrWrongPIN)
	require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrWrongPIN)
	require.ErrorIs(t, d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.ErrFinalTry)
}

func TestResetPIN(t *testing.T) {
	locked := func(t *testing.T) *desk {
		d := newDesk(t)
		for range 3 {
			require.Error(t, d.card.Login(t.Context(), wrongPIN, dareAll))
		}
		require.Equal(t, card.PINLocked, d.state())
		return d
	}
	t.Run("opens a locked card and ends logged out", func(t *testing.T) {
		d := locked(t)
		ctx := t.Context()
		require.NoError(t, d.card.ResetPIN(ctx, soPIN, otherPIN))
		require.Equal(t, card.PINReady, d.state())
		require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)
		require.ErrorIs(t, d.card.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrWrongPIN)
		require.NoError(t, d.card.Login(ctx, otherPIN, card.LoginOptions{}))
		require.NoError(t, signs(ctx, d.key(d.card, 1)), "the keys are still there")
	})
	t.Run("logs a holder out", func(t *testing.T) {
		d := newDesk(t)
		d.login(d.card)
		require.ErrorIs(t, d.card.ResetPIN(t.Context(), wrongSO, otherPIN), card.ErrWrongSOPIN)
		require.ErrorIs(t, signs(t.Context(), d.key(d.card, 1)), card.ErrNotLoggedIn)
	})
	t.Run("the SO PIN locks for good", func(t *testing.T) {
		d := locked(t)
		ctx := t.Context()
		require.ErrorIs(t, d.card.ResetPIN(ctx, wrongSO, otherPIN), card.ErrWrongSOPIN)
		require.ErrorIs(t, d.card.ResetPIN(ctx, wrongSO, otherPIN), card.ErrWrongSOPIN)
		require.ErrorIs(t, d.card.ResetPIN(ctx, wrongSO, otherPIN), card.ErrSOFinalTry)
		require.ErrorIs(t, d.card.Initialize(ctx, wrongSO, "x"), card.ErrSOFinalTry)
		_, err := d.card.SO(ctx, wrongSO, dareAll)
		require.ErrorIs(t, err, card.ErrSOLocked)
		require.Equal(t, "sopin.locked", rule(err))
		require.ErrorIs(t, d.card.ResetPIN(ctx, soPIN, otherPIN), card.ErrSOLocked)
		require.ErrorIs(t, d.card.Initialize(ctx, soPIN, "x"), card.ErrSOLocked)
		require.Equal(t, card.PINLocked, d.state())
	})
	t.Run("in the order of a reset act", func(t *testing.T) {
		d := locked(t)
		ctx := t.Context()
		so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
		require.NoError(t, err)
		require.ErrorIs(t, so.ChangeSOPIN(ctx, wrongSO, []byte("11112222")), card.ErrWrongSOPIN)
		require.ErrorIs(t, so.ChangeSOPIN(ctx, wrongSO, []byte("11112222")), card.ErrWrongSOPIN)
		require.ErrorIs(t, so.ChangeSOPIN(ctx, wrongSO, []byte("11112222")), card.ErrSOFinalTry)
		so.Close()
		so, err = d.card.SO(ctx, soPIN, dareAll)
		require.NoError(t, err)
		require.NoError(t, so.ChangeSOPIN(ctx, soPIN, []byte("11112222")))
		require.NoError(t, so.InitPIN(ctx, otherPIN))
		so.Close()
		so.Close()
		require.ErrorIs(t, so.InitPIN(ctx, goodPIN), card.ErrClosed)
		require.ErrorIs(t, d.card.ResetPIN(ctx, soPIN, goodPIN), card.ErrWrongSOPIN)
		require.NoError(t, d.card.Login(ctx, otherPIN, card.LoginOptions{}))
	})
	t.Run("pulled in the middle", func(t *testing.T) {
		d := locked(t)
		ctx := t.Context()
		so, err := d.card.SO(ctx, soPIN, card.LoginOptions{})
		require.NoError(t, err)
		d.remove(0)
		require.ErrorIs(t, so.InitPIN(ctx, otherPIN), card.ErrRemoved)
		d.insert(0, d.serial)
		require.ErrorIs(t, so.InitPIN(ctx, otherPIN), card.ErrRemoved, "a session never comes back")
		so.Close()
		require.Equal(t, card.PINLocked, d.state())
		require.NoError(t, d.card.ResetPIN(ctx, soPIN, otherPIN))
	})
}

func TestBlankCard(t *testing.T) {
	t.Run("row035", func(t *testing.T) {
		tray := cardtest.New(t, cardtest.Config{})
		serial, err := tray.Blank()
		require.NoError(t, err)
		require.NoError(t, tray.Insert(0, serial))
		m := open(t, tray.Module())
		ctx := t.Context()
		c, err := m.Card(ctx, card.Selector{Serial: serial})
		require.NoError(t, err)
		info, err := c.Info(ctx)
		require.NoError(t, err)
		require.False(t, info.Initialised)
		require.Equal(t, card.PINNotSet, info.SOPIN, "a blank card is not a locked one")
		require.ErrorIs(t, c.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrBlank)
		require.ErrorIs(t, c.ResetPIN(ctx, soPIN, goodPIN), card.ErrBlank)

		// Issued locked: the card has no PIN until somebody sets one.
		require.NoError(t, c.Initialize(ctx, soPIN, "A ward's card"))
		info, err = c.Info(ctx)
		require.NoError(t, err)
		require.Equal(t, serial, info.Serial)
		require.Equal(t, "A ward's card", info.Label)
		require.Equal(t, card.PINNotSet, info.PIN)
		err = c.Login(ctx, goodPIN, card.LoginOptions{})
		require.ErrorIs(t, err, card.ErrPINNotSet)
		require.Equal(t, "passcode.unset", rule(err))
		require.NoError(t, c.ResetPIN(ctx, soPIN, goodPIN))
		require.NoError(t, c.Login(ctx, goodPIN, card.LoginOptions{}))
	})
	t.Run("initialising again empties it", func(t *testing.T) {
		d := newDesk(t)
		d.login(d.card)
		require.ErrorIs(t, d.card.Initialize(t.Context(), wrongSO, "new"), card.ErrWrongSOPIN)
		require.NoError(t, d.card.Initialize(t.Context(), soPIN, "new"))
		keys, err := d.card.Keys(t.Context())
		require.NoError(t, err)
		require.Empty(t, keys)
		require.Equal(t, card.PINNotSet, d.state())
	})
}

func TestLockSurvives(t *testing.T) {
	t.Run("a process that ends", func(t *testing.T) {
		d := newDesk(t)
		require.NoError(t, other(t, "lock", d.tray.Module()))
		require.Equal(t, card.PINLocked, d.state(), "this process sees it at once")
		require.ErrorIs(t, d.card.Login(t.Context(), goodPIN, dareAll), card.ErrLocked)
	})
	t.Run("the tray and the module closed and opened", func(t *testing.T) {
		dir := t.TempDir()
		d := deskWith(t, cardtest.Config{Dir: dir}, cardtest.Personal{})
		require.NoError(t, other(t, "lock", d.tray.Module()))
		require.NoError(t, d.module.Close())
		require.NoError(t, d.tray.Close())
		again, err := cardtest.Open(cardtest.Config{Dir: dir})
		require.NoError(t, err)
		require.Equal(t, d.tray.Module(), again.Module())
		cards, err := again.Cards()
		require.NoError(t, err)
		require.Equal(t, []cardtest.Card{{Serial: d.serial, Reader: 0}}, cards, "the card stays in its reader")
		m := open(t, again.Module())
		c, err := m.Card(t.Context(), card.Selector{Serial: d.serial})
		require.NoError(t, err)
		require.ErrorIs(t, c.Login(t.Context(), goodPIN, dareAll), card.ErrLocked)
	})
	t.Run("a process that is killed in the third try", func(t *testing.T) {
		d := newDesk(t)
		require.Error(t, other(t, "die", d.tray.Module()))
		require.GreaterOrEqual(t, d.state(), card.PINFinalTry, "no try is given back")
	})
}

func TestPKCS11ToolSeesTheSame(t *testing.T) {
	tool := need.Tool(t, "pkcs11-tool")
	d := newDesk(t)
	run := func(pin []byte) string {
		// The tool wants the PIN as an argument; these are test PINs.
		out, _ := exec.Command(tool, "--module", d.tray.Module(), "--slot", "0", "--login", "--pin", string(pin), "--list-objects").CombinedOutput()
		return string(out)
	}
	require.Contains(t, run(goodPIN), "Private Key Object")
	for range 3 {
		require.Contains(t, run(wrongPIN), "CKR_PIN_INCORRECT")
	}
	require.Contains(t, run(goodPIN), "CKR_PIN_LOCKED")
	require.Equal(t, card.PINLocked, d.state())
}
