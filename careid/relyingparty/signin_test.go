// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// What the request asks for is what the configuration says, and no more.
func TestTheRequest(t *testing.T) {
	_, app := open(t, func(c *relyingparty.Config) {
		c.Prompt, c.ACRValues, c.MaxAge = "login", []string{"AAL2_OR_AAL3_ANY", "AAL3_ANY"}, 4*time.Minute
	})
	q := newPerson(t, app).get("/ward").query(t)
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, clientID, q.Get("client_id"))
	require.Equal(t, app.URL+"/auth/callback", q.Get("redirect_uri"))
	require.Equal(t, strings.Join(relyingparty.DefaultScopes(), " "), q.Get("scope"))
	require.Equal(t, "login", q.Get("prompt"))
	require.Equal(t, "AAL2_OR_AAL3_ANY AAL3_ANY", q.Get("acr_values"))
	require.Equal(t, "240", q.Get("max_age"))
	require.Len(t, q.Get("code_challenge"), 43)
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	for _, random := range []string{"state", "nonce", "code_challenge"} {
		bits, err := base64.RawURLEncoding.DecodeString(q.Get(random))
		require.NoError(t, err)
		require.Len(t, bits, 32, random)
	}

	_, app = open(t, func(c *relyingparty.Config) { c.NoPKCE = true })
	q = newPerson(t, app).get("/ward").query(t)
	for _, absent := range []string{"prompt", "acr_values", "max_age", "code_challenge", "code_challenge_method"} {
		require.False(t, q.Has(absent), absent)
	}
}

// Who only looks at an address, as the preview of a link does, begins no sign-in and uses none up.
func TestOnlyLooking(t *testing.T) {
	_, app := open(t, func(*relyingparty.Config) {})
	p := newPerson(t, app)
	for _, path := range []string{"/auth/signin", "/ward"} {
		looked := p.do(http.MethodHead, path, "text/html")
		require.GreaterOrEqual(t, looked.status, 400)
		require.Empty(t, looked.header.Get("Location"))
		require.Empty(t, looked.header.Get("Set-Cookie"))
	}
	q := p.get("/ward").query(t)
	response := url.Values{"state": {q.Get("state")}, "code": {q.Get("nonce")}}
	require.Equal(t, http.StatusMethodNotAllowed, p.do(http.MethodHead, "/auth/callback?"+response.Encode(), "text/html").status)
	require.Equal(t, http.StatusSeeOther, p.arrive(q).status, "the response is good still")
	require.True(t, p.in())
}

// Each attack on the way from the request to the session, beside those that the
// checker plays.
func TestAttacksOnTheResponse(t *testing.T) {
	wall := new(clock)
	f, app := open(t, func(c *relyingparty.Config) { c.Wall = wall.now })
	t.Run("threat036", func(t *testing.T) { // answered once, and in time
		p := newPerson(t, app)
		q := p.get("/ward").query(t)
		require.Equal(t, http.StatusSeeOther, p.arrive(q).status)
		require.True(t, p.in())
		require.Equal(t, "rp.state", p.arrive(q).rule(), "the same response again")

		many := newPerson(t, app)
		q = many.get("/ward").query(t)
		var opened atomic.Int32
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if many.arrive(q).status == http.StatusSeeOther {
					opened.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, opened.Load(), "of thirty at once")

		late := newPerson(t, app)
		q = late.get("/ward").query(t)
		wall.add(10 * time.Minute)
		require.Equal(t, "rp.state", late.arrive(q).rule())
		require.False(t, late.in())
	})
	t.Run("threat037", func(t *testing.T) { // for another browser
		victim, attacker := newPerson(t, app), newPerson(t, app)
		theirs := attacker.get("/ward").query(t)
		require.Equal(t, "rp.state", victim.arrive(theirs).rule(), "with no sign-in of its own under way")
		victim.get("/ward")
		theirs = attacker.get("/ward").query(t)
		require.Equal(t, "rp.state", victim.arrive(theirs).rule())
		require.False(t, victim.in())
	})
	t.Run("threat058", func(t *testing.T) {
		for name, changes := range map[string][]string{
			"no state": {"state", ""}, "another state": {"state", strings.Repeat("A", 43)}, "a short state": {"state", "A"},
			"another issuer": {"iss", "https://evil.example"}, "an empty issuer": {"iss", " "},
			"no code": {"code", ""}, "another person's code": {"code", "their-nonce"},
		} {
			p := newPerson(t, app)
			got := p.arrive(p.get("/ward").query(t), changes...)
			require.GreaterOrEqual(t, got.status, 400, name)
			require.False(t, p.in(), name)
		}
		p := newPerson(t, app)
		q := p.get("/ward").query(t)
		twice := url.Values{"state": {q.Get("state")}, "code": {"theirs", q.Get("nonce")}}
		require.Equal(t, "rp.state", p.get("/auth/callback?"+twice.Encode()).rule())
		require.Equal(t, http.StatusMethodNotAllowed, p.do(http.MethodPost, "/auth/callback", "text/html").status)

		f.set(func(f *fake) {
			f.discover = func(d object) { d["authorization_response_iss_parameter_supported"] = true }
		})
		_, strict := open(t, func(c *relyingparty.Config) { c.Issuer = f.URL })
		p = newPerson(t, strict)
		require.Equal(t, "rp.mixup", p.arrive(p.get("/ward").query(t)).rule(), "the provider always tells its issuer")
		require.Equal(t, http.StatusSeeOther, p.arrive(p.get("/ward").query(t), "iss", f.URL).status)
	})
}

