// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// lines is a log that several requests write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// The log says by which rule and why, and holds nothing that could be used: no
// code, state, token, cookie or secret, and no more than a little of what a
// provider answers.
func TestTheLogTellsWhyAndNoSecret(t *testing.T) {
	var log lines
	f, app := open(t, func(c *relyingparty.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	var tokens []string
	f.set(func(f *fake) {
		f.token = func(a object) {
			a["access_token"] = "an-access-token"
			tokens = append(tokens, a["id_token"].(string))
		}
	})
	p := newPerson(t, app)
	q := p.get("/ward").query(t)
	require.Equal(t, http.StatusSeeOther, p.arrive(q).status)
	secrets := []string{q.Get("state"), q.Get("nonce"), q.Get("code_challenge"), "an-access-token", string(secret())}
	for _, c := range p.web.Jar.Cookies(must(t, app.URL)) {
		secrets = append(secrets, c.Value)
	}
	for _, spoil := range []func(object){
		func(o object) { o["nonce"] = "n" }, func(o object) { o["aud"] = "other" }, func(o object) { o["exp"] = 1 },
		func(o object) { o["auth_time"] = "yesterday" }, func(o object) { o["acr"] = "AAL1_USERPASS" },
	} {
		f.set(func(f *fake) { f.id = spoil })
		p := newPerson(t, app)
		q := p.get("/ward").query(t)
		secrets = append(secrets, q.Get("state"), q.Get("nonce"))
		require.GreaterOrEqual(t, p.arrive(q).status, 400)
		p.arrive(q)
	}
	f.set(func(f *fake) { f.id = nil })
	require.Equal(t, http.StatusOK, f.logout(app, f.logoutClaims()))
	claims := f.logoutClaims()
	claims["nonce"] = "n"
	require.Equal(t, http.StatusBadRequest, f.logout(app, claims))

	text := log.text.String()
	for _, told := range []string{"rule=rp.token", "rule=rp.authentication", "rule=rp.state", "nonce is another", "it has a nonce", "sessions=1"} {
		require.Contains(t, text, told)
	}
	for _, s := range append(secrets, tokens...) {
		require.NotContains(t, text, s)
	}
	require.NotContains(t, text, "555000000017", "nor whose it was")
}
