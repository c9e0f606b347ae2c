// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
)

func answers(context.Context, card.Prompt) ([]byte, error) { return bytes.Clone(goodPIN), nil }

// Prompters that don't do what they should.
func TestPrompters(t *testing.T) {
	t.Run("one that panics", func(t *testing.T) {
		d := newDesk(t)
		k := d.key(d.card, 1)
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { panic("in the prompter") })
		require.PanicsWithValue(t, "in the prompter", func() { _ = signs(t.Context(), k) })
		d.card.PromptWith(answers)
		require.NoError(t, signs(t.Context(), k), "it left nothing held")
	})
	t.Run("one that gives nothing", func(t *testing.T) {
		d := newDesk(t)
		k := d.key(d.card, 1)
		for _, nothing := range [][]byte{nil, {}} {
			d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return nothing, nil })
			require.ErrorIs(t, signs(t.Context(), k), card.ErrPINLength)
		}
		require.Equal(t, card.PINReady, d.state())
		d.card.PromptWith(nil)
		require.ErrorIs(t, signs(t.Context(), k), card.ErrNotLoggedIn)
	})
	t.Run("one that waits for ever", func(t *testing.T) {
		d := newDesk(t)
		k := d.key(d.card, 1)
		asked := make(chan struct{}, 1)
		d.card.PromptWith(func(ctx context.Context, _ card.Prompt) ([]byte, error) {
			asked <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		long, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- signs(long, k) }()
		<-asked
		short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer end()
		require.ErrorIs(t, signs(short, k), context.DeadlineExceeded, "who waits for the same answer")
		require.Equal(t, card.PINReady, d.state(), "the card itself waits for nobody")
		d.card.PromptWith(answers)
		second := make(chan error, 1)
		go func() { second <- signs(t.Context(), k) }()
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		require.NoError(t, <-second, "one that gave up doesn't answer for the others")
	})
	t.Run("one that asks for another", func(t *testing.T) {
		d := newDesk(t)
		k := d.key(d.card, 1)
		notToday := errors.New("not today")
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
			d.card.PromptWith(nil)
			return nil, notToday
		})
		require.ErrorIs(t, signs(t.Context(), k), notToday)
		require.ErrorIs(t, signs(t.Context(), k), card.ErrNotLoggedIn)
	})
}
