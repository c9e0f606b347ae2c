// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// What only OpenSC's lane has in earnest, as package card sees it.
func TestPIVCard(t *testing.T) {
	need.Tool(t, "opensc")
	apart(t, "opensc", func(t *testing.T) {
		s := opensc(t)
		t.Run("events", s.events)
		t.Run("unlocked-by-its-puk", s.unlocked)
		t.Run("consent-for-each-signature", s.consent)
		t.Run("keys-are-not-written", s.readOnly)
	})
}

// A locked card is opened by its PUK, and whoever types a wrong one is told so.
func (s *subject) unlocked(t *testing.T) {
	_, c := s.open(t)
	ctx := t.Context()
	all := card.LoginOptions{FinalTry: true}
	wrong := []byte("654321")
	require.ErrorIs(t, c.Login(ctx, wrong, all), card.ErrWrongPIN)
	require.ErrorIs(t, c.Login(ctx, wrong, all), card.ErrWrongPIN)
	require.ErrorIs(t, c.Login(ctx, wrong, card.LoginOptions{}), card.ErrFinalTry)
	refused := c.Login(ctx, wrong, all)
	require.ErrorIs(t, refused, card.ErrLocked)
	var e *card.PINError
	require.ErrorAs(t, refused, &e)
	require.Equal(t, card.PINLocked, e.State)
	require.ErrorIs(t, c.Login(ctx, s.pin, all), card.ErrLocked)

	require.ErrorIs(t, c.ResetPINByPUK(ctx, []byte("87654321"), s.pin), card.ErrWrongSOPIN)
	require.NoError(t, c.ResetPINByPUK(ctx, s.puk, s.pin))
	require.NoError(t, c.Login(ctx, s.pin, card.LoginOptions{}))
	require.NoError(t, c.Logout(ctx))
}

// The key of signatures wants the PIN for each, the other only a login.
func (s *subject) consent(t *testing.T) {
	_, c := s.open(t)
	ctx := t.Context()
	var once []bool
	c.PromptWith(func(_ context.Context, p card.Prompt) ([]byte, error) {
		once = append(once, p.Once)
		return bytes.Clone(s.pin), nil
	})
	all, err := c.Keys(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for range 2 {
		require.NoError(t, signs(all[0]))
	}
	require.Equal(t, []bool{false}, once)
	for range 2 {
		require.NoError(t, signs(all[1]))
	}
	require.Equal(t, []bool{false, true, true}, once)
	require.NoError(t, c.Logout(ctx))
}

// Nothing writes keys to a PIV card through OpenSC.
func (s *subject) readOnly(t *testing.T) {
	_, c := s.open(t)
	ctx := t.Context()
	require.NoError(t, c.Login(ctx, s.pin, card.LoginOptions{}))
	_, err := c.GenerateKey(ctx, keys(card.RSA2048)[0])
	require.ErrorIs(t, err, card.ErrExists)
	spec := keys(card.RSA2048)[0]
	spec.ID = []byte{9}
	_, err = c.GenerateKey(ctx, spec)
	require.ErrorIs(t, err, card.ErrUnsupported)
	require.NoError(t, c.Logout(ctx))
}
