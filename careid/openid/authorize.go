// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/wardkey-sdk/wardkey/careid"
)

func prompts() []string { return []string{"none", "login", "consent", "select_account"} }

// serveAuthorize is the authorization endpoint. OpenID Connect Core §3.1.2.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	private(w)
	w.Header().Set("Referrer-Policy", "no-referrer") // the answer's address holds the code
	form, err := authorizeForm(w, r)
	if err != nil {
		p.showError(w, r, "", protocolError(err))
		return
	}
	c, redirect, err := p.whereTo(form)
	if err != nil {
		p.showError(w, r, form.Get("client_id"), protocolError(err))
		return
	}
	answer, err := p.authorize(w, r, c, redirect, form)
	if err != nil {
		e := protocolError(err)
		p.refused(r.Context(), "authorize", c.ID, e)
		answer = p.errorRedirect(redirect, form.Get("state"), e)
	}
	http.Redirect(w, r, answer, http.StatusSeeOther) // never 307: a POST's body must not go on (RFC 9700 §4.12)
}

// showError is for requests of which it is not known where to send an answer.
func (p *Provider) showError(w http.ResponseWriter, r *http.Request, client string, e *Error) {
	p.refused(r.Context(), "authorize", printable(client), e)
	p.config.Refused(w, r, e)
}

// printable keeps what strangers send from faking a line of a log.
func printable(text string) string {
	if len(text) > 64 || strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		return "(not plain)"
	}
	return text
}

func authorizeForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, no("invalid_request", "The request is too large.").with(http.StatusRequestURITooLong)
	}
	if r.Method == http.MethodPost {
		return postedForm(w, r, maxQuery)
	}
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, no("invalid_request", "The parameters can't be read.").because(err)
	}
	return form, nil
}

// postedForm reads a body, and nothing of the address: secrets don't belong there.
func postedForm(w http.ResponseWriter, r *http.Request, limit int64) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := r.ParseForm(); err != nil {
		return nil, no("invalid_request", "The parameters can't be read.").because(err).with(tooLarge(err))
	}
	return r.PostForm, nil
}

func tooLarge(err error) int {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// once refuses parameters that are there twice. RFC 6749 §3.1.
func once(form url.Values) error {
	for _, values := range form {
		if len(values) > 1 {
			return no("invalid_request", "A parameter is there twice.")
		}
	}
	return nil
}

// whereTo finds the client and the address that answers go to, which is one of those registered, byte for byte.
func (p *Provider) whereTo(form url.Values) (*client, string, error) {
	c := p.client(form.Get("client_id"))
	if len(form["client_id"]) != 1 || c == nil {
		return nil, "", no("invalid_request", "client_id is not a registered client.")
	}
	if len(form["redirect_uri"]) != 1 || !slices.Contains(c.RedirectURIs, form.Get("redirect_uri")) {
		return nil, "", no("invalid_request", "redirect_uri is not one of the client's.")
	}
	return c, form.Get("redirect_uri"), nil
}

// authorize answers a request, or keeps it until its person has done what is missing. It returns where the browser goes.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request, c *client, redirect string, form url.Values) (string, error) {
	ctx := r.Context()
	request, err := p.readRequest(c, redirect, form)
	if err != nil {
		return "", err
	}
	token := p.config.SessionToken(r)
	session, err := p.session(ctx, token)
	if err != nil {
		return "", err
	}
	if session != nil {
		request.Prior = session.ID
		if request.Role, err = p.chosen(ctx, session.ID); err != nil {
			return "", err
		}
	}
	next, err := p.look(ctx, request, session)
	if err != nil {
		return "", err
	}
	if next.ready() {
		return p.grant(ctx, grantOf{request: request, client: c, session: session, token: token, next: next})
	}
	if request.Silent {
		return "", next.silently()
	}
	browser := p.browser(r)
	http.SetCookie(w, browser)
	request.Browser = digest(browser.Value)
	return p.wait(ctx, request)
}

// browser is the cookie that ties the requests that wait to the browser that made them: with the value that it has, or a
// fresh one.
func (p *Provider) browser(r *http.Request) *http.Cookie {
	c := &http.Cookie{
		Name: "wardkey-authorize", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(p.config.WaitFor / time.Second),
	}
	if strings.HasPrefix(p.at.issuer, "https:") {
		c.Name, c.Secure = "__Host-"+c.Name, true // RFC 6265bis §4.1.3.2
	}
	if old, err := r.Cookie(c.Name); err == nil && len(old.Value) == len(newSecret()) {
		c.Value = old.Value
		return c
	}
	c.Value = newSecret()
	return c
}

// wait keeps a request for its person and returns the address of the page.
func (p *Provider) wait(ctx context.Context, request Request) (string, error) {
	id := newSecret()
	err := p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		return tx.Requests.AddRequest(ctx, RequestRow{Hash: digest(id), Request: request, Until: tx.Wall.Add(p.config.WaitFor)})
	})
	if err != nil {
		return "", err
	}
	return withQuery(p.config.SignIn, url.Values{"request": {id}}), nil
}

// session is the browser's, nil where it has none that lives.
func (p *Provider) session(ctx context.Context, token string) (*careid.Session, error) {
	if token == "" {
		return nil, nil
	}
	s, err := p.config.Service.Session(ctx, token)
	if err != nil && saidNo(err) {
		return nil, nil
	}
	return s, err
}

