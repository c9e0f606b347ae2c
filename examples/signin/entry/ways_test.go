// SPDX-License-Identifier: Apache-2.0

package entry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

// holds is a session by a security key, which careid believes, in a person's browser.
func (p person) holds(key string) {
	p.t.Helper()
	in, err := p.Care.SignInWith(p.t.Context(), careid.Use{Authenticator: key, Verified: careid.Yes})
	require.NoError(p.t, err)
	p.keeps(in.Token)
}

// keeps gives the browser a cookie of a session.
func (p person) keeps(token string) {
	p.t.Helper()
	at, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	p.http.Jar.SetCookies(at, []*http.Cookie{{Name: "wardkey-session", Value: token, Path: "/"}})
}

func (p person) token() string {
	p.t.Helper()
	at, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	for _, c := range p.http.Jar.Cookies(at) {
		if c.Name == "wardkey-session" {
			return c.Value
		}
	}
	return ""
}

// redeems turns the code of a callback into an ID token, and says whose it is.
func (p person) redeems(at *url.URL) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.URL+"/issuer/access_token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {at.Query().Get("code")}, "redirect_uri": {callback},
	}.Encode()))
	require.NoError(p.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("ward", url.QueryEscape("a secret of 16 bytes")) // RFC 6749 §2.3.1
	got, err := p.http.Do(r)
	require.NoError(p.t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	var tokens struct {
		ID string `json:"id_token"`
	}
	require.NoError(p.t, json.NewDecoder(got.Body).Decode(&tokens))
	parts := strings.Split(tokens.ID, ".")
	require.Len(p.t, parts, 3, got.Status)
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(p.t, err)
	var claims struct{ Sub string }
	require.NoError(p.t, json.Unmarshal(body, &claims))
	return claims.Sub
}

// models approves one that nobody has: these tests have no key answer.
func models(t *testing.T) []webauthn.Model {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	require.NoError(t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return []webauthn.Model{{
		AAGUID: [16]byte{1}, Name: "Ward key", Kind: careid.KindSecurityKey, Roots: []*x509.Certificate{root}, Source: wardkey.Source{Document: "Test"},
	}}
}

// The page offers what the application asks for and this site has, and nothing else.
func TestMeans(t *testing.T) {
	h := open(t, "")
	const card, app, key = `id="task"`, `id="app"`, `id="key"`
	for wanted, c := range map[string]struct{ has, lacks []string }{
		"":                            {[]string{card, app, key}, nil},
		"AAL3_ANY":                    {[]string{card, key}, []string{app}},
		"AAL2_OR_AAL3_ANY":            {[]string{card, app, key}, nil},
		"AAL2_ANY":                    {[]string{card, app, key}, nil},
		"AAL3_SMARTCARD":              {[]string{card}, []string{app, key}},
		"AAL3_N3_SMARTCARD":           {[]string{card}, []string{app, key}},
		"AAL3_FIDO2":                  {[]string{key}, []string{card, app}},
		"AAL2_TOTP":                   {[]string{app}, []string{card, key}},
		"AAL2_NHSMAIL AAL3_SMARTCARD": {[]string{app, card}, []string{key}},
		"AAL3_IOS":                    {[]string{"It asks for: <code>AAL3_IOS</code>", "Go back without signing in"}, []string{app, card, key}},
	} {
		t.Run("asked for "+wanted, func(t *testing.T) {
			p := h.person()
			_, page := p.send(http.MethodGet, p.begins("acr_values", wanted), "", "")
			for _, part := range c.has {
				require.Contains(t, page, part)
			}
			for _, part := range c.lacks {
				require.NotContains(t, page, part)
			}
		})
	}
}

// Each level that the provider says it can meet is met by something here, or the person is told that nothing does.
func TestMeansForAll(t *testing.T) {
	h := open(t, "")
	got, err := http.Get(h.URL + "/issuer/.well-known/openid-configuration")
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	var discovery struct {
		ACR []string `json:"acr_values_supported"`
	}
	require.NoError(t, json.NewDecoder(got.Body).Decode(&discovery))
	require.NotEmpty(t, discovery.ACR)
	for _, wanted := range discovery.ACR {
		p := h.person()
		_, page := p.send(http.MethodGet, p.begins("acr_values", wanted), "", "")
		if wanted == "AAL3_IOS" { // the app of an iPad is not among the demonstrations
			require.NotContains(t, page, `id="ways"`)
			continue
		}
		require.Contains(t, page, `id="ways"`, wanted)
	}
}

// A session by a key is asked for more than it is, once more, or by somebody else.
func TestKeyAgain(t *testing.T) {
	h := open(t, "")
	key, err := h.Register(t.Context(), h.Nurse, careid.KindSecurityKey, "the nurse's key")
	require.NoError(t, err)
	other, err := h.Register(t.Context(), h.People[0], careid.KindSecurityKey, "another's key")
	require.NoError(t, err)
	p := h.person()
	p.holds(key)
	require.Contains(t, p.begins("acr_values", "AAL3_FIDO2"), "/callback?code=", "it is what is asked for")

	t.Run("once more is by the key or the card, in the same session", func(t *testing.T) {
		_, page := p.send(http.MethodGet, p.begins("prompt", "login"), "", "")
		require.Contains(t, page, "Show again who you are")
		require.Contains(t, page, `data-purpose="stepup"`)
		require.NotContains(t, page, `id="app"`, "which is less than the session")
	})
	t.Run("the person's card steps it up", func(t *testing.T) {
		page := p.begins("acr_values", "AAL3_SMARTCARD")
		p.shows(page, h.Nurse.Card)
		at, _ := p.send(http.MethodGet, page+"&in=1", "", "")
		require.NotEmpty(t, at.Query().Get("code"))
	})
	t.Run("a card's session is no key's: a key signs in anew", func(t *testing.T) {
		_, page := p.send(http.MethodGet, p.begins("acr_values", "AAL3_FIDO2"), "", "")
		require.Contains(t, page, `id="key" class="quiet" data-purpose="signin"`)
		require.NotContains(t, page, `id="task"`)
	})
	t.Run("threat060", func(t *testing.T) { // somebody else's key answers for somebody else
		p := h.person()
		p.holds(key)
		page := p.begins("prompt", "login")
		token := p.token()
		_, err := p.Care.StepUpWith(t.Context(), token, careid.Use{Authenticator: other, Verified: careid.Yes})
		require.Equal(t, "proof.purpose", wardkey.RuleOf(err))
		at, _ := p.send(http.MethodGet, page, "", "")
		require.NotEqual(t, "ward.example", at.Host, "the request still waits")
		p.holds(other)
		at, _ = p.send(http.MethodGet, page+"&in=1", "", "")
		require.NotEmpty(t, at.Query().Get("code"))
		require.Equal(t, h.People[0].Profile.ID, p.redeems(at))
	})
	t.Run("threat059", func(t *testing.T) { // a request that another browser began is answered by nobody's key
		attacker, victim := h.person(), h.person()
		page := attacker.begins("prompt", "login")
		victim.holds(key)
		at, text := victim.send(http.MethodGet, page, "", "")
		require.NotEqual(t, "ward.example", at.Host)
		require.Contains(t, text, "openid.browser")
		at, _ = attacker.send(http.MethodGet, page+"&in=1", "", "")
		require.NotEqual(t, "ward.example", at.Host, "nobody is signed in at the attacker's")
	})
}

// A session by an account and an app is AAL2, and is asked for more where an application wants more.
func TestAppAskedForMore(t *testing.T) {
	h := open(t, "")
	account, err := h.Register(t.Context(), h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	require.NoError(t, err)
	app, err := h.RegisterApp(t.Context(), h.Nurse)
	require.NoError(t, err)
	h.Clock.Add(time.Minute) // the code that confirmed it is spent
	in, err := h.Care.SignInWith(t.Context(), careid.Use{Authenticator: account}, app.Use())
	require.NoError(t, err)
	p := h.person()
	p.keeps(in.Token)
	require.Contains(t, p.begins("acr_values", "AAL2_NHSMAIL"), "/callback?code=")
	for _, wanted := range []string{"AAL3_ANY", "AAL3_FIDO2", "AAL3_SMARTCARD"} {
		t.Run(wanted, func(t *testing.T) {
			page := p.begins("acr_values", wanted)
			_, text := p.send(http.MethodGet, page, "", "")
			require.Contains(t, text, "Show again who you are")
			require.NotContains(t, text, `id="app"`)
			at, _ := p.send(http.MethodGet, page+"&in=1", "", "")
			require.NotEqual(t, "ward.example", at.Host, "the request still waits")
		})
	}
}

// What a workstation that others use is good for: nothing of the person who left it.
func TestLeftAtAKiosk(t *testing.T) {
	h := open(t, "")
	register := func(p person) string {
		_, text := p.send(http.MethodPost, "/webauthn/v1/register/options", "application/json", `{"kind":"windows-hello"}`)
		return text
	}
	p := h.person()
	in, err := h.SignIn(t.Context(), h.Nurse.Card)
	require.NoError(t, err)
	p.keeps(in.Token)
	require.Contains(t, register(p), `"publicKey"`, "while the card was shown lately")
	t.Run("threat061", func(t *testing.T) { // a passer-by adds no key to a session that was left open
		h.Clock.Add(6 * time.Minute)
		require.Contains(t, register(p), "session.stale")
	})
	t.Run("a card that was pulled leaves no session to register with", func(t *testing.T) {
		in, err := h.SignIn(t.Context(), h.Nurse.Card)
		require.NoError(t, err)
		p.keeps(in.Token)
		require.NoError(t, h.Care.SignOut(t.Context(), in.Token))
		require.Contains(t, register(p), "session.ended")
	})
	t.Run("nobody's browser is asked for nothing", func(t *testing.T) {
		require.Contains(t, register(h.person()), "session.none")
	})
	t.Run("a page of another site asks for nothing", func(t *testing.T) {
		in, err := h.SignIn(t.Context(), h.Nurse.Card)
		require.NoError(t, err)
		for _, path := range []string{"register/options", "signin/options", "signin", "stepup/options"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+"/webauthn/v1/"+path, strings.NewReader(`{}`))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Origin", "http://localhost:1")
			r.Header.Set("Sec-Fetch-Site", "same-site") // a port of this machine is the same site, and another origin
			r.AddCookie(&http.Cookie{Name: "wardkey-session", Value: in.Token})
			got, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, got.Body.Close())
			require.Equal(t, http.StatusForbidden, got.StatusCode, path)
			require.Empty(t, got.Cookies())
		}
	})
}