// The code goes to the token endpoint with the verifier of its own request.
func TestPKCE(t *testing.T) {
	f, app := open(t, nil)
	p := newPerson(t, app)
	q := p.get("/ward").query(t)
	var verifier string
	f.set(func(f *fake) {
		f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				verifier = r.PostFormValue("code_verifier")
			}
			f.serve(w, r)
		})
	})
	require.Equal(t, http.StatusSeeOther, p.arrive(q).status)
	sum := sha256.Sum256([]byte(verifier))
	require.Equal(t, q.Get("code_challenge"), base64.RawURLEncoding.EncodeToString(sum[:]))
}

// Two windows sign in at once, in either order.
func TestTwoWindows(t *testing.T) {
	_, app := open(t, nil)
	p := newPerson(t, app)
	one, two := p.get("/ward?one").query(t), p.get("/ward?two").query(t)
	require.Equal(t, "/ward?two", p.arrive(two).header.Get("Location"))
	require.Equal(t, "/ward?one", p.arrive(one).header.Get("Location"))
	require.True(t, p.in())
}

// The way back leads into the application and nowhere else.
func TestTheWayBack(t *testing.T) {
	_, app := open(t, nil)
	for to, want := range map[string]string{
		"/ward?bed=4&side=left":                  "/ward?bed=4&side=left",
		"/":                                      "/",
		"":                                       "/",
		"//evil.example":                         "/",
		"///evil.example":                        "/",
		"/\\evil.example":                        "/",
		"\\/evil.example":                        "/",
		"/\t/evil.example":                       "/",
		"/\r\nSet-Cookie: a=b":                   "/",
		"https://evil.example/":                  "/",
		"https:/evil.example":                    "/",
		"javascript:alert(1)":                    "/",
		"ward":                                   "/",
		"@evil.example":                          "/",
		"/auth/signout":                          "/",
		"/auth/callback?code=theirs":             "/",
		"/" + strings.Repeat("x", 4096):          "/",
		"/%2F/evil.example":                      "/",
		"/ward/../ward":                          "/ward",
		"/ward/..//evil.example":                 "/evil.example", // a path of this host
		"http://" + app.Listener.Addr().String(): "/",
	} {
		p := newPerson(t, app)
		q := p.get("/auth/signin?" + url.Values{"return": {to}}.Encode()).query(t)
		require.Equal(t, want, p.arrive(q).header.Get("Location"), "%q", to)
	}
	t.Run("an application below a prefix", func(t *testing.T) {
		below := httptest.NewServer(http.StripPrefix("/hospital", app.rp.Protect(http.NotFoundHandler())))
		t.Cleanup(below.Close)
		p := newPerson(t, app)
		u := p.app
		p.app.Server = below
		q := p.get("/hospital/ward?bed=4").query(t)
		p.app = u
		require.Equal(t, "/hospital/ward?bed=4", p.arrive(q).header.Get("Location"))
	})
	t.Run("a protected path that looks like a host", func(t *testing.T) {
		p := newPerson(t, app)
		got := p.get("//evil.example/ward")
		for got.status == http.StatusTemporaryRedirect || got.status == http.StatusMovedPermanently { // ServeMux cleans the path
			got = p.get(got.header.Get("Location"))
		}
		require.Regexp(t, "^/([^/\\\\].*)?$", p.arrive(got.query(t)).header.Get("Location"))
	})
}

// The provider's error is told by its code, and nothing of it is written into the
// page.
func TestTheProvidersNo(t *testing.T) {
	_, app := open(t, nil)
	for code, want := range map[string]string{"access_denied": "access_denied", "<script>alert(1)</script>": "another reason"} {
		p := newPerson(t, app)
		q := p.get("/ward?bed=4").query(t)
		got := p.arrive(q, "code", "", "error", code, "error_description", "<b>call 555</b>")
		require.Equal(t, http.StatusForbidden, got.status)
		require.Equal(t, "rp.denied", got.rule())
		require.Contains(t, got.body, want)
		require.NotContains(t, got.body, "<script>")
		require.NotContains(t, got.body, "555")
		require.Contains(t, got.body, `href="/auth/signin?return=%2Fward%3Fbed%3D4"`)
		require.False(t, p.in())
	}
}

// The page's style is the one that its policy lets through, and nothing else runs.
func TestThePage(t *testing.T) {
	_, app := open(t, nil)
	got := newPerson(t, app).get("/auth/callback")
	require.Equal(t, http.StatusBadRequest, got.status)
	policy := got.header.Get("Content-Security-Policy")
	_, style, _ := strings.Cut(got.body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	require.Contains(t, policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	require.Contains(t, policy, "frame-ancestors 'none'")
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
	require.NotContains(t, got.body, "<script")
}
