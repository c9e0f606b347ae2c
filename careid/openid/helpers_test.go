// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
)

// issuer is as the national service writes its own, port and all.
const issuer = "https://example.com:443/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare"

const (
	secret   = "a secret of enough characters"
	redirect = "https://app.example/callback"
	cookie   = "session"
)

// The keys of these tests are made once: an RSA key takes long.
var (
	signingKey = sync.OnceValue(newRSA)
	clientKey  = sync.OnceValue(newRSA)
	otherKey   = sync.OnceValue(newRSA)
)

func newRSA() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// site is a hospital with a provider in it, over HTTPS.
type site struct {
	testing.TB
	*careidtest.Hospital
	provider *openid.Provider
	store    *sqlstore.Store
	web      *http.Client // follows no redirects
	config   openid.Config

	mu     sync.Mutex
	events []openid.Event
}

// open builds a site; change may change its configuration.
func open(t testing.TB, change func(*openid.Config)) *site {
	t.Helper()
	return openIn(t, careidtest.Config{}, change)
}

// openIn is open in a hospital of another kind.
func openIn(t testing.TB, hospital careidtest.Config, change func(*openid.Config)) *site {
	t.Helper()
	s := &site{TB: t}
	hospital.Observe = func(ctx context.Context, e careid.Event) {
		if s.provider != nil {
			s.provider.OnEvent(ctx, e)
		}
	}
	s.Hospital = careidtest.New(t, hospital)
	var err error
	s.store, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: s.DB, Now: s.Clock.Now, Wall: s.Wall.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.store.Close()) })
	s.config = openid.Config{
		Issuer: issuer, Service: s.Service, Records: s.Store, Store: s.store,
		Keys:   []openid.Key{{ID: "b/O6OvVv1+y=", Algorithm: "RS256", Signer: signingKey()}},
		SignIn: "/signin", SessionToken: cookieOf,
		Clients: []openid.Client{
			{ID: "app", Name: "The app", Method: openid.SecretPost, Secret: []byte(secret), RedirectURIs: []string{redirect}, Refresh: true},
		},
		Now: s.Clock.Now, Wall: s.Wall.Now,
		Observe: func(_ context.Context, e openid.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	}
	if change != nil {
		change(&s.config)
	}
	provider, err := openid.New(s.config)
	require.NoError(t, err)
	s.provider = provider
	t.Cleanup(func() { require.NoError(t, provider.Drain(context.Background())) })
	server := httptest.NewTLSServer(provider.Handler())
	t.Cleanup(server.Close)
	s.web = server.Client()
	s.web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

func cookieOf(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// signIn signs a person in with their card and returns the session's token.
func (s *site) signIn(p careidtest.Person) *careidtest.SignedIn {
	s.Helper()
	in, err := s.SignIn(s.Context(), p.Card)
	require.NoError(s, err)
	return in
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *site) do(r *http.Request) answer {
	s.Helper()
	got, err := s.web.Do(r)
	require.NoError(s, err)
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	require.NoError(s, err)
	if got.StatusCode >= 400 {
		require.NotContains(s, string(body), "openid:", "no error of ours in an answer")
	}
	return answer{got.StatusCode, got.Header, body}
}

// members are the JSON of an answer.
func (a answer) members(t testing.TB) map[string]any {
	t.Helper()
	all := map[string]any{}
	require.NoError(t, json.Unmarshal(a.body, &all), string(a.body))
	return all
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// asked are the parameters of a good authorization request by the client "app", with some changed; "" takes one out.
func asked(changes ...string) url.Values {
	v := url.Values{
		"client_id": {"app"}, "redirect_uri": {redirect}, "response_type": {"code"}, "state": {"st"}, "nonce": {"no"},
		"scope":          {"openid profile email nhsperson nationalrbacaccess associatedorgs"},
		"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	return changed(v, changes...)
}

func changed(v url.Values, changes ...string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return v
}

// authorize asks with a browser that has a session, or "" for none, and returns where it is sent.
func (s *site) authorize(session string, params url.Values) *url.URL {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, issuer+"/authorize?"+params.Encode(), nil)
	require.NoError(s, err)
	if session != "" {
		r.AddCookie(&http.Cookie{Name: cookie, Value: session})
	}
	got := s.do(r)
	require.Equal(s, http.StatusSeeOther, got.status, string(got.body))
	to, err := url.Parse(got.header.Get("Location"))
	require.NoError(s, err)
	return to
}

// post asks the token endpoint as a form.
func (s *site) post(form url.Values) answer {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, issuer+"/access_token", strings.NewReader(form.Encode()))
	require.NoError(s, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r)
}

// redeeming are the parameters that redeem a code of the client "app", with some changed.
func redeeming(code string, changes ...string) url.Values {
	return changed(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
		"client_id": {"app"}, "client_secret": {secret},
	}, changes...)
}

// code signs in at the client and returns the code.
func (s *site) code(session string, changes ...string) string {
	s.Helper()
	to := s.authorize(session, asked(changes...))
	code := to.Query().Get("code")
	require.NotEmpty(s, code, to.String())
	return code
}

func (s *site) userinfo(token string) answer {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, issuer+"/userinfo", nil)
	require.NoError(s, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return s.do(r)
}

// claims verifies an ID token by the published keys and returns its claims.
func (s *site) claims(token string) (jose.Header, map[string]any) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, issuer+"/connect/jwk_uri", nil)
	require.NoError(s, err)
	var keys jose.JSONWebKeySet
	require.NoError(s, json.NewDecoder(bytes.NewReader(s.do(r).body)).Decode(&keys))
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.RS512, jose.ES256})
	require.NoError(s, err)
	all := map[string]any{}
	require.NoError(s, parsed.Claims(keys, &all))
	return parsed.Headers[0], all
}

