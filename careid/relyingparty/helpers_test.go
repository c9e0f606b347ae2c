// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

const clientID = "555000000001.apps.example"

func secret() []byte { return []byte("a secret of the tests") }

// clock is moved by tests.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.moved)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// ward is an application behind a relying party.
type ward struct {
	*httptest.Server
	rp *relyingparty.RelyingParty
}

// protect serves an application that tells who is signed in. The server is made
// first, since its address is part of the configuration.
func protect(t *testing.T, configure func(address string) relyingparty.Config) ward {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c := configure(server.URL)
	if c.RedirectURL == "" {
		c.RedirectURL = server.URL + "/auth/callback"
	}
	rp, err := relyingparty.New(c)
	require.NoError(t, err)
	mux.Handle(rp.Path(), rp)
	mux.Handle("/", rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, ok := relyingparty.ClaimsOf(r.Context())
		if !ok {
			http.Error(w, "no claims", http.StatusInternalServerError)
			return
		}
		role, _ := claims.Role()
		fmt.Fprintf(w, "%s as %s at %s", claims.Subject, role.Code, r.URL.RequestURI())
	})))
	mux.Handle("/card", rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := relyingparty.ClaimsOf(r.Context())
		list, err := json.Marshal(relyingparty.Prompts(relyingparty.Situation{Alerts: claims.Alerts, Now: c.Now()}, relyingparty.Pages{Renew: "/renew"}))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(list)
	})))
	mux.Handle("/page", rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><title>Ward</title><form method="post" action="/auth/signout"><button>Sign out</button></form>`)
	})))
	return ward{server, rp}
}

func (w ward) application() rptest.Application {
	return rptest.Application{Login: w.URL + "/ward", BackChannel: w.URL + "/auth/backchannel-logout", MinIdentity: 3}
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}
