// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/estate/internal/clock"
)

func TestClock(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wall := func() time.Time { return noon }
	file := filepath.Join(t.TempDir(), "clock")
	c, err := clock.Open(clock.Config{File: file, Wall: wall})
	require.NoError(t, err)
	require.Equal(t, noon, c.Now())

	t.Run("moves forward", func(t *testing.T) {
		now, err := c.Add(2160*time.Hour - 300*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, noon.Add(2160*time.Hour), now, "never short of what was asked")
		require.Equal(t, now, c.Now())
	})
	t.Run("never back, never still", func(t *testing.T) {
		for _, d := range []time.Duration{0, -time.Hour, -1 << 63} {
			_, err := c.Add(d)
			require.ErrorIs(t, err, clock.ErrBackward)
		}
		require.Equal(t, 2160*time.Hour, c.Ahead())
	})
	t.Run("not past its reach, whatever the sum", func(t *testing.T) {
		for _, d := range []time.Duration{clock.Reach, 1<<63 - 1} {
			_, err := c.Add(d)
			require.ErrorIs(t, err, clock.ErrTooFar)
		}
	})
	t.Run("survives a restart", func(t *testing.T) {
		again, err := clock.Open(clock.Config{File: file, Wall: wall})
		require.NoError(t, err)
		require.Equal(t, c.Now(), again.Now())
	})
	t.Run("a move that can't be kept is no move", func(t *testing.T) {
		folder := t.TempDir()
		lost, err := clock.Open(clock.Config{File: filepath.Join(folder, "gone", "clock"), Wall: wall})
		require.NoError(t, err)
		_, err = lost.Add(time.Hour)
		require.Error(t, err)
		require.Equal(t, noon, lost.Now())
	})
	t.Run("a file of anything else is refused", func(t *testing.T) {
		for _, text := range []string{"", "soon", "-5", "99999999999999", "1e3"} {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			_, err := clock.Open(clock.Config{File: file, Wall: wall})
			require.Error(t, err, text)
		}
	})
}
