// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
)

// An older list is refused although it is current, also after a restart.
func TestCRLRollback(t *testing.T) {
	t.Run("threat030", func(t *testing.T) {
		o := newOutside(t)
		leaf := o.certify(o.issuing, "leaf").cert
		dir := t.TempDir()
		ask := func(numbers pki.CRLNumbers, l *madeList) error {
			checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{l.make(t)}, Numbers: numbers})
			require.NoError(t, err)
			e, err := checker.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
			require.Equal(t, err == nil, e.State != pki.Unknown)
			return err
		}
		files := func() pki.CRLNumbers {
			f, err := pki.NewFileNumbers(dir)
			require.NoError(t, err)
			return f
		}
		before, after := o.list(o.issuing), o.list(o.issuing, leaf)
		before.number = new(big.Int).Lsh(big.NewInt(1), 150)
		after.number = new(big.Int).Add(before.number, big.NewInt(1))
		forged := o.list(o.issuing)
		forged.number, forged.key = new(big.Int).Lsh(big.NewInt(1), 159), o.root.key
		for name, open := range map[string]func() pki.CRLNumbers{
			"in memory": func() func() pki.CRLNumbers { m := &pki.MemoryNumbers{}; return func() pki.CRLNumbers { return m } }(),
			"in files":  files, // opened anew each time
		} {
			t.Run(name, func(t *testing.T) {
				require.NoError(t, ask(open(), before))
				require.NoError(t, ask(open(), before))
				require.Error(t, ask(open(), forged), "and its number isn't remembered")
				require.NoError(t, ask(open(), after))
				require.ErrorContains(t, ask(open(), before), "rolled back")
				require.NoError(t, ask(open(), after))
				elsewhere := o.list(o.issuing)
				elsewhere.number, elsewhere.scope = big.NewInt(1), flagged(1)
				require.NoError(t, ask(open(), elsewhere), "another series has other numbers")
			})
		}
		t.Run("what can't be remembered is refused", func(t *testing.T) {
			require.ErrorContains(t, ask(forgetful{}, before), "disk full")
		})
	})
}

type forgetful struct{}

func (forgetful) Raise(context.Context, string, *big.Int) (*big.Int, error) {
	return nil, errors.New("disk full")
}

func TestFileNumbers(t *testing.T) {
	dir := t.TempDir()
	series := strings.Repeat("0f", 32)
	path := filepath.Join(dir, series+".number")
	open := func() *pki.FileNumbers {
		f, err := pki.NewFileNumbers(dir)
		require.NoError(t, err)
		return f
	}
	t.Run("the highest of many at once", func(t *testing.T) {
		f := open()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				highest, err := f.Raise(t.Context(), series, big.NewInt(int64(i)))
				if err != nil || highest.Cmp(big.NewInt(int64(i))) < 0 {
					t.Errorf("%d: %v, %v", i, highest, err)
				}
			})
		}
		wg.Wait()
		highest, err := open().Raise(t.Context(), series, big.NewInt(0))
		require.NoError(t, err)
		require.EqualValues(t, 49, highest.Int64())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing temporary is left")
	})
	t.Run("a damaged file is not a new series", func(t *testing.T) {
		for _, text := range []string{"", "\n", "12", "-3\n", "x\n", "1\n2\n"} {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err := open().Raise(t.Context(), series, big.NewInt(100))
			require.ErrorContains(t, err, "damaged", "%q", text)
		}
	})
	t.Run("a folder that is gone", func(t *testing.T) {
		gone := t.TempDir()
		f, err := pki.NewFileNumbers(gone)
		require.NoError(t, err)
		require.NoError(t, os.Remove(gone))
		_, err = f.Raise(t.Context(), series, big.NewInt(1))
		require.Error(t, err)
		_, err = f.Raise(t.Context(), series, big.NewInt(1))
		require.Error(t, err, "not taken for remembered")
		_, err = pki.NewFileNumbers(gone)
		require.Error(t, err)
		_, err = pki.NewFileNumbers(path)
		require.Error(t, err)
	})
	t.Run("what is no series makes no file", func(t *testing.T) {
		for _, bad := range []string{"", "../" + series, strings.ToUpper(series), series + "0"} {
			_, err := open().Raise(t.Context(), bad, big.NewInt(1))
			require.Error(t, err)
		}
	})
}

// A million revoked certificates in one list.
func TestCRLMillion(t *testing.T) {
	t.Run("threat064", func(t *testing.T) {
		o := newOutside(t)
		leaf := o.certify(o.issuing, "leaf").cert
		l := o.list(o.issuing)
		l.entries = make([]madeEntry, 1_000_000)
		code := reason(t, 4)
		for i := range l.entries {
			l.entries[i] = madeEntry{serial: new(big.Int).Lsh(big.NewInt(int64(i)+1), 100), at: o.now, extensions: code}
		}
		l.entries[999_999].serial = leaf.SerialNumber
		der := l.make(t)
		l.entries = nil
		checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{der}})
		require.NoError(t, err)
		var e pki.Evidence
		count := testing.AllocsPerRun(1, func() { e, err = checker.Evidence(t.Context(), leaf, o.issuing.cert, o.now) })
		require.Less(t, count, 1000.0, "memory for what is found, not for what is read")
		require.NoError(t, err)
		require.Equal(t, pki.Revoked, e.State)

		small, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{der}, MaxBytes: 1 << 20})
		require.NoError(t, err)
		_, err = small.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
		require.ErrorContains(t, err, "longer")
	})
}
