// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// A session ends eight hours after it began, used or not, and after fifteen
// minutes without a request.
func TestHowLongASessionLasts(t *testing.T) {
	calendar := new(clock)
	_, app := open(t, func(c *relyingparty.Config) { c.Now = calendar.now })
	t.Run("row047", func(t *testing.T) {
		p := newPerson(t, app)
		require.Equal(t, http.StatusSeeOther, p.signIn().status)
		for range 47 {
			calendar.add(10 * time.Minute)
			require.True(t, p.in())
		}
		calendar.add(9 * time.Minute) // 7:59
		require.True(t, p.in())
		require.False(t, newPerson(t, app).in(), "another browser")
		calendar.add(time.Minute)
		require.False(t, p.in())
		require.Equal(t, http.StatusSeeOther, p.get("/ward").status, "the card is asked again")
	})
	t.Run("idle", func(t *testing.T) {
		p := newPerson(t, app)
		p.signIn()
		calendar.add(14 * time.Minute)
		require.True(t, p.in())
		calendar.add(14 * time.Minute)
		require.True(t, p.in(), "it was used")
		calendar.add(15 * time.Minute)
		require.False(t, p.in())
		calendar.add(-15 * time.Minute)
		require.False(t, p.in(), "it is gone")
	})
	t.Run("shorter, never longer", func(t *testing.T) {
		_, app := open(t, func(c *relyingparty.Config) { c.Now, c.Lifetime, c.Idle = calendar.now, time.Hour, time.Hour })
		p := newPerson(t, app)
		p.signIn()
		calendar.add(time.Hour - time.Minute)
		require.True(t, p.in())
		calendar.add(time.Minute)
		require.False(t, p.in())
	})
}

// A session's id is new at each sign-in, and the one before it ends.
func TestSessionsAreNotFixed(t *testing.T) {
	_, app := open(t, nil)
	at := must(t, app.URL)
	t.Run("threat059", func(t *testing.T) {
		p := newPerson(t, app)
		planted := &http.Cookie{Name: "wardkey-rp-session", Value: strings.Repeat("A", 43), Path: "/"}
		p.web.Jar.SetCookies(at, []*http.Cookie{planted})
		p.signIn()
		first := session(t, p, at)
		require.NotEqual(t, planted.Value, first)

		thief := newPerson(t, app)
		thief.web.Jar.SetCookies(at, []*http.Cookie{planted})
		require.False(t, thief.in())

		require.Equal(t, http.StatusSeeOther, p.arrive(p.get("/auth/signin").query(t)).status)
		require.NotEqual(t, first, session(t, p, at))
		thief.web.Jar.SetCookies(at, []*http.Cookie{{Name: planted.Name, Value: first, Path: "/"}})
		require.False(t, thief.in(), "the session of before")
	})
}

func session(t *testing.T, p person, at *url.URL) string {
	t.Helper()
	for _, c := range p.web.Jar.Cookies(at) {
		if c.Name == "wardkey-rp-session" {
			return c.Value
		}
	}
	t.Fatal("no session cookie")
	return ""
}

// Cookies belong to this host, are no script's, and end with the browser.
func TestCookies(t *testing.T) {
	f := newFake(t)
	rp, err := relyingparty.New(relyingparty.Config{Issuer: f.URL, ClientID: clientID, Secret: secret(), RedirectURL: "https://ward.example/auth/callback"})
	require.NoError(t, err)
	begun := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://ward.example/ward", nil)
	r.Header.Set("Accept", "text/html")
	rp.Protect(http.NotFoundHandler()).ServeHTTP(begun, r)
	to, err := begun.Result().Location()
	require.NoError(t, err)
	q := url.Values{"state": {to.Query().Get("state")}, "code": {to.Query().Get("nonce")}}
	done := httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodGet, "https://ward.example/auth/callback?"+q.Encode(), nil)
	r.AddCookie(begun.Result().Cookies()[0])
	rp.ServeHTTP(done, r)
	require.Equal(t, http.StatusSeeOther, done.Code, done.Body.String())
	for name, c := range map[string]*http.Cookie{"__Host-wardkey-rp-signin": begun.Result().Cookies()[0], "__Host-wardkey-rp-session": done.Result().Cookies()[0]} {
		require.Equal(t, name, c.Name)
		require.True(t, c.Secure && c.HttpOnly, name)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, "/", c.Path)
		require.Empty(t, c.Domain)
		require.Zero(t, c.MaxAge)
		require.True(t, c.Expires.IsZero())
	}
}

