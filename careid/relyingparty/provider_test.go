// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

type object = map[string]any

// fake is a provider whose every answer a test may change. What a real one does
// is shown against Wardkey's own, in wardkey_test.go.
type fake struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey

	mu       sync.Mutex
	asked    map[string]int // by path
	discover func(object)
	token    func(object) // the token endpoint's answer
	id       func(object) // claims of the ID token
	info     func(object)
	keys     func([]jose.JSONWebKey) []jose.JSONWebKey
	kid      string
	away     bool
	hangs    map[string]chan struct{}                          // by path, until it is closed
	instead  func(w http.ResponseWriter, r *http.Request) bool // answers by itself
}

// providerKey is made once: an RSA key takes long.
var providerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, key: providerKey(), asked: map[string]int{}, kid: "one"}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked[r.URL.Path]++
	hangs := f.hangs[r.URL.Path]
	f.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.instead != nil && f.instead(w, r) {
		return
	}
	if f.away {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	body := object{}
	switch r.URL.Path {
	case "/authorize": // whoever asks is signed in
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"state": {q.Get("state")}, "code": {q.Get("nonce")}}.Encode(), http.StatusSeeOther)
		return
	case "/.well-known/openid-configuration":
		for name, path := range map[string]string{"authorization_endpoint": "/authorize", "token_endpoint": "/token", "userinfo_endpoint": "/userinfo", "jwks_uri": "/keys"} {
			body[name] = f.URL + path
		}
		body["issuer"] = f.URL
		change(f.discover, body)
	case "/keys":
		keys := []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}}
		if f.keys != nil {
			keys = f.keys(keys)
		}
		body["keys"] = keys
	case "/token":
		body = object{"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": f.idToken(r.PostFormValue("code"))}
		change(f.token, body)
	case "/userinfo":
		body = object{
			"sub": "555000000017", "name": "OSEI Amina Mrs", "given_name": "Amina", "family_name": "OSEI", "email": "amina@ward.example",
			"uid": "555000000017", "nhsid_useruid": "555000000017", "gmc_id": "C1234567", "idassurancelevel": "3",
			"nhsid_nrbac_roles": []object{
				{"person_orgid": "555254239107", "person_roleid": "555254240100", "org_code": "RBA", "role_code": "S8000:G8000:R8001", "role_name": "Nurse", "activity_codes": []string{"B0401"}},
				{"person_orgid": "555254239107", "person_roleid": "055254240101", "org_code": "RBB", "role_code": "S8000:G8000:R8008", "role_name": "Admin"},
			},
			"nhsid_user_orgs": []object{{"org_name": "A trust", "org_code": "RBA"}},
		}
		change(f.info, body)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func change(by func(object), what object) {
	if by != nil {
		by(what)
	}
}

func (f *fake) sign(header string, claims object) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: f.key, KeyID: header}}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(f.t, err)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(f.t, err)
	return text
}

// idToken answers the request whose nonce the test has put into the code.
func (f *fake) idToken(nonce string) string {
	now := time.Now().Unix()
	claims := object{
		"iss": f.URL, "sub": "555000000017", "aud": clientID, "azp": clientID, "iat": now, "exp": now + 300, "auth_time": now,
		"nonce": nonce, "acr": "AAL3_ANY", "amr": []string{"N3_SMARTCARD"}, "sid": "a session", "selected_roleid": "555254240100",
		"id_assurance_level": "3", "authentication_assurance_level": "3",
	}
	change(f.id, claims)
	return f.sign(f.kid, claims)
}

// set changes the provider between two requests.
func (f *fake) set(by func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	by(f)
}

func (f *fake) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

// person is a browser that follows nothing by itself.
type person struct {
	t   *testing.T
	app ward
	web *http.Client
}

func newPerson(t *testing.T, app ward) person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return person{t, app, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) query(t *testing.T) url.Values {
	t.Helper()
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	to, err := url.Parse(a.header.Get("Location"))
	require.NoError(t, err)
	return to.Query()
}

func (p person) do(method, path, accept string, header ...string) answer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.app.URL+path, nil)
	require.NoError(p.t, err)
	r.Header.Set("Accept", accept)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := p.web.Do(r)
	require.NoError(p.t, err)
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	require.NoError(p.t, err)
	return answer{got.StatusCode, got.Header, string(body)}
}

