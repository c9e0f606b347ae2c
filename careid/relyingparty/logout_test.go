// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutClaims are a right logout token's, for the sessions of the fake provider.
func (f *fake) logoutClaims() object {
	now := time.Now().Unix()
	return object{
		"iss": f.URL, "aud": clientID, "sub": "555000000017", "sid": "a session", "iat": now, "exp": now + 120,
		"jti": time.Now().String(), "events": object{logoutEvent: object{}},
	}
}

func (f *fake) logout(app ward, claims object) int {
	f.t.Helper()
	return f.logoutBy("one", app, claims)
}

// logoutBy names a key.
func (f *fake) logoutBy(kid string, app ward, claims object) int {
	f.t.Helper()
	resp, err := http.PostForm(app.URL+"/auth/backchannel-logout", url.Values{"logout_token": {f.sign(kid, claims)}})
	if !assert.NoError(f.t, err) {
		return 0
	}
	assert.NoError(f.t, resp.Body.Close())
	assert.Equal(f.t, "no-store", resp.Header.Get("Cache-Control"))
	return resp.StatusCode
}

// The sessions that a logout token ends are those that it names, and no others.
func TestWhichSessionsALogoutEnds(t *testing.T) {
	f, app := open(t, nil)
	sid := "a session"
	f.id = func(c object) {
		if c["sid"] = sid; sid == "" {
			delete(c, "sid")
		}
	}
	enter := func(id string) person {
		f.set(func(*fake) { sid = id })
		p := newPerson(t, app)
		require.Equal(t, http.StatusSeeOther, p.signIn().status)
		return p
	}
	for name, c := range map[string]struct {
		change func(object)
		status int
		in     [3]bool // of the sessions one, two, and one without sid
	}{
		"by sid and sub":                 {func(o object) { o["sid"] = "one" }, 200, [3]bool{false, true, false}},
		"by sid":                         {func(o object) { o["sid"] = "one"; delete(o, "sub") }, 200, [3]bool{false, true, true}},
		"by sub":                         {func(o object) { delete(o, "sid") }, 200, [3]bool{}},
		"another person's sid":           {func(o object) { o["sid"], o["sub"] = "one", "555000000991" }, 200, [3]bool{true, true, true}},
		"a sid that is over":             {func(o object) { o["sid"] = "none"; delete(o, "sub") }, 200, [3]bool{true, true, true}},
		"nobody":                         {func(o object) { delete(o, "sid"); delete(o, "sub") }, 400, [3]bool{true, true, true}},
		"an event that is no object":     {func(o object) { o["events"] = object{logoutEvent: true} }, 400, [3]bool{true, true, true}},
		"an event of null":               {func(o object) { o["events"] = object{logoutEvent: nil} }, 400, [3]bool{true, true, true}},
		"no jti":                         {func(o object) { delete(o, "jti") }, 400, [3]bool{true, true, true}},
		"no iat":                         {func(o object) { delete(o, "iat") }, 400, [3]bool{true, true, true}},
		"of the future":                  {func(o object) { o["iat"] = time.Now().Add(time.Hour).Unix() }, 400, [3]bool{true, true, true}},
		"old, without exp":               {func(o object) { o["iat"] = time.Now().Add(-6 * time.Minute).Unix(); delete(o, "exp") }, 400, [3]bool{true, true, true}},
		"without exp, as there may be":   {func(o object) { o["sid"] = "one"; delete(o, "exp") }, 200, [3]bool{false, true, false}},
		"a nonce of null is a nonce too": {func(o object) { o["nonce"] = nil }, 400, [3]bool{true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			people := [3]person{enter("one"), enter("two"), enter("")}
			claims := f.logoutClaims()
			c.change(claims)
			require.Equal(t, c.status, f.logout(app, claims))
			require.Equal(t, c.in, [3]bool{people[0].in(), people[1].in(), people[2].in()})
			everybody := f.logoutClaims()
			delete(everybody, "sid")
			require.Equal(t, http.StatusOK, f.logout(app, everybody))
		})
	}
}

// The application hears of a good token, once, when its sessions have ended.
func TestEndedIsTold(t *testing.T) {
	var p person
	var heard []string
	f, app := open(t, func(c *relyingparty.Config) {
		c.Ended = func(_ context.Context, subject, sessionID string) {
			heard = append(heard, subject+"|"+sessionID)
			assert.False(t, p.in())
		}
	})
	const sub, sid = "555000000017", "a session"
	claims := f.logoutClaims()
	for _, c := range []struct {
		change func(object)
		status int
		heard  []string
	}{
		{func(object) {}, http.StatusOK, []string{sub + "|" + sid}},
		{func(object) {}, http.StatusBadRequest, nil}, // the same token
		{func(o object) { o["jti"] = "by sid"; delete(o, "sub") }, http.StatusOK, []string{"|" + sid}},
		{func(o object) { o["jti"], o["sub"] = "by sub", sub; delete(o, "sid") }, http.StatusOK, []string{sub + "|"}},
		{func(o object) { o["jti"], o["aud"] = "another's", "another" }, http.StatusBadRequest, nil},
	} {
		p = newPerson(t, app)
		require.Equal(t, http.StatusSeeOther, p.signIn().status)
		heard = nil
		c.change(claims)
		require.Equal(t, c.status, f.logout(app, claims))
		require.Equal(t, c.heard, heard)
		require.Equal(t, c.status != http.StatusOK, p.in())
	}
}

