// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

// The provider of a hospital in a folder keeps its keys over a stop, and has nothing of a test.
func TestHospital(t *testing.T) {
	p := newParty(t)
	clients, dir := p.clients(t), t.TempDir()
	published := make([]string, 2)
	for i := range published {
		t.Run([]string{"a first start", "a second start"}[i], func(t *testing.T) {
			s := run(t, "-listen", "127.0.0.1:0", "-dir", dir, "-clients", clients)
			got, err := http.Get(s.issuer + "/.well-known/openid-configuration")
			require.NoError(t, err)
			defer func() { _ = got.Body.Close() }() // read by the decoder
			var found struct {
				Issuer string
				JWKS   string `json:"jwks_uri"`
			}
			require.NoError(t, json.NewDecoder(got.Body).Decode(&found))
			require.Equal(t, s.issuer, found.Issuer)
			keys, err := http.Get(found.JWKS)
			require.NoError(t, err)
			defer func() { _ = keys.Body.Close() }() // read below
			text, err := io.ReadAll(keys.Body)
			require.NoError(t, err)
			published[i] = string(text)

			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.asking(p), nil)
			require.NoError(t, err)
			r.Header.Set("Accept", "text/html")
			page, err := visitor(t).Do(r)
			require.NoError(t, err)
			defer func() { _ = page.Body.Close() }() // read below
			text, err = io.ReadAll(page.Body)
			require.NoError(t, err)
			require.Equal(t, "/login", page.Request.URL.Path)
			require.Contains(t, string(text), "Sign in to ward")
			require.NotContains(t, string(text), "test server")
		})
	}
	require.Equal(t, published[0], published[1])
	about, err := os.Stat(filepath.Join(dir, "signin-RS256.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), about.Mode().Perm())
}

// A hospital in a PostgreSQL server has nothing of its people in the folder.
func TestHospitalInPostgres(t *testing.T) {
	var folder string // of its socket
	require.NoError(t, postgrestest.Open(t).QueryRowContext(t.Context(), "SHOW unix_socket_directories").Scan(&folder))
	server, dir, p := "postgres://wardkey@/postgres?sslmode=disable&host="+url.QueryEscape(folder), t.TempDir(), newParty(t)
	for range 2 {
		s := run(t, "-listen", "127.0.0.1:0", "-dir", dir, "-db", server, "-clients", p.clients(t)) // two servers of one hospital
		at := goes(t, visitor(t), s.asking(p))
		require.Equal(t, "/login", at.Path)
	}
	require.NoFileExists(t, filepath.Join(dir, "hospital.db"))
}
