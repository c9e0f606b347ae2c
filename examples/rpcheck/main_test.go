// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// later is an application that starts once it knows its provider, as a person
// starts it who has read what the command prints.
type later struct {
	*httptest.Server
	mu      sync.Mutex
	handler http.Handler
}

func newLater(t *testing.T, serve func(http.Handler) *httptest.Server) *later {
	l := &later{handler: http.NotFoundHandler()}
	l.Server = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		h := l.handler
		l.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// startWhenTold waits for the issuer in what the command prints, and starts the
// application with it.
func (l *later) startWhenTold(t *testing.T, printed io.Reader, configure func(*relyingparty.Config)) *bytes.Buffer {
	t.Helper()
	var all bytes.Buffer
	buf := make([]byte, 4096)
	for {
		n, err := printed.Read(buf)
		all.Write(buf[:n])
		if _, after, told := strings.Cut(all.String(), "  issuer          "); told && strings.Contains(after, "Waiting") {
			issuer, _, _ := strings.Cut(after, "\n")
			l.start(t, issuer, configure)
			break
		}
		if err != nil {
			t.Errorf("no issuer was printed: %s", all.String())
			break
		}
	}
	_, _ = io.Copy(&all, printed)
	return &all
}

func (l *later) start(t *testing.T, issuer string, configure func(*relyingparty.Config)) {
	c := relyingparty.Config{Issuer: issuer, ClientID: "rpcheck-client", RedirectURL: l.URL + "/auth/callback"}
	configure(&c)
	rp, err := relyingparty.New(c)
	if err != nil {
		t.Error(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(rp.Path(), rp)
	mux.Handle("/", rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") })))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = mux
}

// run runs the command beside the application and gives its status and what it
// printed.
func run(t *testing.T, app *later, configure func(*relyingparty.Config), args ...string) (status int, stdout, stderr string) {
	t.Helper()
	printed, printing := io.Pipe()
	var out bytes.Buffer
	var all *bytes.Buffer
	var done sync.WaitGroup
	done.Go(func() { all = app.startWhenTold(t, printed, configure) })
	status = command(t.Context(), append([]string{"-listen", "127.0.0.1:0", "-login", app.URL + "/ward"}, args...), &out, printing)
	require.NoError(t, printing.Close())
	done.Wait()
	return status, out.String(), all.String()
}

func TestTheCommand(t *testing.T) {
	t.Setenv("RPCHECK_SECRET", "a secret of the tests")
	withSecret := func(c *relyingparty.Config) { c.Secret = []byte("a secret of the tests") }

	t.Run("a right application", func(t *testing.T) {
		app := newLater(t, httptest.NewServer)
		status, stdout, stderr := run(t, app, func(c *relyingparty.Config) {
			withSecret(c)
			c.MaxAge = 5 * time.Minute
			c.Role = relyingparty.RoleNeeded{Activities: []string{"B0401"}, Organisations: []string{"RBB"}}
		}, "-min-identity", "3", "-backchannel", app.URL+"/auth/backchannel-logout", "-activity", "B0420,B0401", "-org", "RBB")
		require.Zero(t, status, stdout+stderr)
		require.Regexp(t, `\nrpcheck: \d\d played, 0 wrong, 0 not played\n$`, stdout)
		require.NotContains(t, stderr, "a secret of the tests")
	})
	t.Run("nothing but the login address", func(t *testing.T) {
		status, stdout, _ := run(t, newLater(t, httptest.NewServer), withSecret)
		require.Equal(t, 1, status, "logout was not played")
		require.Contains(t, stdout, " 0 wrong, ")
		require.Contains(t, stdout, "give -backchannel, or say -no-backchannel")
		status, stdout, _ = run(t, newLater(t, httptest.NewServer), withSecret, "-no-backchannel")
		require.Zero(t, status, stdout)
	})
	t.Run("an application that takes any level", func(t *testing.T) {
		status, stdout, _ := run(t, newLater(t, httptest.NewServer), func(c *relyingparty.Config) {
			withSecret(c)
			c.MinAuthentication = relyingparty.Any
		})
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "\nWRONGLY ACCEPTED: acr-too-low: ")
		require.Contains(t, stdout, " played, 1 wrong, ")
		require.Contains(t, stdout, "\nnot played: auth-time-stale: the request has neither max_age nor prompt=login")
	})
	t.Run("an application that signs nobody in", func(t *testing.T) {
		status, stdout, _ := run(t, newLater(t, httptest.NewServer), func(c *relyingparty.Config) { c.Secret = []byte("another secret") })
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "WRONGLY REFUSED: good")
		require.Contains(t, stdout, "the token endpoint said invalid_client: the client_secret is missing or wrong")
		require.Contains(t, stdout, "rpcheck: 1 played, 1 wrong", "refusing the rest would prove nothing")
	})
	t.Run("an application on https", func(t *testing.T) {
		app := newLater(t, httptest.NewTLSServer)
		file := filepath.Join(t.TempDir(), "ca.pem")
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: app.Certificate().Raw}), 0o600))
		status, stdout, stderr := run(t, app, withSecret, "-no-backchannel", "-ca", file)
		require.Zero(t, status, stdout+stderr)
	})
	t.Run("an application with keys", func(t *testing.T) {
		t.Setenv("RPCHECK_SECRET", "")
		app := newLater(t, httptest.NewServer)
		status, stdout, stderr := run(t, app, func(c *relyingparty.Config) { c.Keys = clientKeys(t) }, "-jwks", app.URL+"/auth/jwks", "-int-levels", "-backchannel", app.URL+"/auth/backchannel-logout")
		require.Zero(t, status, stdout+stderr)
		require.Contains(t, stderr, "private_key_jwt")
	})
}

// What can't be asked is no verdict.
func TestTheCommandCanNotAsk(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(open.Close)
	for name, args := range map[string][]string{
		"no login address":       {"-no-backchannel"},
		"an argument":            {"-login", open.URL, "-no-backchannel", "secret"},
		"nobody answers":         {"-login", "http://127.0.0.1:1/", "-no-backchannel", "-wait", "10ms"},
		"it leads nowhere":       {"-login", open.URL, "-no-backchannel", "-wait", "10ms"},
		"no certificates":        {"-login", open.URL, "-no-backchannel", "-ca", os.DevNull},
		"an issuer that is none": {"-login", open.URL, "-no-backchannel", "-issuer", "care"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, 2, command(t.Context(), append([]string{"-listen", "127.0.0.1:0"}, args...), &out, &errs))
			require.Contains(t, errs.String(), "rpcheck: ")
		})
	}
	var out, errs bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"-h"}, &out, &errs))
	require.Contains(t, errs.String(), "-backchannel")
}

func clientKeys(t *testing.T) *relyingparty.Keys {
	keys, err := relyingparty.NewKeys("RS512", nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err == nil {
		_, err = keys.Add(key, time.Time{})
	}
	if err != nil {
		t.Error(err)
	}
	return keys
}
