// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

// Attacks on the authorization code flow, one table each.

// other is a second client, honest or not.
func other(c *openid.Config) {
	c.Clients = append(c.Clients, openid.Client{
		ID: "other", Method: openid.SecretPost, Secret: []byte("another secret of enough characters"), RedirectURIs: []string{"https://other.example/cb"},
	})
}

func TestRedirectURIsAreComparedByteForByte(t *testing.T) {
	s := open(t, func(c *openid.Config) {
		other(c)
		c.Clients[0].RedirectURIs = []string{redirect, "https://app.example/cb?tenant=1"}
	})
	in := s.signIn(s.Nurse)
	get := func(v url.Values) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/authorize?"+v.Encode(), nil)
		require.NoError(t, err)
		r.AddCookie(&http.Cookie{Name: cookie, Value: in.Token})
		return s.do(r)
	}
	t.Run("threat058", func(t *testing.T) {
		for _, uri := range []string{
			"", "https://evil.example/callback", redirect + "/", redirect + "/../evil", redirect + "?x=1", redirect + "#x", redirect + "%2f",
			"https://app.example.evil.example/callback", "https://app.example@evil.example/callback", "https://evil.example\\@app.example/callback",
			"https://APP.example/callback", "http://app.example/callback", "https://app.example:443/callback", "https://app.example//callback",
			"https://app.example/callback ", "https://app.example/cb", "https://app.example/cb?tenant=2", "https://app.example/cb?tenant=1&x=2",
			"https://other.example/cb", "javascript:alert(1)", "//app.example/callback", "/callback", "data:text/html,x", "https://app.example/callback\r\nX: y",
		} {
			got := get(asked("redirect_uri", uri))
			require.Equal(t, http.StatusBadRequest, got.status, uri)
			require.Empty(t, got.header.Get("Location"), uri)
			require.NotContains(t, string(got.body), "evil")
		}
		twice := asked()
		twice.Add("redirect_uri", "https://evil.example/")
		require.Equal(t, http.StatusBadRequest, get(twice).status)
		for _, id := range []string{"", "nobody", "APP", "app "} {
			got := get(asked("client_id", id))
			require.Equal(t, http.StatusBadRequest, got.status, id)
			require.Empty(t, got.header.Get("Location"))
		}
		require.Empty(t, s.heard(openid.EventAuthorized))
	})
	require.Contains(t, get(asked("redirect_uri", "https://app.example/cb?tenant=1")).header.Get("Location"), "https://app.example/cb?tenant=1&code=")
}

func TestPKCE(t *testing.T) {
	s := open(t, func(c *openid.Config) {
		c.Clients = append(c.Clients, openid.Client{
			ID: "national", Method: openid.SecretPost, Secret: []byte(secret), RedirectURIs: []string{redirect}, WithoutPKCE: true,
		})
	})
	in := s.signIn(s.Nurse)
	t.Run("threat058", func(t *testing.T) {
		for name, c := range map[string][]string{
			"missing":         {"code_challenge", "", "code_challenge_method", ""},
			"without method":  {"code_challenge_method", ""}, // which would mean plain
			"plain":           {"code_challenge_method", "plain", "code_challenge", verifier},
			"unknown method":  {"code_challenge_method", "S512"},
			"method alone":    {"code_challenge", ""},
			"too short":       {"code_challenge", "abc"},
			"too long":        {"code_challenge", challengeOf(verifier) + "A"},
			"other alphabet":  {"code_challenge", strings.Repeat("+", 43)},
			"padded":          {"code_challenge", challengeOf(verifier)[:42] + "="},
			"no client of it": {"client_id", "national", "code_challenge_method", "plain"},
		} {
			to := s.authorize(in.Token, asked(c...))
			require.Equal(t, "invalid_request", to.Query().Get("error"), name)
			require.Equal(t, issuer, to.Query().Get("iss"))
			require.Equal(t, "st", to.Query().Get("state"))
			require.Empty(t, to.Query().Get("code"), name)
		}
		for name, v := range map[string]string{
			"missing": "", "another": strings.Repeat("a", 43), "the challenge itself": challengeOf(verifier), "short": verifier[:42],
			"with more": verifier + "x", "spaces": verifier[:42] + " ",
		} {
			code := s.code(in.Token)
			require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code, "code_verifier", v))), name)
			require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))), "%s: the code is spent", name)
		}
	})
	t.Run("a client without may leave it out and is bound by its own", func(t *testing.T) {
		none := []string{"client_id", "national", "code_challenge", "", "code_challenge_method", ""}
		bare := s.code(in.Token, none...)
		require.Equal(t, http.StatusOK, s.post(redeeming(bare, "client_id", "national", "code_verifier", "")).status)
		// Downgrade: somebody took the challenge out of the request; the client still sends its verifier.
		stripped := s.code(in.Token, none...)
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(stripped, "client_id", "national"))))
		bound := s.code(in.Token, "client_id", "national")
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(bound, "client_id", "national", "code_verifier", ""))))
	})
}