// get opens a page, ask asks as a program.
func (p person) get(path string) answer {
	p.t.Helper()
	return p.do(http.MethodGet, path, "text/html")
}

func (p person) ask(path string) answer {
	p.t.Helper()
	return p.do(http.MethodGet, path, "application/json")
}

// arrive brings the response to the request q; changes are names and values, ""
// takes one out.
func (p person) arrive(q url.Values, changes ...string) answer {
	p.t.Helper()
	response := url.Values{"state": {q.Get("state")}, "code": {q.Get("nonce")}}
	for i := 0; i+1 < len(changes); i += 2 {
		response.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			response.Del(changes[i])
		}
	}
	return p.get("/auth/callback?" + response.Encode())
}

// signIn goes all the way from /ward.
func (p person) signIn() answer {
	p.t.Helper()
	return p.arrive(p.get("/ward").query(p.t))
}

func (p person) in() bool {
	p.t.Helper()
	return p.ask("/ward").status == http.StatusOK
}

// rule is the rule that a page names.
func (a answer) rule() string {
	_, after, _ := strings.Cut(a.body, "quote ")
	rule, _, _ := strings.Cut(after, ".</p>")
	return rule
}

// open is an application at a fake provider.
func open(t *testing.T, configure func(*relyingparty.Config)) (*fake, ward) {
	t.Helper()
	f := newFake(t)
	return f, protect(t, func(string) relyingparty.Config {
		c := relyingparty.Config{Issuer: f.URL, ClientID: clientID, Secret: secret()}
		if configure != nil {
			configure(&c)
		}
		return c
	})
}

func TestTheProviderIsAskedRarelyAndHeldToItsWord(t *testing.T) {
	wall := new(clock)
	f, app := open(t, func(c *relyingparty.Config) { c.Wall = wall.now })
	t.Run("while it is away, the page says so and nobody asks again at once", func(t *testing.T) {
		f.set(func(f *fake) { f.away = true })
		for range 3 {
			got := newPerson(t, app).get("/ward")
			require.Equal(t, http.StatusServiceUnavailable, got.status)
			require.Equal(t, "rp.provider", got.rule())
			require.NotEmpty(t, got.header.Get("Retry-After"))
		}
		require.Equal(t, 1, f.count("/.well-known/openid-configuration"))
		f.set(func(f *fake) { f.away = false })
		wall.add(5 * time.Second)
		p := newPerson(t, app)
		require.Equal(t, http.StatusSeeOther, p.signIn().status)
		require.True(t, p.in())
	})
	t.Run("discovery and keys are kept for an hour", func(t *testing.T) {
		before := f.count("/keys")
		newPerson(t, app).signIn()
		require.Equal(t, before, f.count("/keys"))
		require.Equal(t, 2, f.count("/.well-known/openid-configuration"))
	})
	t.Run("a made-up kid has the keys read again, and not for each token", func(t *testing.T) {
		wall.add(time.Minute)
		before := f.count("/keys")
		f.set(func(f *fake) { f.kid = "made up" })
		for range 5 {
			require.Equal(t, "rp.token", newPerson(t, app).signIn().rule())
		}
		require.Equal(t, before+1, f.count("/keys"))
		f.set(func(f *fake) { f.kid = "one" })
		require.Equal(t, http.StatusSeeOther, newPerson(t, app).signIn().status)
	})
	t.Run("a key that was withdrawn is forgotten with the hour", func(t *testing.T) {
		f.set(func(f *fake) { f.keys = func([]jose.JSONWebKey) []jose.JSONWebKey { return []jose.JSONWebKey{} } })
		require.Equal(t, http.StatusSeeOther, newPerson(t, app).signIn().status)
		f.set(func(f *fake) {
			f.id = func(c object) { // by the application's clock, which is an hour on
				now := wall.now().Unix()
				maps.Copy(c, object{"iat": now, "exp": now + 300, "auth_time": now})
			}
		})
		wall.add(time.Hour)
		require.Equal(t, "rp.token", newPerson(t, app).signIn().rule())
		f.set(func(f *fake) { f.keys = nil })
		wall.add(5 * time.Second)
		require.Equal(t, http.StatusSeeOther, newPerson(t, app).signIn().status)
	})
}

