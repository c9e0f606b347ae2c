// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
)

// pinError is what a refusal tells, without the answer that it wraps.
func pinError(t *testing.T, err error) (role card.Role, state card.PINState, left int) {
	t.Helper()
	var e *card.PINError
	require.ErrorAs(t, err, &e)
	require.Equal(t, e.Err.Error(), e.Error())
	require.Equal(t, rule(e.Err), e.Rule())
	return e.Role, e.State, e.TriesLeft
}

func TestPINError(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	is := func(err error, role card.Role, state card.PINState, left int, asked bool) {
		t.Helper()
		r, s, n := pinError(t, err)
		require.Equal(t, role, r)
		require.Equal(t, state, s)
		require.Equal(t, left, n)
		var e *card.Error
		require.Equal(t, asked, errors.As(err, &e), "an Error only where the card was asked")
	}
	is(d.card.Login(ctx, wrongPIN, card.LoginOptions{}), card.RoleUser, card.PINLow, -1, true)
	is(d.card.ChangePIN(ctx, wrongPIN, otherPIN), card.RoleUser, card.PINFinalTry, 1, true)
	is(d.card.Login(ctx, wrongPIN, card.LoginOptions{}), card.RoleUser, card.PINFinalTry, 1, false)
	is(d.card.Login(ctx, wrongPIN, dareAll), card.RoleUser, card.PINLocked, 0, true)
	is(d.card.Login(ctx, goodPIN, dareAll), card.RoleUser, card.PINLocked, 0, false)

	is(d.card.ResetPIN(ctx, wrongSO, otherPIN), card.RoleSO, card.PINLow, -1, true)
	is(d.card.Initialize(ctx, wrongSO, "x"), card.RoleSO, card.PINFinalTry, 1, true)
	is(d.card.ResetPIN(ctx, wrongSO, otherPIN), card.RoleSO, card.PINFinalTry, 1, false)
	_, err := d.card.SO(ctx, wrongSO, dareAll)
	is(err, card.RoleSO, card.PINLocked, 0, true)

	var e *card.PINError
	require.False(t, errors.As(d.card.Login(ctx, []byte("1"), dareAll), &e), "a length says nothing of tries")
	d.remove(0)
	require.False(t, errors.As(d.card.Login(ctx, goodPIN, dareAll), &e), "a removal is no refused PIN")
}
