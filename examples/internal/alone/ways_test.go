// SPDX-License-Identifier: Apache-2.0

package alone_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
)

// models is a file that approves a key which nobody has.
func models(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	require.NoError(t, err)
	text, err := json.Marshal([]map[string]any{{
		"aaguid": "01020304-0506-0708-0102-030405060708", "name": "Ward key", "kind": "security-key",
		"roots":  []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))},
		"source": map[string]string{"document": "Test"},
	}})
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "models.json")
	require.NoError(t, os.WriteFile(name, text, 0o600))
	return name
}

// Browsers find localhost at both addresses of the machine, ::1 first: whoever else answered at one of them would be
// this site to them, with its keys and its cookies.
func TestBothAddressesOfTheName(t *testing.T) {
	const six = "[::1]:"
	r := alonetest.Start(t, alonetest.Everything(), "-dir", t.TempDir(), "-models", models(t))
	at, err := url.Parse(r.URL)
	require.NoError(t, err)
	require.Equal(t, "localhost", at.Hostname())
	t.Run("threat060/nobody else takes the other one", func(t *testing.T) {
		_, err := net.Listen("tcp", six+at.Port()) // on a machine without IPv6 nobody can
		require.Error(t, err)
	})
	free, err := net.Listen("tcp", six+"0")
	if err != nil {
		return // a machine without IPv6, where localhost is at one address
	}
	t.Cleanup(func() { require.NoError(t, free.Close()) })
	t.Run("the site is at both", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+six+at.Port()+"/livez", nil)
		require.NoError(t, err)
		r.Host = at.Host
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.Equal(t, http.StatusNoContent, got.StatusCode)
	})
	t.Run("threat060/a program that was there first is not joined", func(t *testing.T) {
		_, port, err := net.SplitHostPort(free.Addr().String())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var told bytes.Buffer
		status := alonetest.Everything().Run(ctx, []string{"-listen", "127.0.0.1:" + port, "-dir", t.TempDir(), "-models", models(t)}, io.Discard, &told)
		require.Equal(t, 1, status)
		require.Contains(t, told.String(), "-listen")
	})
}
