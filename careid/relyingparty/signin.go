// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// under is a sign-in under way: what the callback is held to.
type under struct {
	Browser  string // digest of the cookie that the asking browser holds
	Nonce    string
	Verifier string
	Return   string
	Began    time.Time // by Wall
}

const (
	sessionCookie = "wardkey-rp-session"
	beforeCookie  = "wardkey-rp-signin"
)

// begin sends the browser to the provider. OpenID Connect Core §3.1.2.1.
func (rp *RelyingParty) begin(w http.ResponseWriter, r *http.Request, to string) error {
	p, err := rp.provider(r.Context())
	if err != nil {
		return err
	}
	state := newSecret()
	u := under{
		Browser: digest("browser", rp.before(w, r)), Nonce: newSecret(), Return: rp.safe(to), Began: rp.config.Wall(),
	}
	q := url.Values{
		"response_type": {"code"}, "client_id": {rp.config.ClientID}, "redirect_uri": {rp.config.RedirectURL},
		"scope": {strings.Join(rp.config.Scopes, " ")}, "state": {state}, "nonce": {u.Nonce},
	}
	if !rp.config.NoPKCE {
		u.Verifier = newSecret()
		sum := sha256.Sum256([]byte(u.Verifier))
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:])) // RFC 7636 §4.2
		q.Set("code_challenge_method", "S256")
	}
	if rp.config.Prompt != "" {
		q.Set("prompt", rp.config.Prompt)
	}
	if len(rp.config.ACRValues) > 0 {
		q.Set("acr_values", strings.Join(rp.config.ACRValues, " "))
	}
	if rp.config.MaxAge > 0 {
		q.Set("max_age", strconv.Itoa(int(rp.config.MaxAge.Seconds())))
	}
	if err := rp.remember(r.Context(), state, u); err != nil {
		return err
	}
	address, err := withQuery(p.Endpoint().AuthURL, q)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

func (rp *RelyingParty) remember(ctx context.Context, state string, u under) error {
	life, err := rp.book.Duration("rp.signin.time", u.Began)
	if err != nil {
		return err
	}
	key := digest("signin", state)
	value, err := seal(state, key, u)
	if err != nil {
		return err
	}
	err = rp.config.Store.Add(ctx, Record{Key: key, Until: u.Began.Add(life), Value: value}, u.Began)
	if errors.Is(err, ErrFull) {
		return rp.book.Refuse("rp.busy").Because(err).RetryAfter(u.Began.Add(time.Minute))
	}
	return err
}

// before is the cookie that ties a response to the browser which asked. It is kept
// from one sign-in to the next, so that two windows can sign in at once.
func (rp *RelyingParty) before(w http.ResponseWriter, r *http.Request) string {
	value := rp.cookieOf(r, beforeCookie)
	if value == "" {
		value = newSecret()
		http.SetCookie(w, rp.cookie(beforeCookie, value))
	}
	return value
}

// callback takes the provider's response. Each step refuses for itself.
func (rp *RelyingParty) callback(w http.ResponseWriter, r *http.Request) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return rp.book.Refuse("rp.state").Because(errors.New("the response is no query"))
	}
	for _, name := range []string{"state", "code", "iss", "error"} { // RFC 6749 §3.1
		if len(q[name]) > 1 {
			return rp.book.Refuse("rp.state").Because(errors.New("the response has a parameter twice"))
		}
	}
	u, err := rp.recall(r, q.Get("state"))
	if err != nil {
		return err
	}
	claims, kept, err := rp.signIn(r.Context(), q, u)
	if err != nil {
		return &again{err, u.Return}
	}
	if err := rp.open(w, r, claims, kept, u.Began); err != nil {
		return err
	}
	http.Redirect(w, r, u.Return, http.StatusSeeOther)
	return nil
}

// again is a refusal after which the person may try again from where they were.
type again struct {
	error
	from string
}

// Unwrap is what was refused.
func (a *again) Unwrap() error { return a.error }

// recall takes the sign-in that a state belongs to, once, and for the browser that
// began it.
func (rp *RelyingParty) recall(r *http.Request, state string) (under, error) {
	refuse := func(why string) (under, error) {
		return under{}, rp.book.Refuse("rp.state").Because(errors.New(why))
	}
	browser := rp.cookieOf(r, beforeCookie)
	if len(state) != secretLen || browser == "" {
		return refuse("the response has no state of ours, or the browser no cookie")
	}
	key := digest("signin", state)
	records, err := rp.config.Store.Remove(r.Context(), key)
	if err != nil {
		return under{}, err
	}
	if len(records) != 1 || !rp.config.Wall().Before(records[0].Until) {
		return refuse("no sign-in under way has this state")
	}
	var u under
	if err := unseal(state, key, records[0].Value, &u); err != nil {
		return under{}, err
	}
	if subtle.ConstantTimeCompare([]byte(u.Browser), []byte(digest("browser", browser))) != 1 {
		return refuse("another browser began this sign-in")
	}
	return u, nil
}

// signIn makes claims of a response: its issuer, its error, its code.
func (rp *RelyingParty) signIn(ctx context.Context, q url.Values, u under) (Claims, renewal, error) {
	fail := func(err error) (Claims, renewal, error) { return Claims{}, renewal{}, err }
	p, err := rp.provider(ctx)
	if err != nil {
		return fail(err)
	}
	if iss, tells := q["iss"]; tells && iss[0] != rp.config.Issuer || !tells && p.tellsIssuer { // RFC 9207 §2.4
		return fail(rp.book.Refuse("rp.mixup"))
	}
	if code := q.Get("error"); code != "" {
		return fail(rp.denied(code))
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {rp.config.RedirectURL}}
	if u.Verifier != "" {
		form.Set("code_verifier", u.Verifier)
	}
	got, err := rp.exchange(ctx, p, form)
	if err != nil {
		return fail(rp.book.Refuse("rp.code").Because(err))
	}
	claims, id, err := rp.verifyID(ctx, p, got, expected{nonce: u.Nonce, fresh: true, began: u.Began})
	if err != nil {
		return fail(err)
	}
	if claims, err = rp.person(ctx, p, got.Access, claims, id); err != nil {
		return fail(err)
	}
	return claims, rp.renewal(got, id), rp.enough(claims)
}

// denied is the provider's own "no". Its code is told, of the codes that there
// are, and never its description, which anybody may have written into the address.
func (rp *RelyingParty) denied(code string) *wardkey.Refusal {
	switch code {
	case "access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required",
		"unmet_authentication_requirements", "temporarily_unavailable", "server_error":
	default:
		code = "another reason"
	}
	return rp.book.Refuse("rp.denied", "why", code)
}

// maxReturn bounds the address to return to.
const maxReturn = 2048

// safe is a path of this application to return to, or "/". What a browser could
// take for another host's is none: //host, /\host, and either with control
// characters between, which browsers leave out.
func (rp *RelyingParty) safe(to string) string {
	u, err := url.Parse(to)
	plain := !strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f })
	if err != nil || !plain || len(to) > maxReturn || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || u.IsAbs() || u.Host != "" ||
		strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, rp.folder) && rp.folder != "/" {
		return "/"
	}
	return to
}