func TestCodesAreGoodOnceForTheirClient(t *testing.T) {
	s := open(t, other)
	in := s.signIn(s.Nurse)
	t.Run("replay revokes the tokens", func(t *testing.T) {
		code := s.code(in.Token)
		got := s.post(redeeming(code)).members(t)
		access := got["access_token"].(string)
		require.Equal(t, http.StatusOK, s.userinfo(access).status)
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))))
		require.Equal(t, http.StatusUnauthorized, s.userinfo(access).status)
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(got["refresh_token"].(string)))))
		require.Len(t, s.heard(openid.EventReplayed), 1)
		require.Contains(t, s.rows()[len(s.rows())-1], "redeem code refused: used before, grant ")
	})
	t.Run("wrong hands", func(t *testing.T) {
		for name, change := range map[string][]string{
			"other client":  {"client_id", "other", "client_secret", "another secret of enough characters"},
			"other address": {"redirect_uri", "https://app.example/other"},
			"no address":    {"redirect_uri", ""},
		} {
			code := s.code(in.Token)
			require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code, change...))), name)
			require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))), "%s: seen by others, so spent", name)
		}
	})
	t.Run("without the client's credentials it is not spent", func(t *testing.T) {
		code := s.code(in.Token)
		for name, change := range map[string][]string{
			"wrong secret": {"client_secret", "a secret of other characters"}, "no secret": {"client_secret", ""}, "empty client": {"client_id", ""},
			"unknown client": {"client_id", "nobody"},
		} {
			require.Equal(t, "invalid_client", s.refused(s.post(redeeming(code, change...))), name)
		}
		require.Equal(t, http.StatusOK, s.post(redeeming(code)).status)
	})
	t.Run("garbage", func(t *testing.T) {
		for _, code := range []string{"x", strings.Repeat("A", 43), s.code(in.Token) + "A", "' OR 1=1 --", "\x00"} {
			require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))))
		}
		require.Equal(t, "invalid_request", s.refused(s.post(redeeming(""))))
		require.Equal(t, "unsupported_grant_type", s.refused(s.post(redeeming("x", "grant_type", "password"))))
		require.Equal(t, "unsupported_grant_type", s.refused(s.post(redeeming("x", "grant_type", ""))))
	})
	t.Run("at its last second and after it", func(t *testing.T) {
		early, late := s.code(in.Token), s.code(in.Token)
		s.wait(in, 59*time.Second)
		require.Equal(t, http.StatusOK, s.post(redeeming(early)).status)
		s.Wall.Add(time.Second)
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(late))))
	})
}

func TestOneOfManyRedeemsACode(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { oneOfMany(t, open(t, signed)) })
	t.Run("PostgreSQL", func(t *testing.T) { oneOfMany(t, openIn(t, careidtest.Config{DB: postgrestest.Open(t)}, signed)) })
}

