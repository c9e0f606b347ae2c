// SPDX-License-Identifier: Apache-2.0

package kept_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

func TestFirst(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	var all [16]string
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			text, err := kept.First(path, kept.FreshHex(32))
			if err == nil {
				all[i] = string(text)
			}
		})
	}
	wg.Wait()
	for _, one := range all {
		require.Len(t, one, 64)
		require.Equal(t, all[0], one, "who starts at the same time has the same secret")
	}
	alone(t, dir, "secret")
	_, err := kept.First(filepath.Join(dir, "none", "secret"), []byte("x"))
	require.Error(t, err)
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "said")
	require.NoError(t, kept.Replace(path, []byte("first")))
	require.NoError(t, kept.Replace(path, []byte("second")))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "second", string(text))
	alone(t, dir, "said")
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	const variable = "WARDKEY_KEPT_TEST_KEY"
	db := filepath.Join(dir, "mail.db")
	path := db + ".key"
	key, err := kept.Key(variable, path, db)
	require.NoError(t, err)
	require.Len(t, key, 32)
	require.NoError(t, os.WriteFile(db, []byte("sealed"), 0o600))
	again, err := kept.Key(variable, path, db)
	require.NoError(t, err)
	require.Equal(t, key, again)

	require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(key[:31])), 0o600))
	_, err = kept.Key(variable, path, db)
	require.ErrorContains(t, err, "is no key")
	require.NotContains(t, err.Error(), hex.EncodeToString(key[:4]))
	require.NoError(t, os.Remove(path))
	_, err = kept.Key(variable, path, db)
	require.ErrorContains(t, err, "has no key")
	require.NoFileExists(t, path)

	t.Setenv(variable, hex.EncodeToString(key))
	given, err := kept.Key(variable, path, db)
	require.NoError(t, err)
	require.Equal(t, key, given)
	t.Setenv(variable, "secret words")
	_, err = kept.Key(variable, path, db)
	require.ErrorContains(t, err, variable)
	require.NotContains(t, err.Error(), "secret words")
}

func TestSigner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	fresh := func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
	var all [8]crypto.Signer
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i], _ = kept.Signer(path, fresh) })
	}
	wg.Wait()
	for _, one := range all {
		require.Equal(t, all[0], one, "two programs of one folder sign alike")
	}
	require.NotNil(t, all[0])
	for _, damaged := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		require.NoError(t, os.WriteFile(path, []byte(damaged), 0o600))
		_, err := kept.Signer(path, fresh)
		require.ErrorContains(t, err, "is damaged")
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "AAAA", "a damaged key is not written over")
}

// alone says that a folder has that one file, for its user.
func alone(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, name, entries[0].Name())
	info, err := entries[0].Info()
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
}
