// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// C_WaitForSlotEvent, polled and waited for; package card believes no event, but
// other programs do.
func TestSlotEvents(t *testing.T) {
	const noEvent = 0x8
	tray := cardtest.New(t, cardtest.Config{})
	serial := ready(t, tray, 1)
	lib, err := cryptoki.Open(tray.Module())
	require.NoError(t, err)
	require.NoError(t, lib.Initialize(""))
	isNone := func() {
		t.Helper()
		_, err := lib.WaitForSlotEvent(false)
		var e *cryptoki.Error
		require.ErrorAs(t, err, &e)
		require.EqualValues(t, noEvent, e.Code, e.Name)
	}
	isSlot := func(want uint, block bool) {
		t.Helper()
		slot, err := lib.WaitForSlotEvent(block)
		require.NoError(t, err)
		require.Equal(t, want, slot)
	}
	isNone() // what was there at C_Initialize is no event
	require.NoError(t, tray.Remove(1))
	isSlot(1, false)
	isNone()
	require.NoError(t, tray.Insert(0, serial))
	require.NoError(t, tray.Behave(0, cardtest.Behaviour{Slow: time.Millisecond}))
	isSlot(0, true)
	isNone() // a behaviour is none
	require.NoError(t, tray.Remove(0))
	require.NoError(t, tray.Insert(1, serial))
	isSlot(0, true)
	isSlot(1, true)

	woken := make(chan error, 1)
	go func() {
		_, err := lib.WaitForSlotEvent(true)
		woken <- err
	}()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, tray.Remove(1))
	require.NoError(t, <-woken)
	go func() {
		_, err := lib.WaitForSlotEvent(true)
		woken <- err
	}()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, lib.Finalize())
	var e *cryptoki.Error
	require.ErrorAs(t, <-woken, &e)
	require.Equal(t, "CKR_CRYPTOKI_NOT_INITIALIZED", e.Name)
}

func TestBehaveRefuses(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	require.Error(t, tray.Behave(2, cardtest.Behaviour{}))
	require.Error(t, tray.Behave(0, cardtest.Behaviour{Slow: -1}))
	require.Error(t, tray.Behave(0, cardtest.Behaviour{FailAt: -1}))
	require.Error(t, tray.TypePIN(0, goodPIN), "no card")
	ready(t, tray, 0)
	require.Error(t, tray.TypePIN(0, []byte("12\n34")))
}
