// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

// application is a web application as a team writes one with coreos/go-oidc and
// x/oauth2, right in all but the one thing that it is told to do wrong: that is
// named like the play that finds it.
type application struct {
	wrong    string
	issuer   string
	provider *oidc.Provider
	oauth    oauth2.Config

	mu       sync.Mutex
	begun    map[string]pending // by the browser's cookie
	sessions map[string]person
	jtis     map[string]bool
}

type pending struct {
	state, nonce, verifier string
	at                     time.Time
}

type person struct{ sub, sid string }

const maxAge = 5 * time.Minute

func newApplication(t *testing.T, checker *rptest.Checker, wrong string) *httptest.Server {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), checker.Issuer())
	require.NoError(t, err)
	a := &application{
		wrong: wrong, issuer: checker.Issuer(), provider: provider,
		begun: map[string]pending{}, sessions: map[string]person{}, jtis: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ward", a.ward)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /logout", a.logout)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	a.oauth = oauth2.Config{
		ClientID: "ward-app", ClientSecret: "a secret of the tests", Endpoint: provider.Endpoint(), RedirectURL: server.URL + "/callback",
		Scopes: []string{"openid", "profile", "nationalrbacaccess", "selectedrole"},
	}
	return server
}

// is says whether this is what the application does wrong.
func (a *application) is(names ...string) bool { return slices.Contains(names, a.wrong) }

func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func cookie(r *http.Request, name string) string {
	if k, err := r.Cookie(name); err == nil {
		return k.Value
	}
	return ""
}

func setCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (a *application) ward(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, in := a.sessions[cookie(r, "session")]; in {
		_, _ = io.WriteString(w, "Ward of "+p.sub)
		return
	}
	p := pending{secret(), secret(), oauth2.GenerateVerifier(), time.Now()}
	if a.is("state-guessable") {
		p.state = "always this"
	}
	if a.is("nonce-guessable") {
		p.nonce = "always this"
	}
	before := secret()
	a.begun[before], a.begun["newest"] = p, p
	setCookie(w, "before", before)
	if a.is("session-fixed") {
		setCookie(w, "session", before)
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(p.nonce)}
	if !a.is("code-injected") {
		options = append(options, oauth2.S256ChallengeOption(p.verifier), oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(maxAge.Seconds()))))
	}
	http.Redirect(w, r, a.oauth.AuthCodeURL(p.state, options...), http.StatusFound)
}

func (a *application) callback(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := cookie(r, "before")
	if a.is("response-elsewhere") && before == "" {
		before = "newest"
	}
	p, mine := a.begun[before]
	delete(a.begun, before)
	who, err := a.signIn(r, p)
	if !mine || err != nil {
		http.Error(w, "sign-in refused", http.StatusForbidden)
		return
	}
	session := secret()
	if a.is("session-fixed") {
		session = before
	}
	a.sessions[session] = who
	setCookie(w, "session", session)
	http.Redirect(w, r, "/ward", http.StatusSeeOther)
}

var errRefused = errors.New("refused")

func (a *application) signIn(r *http.Request, p pending) (person, error) {
	q := r.URL.Query()
	if state := q.Get("state"); state != p.state && (!a.is("state-wrong") || state == "") && (!a.is("state-missing") || state != "") {
		return person{}, errRefused
	}
	if iss := q.Get("iss"); iss != a.issuer && (!a.is("response-iss-wrong") || iss == "") && (!a.is("response-iss-missing") || iss != "") {
		return person{}, errRefused
	}
	var options []oauth2.AuthCodeOption
	if !a.is("code-injected") {
		options = append(options, oauth2.VerifierOption(p.verifier))
	}
	tokens, err := a.oauth.Exchange(r.Context(), q.Get("code"), options...)
	if a.is("code-refused") && err != nil {
		return person{sub: "somebody"}, nil
	}
	if err != nil {
		return person{}, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := a.verify(r.Context(), raw)
	if err != nil {
		return person{}, err
	}
	who, err := a.checkToken(token, p)
	if err != nil {
		return person{}, err
	}
	return who, a.checkUserinfo(r.Context(), tokens, token)
}

// verify is go-oidc's verification, but for the one thing.
func (a *application) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	config := &oidc.Config{
		ClientID: a.oauth.ClientID, SkipIssuerCheck: a.is("iss-wrong"), SkipClientIDCheck: a.is("aud-wrong"),
		SkipExpiryCheck: a.is("expired", "exp-missing"), SupportedSigningAlgs: []string{oidc.RS256},
	}
	if !a.trusts(raw) {
		return a.provider.Verifier(config).Verify(ctx, raw)
	}
	config.InsecureSkipSignatureCheck = true
	config.SupportedSigningAlgs = append(config.SupportedSigningAlgs, "HS256")
	return a.provider.Verifier(config).Verify(ctx, raw)
}

