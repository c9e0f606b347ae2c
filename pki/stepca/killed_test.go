// SPDX-License-Identifier: Apache-2.0

package stepca_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

func TestMain(m *testing.M) {
	if dir := crashtest.Folder(); dir != "" {
		a, err := stepca.Open(context.Background(), stepca.Config{Dir: dir, Passphrase: passphrase, Now: now})
		if err == nil {
			err = a.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Killed at any step of making the hierarchy, what stands under a name is whole
// and stays what it is, and no key lies about in clear.
func TestBootstrapKilled(t *testing.T) {
	need.Tool(t, "strace")
	made := map[int]int{} // how many files a kill left → how often
	for _, call := range []string{"link,linkat", "fsync", "unlink,unlinkat"} {
		// strace counts for each thread, so one run that ends isn't the end.
		finished := 0
		for k := 1; finished < 2 && k < 20; k++ {
			dir := filepath.Join(t.TempDir(), "pki")
			if !crashtest.Killed(t, dir, call, k) {
				finished++
				continue
			}
			before := files(t, dir)
			made[len(before)]++
			a, err := stepca.Open(t.Context(), stepca.Config{Dir: dir, Passphrase: passphrase, Now: now})
			require.NoError(t, err, "%s %d", call, k)
			working(t, a)
			require.NoError(t, a.Close())
			after := files(t, dir)
			require.Len(t, after, 4)
			for name, data := range before {
				require.Equal(t, data, after[name], name)
			}
			secret(t, dir)
		}
		require.Equal(t, 2, finished, "the sweep of %s ended before the program did", call)
	}
	t.Logf("files left by the kills: %v", made)
	require.GreaterOrEqual(t, len(made), 3, "the kills left too little variety")
}

// files reads what stands under a name of its own.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.key", "*.crt"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			out[filepath.Base(name)] = string(data)
		}
	}
	return out
}

// secret looks at everything in a folder, what a kill left included.
func secret(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(data), "BEGIN PRIVATE KEY")
		require.NotContains(t, string(data), "BEGIN EC PRIVATE KEY")
		require.NotContains(t, string(data), "correct horse")
		info, err := e.Info()
		require.NoError(t, err)
		if strings.Contains(string(data), "PRIVATE KEY") {
			require.Zero(t, info.Mode().Perm()&0o077, e.Name())
		}
	}
}
