// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// status answers one path with a status.
func status(path string, code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			http.Error(w, "unwell", code)
		}
		return r.URL.Path == path
	}
}

// refreshing is an application at a provider that gives another refresh token each
// time, and takes none twice.
type refreshing struct {
	*fake
	ward
	wall   *clock
	newest int
	theft  bool
	unwell func(http.ResponseWriter, *http.Request) bool
}

func newRefreshing(t *testing.T) *refreshing {
	t.Helper()
	r := &refreshing{wall: new(clock)}
	r.fake, r.ward = open(t, func(c *relyingparty.Config) { c.Wall = r.wall.now })
	signedIn := time.Now().Unix()
	r.token = func(answer object) { answer["refresh_token"] = fmt.Sprint("refresh ", r.newest) }
	r.id = func(claims object) {
		now := r.wall.now().Unix()
		maps.Copy(claims, object{"iat": now, "exp": now + 300, "auth_time": signedIn})
	}
	r.instead = func(w http.ResponseWriter, q *http.Request) bool {
		if r.unwell != nil && r.unwell(w, q) {
			return true
		}
		if q.URL.Path == "/token" && q.PostFormValue("grant_type") == "refresh_token" {
			r.theft = r.theft || q.PostFormValue("refresh_token") != fmt.Sprint("refresh ", r.newest)
			r.newest++
		}
		return false
	}
	return r
}

// A session lasts over a provider that is unwell while its tokens are refreshed, in
// whichever step, and goes on with the refresh token that came last. What the
// provider says of the person ends it.
func TestARefreshWhileTheProviderIsUnwell(t *testing.T) {
	for name, c := range map[string]struct {
		unwell func(http.ResponseWriter, *http.Request) bool
		kid    string
		ends   bool
	}{
		"userinfo is busy":            {unwell: status("/userinfo", http.StatusServiceUnavailable)},
		"userinfo fails":              {unwell: status("/userinfo", http.StatusInternalServerError)},
		"userinfo is asked too often": {unwell: status("/userinfo", http.StatusTooManyRequests)},
		"userinfo waited too long":    {unwell: status("/userinfo", http.StatusRequestTimeout)},
		"userinfo can't be reached": {unwell: func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/userinfo" {
				panic(http.ErrAbortHandler)
			}
			return false
		}},
		"the token endpoint is busy": {unwell: status("/token", http.StatusServiceUnavailable)},
		"the application is refused": {unwell: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			}
			return r.URL.Path == "/token"
		}},
		"a new key can't be read":      {unwell: status("/keys", http.StatusServiceUnavailable), kid: "two"},
		"a key that nobody published":  {kid: "three", ends: true},
		"userinfo knows no such token": {unwell: status("/userinfo", http.StatusUnauthorized), ends: true},
		"userinfo is not for them":     {unwell: status("/userinfo", http.StatusForbidden), ends: true},
		"userinfo is gone":             {unwell: status("/userinfo", http.StatusNotFound), ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRefreshing(t)
			p := newPerson(t, r.ward)
			require.Equal(t, http.StatusSeeOther, p.signIn().status)
			r.wall.add(6 * time.Minute)
			r.set(func(f *fake) {
				r.unwell = c.unwell
				if c.kid != "" {
					f.kid = c.kid
				}
				f.keys = func(keys []jose.JSONWebKey) []jose.JSONWebKey {
					two := keys[0]
					two.KeyID = "two"
					return append(keys, two)
				}
			})
			got := p.ask("/ward")
			if c.ends {
				require.Equal(t, http.StatusUnauthorized, got.status, got.body)
				require.Contains(t, got.body, "rp.session")
			} else {
				require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
				require.Contains(t, got.body, "rp.provider")
				require.NotEmpty(t, got.header.Get("Retry-After"))
			}
			r.wall.add(6 * time.Second)
			r.set(func(*fake) { r.unwell = nil })
			require.Equal(t, !c.ends, p.in())
			r.set(func(*fake) { require.False(t, r.theft, "a refresh token was brought twice") })
		})
	}
}

// Who brings a token with a known key doesn't wait for keys that the provider is
// slow to give, and a flood of unknown ones asks it once.
func TestKnownKeysAreNotWaitedFor(t *testing.T) {
	wall := new(clock)
	f, app := open(t, func(c *relyingparty.Config) { c.Wall = wall.now })
	require.Equal(t, http.StatusSeeOther, newPerson(t, app).signIn().status)
	wall.add(time.Minute)
	before, slow := f.count("/keys"), make(chan struct{})
	f.set(func(f *fake) { f.hangs = map[string]chan struct{}{"/keys": slow} })
	var flood sync.WaitGroup
	over := make(chan struct{})
	for i := range 8 {
		claims := f.logoutClaims()
		claims["jti"] = fmt.Sprint(i)
		flood.Go(func() {
			assert.Equal(t, http.StatusBadRequest, f.logoutBy(fmt.Sprint("made up ", i), app, claims))
		})
	}
	go func() { flood.Wait(); close(over) }()
	require.Eventually(t, func() bool { return f.count("/keys") == before+1 }, 30*time.Second, time.Millisecond)

	p := newPerson(t, app)
	require.Equal(t, http.StatusSeeOther, p.signIn().status)
	require.True(t, p.in())
	select {
	case <-over:
		t.Error("the others didn't wait, or this one did")
	default:
	}
	close(slow)
	<-over
	require.Equal(t, before+1, f.count("/keys"))
}