// readRequest checks the parameters of a known client.
func (p *Provider) readRequest(c *client, redirect string, form url.Values) (Request, error) {
	request := Request{Client: c.ID, RedirectURI: redirect, State: form.Get("state"), Nonce: form.Get("nonce"), Started: p.config.Now().UTC()}
	if err := once(form); err != nil {
		return request, err
	}
	switch {
	case form.Has("request"):
		return request, no("request_not_supported", "Request objects are not supported.")
	case form.Has("request_uri"):
		return request, no("request_uri_not_supported", "Request objects are not supported.")
	case form.Has("registration"):
		return request, no("registration_not_supported", "Clients don't register by a request.")
	case form.Get("response_type") != "code":
		return request, no("unsupported_response_type", "The only response type is code.")
	case form.Has("response_mode") && form.Get("response_mode") != "query":
		return request, no("invalid_request", "The only response mode is query.")
	}
	for _, scope := range strings.Fields(form.Get("scope")) {
		if slices.Contains(allScopes(), scope) && (c.Scopes == nil || slices.Contains(c.Scopes, scope)) && !slices.Contains(request.Scopes, scope) {
			request.Scopes = append(request.Scopes, scope)
		}
	}
	if !slices.Contains(request.Scopes, scopeOpenID) {
		return request, no("invalid_scope", "The scope openid is missing.")
	}
	request.ACR = strings.Fields(form.Get("acr_values"))
	for _, read := range []func(*client, url.Values, *Request) error{readPKCE, readPrompt, readMaxAge, p.readHint} {
		if err := read(c, form, &request); err != nil {
			return request, err
		}
	}
	return request, nil
}

// readPKCE takes the challenge: by SHA-256 only, and needed unless the client is registered without. RFC 7636 §4.3, RFC
// 9700 §2.1.1.
func readPKCE(c *client, form url.Values, request *Request) error {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && c.WithoutPKCE:
		return nil
	case challenge == "":
		return no("invalid_request", "code_challenge is missing.")
	case method != "S256":
		return no("invalid_request", "The only code_challenge_method is S256.")
	case len(challenge) != 43 || strings.Trim(challenge, base64URL) != "":
		return no("invalid_request", "code_challenge is no SHA-256 in base64url.")
	}
	request.Challenge = challenge
	return nil
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// readPrompt takes how the person is to be asked. There is no consent page: people agree by their terms of use, as at the
// national service; and one browser has one account, so that choosing another is signing in.
func readPrompt(_ *client, form url.Values, request *Request) error {
	values := strings.Fields(form.Get("prompt"))
	for _, v := range values {
		if !slices.Contains(prompts(), v) {
			return no("invalid_request", "prompt is not one of "+strings.Join(prompts(), ", ")+".")
		}
	}
	request.Silent = slices.Contains(values, "none")
	if request.Silent && len(values) > 1 {
		return no("invalid_request", "prompt=none stands alone.")
	}
	request.Fresh = slices.Contains(values, "login") || slices.Contains(values, "select_account") || slices.Contains(request.Scopes, scopeChangedRole)
	return nil
}

func readMaxAge(_ *client, form url.Values, request *Request) error {
	if !form.Has("max_age") {
		return nil
	}
	age, err := strconv.ParseUint(form.Get("max_age"), 10, 31)
	if err != nil {
		return no("invalid_request", "max_age is no number of seconds.")
	}
	seconds := int64(age)
	request.MaxAge = &seconds
	return nil
}

// readHint takes whom the client expects from an ID token that it got here, over or not. OpenID Connect Core §3.1.2.1.
func (p *Provider) readHint(c *client, form url.Values, request *Request) error {
	hint := form.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	token, err := jwt.ParseSigned(hint, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.algorithm)})
	if err != nil || token.Headers[0].ExtraHeaders[jose.HeaderType] != "JWT" { // a logout token is none
		return no("invalid_request", "id_token_hint is no ID token of this client.").because(err)
	}
	var claims jwt.Claims
	for _, key := range p.keys.Load().keys {
		if key.ID == token.Headers[0].KeyID && key.Algorithm == c.algorithm && token.Claims(key.Signer.Public(), &claims) == nil &&
			claims.Issuer == p.at.issuer && slices.Equal(claims.Audience, jwt.Audience{c.ID}) && claims.Subject != "" {
			request.Hint = claims.Subject
			return nil
		}
	}
	return no("invalid_request", "id_token_hint is no ID token of this client.")
}

// errorRedirect sends an error to a client. RFC 6749 §4.1.2.1, RFC 9207 §2.
func (p *Provider) errorRedirect(redirect, state string, e *Error) string {
	return p.answer(redirect, state, url.Values{"error": {e.Code}, "error_description": {e.Description}})
}

// answer is a client's redirect address with an answer, and who gave it, so that clients of several providers tell them
// apart (RFC 9207).
func (p *Provider) answer(redirect, state string, values url.Values) string {
	if state != "" {
		values.Set("state", state)
	}
	values.Set("iss", p.at.issuer)
	return withQuery(redirect, values)
}

// withQuery adds parameters to an address, which keeps those that it has.
func withQuery(address string, values url.Values) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + values.Encode()
}