// Who is let through to what.
func TestProtect(t *testing.T) {
	_, app := open(t, nil)
	p := newPerson(t, app)
	p.signIn()
	t.Run("the person's page is not kept by caches", func(t *testing.T) {
		got := p.get("/ward")
		require.Equal(t, "555000000017 as S8000:G8000:R8001 at /ward", got.body)
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	})
	t.Run("a form of another site", func(t *testing.T) {
		require.Equal(t, "rp.crossorigin", p.do(http.MethodPost, "/ward", "text/html", "Sec-Fetch-Site", "cross-site").rule())
		require.Equal(t, http.StatusOK, p.do(http.MethodPost, "/ward", "text/html", "Sec-Fetch-Site", "same-origin").status)
		require.Equal(t, "rp.crossorigin", p.do(http.MethodPost, "/auth/signout", "text/html", "Sec-Fetch-Site", "cross-site").rule())
		require.True(t, p.in())
	})
	t.Run("only pages are sent to the provider", func(t *testing.T) {
		stranger := newPerson(t, app)
		require.Equal(t, http.StatusSeeOther, stranger.get("/ward").status)
		require.Equal(t, http.StatusUnauthorized, stranger.ask("/ward").status)
		require.Equal(t, http.StatusUnauthorized, stranger.do(http.MethodPost, "/ward", "text/html").status)
		require.Equal(t, http.StatusUnauthorized, stranger.do(http.MethodGet, "/ward", "text/html", "Sec-Fetch-Mode", "cors").status)
		require.Equal(t, http.StatusUnauthorized, stranger.do(http.MethodGet, "/ward", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe").status)
	})
	t.Run("row048", func(t *testing.T) {
		got := p.do(http.MethodPost, "/auth/signout", "text/html")
		require.Equal(t, http.StatusOK, got.status)
		out, tabs, device := strings.Index(got.body, "<li>Sign out of the other"), strings.Index(got.body, "<li>Close all browser tabs"), strings.Index(got.body, "<li>Sign out of the device")
		require.True(t, 0 < out && out < tabs && tabs < device, got.body)
		require.False(t, p.in())
		require.Equal(t, http.StatusNoContent, p.do(http.MethodPost, "/auth/signout", "application/json").status)
	})
}

// spy keeps what a store is given.
type spy struct {
	relyingparty.Store
	seen []relyingparty.Record
}

func (s *spy) Add(ctx context.Context, r relyingparty.Record, now time.Time) error {
	s.seen = append(s.seen, r)
	return s.Store.Add(ctx, r, now)
}

// Whoever reads the store learns neither whose session it is nor how to take it.
func TestTheStoreTellsNothing(t *testing.T) {
	s := &spy{Store: relyingparty.NewMemoryStore()}
	_, app := open(t, func(c *relyingparty.Config) { c.Store = s })
	p := newPerson(t, app)
	q := p.get("/ward").query(t)
	require.Equal(t, http.StatusSeeOther, p.arrive(q).status)
	at := must(t, app.URL)
	require.Len(t, s.seen, 2)
	for _, r := range s.seen {
		all := r.Key + strings.Join(r.Groups, " ") + string(r.Value)
		for _, secret := range []string{session(t, p, at), q.Get("state"), q.Get("nonce"), "555000000017", "OSEI", "Amina", "a session"} {
			require.NotContains(t, all, secret)
		}
	}
	t.Run("and a record that was changed opens nothing", func(t *testing.T) {
		key := s.seen[1].Key
		r, err := s.Load(t.Context(), key)
		require.NoError(t, err)
		r.Value[len(r.Value)-1] ^= 1
		require.NoError(t, s.Update(t.Context(), r))
		require.Equal(t, http.StatusInternalServerError, p.ask("/ward").status)
		require.Equal(t, "rp.internal", p.get("/ward").rule())
	})
}

func must(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}