// A token made for one purpose serves no other.
func TestTokensServeOnePurpose(t *testing.T) {
	t.Run("threat038", func(t *testing.T) {
		f, app := open(t, nil)
		var issued object
		f.id = func(c object) { issued = maps.Clone(c) }
		p := newPerson(t, app)
		p.signIn()
		require.Equal(t, http.StatusBadRequest, f.logout(app, issued), "an ID token logs nobody out")
		issued["jti"] = "as if"
		require.Equal(t, http.StatusBadRequest, f.logout(app, issued))
		require.True(t, p.in())

		f.id = func(c object) {
			clear(c)
			maps.Copy(c, f.logoutClaims())
		}
		q := newPerson(t, app)
		require.Equal(t, "rp.token", q.signIn().rule(), "a logout token signs nobody in")
		require.False(t, q.in())
	})
}

// A session that the provider ends while the application is opening it is not
// opened: the logout token arrives between userinfo and the session.
func TestALogoutDuringTheSignIn(t *testing.T) {
	t.Run("threat034", func(t *testing.T) {
		for name, without := range map[string]string{"sid and sub": "", "sid": "sub", "sub": "sid"} {
			f, app := open(t, nil)
			newPerson(t, app).signIn() // discovery and keys are read
			claims := f.logoutClaims()
			delete(claims, without)
			f.set(func(f *fake) {
				f.info = func(object) { require.Equal(t, http.StatusOK, f.logout(app, claims)) }
			})
			p := newPerson(t, app)
			require.Equal(t, "rp.session", p.signIn().rule(), name)
			require.False(t, p.in(), name)

			f.set(func(f *fake) { f.info = nil })
			require.Equal(t, http.StatusSeeOther, p.signIn().status, "a sign-in that began afterwards")
			require.True(t, p.in())
		}
	})
}

func TestLogoutOverHTTP(t *testing.T) {
	f, app := open(t, nil)
	claims := f.logoutClaims()
	require.Equal(t, http.StatusOK, f.logout(app, claims))
	require.Equal(t, http.StatusBadRequest, f.logout(app, claims), "the same jti")
	for _, body := range []string{"", "logout_token=", "logout_token=a.b.c", "logout_token=" + strings.Repeat("x", 64<<10)} {
		resp, err := http.Post(app.URL+"/auth/backchannel-logout", "application/x-www-form-urlencoded", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	}
	resp, err := http.Get(app.URL + "/auth/backchannel-logout?logout_token=" + f.sign("one", f.logoutClaims()))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
}

var errStore = errors.New("the disk is full")

// broken is a store that fails from the removal of a provider's session on, as
// often as fails says.
type broken struct {
	relyingparty.Store
	fails int
	began bool
}

func (b *broken) Remove(ctx context.Context, key string) ([]relyingparty.Record, error) {
	b.began = b.began || strings.HasPrefix(key, "both:")
	if b.began && b.fails > 0 {
		b.fails--
		return nil, errStore
	}
	return b.Store.Remove(ctx, key)
}

// A logout that could not be done is said to have failed, and the same token does
// it when the provider tries again.
func TestALogoutThatFailsIsTriedAgain(t *testing.T) {
	f, app := open(t, func(c *relyingparty.Config) {
		c.Store = &broken{Store: relyingparty.NewMemoryStore(), fails: 1}
	})
	p := newPerson(t, app)
	p.signIn()
	claims := f.logoutClaims()
	require.Equal(t, http.StatusInternalServerError, f.logout(app, claims))
	require.True(t, p.in())
	require.Equal(t, http.StatusOK, f.logout(app, claims))
	require.False(t, p.in())
}

// Several servers of one application share a store, and a server that is started
// again has the one of before.
func TestLogoutAmongServers(t *testing.T) {
	store := relyingparty.NewMemoryStore()
	f, one := open(t, func(c *relyingparty.Config) { c.Store = &broken{Store: store, fails: 1 << 20} })
	two := protect(t, func(string) relyingparty.Config {
		return relyingparty.Config{Issuer: f.URL, ClientID: clientID, Secret: secret(), Store: store}
	})
	claims := f.logoutClaims()
	t.Run("one that dies in the middle leaves the token to another", func(t *testing.T) {
		p := newPerson(t, two)
		p.signIn()
		require.Equal(t, http.StatusInternalServerError, f.logout(one, claims))
		require.True(t, p.in())
		require.Equal(t, http.StatusOK, f.logout(two, claims))
		require.False(t, p.in())
	})
	t.Run("a token that was done is done at all of them", func(t *testing.T) {
		p := newPerson(t, two)
		p.signIn()
		require.Equal(t, http.StatusBadRequest, f.logout(one, claims))
		require.Equal(t, http.StatusBadRequest, f.logout(two, claims))
		require.True(t, p.in())
	})
}

// A provider that can't be asked for its keys hears that its token was not taken,
// and not that it isn't good: it comes again.
func TestALogoutThatCanNotBeCheckedIsTriedAgain(t *testing.T) {
	wall := new(clock)
	f, app := open(t, func(c *relyingparty.Config) { c.Wall = wall.now })
	claims := f.logoutClaims()
	f.set(func(f *fake) { f.away = true })
	require.Equal(t, http.StatusInternalServerError, f.logout(app, claims))
	f.set(func(f *fake) { f.away, f.instead = false, status("/keys", http.StatusBadGateway) })
	for range 2 {
		wall.add(5 * time.Second)
		require.Equal(t, http.StatusInternalServerError, f.logout(app, claims))
	}
	require.Equal(t, http.StatusInternalServerError, f.logout(app, claims), "nor as long as nobody asks again")
	f.set(func(f *fake) { f.instead = nil })
	wall.add(5 * time.Second)
	require.Equal(t, http.StatusOK, f.logout(app, claims))
	require.Equal(t, http.StatusBadRequest, f.logout(app, claims))
}
