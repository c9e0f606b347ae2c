// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package stepca_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// token makes a SoftHSM token of this test's own.
func token(t *testing.T) stepca.PKCS11 {
	t.Helper()
	return labelled(t, "issuing")
}

func labelled(t *testing.T, label string) stepca.PKCS11 {
	t.Helper()
	module := need.Tool(t, "softhsm")
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", "123456").CombinedOutput()
	require.NoError(t, err, string(out))
	return stepca.PKCS11{Module: module, Token: label, PIN: func() ([]byte, error) { return []byte("123456"), nil }}
}

func TestPKCS11(t *testing.T) {
	key := token(t)
	config := stepca.Config{Dir: t.TempDir(), Passphrase: passphrase, IssuingKey: key, Now: now}
	first, err := stepca.Open(t.Context(), config)
	require.NoError(t, err)
	working(t, first)
	require.NoError(t, first.Close())
	require.NoFileExists(t, filepath.Join(config.Dir, "issuing.key"))

	again, err := stepca.Open(t.Context(), config)
	require.NoError(t, err)
	working(t, again)
	require.Equal(t, first.Chain()[0].Raw, again.Chain()[0].Raw)
	require.NoError(t, again.Close())

	t.Run("resumed after the key was made", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(config.Dir, "issuing.crt")))
		resumed, err := stepca.Open(t.Context(), config)
		require.NoError(t, err)
		working(t, resumed)
		require.Equal(t, first.Chain()[0].PublicKey, resumed.Chain()[0].PublicKey)
		require.NoError(t, resumed.Close())
	})
	t.Run("in another token no key is made", func(t *testing.T) {
		tool := need.Tool(t, "pkcs11-tool")
		out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "other", "--so-pin", "87654321", "--pin", "123456").CombinedOutput()
		require.NoError(t, err, string(out))
		wrong := config
		other := key
		other.Token = "other"
		wrong.IssuingKey = other
		_, err = stepca.Open(t.Context(), wrong)
		require.ErrorContains(t, err, `"other"`)
		out, err = exec.Command(tool, "--module", key.Module, "--token-label", "other", "--login", "--pin", "123456", "--list-objects").CombinedOutput()
		require.NoError(t, err, string(out))
		require.NotContains(t, string(out), "wardkey-issuing")
	})
	t.Run("wrong PIN", func(t *testing.T) {
		wrong := config
		other := key
		other.PIN = func() ([]byte, error) { return []byte("999999"), nil }
		wrong.IssuingKey = other
		_, err := stepca.Open(t.Context(), wrong)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "999999")
		require.ErrorContains(t, err, `"issuing"`)
	})
	t.Run("no PIN", func(t *testing.T) {
		none := key
		none.PIN = func() ([]byte, error) { return nil, nil }
		_, err := none.Key(t.Context(), "issuing")
		require.ErrorContains(t, err, "the PIN is empty")
	})
	t.Run("threat041", func(t *testing.T) {
		relative := key
		relative.Module = filepath.Base(key.Module)
		_, err := relative.Key(t.Context(), "issuing")
		require.ErrorContains(t, err, "absolute")
	})
	t.Run("incomplete", func(t *testing.T) {
		wrong := config
		wrong.IssuingKey = stepca.PKCS11{}
		_, err := stepca.Open(t.Context(), wrong)
		require.Error(t, err)
	})
}

// A label that has a meaning in a URI is a label, and can't bring a PIN of its own.
func TestPKCS11Label(t *testing.T) {
	key := labelled(t, "A+B 100%&pin-value=0;x")
	signer, err := key.Key(t.Context(), "issuing")
	require.NoError(t, err)
	require.NoError(t, signer.(io.Closer).Close())
}
