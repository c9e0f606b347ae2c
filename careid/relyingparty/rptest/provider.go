// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The provider's paths below its issuer, as the national service has them.
const (
	authorizePath = "/authorize"
	tokenPath     = "/access_token"
	userinfoPath  = "/userinfo"
	keysPath      = "/connect/jwk_uri"
)

// life is that of an ID token.
const life = time.Hour

// grant is one sign-in as the provider remembers it.
type grant struct {
	request url.Values // the application's authorization request
	claims  object     // of its ID token
	attack  attack
	used    bool
}

type object = map[string]any

func (c *Checker) handler() http.Handler {
	mux := http.NewServeMux()
	path := strings.TrimSuffix(c.base.Path, "/")
	mux.HandleFunc("GET "+path+"/.well-known/openid-configuration", c.discovery)
	mux.HandleFunc("GET "+path+keysPath, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, object{"keys": []object{c.key.public()}})
	})
	mux.HandleFunc("POST "+path+tokenPath, c.token)
	mux.HandleFunc("GET "+path+userinfoPath, c.userinfo)
	mux.HandleFunc("POST "+path+userinfoPath, c.userinfo)
	mux.HandleFunc("GET "+path+authorizePath, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This provider signs nobody in by itself: it belongs to a check of the application.", http.StatusForbidden)
	})
	return mux
}

func (c *Checker) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, object{
		"issuer":                                           c.issuer,
		"authorization_endpoint":                           c.at(authorizePath),
		"token_endpoint":                                   c.at(tokenPath),
		"userinfo_endpoint":                                c.at(userinfoPath),
		"jwks_uri":                                         c.at(keysPath),
		"response_types_supported":                         []string{"code"},
		"grant_types_supported":                            []string{"authorization_code"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{"RS256"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "RS384", "RS512"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"acr_values_supported":                             []string{"AAL3_ANY", "AAL2_OR_AAL3_ANY", "AAL2_ANY"},
		"scopes_supported":                                 []string{"openid", "profile", "email", "nhsperson", "nationalrbacaccess", "associatedorgs", "selectedrole"},
		"authorization_response_iss_parameter_supported":   true,
		"backchannel_logout_supported":                     true,
		"backchannel_logout_session_supported":             true,
	})
}

// at is an address of the provider.
func (c *Checker) at(path string) string { return strings.TrimSuffix(c.issuer, "/") + path }

// authorize answers an authorization request as the provider does once the
// person has shown who they are: the address that the browser is sent to.
func (c *Checker) authorize(request url.Values, a attack) *url.URL {
	code := random()
	g := &grant{request: request, attack: a, claims: c.idClaims(request)}
	c.mu.Lock()
	c.grants[code] = g
	c.mu.Unlock()
	to, err := url.Parse(request.Get("redirect_uri"))
	if err != nil {
		return &url.URL{}
	}
	q := to.Query()
	q.Set("code", code)
	q.Set("iss", c.issuer)
	if state := request.Get("state"); state != "" {
		q.Set("state", state)
	}
	if a.answer != nil {
		a.answer(q)
	}
	to.RawQuery = q.Encode()
	return to
}

// token is the token endpoint. RFC 6749 §4.1.3, §5.
func (c *Checker) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		c.refuseToken(w, "invalid_request", "the body can't be read")
		return
	}
	if err := c.authenticate(r); err != nil {
		c.refuseToken(w, "invalid_client", err.Error())
		return
	}
	g, why := c.redeem(r.PostForm)
	if why != "" {
		c.refuseToken(w, "invalid_grant", why)
		return
	}
	access := random()
	c.mu.Lock()
	c.access[access] = g
	c.mu.Unlock()
	sum := sha256.Sum256([]byte(access))
	g.claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
	reply(w, http.StatusOK, object{
		"access_token": access, "token_type": "Bearer", "expires_in": 3599,
		"scope": g.request.Get("scope"), "id_token": c.idToken(g),
	})
}

// redeem takes a code, once and from whom it was given to.
func (c *Checker) redeem(form url.Values) (g *grant, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g = c.grants[form.Get("code")]
	switch {
	case form.Get("grant_type") != "authorization_code":
		return nil, "the grant_type is not authorization_code"
	case g == nil:
		return nil, "no such code was given"
	case g.used:
		return nil, "the code was used before"
	case g.attack.refuseCode:
		return nil, "the code was given to another client"
	case form.Get("redirect_uri") != g.request.Get("redirect_uri"):
		return nil, "the redirect_uri is not the authorization request's"
	}
	g.used = true
	challenge := g.request.Get("code_challenge")
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	verifier := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case challenge == "" && form.Get("code_verifier") != "":
		return nil, "a code_verifier came, but no code_challenge before"
	case challenge != "" && subtle.ConstantTimeCompare([]byte(challenge), []byte(verifier)) != 1:
		return nil, "the code_verifier is not that of the code_challenge (S256)"
	}
	return g, ""
}

// refuseToken keeps why for the report: a good sign-in that fails here is
// explained by it.
func (c *Checker) refuseToken(w http.ResponseWriter, code, why string) {
	c.mu.Lock()
	c.refused = code + ": " + why
	c.mu.Unlock()
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	reply(w, status, object{"error": code, "error_description": why})
}

func (c *Checker) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	c.mu.Lock()
	g := c.access[token]
	c.mu.Unlock()
	if !strings.EqualFold(scheme, "Bearer") || g == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		reply(w, http.StatusUnauthorized, object{"error": "invalid_token"})
		return
	}
	claims := c.config.Person.userinfo()
	if g.attack.userinfo != nil {
		g.attack.userinfo(claims)
	}
	reply(w, http.StatusOK, claims)
}

func reply(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the application has gone; the sign-in fails by itself
}

// random is 128 bits as text.
func random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
