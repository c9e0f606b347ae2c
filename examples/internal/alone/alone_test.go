// SPDX-License-Identifier: Apache-2.0

package alone_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

// call sends JSON and returns the status and the answer.
func call(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

const founder = `"givenName":"Margaret","familyName":"Okafor","organisation":"RWK01","email":"margaret.okafor@nhs.net","card":"8000000000000001"`

func TestFirst(t *testing.T) {
	dir := t.TempDir()
	r := alonetest.Start(t, alonetest.Everything(), "-dir", dir)
	key := r.First[strings.Index(r.First, "=")+1:]
	t.Run("only whoever reads the terminal makes the first RA manager", func(t *testing.T) {
		status, body := call(t, "POST", r.URL+"/first", `{"key":"guess",`+founder+`}`)
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "first.key")
		status, _ = call(t, "GET", r.URL+"/first?key=guess", "")
		require.Equal(t, http.StatusForbidden, status)
		status, body = call(t, "POST", r.URL+"/first", `{"key":"`+key+`",`+founder+`}`)
		require.Equal(t, http.StatusCreated, status, body)
		var made struct {
			Ticket struct{ Kind, Server, Handle string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &made))
		require.Equal(t, "issue", made.Ticket.Kind)
		require.Equal(t, r.URL, made.Ticket.Server)
		require.NotEmpty(t, made.Ticket.Handle)
	})
	t.Run("it is ready, and says what certificates point at", func(t *testing.T) {
		for path, want := range map[string]int{"/livez": 204, "/readyz": 204, "/aia/issuing.cer": 200, "/crl/0.crl": 200, "/": 200, "/messages": 200, "/nowhere": 404} {
			status, body := call(t, "GET", r.URL+path, "")
			require.Equal(t, want, status, "%s %s", path, body)
		}
	})
	t.Run("secrets are their owner's alone", func(t *testing.T) {
		for _, name := range []string{"card-master", "authenticators", "ca.passphrase"} {
			about, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), about.Mode().Perm())
		}
	})
	t.Run("a second start takes it up, and asks again while nobody has a card", func(t *testing.T) {
		require.Zero(t, r.Stop())
		again := alonetest.Start(t, alonetest.Everything(), "-dir", dir)
		require.NotEmpty(t, again.First)
		require.NotEqual(t, key, again.First[strings.Index(again.First, "=")+1:])
	})
}

func TestPostgres(t *testing.T) {
	var folder string // of its socket
	require.NoError(t, postgrestest.Open(t).QueryRowContext(t.Context(), "SHOW unix_socket_directories").Scan(&folder))
	server := "postgres://wardkey@/postgres?sslmode=disable&host=" + url.QueryEscape(folder)
	dir := t.TempDir()
	oneHospital(t, "-dir", dir, "-db", server)
	require.NoFileExists(t, filepath.Join(dir, "hospital.db"))
}

func TestSameFolder(t *testing.T) { oneHospital(t, "-dir", t.TempDir()) }

// oneHospital starts two programs with the same flags: whom the one has made, the
// other knows.
func oneHospital(t *testing.T, args ...string) {
	t.Helper()
	made := map[string]bool{}
	for range 2 {
		r := alonetest.Start(t, alonetest.Everything(), args...)
		status, body := call(t, "GET", r.URL+"/readyz", "")
		require.Equal(t, http.StatusNoContent, status, body)
		key := r.First[strings.Index(r.First, "=")+1:]
		status, body = call(t, "POST", r.URL+"/first", `{"key":"`+key+`",`+founder+`}`)
		require.Equal(t, http.StatusCreated, status, body)
		var who struct{ UserID string }
		require.NoError(t, json.Unmarshal([]byte(body), &who))
		made[who.UserID] = true
	}
	require.Len(t, made, 1, "the founder whose card is not made yet is the same")
}

func TestConfiguration(t *testing.T) {
	tell := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return alonetest.Everything().Run(ctx, args, &out, &errs), errs.String()
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"all addresses":          {[]string{"-listen", ":8480"}, "on this machine alone"},
		"another machine's":      {[]string{"-listen", "192.0.2.1:80"}, "on this machine alone"},
		"no address":             {[]string{"-listen", "here"}, "not an address"},
		"an agent elsewhere":     {[]string{"-agent", "http://192.0.2.1:9443"}, "the card service is on this machine"},
		"any agent":              {[]string{"-agent", "*"}, "the card service is on this machine"},
		"no agent":               {[]string{"-agent", ""}, "the card service is on this machine"},
		"a password for all":     {[]string{"-db", "postgres://ward:herons@127.0.0.1/ward"}, "the password has no place there"},
		"a looser rule":          {[]string{"-idle", "9h"}, "would loosen"},
		"half a minute":          {[]string{"-idle", "30s"}, "whole minutes"},
		"keys at no name":        {[]string{"-listen", "127.0.0.2:0", "-models", models(t)}, "the pages are at localhost"},
		"an address that is not": {[]string{"-listen", "127.0.0.1:99999"}, "-listen"},
	} {
		t.Run("threat065/"+name, func(t *testing.T) {
			status, told := tell(append([]string{"-dir", t.TempDir()}, c.args...)...)
			require.Equal(t, 1, status)
			require.Contains(t, told, c.says)
			require.NotContains(t, told, "herons")
		})
	}
	status, told := tell("desk")
	require.Equal(t, 2, status)
	require.Contains(t, told, "-help")
}
