// SPDX-License-Identifier: Apache-2.0

package sealed_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

func key(t *testing.T, content string) []byte {
	t.Helper()
	k, err := sealed.Key(bytes.Repeat([]byte{7}, 32), content, "test")
	require.NoError(t, err)
	return k
}

func seal(t *testing.T, key, plain []byte) [][]byte {
	t.Helper()
	var pieces [][]byte
	w, err := sealed.NewWriter(key, func(n int, piece []byte) error {
		require.Len(t, pieces, n)
		pieces = append(pieces, piece)
		return nil
	})
	require.NoError(t, err)
	for part := range slices.Chunk(plain, 50_001) {
		_, err := w.Write(part)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	return pieces
}

func open(t *testing.T, key []byte, pieces [][]byte) ([]byte, error) {
	t.Helper()
	r, err := sealed.NewReader(key, func(n int) ([]byte, error) {
		if n >= len(pieces) {
			return nil, sealed.ErrMissing
		}
		return pieces[n], nil
	})
	require.NoError(t, err)
	return io.ReadAll(r)
}

func TestEverySize(t *testing.T) {
	k := key(t, "a")
	for _, size := range []int{0, 1, sealed.PieceBytes - 1, sealed.PieceBytes, sealed.PieceBytes + 1, 3*sealed.PieceBytes + 17, 4 * sealed.PieceBytes} {
		plain := bytes.Repeat([]byte("Mrs Jones is well. "), size/19+1)[:size]
		pieces := seal(t, k, plain)
		require.Len(t, pieces, max(1, (size+sealed.PieceBytes-1)/sealed.PieceBytes))
		for _, p := range pieces {
			require.NotContains(t, string(p), "Jones")
		}
		got, err := open(t, k, pieces)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
	}
}

func TestDamage(t *testing.T) {
	k := key(t, "a")
	plain := bytes.Repeat([]byte("x"), 2*sealed.PieceBytes+5)
	good := seal(t, k, plain)
	other := seal(t, key(t, "b"), plain)
	for name, spoil := range map[string]func(p [][]byte) [][]byte{
		"bit":             func(p [][]byte) [][]byte { p[1][9] ^= 1; return p },
		"cut within":      func(p [][]byte) [][]byte { p[2] = p[2][:3]; return p },
		"end cut off":     func(p [][]byte) [][]byte { return p[:2] },
		"nothing":         func([][]byte) [][]byte { return nil },
		"changed places":  func(p [][]byte) [][]byte { p[0], p[1] = p[1], p[0]; return p },
		"left out":        func(p [][]byte) [][]byte { return slices.Delete(p, 1, 2) },
		"of another":      func(p [][]byte) [][]byte { p[1] = other[1]; return p },
		"all of another":  func([][]byte) [][]byte { return other },
		"the end earlier": func(p [][]byte) [][]byte { p[1] = p[2]; return p },
	} {
		pieces := make([][]byte, len(good))
		for i := range good {
			pieces[i] = bytes.Clone(good[i])
		}
		got, err := open(t, k, spoil(pieces))
		require.ErrorIs(t, err, sealed.ErrDamaged, name)
		require.True(t, bytes.HasPrefix(plain, got), name)
		require.Zero(t, len(got)%sealed.PieceBytes, name)
	}
}

// What the store can't say now is no damage.
func TestStoreFails(t *testing.T) {
	away := errors.New("database gone")
	r, err := sealed.NewReader(key(t, "a"), func(int) ([]byte, error) { return nil, away })
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, away)
	w, err := sealed.NewWriter(key(t, "a"), func(int, []byte) error { return away })
	require.NoError(t, err)
	require.ErrorIs(t, w.Close(), away)
}

func TestShort(t *testing.T) {
	k := key(t, "a")
	one, err := sealed.Seal(k, []byte("to gp@x.example"))
	require.NoError(t, err)
	two, err := sealed.Seal(k, []byte("to gp@x.example"))
	require.NoError(t, err)
	require.NotEqual(t, one, two)
	plain, err := sealed.Open(k, one)
	require.NoError(t, err)
	require.Equal(t, "to gp@x.example", string(plain))
	_, err = sealed.Open(key(t, "b"), one)
	require.ErrorIs(t, err, sealed.ErrDamaged)
	for i := range one {
		bad := bytes.Clone(one)
		bad[i] ^= 1
		_, err = sealed.Open(k, bad)
		require.ErrorIs(t, err, sealed.ErrDamaged)
		_, err = sealed.Open(k, one[:i])
		require.ErrorIs(t, err, sealed.ErrDamaged)
	}
	_, err = sealed.Seal([]byte("short"), nil)
	require.Error(t, err)
	_, err = sealed.Open(nil, one)
	require.Error(t, err)
	_, err = sealed.NewReader(nil, nil)
	require.Error(t, err)
	_, err = sealed.NewWriter(nil, nil)
	require.Error(t, err)
}