// What a provider's answers can do to the application that believes them.
func TestAnswersThatAreNotBelieved(t *testing.T) {
	large := strings.Repeat("x", 2<<20)
	for name, c := range map[string]struct {
		change func(*fake)
		rule   string
	}{
		"discovery of another issuer":     {func(f *fake) { f.discover = func(d object) { d["issuer"] = f.URL + "/" } }, "rp.provider"},
		"a token endpoint without TLS":    {func(f *fake) { f.discover = func(d object) { d["token_endpoint"] = "http://token.example/" } }, "rp.provider"},
		"no userinfo":                     {func(f *fake) { f.discover = func(d object) { delete(d, "userinfo_endpoint") } }, "rp.provider"},
		"an endless discovery":            {func(f *fake) { f.discover = func(d object) { d["more"] = large } }, "rp.provider"},
		"an endless token answer":         {func(f *fake) { f.token = func(a object) { a["more"] = large } }, "rp.code"},
		"no bearer token":                 {func(f *fake) { f.token = func(a object) { a["token_type"] = "mac" } }, "rp.code"},
		"no ID token":                     {func(f *fake) { f.token = func(a object) { delete(a, "id_token") } }, "rp.token"},
		"an ID token of 2 MiB":            {func(f *fake) { f.id = func(c object) { c["more"] = large } }, "rp.code"},
		"an ID token without kid":         {func(f *fake) { f.kid = "" }, "rp.token"},
		"at_hash of another access token": {func(f *fake) { f.id = func(c object) { c["at_hash"] = "77QmUPtjPfzWtF2AnpK9RQ" } }, "rp.token"},
		"a further audience":              {func(f *fake) { f.id = func(c object) { c["aud"] = []string{clientID, "other"} } }, "rp.token"},
		"no sub":                          {func(f *fake) { f.id = func(c object) { delete(c, "sub") } }, "rp.token"},
		"a level of 9":                    {func(f *fake) { f.id = func(c object) { c["id_assurance_level"] = 9 } }, "rp.token"},
		"roles that are no list":          {func(f *fake) { f.info = func(u object) { u["nhsid_nrbac_roles"] = "S8000:G8000:R8001" } }, "rp.userinfo"},
		"no person in userinfo":           {func(f *fake) { f.info = func(u object) { delete(u, "sub") } }, "rp.userinfo"},
		"a key for encryption":            {func(f *fake) { f.keys = func(k []jose.JSONWebKey) []jose.JSONWebKey { k[0].Use = "enc"; return k } }, "rp.token"},
		"a key of another algorithm": {func(f *fake) {
			f.keys = func(k []jose.JSONWebKey) []jose.JSONWebKey { k[0].Algorithm = "RS512"; return k }
		}, "rp.token"},
		"a published private key": {func(f *fake) { f.keys = func(k []jose.JSONWebKey) []jose.JSONWebKey { k[0].Key = f.key; return k } }, "rp.token"},
		"a secret among the published keys": {func(f *fake) {
			f.keys = func(k []jose.JSONWebKey) []jose.JSONWebKey { k[0].Key = []byte("secret"); return k }
		}, "rp.token"},
	} {
		t.Run(name, func(t *testing.T) {
			f, app := open(t, nil)
			f.set(c.change)
			p := newPerson(t, app)
			got := p.get("/ward")
			if got.status == http.StatusSeeOther {
				got = p.arrive(got.query(t))
			}
			require.GreaterOrEqual(t, got.status, 400)
			require.Equal(t, c.rule, got.rule(), got.body)
			require.False(t, p.in())
		})
	}
}

// A program gets a problem, which says the rule, the source and who can mend it.
func TestAProgramGetsAProblem(t *testing.T) {
	_, app := open(t, nil)
	r, err := http.Get(app.URL + "/ward")
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	no, err := wardkey.ParseRefusal(r)
	require.NoError(t, err)
	require.Equal(t, "rp.session", no.Rule)
	require.Equal(t, http.StatusUnauthorized, no.Status)
	require.NotEmpty(t, no.Next)
	require.NotEmpty(t, no.Source.Document)
}
