// SPDX-License-Identifier: Apache-2.0

package stepca_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// signs has a list signed.
func signs(a *stepca.Authority) error {
	_, err := a.SignCRL(context.Background(), &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: start, NextUpdate: start.Add(time.Hour)})
	return err
}

// A token that was away signs again when it is back, for whoever kept the key.
func TestPKCS11Away(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{Label: "issuing", PIN: []byte("4321")})
	require.NoError(t, err)
	asked := 0
	source := stepca.PKCS11{Module: tray.Module(), Token: "issuing", PIN: func() ([]byte, error) {
		asked++
		return []byte("4321"), nil
	}}
	a, err := stepca.Open(t.Context(), stepca.Config{Dir: t.TempDir(), Passphrase: passphrase, IssuingKey: source, Now: now})
	require.NoError(t, err)
	defer func() { assert.NoError(t, a.Close()) }()
	working(t, a)
	for range 2 {
		require.NoError(t, tray.Remove(0))
		err = signs(a)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "4321")
		require.NoError(t, tray.Insert(0, serial))
		working(t, a)
	}
	t.Run("for many at once", func(t *testing.T) {
		require.NoError(t, tray.Remove(0))
		require.NoError(t, tray.Insert(0, serial))
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				assert.NoError(t, signs(a))
			})
		}
		all.Wait()
	})
	require.Equal(t, 1, asked, "nobody stands beside a server to type a PIN")

	t.Run("another token of that name isn't it", func(t *testing.T) {
		require.NoError(t, tray.Remove(0))
		_, err := tray.Personalised(0, cardtest.Personal{Label: "issuing", PIN: []byte("4321")})
		require.NoError(t, err)
		require.Error(t, signs(a))
	})
}

// A PIN that isn't right any more is tried once, and not until the token locks.
func TestPKCS11AwayWithAnotherPIN(t *testing.T) {
	tool := need.Tool(t, "pkcs11-tool")
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{Label: "issuing", PIN: []byte("4321")})
	require.NoError(t, err)
	source := stepca.PKCS11{Module: tray.Module(), Token: "issuing", PIN: func() ([]byte, error) { return []byte("4321"), nil }}
	key, err := source.Key(t.Context(), "issuing")
	require.NoError(t, err)
	sign := func(key crypto.Signer) error {
		_, err := key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
		return err
	}
	require.NoError(t, sign(key))
	require.NoError(t, tray.Remove(0))
	require.Error(t, sign(key))
	require.NoError(t, tray.Insert(0, serial))
	out, err := exec.Command(tool, "--module", tray.Module(), "--slot", "0", "--login", "--pin", "4321", "--change-pin", "--new-pin", "8765").CombinedOutput()
	require.NoError(t, err, string(out))
	for range 10 {
		require.Error(t, sign(key))
	}
	require.NoError(t, key.(io.Closer).Close())
	require.ErrorContains(t, sign(key), "closed")

	source.PIN = func() ([]byte, error) { return []byte("8765"), nil }
	again, err := source.Key(t.Context(), "issuing")
	require.NoError(t, err, "it isn't locked")
	require.NoError(t, errors.Join(sign(again), again.(io.Closer).Close()))
}