func oneOfMany(t *testing.T, s *site) {
	t.Helper()
	in := s.signIn(s.Nurse)
	second, err := openid.New(s.config) // another server on the same store
	require.NoError(t, err)
	t.Run("threat058", func(t *testing.T) {
		code := s.code(in.Token)
		var good atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if i%2 == 0 {
					if s.post(redeeming(code)).status == http.StatusOK {
						good.Add(1)
					}
				} else if local(t, second, redeeming(code)) == http.StatusOK {
					good.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, good.Load())

		token := s.tokens(in.Token)["refresh_token"].(string)
		good.Store(0)
		for i := range 20 {
			all.Go(func() {
				if i%2 == 0 && s.post(refreshing(token)).status == http.StatusOK || i%2 == 1 && local(t, second, refreshing(token)) == http.StatusOK {
					good.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, good.Load())

		word := asserting("x", s.assertion(clientKey(), jose.RS256, "k1", nil))
		good.Store(0)
		for i := range 20 {
			all.Go(func() { // who is the client, and has no good code, is told so with 400
				if i%2 == 0 && s.post(word).status == http.StatusBadRequest || i%2 == 1 && local(t, second, word) == http.StatusBadRequest {
					good.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, good.Load())
		restarted, err := openid.New(s.config)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, local(t, restarted, word), "a restart forgets no assertion")
	})
}

// Mix-up: a client of two providers must see from the answer which one it came from (RFC 9207), and nothing that a request
// says changes it.
func TestMixUp(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	t.Run("threat058", func(t *testing.T) {
		for _, change := range [][]string{nil, {"iss", "https://evil.example"}, {"scope", "profile"}, {"response_type", "token"}, {"prompt", "none login"}} {
			to := s.authorize(in.Token, asked(change...))
			require.Equal(t, []string{issuer}, to.Query()["iss"])
		}
		require.Equal(t, true, s.discovery()["authorization_response_iss_parameter_supported"])
	})
}

func TestWhatARequestMayAsk(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	for name, c := range map[string]struct {
		change []string
		code   string
	}{
		"implicit":        {[]string{"response_type", "token"}, "unsupported_response_type"},
		"hybrid":          {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"nothing":         {[]string{"response_type", ""}, "unsupported_response_type"},
		"fragment":        {[]string{"response_mode", "fragment"}, "invalid_request"},
		"request object":  {[]string{"request", "eyJ"}, "request_not_supported"},
		"request by URI":  {[]string{"request_uri", "http://169.254.169.254/"}, "request_uri_not_supported"},
		"registration":    {[]string{"registration", "{}"}, "registration_not_supported"},
		"without openid":  {[]string{"scope", "profile"}, "invalid_scope"},
		"no scope":        {[]string{"scope", ""}, "invalid_scope"},
		"unknown prompt":  {[]string{"prompt", "create"}, "invalid_request"},
		"none and login":  {[]string{"prompt", "none login"}, "invalid_request"},
		"negative age":    {[]string{"max_age", "-1"}, "invalid_request"},
		"age in words":    {[]string{"max_age", "soon"}, "invalid_request"},
		"hint of nothing": {[]string{"id_token_hint", "x"}, "invalid_request"},
	} {
		to := s.authorize(in.Token, asked(c.change...))
		require.Equal(t, c.code, to.Query().Get("error"), name)
		require.Empty(t, to.Query().Get("code"), name)
	}
	twice := asked()
	twice.Add("scope", "openid")
	require.Equal(t, "invalid_request", s.authorize(in.Token, twice).Query().Get("error"))
	for name, to := range map[string]*url.URL{
		"unknown scopes are left out": s.authorize(in.Token, asked("scope", "openid root profile")),
		"no state":                    s.authorize(in.Token, asked("state", "")),
	} {
		require.NotEmpty(t, to.Query().Get("code"), name)
	}
	require.Equal(t, "openid profile", s.tokens(in.Token, "scope", "openid root profile openid")["scope"])
}

func TestLimitsOfRequests(t *testing.T) {
	s := open(t, nil)
	t.Run("threat064", func(t *testing.T) {
		send := func(method, path, body string) answer {
			r, err := http.NewRequestWithContext(t.Context(), method, issuer+path, strings.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return s.do(r)
		}
		require.Equal(t, http.StatusRequestURITooLong, send("GET", "/authorize?"+asked("state", strings.Repeat("s", 8<<10)).Encode(), "").status)
		long := redeeming("x", "code_verifier", strings.Repeat("v", 64<<10)).Encode()
		require.Equal(t, http.StatusRequestEntityTooLarge, send("POST", "/access_token", long).status)
		require.Equal(t, http.StatusRequestEntityTooLarge, send("POST", "/authorize", long).status)
		require.Equal(t, http.StatusMethodNotAllowed, send("GET", "/access_token", "").status)
		require.Equal(t, http.StatusBadRequest, send("POST", "/access_token?"+redeeming("x").Encode()+"&%zz", "%zz").status)
		require.Equal(t, "invalid_client", s.refused(send("POST", "/access_token?"+redeeming("x").Encode(), "")), "no secrets in addresses")
	})
}

// Whatever is asked, the browser goes nowhere but to the client and to the sign-in page, and no code leaves without PKCE.
func FuzzAuthorize(f *testing.F) {
	for _, change := range [][]string{
		nil, {"redirect_uri", "https://evil.example/"}, {"prompt", "none"}, {"max_age", "0"}, {"state", "%0d%0aLocation: x"}, {"code_challenge", "x"},
	} {
		f.Add(asked(change...).Encode())
	}
	s := open(f, nil)
	session := s.signIn(s.Nurse).Token
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/authorize", nil)
		r.URL.RawQuery = query
		r.AddCookie(&http.Cookie{Name: cookie, Value: session})
		w := httptest.NewRecorder()
		s.provider.Handler().ServeHTTP(w, r)
		to := w.Header().Get("Location")
		switch {
		case w.Code >= http.StatusInternalServerError:
			t.Fatalf("%d %s", w.Code, w.Body)
		case to != "" && !strings.HasPrefix(to, redirect+"?") && !strings.HasPrefix(to, "/signin?request="):
			t.Fatalf("the browser goes to %q", to)
		case strings.HasPrefix(to, redirect+"?code=") && !strings.Contains(query, "code_challenge"):
			t.Fatal("a code without PKCE")
		}
	})
}
