// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
)

// surfer is a browser: it keeps the cookies of the provider's host.
type surfer struct {
	*site
	cookies []*http.Cookie
}

// asks goes to the authorization endpoint and returns the request that waits.
func (b *surfer) asks(changes ...string) (id string, set []*http.Cookie) {
	b.Helper()
	w := httptest.NewRecorder()
	r := b.visits("/authorize?" + asked(changes...).Encode())
	b.provider.Handler().ServeHTTP(w, r)
	to, err := url.Parse(w.Header().Get("Location"))
	require.NoError(b, err)
	require.Equal(b, "/signin", to.Path)
	set = w.Result().Cookies()
	b.cookies = append(b.cookies, set...)
	return to.Query().Get("request"), set
}

func (b *surfer) visits(path string) *http.Request {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, issuer+path, nil)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}

func TestARequestIsOfItsBrowser(t *testing.T) {
	s := open(t, nil)
	mine, thief := &surfer{site: s}, &surfer{site: s}
	id, set := mine.asks()
	require.Len(t, set, 1)
	require.Equal(t, "__Host-wardkey-authorize", set[0].Name)
	require.True(t, set[0].Secure && set[0].HttpOnly && set[0].SameSite == http.SameSiteLaxMode && set[0].Path == "/" && set[0].Domain == "")
	require.Equal(t, 1800, set[0].MaxAge, "as long as the request waits")
	require.NotContains(t, id, set[0].Value)
	require.NoError(t, s.provider.Began(mine.visits("/signin"), id))
	second, again := mine.asks()
	require.Equal(t, set[0].Value, again[0].Value, "one for all tabs")
	require.NoError(t, s.provider.Began(mine.visits("/signin"), id))
	require.NoError(t, s.provider.Began(mine.visits("/signin"), second))
	require.Equal(t, "openid.request", wardkey.RuleOf(s.provider.Began(mine.visits("/signin"), "made up")))

	t.Run("threat059", func(t *testing.T) {
		// Somebody begins a sign-in that has to be fresh, waits until the nurse has signed in for something else, and finishes
		// it at her workstation while she is away: what the session and the times say is all right.
		kept, _ := thief.asks("prompt", "login", "max_age", "0")
		s.Clock.Add(10 * time.Minute)
		nurse := s.signIn(s.Nurse)
		s.Clock.Add(10 * time.Minute)
		w, err := s.provider.Waiting(t.Context(), kept, nurse.Token)
		require.NoError(t, err)
		require.False(t, w.SignIn)
		require.Equal(t, "openid.browser", wardkey.RuleOf(s.provider.Began(mine.visits("/signin"), kept)))
		require.Equal(t, "openid.browser", wardkey.RuleOf(s.provider.Began((&surfer{site: s}).visits("/signin"), kept)), "a browser without cookies")

		for name, value := range map[string]string{
			"planted, too short": "x", "planted, empty": "", "made up": strings.Repeat("A", 43), "too long": set[0].Value + "A",
		} {
			b := &surfer{site: s, cookies: []*http.Cookie{{Name: set[0].Name, Value: value}}}
			require.Equal(t, "openid.browser", wardkey.RuleOf(s.provider.Began(b.visits("/signin"), kept)), name)
		}
		short := &surfer{site: s, cookies: []*http.Cookie{{Name: set[0].Name, Value: "x"}}}
		_, fresh := short.asks()
		require.Len(t, fresh[0].Value, 43, "what can be guessed is replaced")
	})
}

// What the provider answers is for clients and for the browser's own pages, and for no script of another origin.
func TestNothingIsForScriptsOfOtherOrigins(t *testing.T) {
	s := open(t, nil)
	access := s.tokens(s.signIn(s.Nurse).Token)["access_token"].(string)
	t.Run("threat058", func(t *testing.T) {
		for path, methods := range map[string][]string{
			"/authorize?" + asked().Encode(): {"GET", "OPTIONS"}, "/access_token": {"POST", "OPTIONS"}, "/userinfo": {"GET", "OPTIONS"},
			"/connect/jwk_uri": {"GET", "OPTIONS"}, "/.well-known/openid-configuration": {"GET", "OPTIONS"},
		} {
			for _, method := range methods {
				r, err := http.NewRequestWithContext(t.Context(), method, issuer+path, nil)
				require.NoError(t, err)
				r.Header.Set("Origin", "https://evil.example")
				r.Header.Set("Access-Control-Request-Method", "POST")
				r.Header.Set("Authorization", "Bearer "+access)
				for name := range s.do(r).header {
					require.False(t, strings.HasPrefix(name, "Access-Control-"), "%s %s: %s", method, path, name)
				}
			}
		}
	})
}