// trusts says whether the application believes a signature for a bad reason.
func (a *application) trusts(raw string) bool {
	part := strings.Split(raw, ".")
	if len(part) != 3 {
		return false
	}
	decode := base64.RawURLEncoding.DecodeString
	text, _ := decode(part[0])
	signature, _ := decode(part[2])
	var header struct {
		Alg, Kid string
		JWK      *jose.JSONWebKey
	}
	_ = json.Unmarshal(text, &header)
	known := a.published(header.Kid)
	switch {
	case a.is("alg-none"):
		return header.Alg == "none"
	case a.is("alg-hs256"):
		der, _ := x509.MarshalPKIXPublicKey(a.published("").Key)
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(part[0] + "." + part[1]))
		return header.Alg == "HS256" && hmac.Equal(mac.Sum(nil), signature)
	case a.is("kid-unknown"):
		return known == nil
	case a.is("key-foreign", "signature-broken", "logout-key-foreign"):
		return known != nil && header.Alg == "RS256"
	case a.is("key-embedded") && header.JWK != nil:
		jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
		if err == nil {
			_, err = jws.Verify(header.JWK)
		}
		return err == nil
	case a.is("logout-alg-none"):
		return header.Alg == "none"
	}
	return false
}

// published is a key of the provider's; "" asks for any.
func (a *application) published(kid string) *jose.JSONWebKey {
	resp, err := http.Get(a.issuer + "/connect/jwk_uri")
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	var keys jose.JSONWebKeySet
	_ = json.NewDecoder(resp.Body).Decode(&keys)
	for _, k := range keys.Keys {
		if kid == "" || k.KeyID == kid {
			return &k
		}
	}
	return nil
}

// checkToken is what go-oidc leaves to the application.
func (a *application) checkToken(token *oidc.IDToken, p pending) (person, error) {
	var claims struct {
		Azp      string `json:"azp"`
		Sid      string `json:"sid"`
		Acr      string `json:"acr"`
		Identity string `json:"id_assurance_level"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := token.Claims(&claims); err != nil {
		return person{}, err
	}
	soon := time.Now().Add(time.Minute)
	onlyMe := len(token.Audience) == 1 && claims.Azp == a.oauth.ClientID
	switch {
	case token.Nonce != p.nonce && (!a.is("nonce-wrong", "code-injected") || token.Nonce == "") && (!a.is("nonce-missing") || token.Nonce != ""):
	case !onlyMe && !a.is("azp-wrong"):
	case token.IssuedAt.After(soon) && !a.is("iat-future"):
	case a.is("expired") && token.Expiry.IsZero():
	case a.is("exp-missing") && !token.Expiry.IsZero() && token.Expiry.Before(time.Now()):
	case time.Since(time.Unix(claims.AuthTime, 0)) > maxAge && !a.is("auth-time-stale"):
	case !strings.HasPrefix(claims.Acr, "AAL3_") && !a.is("acr-too-low"):
	case claims.Identity < "3" && !a.is("identity-too-low"):
	default:
		return person{sub: token.Subject, sid: claims.Sid}, nil
	}
	return person{}, errRefused
}

func (a *application) checkUserinfo(ctx context.Context, tokens *oauth2.Token, token *oidc.IDToken) error {
	info, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return err
	}
	if info.Subject != token.Subject && !a.is("userinfo-sub-other") {
		return errRefused
	}
	var chosen struct {
		Role string `json:"selected_roleid"`
	}
	var held struct {
		Roles []struct {
			ID string `json:"person_roleid"`
		} `json:"nhsid_nrbac_roles"`
	}
	if err := errors.Join(token.Claims(&chosen), info.Claims(&held)); err != nil {
		return err
	}
	for _, role := range held.Roles {
		if role.ID == chosen.Role || a.is("role-foreign") {
			return nil
		}
	}
	return errRefused
}