// tokens signs in at the client and redeems the code.
func (s *site) tokens(session string, changes ...string) map[string]any {
	s.Helper()
	got := s.post(redeeming(s.code(session, changes...)))
	require.Equal(s, http.StatusOK, got.status, string(got.body))
	return got.members(s.TB)
}

// refused says which error a client was told, and that nothing was given.
func (s *site) refused(got answer) string {
	s.Helper()
	require.GreaterOrEqual(s, got.status, 400)
	m := got.members(s.TB)
	require.NotContains(s, m, "access_token")
	require.Equal(s, "no-store", got.header.Get("Cache-Control"))
	return m["error"].(string)
}

// heard are the events of a name.
func (s *site) heard(name openid.EventName) []openid.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []openid.Event
	for _, e := range s.events {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// rows are the lines of the audit, whose chain holds.
func (s *site) rows() []string {
	s.Helper()
	var lines []string
	require.NoError(s, s.store.Read(s.Context(), func(ctx context.Context, tx *openid.Tx) error {
		if _, err := tx.Audit.Verify(ctx); err != nil {
			return err
		}
		entries, err := tx.Audit.Entries(ctx, 0, 1000)
		for _, e := range entries {
			lines = append(lines, e.Action+" "+e.Detail)
		}
		return err
	}))
	return lines
}

// refreshing are the parameters that redeem a refresh token of the client "app".
func refreshing(token string, changes ...string) url.Values {
	return changed(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"app"}, "client_secret": {secret},
	}, changes...)
}

// local asks a provider's token endpoint without a network, and returns the status.
func local(t *testing.T, p *openid.Provider, form url.Values) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/access_token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, r)
	return w.Code
}

func (s *site) discovery() map[string]any {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	require.NoError(s, err)
	return s.do(r).members(s.TB)
}

// wait lets time pass on the wire, with the card in its reader.
func (s *site) wait(in *careidtest.SignedIn, d time.Duration) {
	s.Helper()
	for ; d > 0; d -= 20 * time.Second {
		s.Wall.Add(min(d, 20*time.Second))
		require.NoError(s, s.Service.Lease(s.Context(), in.Presence))
	}
}

// manager is the RA manager at work.
func (s *site) manager() careid.Actor {
	s.Helper()
	a, err := s.Actor(s.Context(), s.RAManager, careid.RAManager)
	require.NoError(s, err)
	return a
}
