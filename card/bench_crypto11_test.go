// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"crypto"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/ThalesGroup/crypto11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// crypto11Signer signs with the library that we are compared with, on the token
// of plainToken. It wants a module that nobody else initialised, so it gets a
// copy of SoftHSM's file.
func crypto11Signer(b *testing.B) func(digest []byte) error {
	b.Helper()
	code, err := os.ReadFile(need.Tool(b, "softhsm"))
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "softhsm.so")
	require.NoError(b, os.WriteFile(path, code, 0o600))
	c, err := crypto11.Configure(&crypto11.Config{Path: path, TokenLabel: "plain", Pin: string(goodPIN)})
	require.NoError(b, err)
	b.Cleanup(func() { _ = c.Close() })
	k, err := c.FindKeyPair([]byte{1}, nil)
	require.NoError(b, err)
	require.NotNil(b, k)
	return func(digest []byte) error {
		_, err := k.Sign(nil, digest, crypto.SHA256)
		return err
	}
}

// crypto11Recoveries counts the signatures that a key of crypto11 makes in the
// ten calls after its card was pulled and put back.
func crypto11Recoveries(b *testing.B) int {
	b.Helper()
	tray := cardtest.New(b, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(b, err)
	c, err := crypto11.Configure(&crypto11.Config{Path: tray.Module(), TokenSerial: serial, Pin: string(goodPIN)})
	require.NoError(b, err)
	defer func() { _ = c.Close() }()
	k, err := c.FindKeyPair([]byte{1}, nil)
	require.NoError(b, err)
	digest := sha256.Sum256([]byte("what is signed"))
	_, err = k.Sign(nil, digest[:], crypto.SHA256)
	require.NoError(b, err)
	require.NoError(b, tray.Remove(0))
	require.NoError(b, tray.Insert(0, serial))
	good := 0
	for range 10 {
		if _, err := k.Sign(nil, digest[:], crypto.SHA256); err == nil {
			good++
		}
	}
	return good
}
