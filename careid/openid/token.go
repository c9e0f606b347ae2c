// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokens is the answer of the token endpoint. RFC 6749 §5.1, OpenID Connect Core §3.1.3.3.
type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int64  `json:"expires_in"` // seconds
	Refresh   string `json:"refresh_token,omitempty"`
	IDToken   string `json:"id_token"`
	Scope     string `json:"scope"`
}

var (
	errGrant = no("invalid_grant", "The code or token is not good, or not any more.")
	// errNow is for a session that is locked, or whose outside issuer can't be asked: nothing is spent.
	errNow = no("invalid_grant", "The session can't be used at the moment.")
)

// serveToken is the token endpoint. RFC 6749 §3.2.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	private(w)
	w.Header().Set("Pragma", "no-cache")
	c, answer, err := p.token(w, r)
	if err == nil {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	id, e := "", protocolError(err)
	if c != nil {
		id = c.ID
	}
	p.refused(r.Context(), "token", id, e)
	if e.Code == "invalid_client" && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	}
	writeError(w, e)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) (*client, *tokens, error) {
	form, err := postedForm(w, r, maxBody)
	if err != nil {
		return nil, nil, err
	}
	if err := once(form); err != nil {
		return nil, nil, err
	}
	c, err := p.authenticate(r.Context(), r, form)
	if err != nil {
		return nil, nil, err
	}
	var answer *tokens
	switch form.Get("grant_type") {
	case "authorization_code":
		answer, err = p.redeem(r.Context(), c, form)
	case "refresh_token":
		answer, err = p.refresh(r.Context(), c, form)
	default:
		err = no("unsupported_grant_type", "The grant types are authorization_code and refresh_token.")
	}
	return c, answer, err
}

// redeem exchanges a code. Whoever shows it, once is all: a code that comes with the wrong client, address or verifier has
// been seen by others, and its grant is revoked.
func (p *Provider) redeem(ctx context.Context, c *client, form url.Values) (*tokens, error) {
	code := form.Get("code")
	if code == "" {
		return nil, no("invalid_request", "code is missing.")
	}
	var g GrantRow
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		g, err = tx.Grants.GrantByCode(ctx, digest(code))
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return nil, errGrant.because(errors.New("no such code"))
	}
	if err != nil {
		return nil, err
	}
	bad := badRedemption(c, g, form)
	if g.Used || g.Revoked != "" { // whatever its session says by now
		bad = errGrant.because(errors.New("used before, or revoked"))
	}
	var issue *issued
	if bad == nil {
		if issue, bad = p.prepare(ctx, c, g, code, g.Sealed); bad != nil && !errors.Is(bad, errGrant) {
			return nil, bad
		}
	}
	return p.spend(ctx, spending{client: c, grant: g, action: "redeem code", bad: bad, issue: issue, use: useCode(code)})
}

// badRedemption is what is wrong with the request for a code's tokens, or nil. RFC 6749 §4.1.3, RFC 7636 §4.6.
func badRedemption(c *client, g GrantRow, form url.Values) error {
	switch {
	case g.Client != c.ID:
		return errGrant.because(errors.New("the code of another client"))
	case form.Get("redirect_uri") != g.Granted.RedirectURI:
		return errGrant.because(errors.New("redirect_uri is not the request's"))
	case !verifies(g.Granted.Challenge, form.Get("code_verifier"), form.Has("code_verifier")):
		return errGrant.because(errors.New("code_verifier does not fit"))
	}
	return nil
}

// verifies reports whether a PKCE verifier is that of the challenge; one without a challenge is none (RFC 9700 §4.8.2: a
// request from which somebody took the challenge out).
func verifies(challenge, verifier string, has bool) bool {
	if challenge == "" {
		return !has
	}
	if len(verifier) < 43 || len(verifier) > 128 || strings.Trim(verifier, base64URL+".~") != "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(digest(verifier))), []byte(challenge)) == 1
}

// refresh exchanges a refresh token for a new one; the old one is good once. RFC 6749 §6, RFC 9700 §4.14.2.
func (p *Provider) refresh(ctx context.Context, c *client, form url.Values) (*tokens, error) {
	token := form.Get("refresh_token")
	if token == "" {
		return nil, no("invalid_request", "refresh_token is missing.")
	}
	kept, g, err := p.kept(ctx, token, RefreshToken)
	if err != nil {
		return nil, err
	}
	if !c.Refresh {
		return nil, no("unauthorized_client", "This client has no refresh tokens.")
	}
	for _, scope := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(g.Granted.Scopes, scope) { // fewer may be asked for, and the answer says that all are given
			return nil, no("invalid_scope", "A scope was not granted.")
		}
	}
	var bad error
	var issue *issued
	switch {
	case kept.Used, g.Revoked != "":
		bad = errGrant.because(errors.New("used before, or revoked"))
	case g.Client != c.ID:
		bad = errGrant.because(errors.New("the token of another client"))
	default:
		g.Granted.Nonce = "" // it was of the request, and belongs in no later token: OpenID Connect Core §12.2
		if issue, bad = p.prepare(ctx, c, g, token, kept.Sealed); bad != nil && !errors.Is(bad, errGrant) {
			return nil, bad
		}
	}
	return p.spend(ctx, spending{client: c, grant: g, action: "refresh", bad: bad, issue: issue, use: useToken(token)})
}

// kept reads a token and its grant; ErrNotFound is invalid_grant.
func (p *Provider) kept(ctx context.Context, token string, kind TokenKind) (t TokenRow, g GrantRow, err error) {
	err = p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) error {
		if t, g, err = tx.Tokens.Token(ctx, digest(token)); err == nil && t.Kind != kind {
			err = ErrNotFound
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = errGrant.because(errors.New("no such token"))
	}
	return t, g, err
}

func isProtocol(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// issued are tokens that are made and not yet good: they are when their rows are committed.
type issued struct {
	answer tokens
	rows   []TokenRow
}

// prepare asks whether the session lives and makes the tokens. The signature comes before the transaction, which others
// wait for.
func (p *Provider) prepare(ctx context.Context, c *client, g GrantRow, secret string, sealed []byte) (*issued, error) {
	token, err := unseal(secret, sealed)
	if err != nil {
		return nil, err
	}
	session, err := p.config.Service.Session(ctx, token)
	switch {
	case isOver(err):
		return nil, errGrant.because(err)
	case saidNo(err):
		return nil, errNow.because(err)
	case err != nil:
		return nil, err
	}
	if session.ID != g.Session || session.Profile != g.Granted.Profile {
		return nil, errors.New("openid: the sealed session is another")
	}
	person, err := p.config.People.Person(ctx, g.Granted.Profile)
	if err != nil {
		return nil, err
	}
	out := &issued{answer: tokens{Access: newSecret(), Type: "Bearer", Scope: strings.Join(g.Granted.Scopes, " ")}}
	wall := p.seconds()
	lasts := min(p.config.AccessFor, g.Until.Sub(wall), session.ExpiresAt.Sub(p.config.Now().UTC().Truncate(time.Second)))
	out.answer.ExpiresIn = int64(lasts / time.Second)
	if err := out.add(g, AccessToken, out.answer.Access, token, wall.Add(lasts)); err != nil {
		return nil, err
	}
	if c.Refresh {
		out.answer.Refresh = newSecret()
		if err := out.add(g, RefreshToken, out.answer.Refresh, token, g.Until); err != nil {
			return nil, err
		}
	}
	out.answer.IDToken, err = p.sign(IDToken, c.algorithm, p.mark(IDToken, c.ID, p.idToken(c, g, session, person, out.answer.Access)))
	return out, err
}

func (i *issued) add(g GrantRow, kind TokenKind, secret, session string, until time.Time) error {
	sealed, err := seal(secret, session)
	i.rows = append(i.rows, TokenRow{Hash: digest(secret), Grant: g.ID, Kind: kind, Sealed: sealed, Until: until})
	return err
}

// spending is one use of a code or refresh token.
type spending struct {
	client *client
	grant  GrantRow
	action string // for the audit
	bad    error  // why nothing is given for it, or nil
	issue  *issued
	use    use
}

// use uses a code or token up, in one statement. It says whether that was its first use, and whether there was one before.
type use func(ctx context.Context, tx *Tx) (first, before bool, err error)

func useCode(code string) use {
	return func(ctx context.Context, tx *Tx) (first, before bool, err error) {
		if first, err = tx.Grants.UseCode(ctx, digest(code), tx.Wall); first || err != nil {
			return first, false, err
		}
		g, err := tx.Grants.GrantByCode(ctx, digest(code))
		return false, g.Used, err
	}
}

func useToken(token string) use {
	return func(ctx context.Context, tx *Tx) (first, before bool, err error) {
		if first, err = tx.Tokens.UseToken(ctx, digest(token), tx.Wall); first || err != nil {
			return first, false, err
		}
		t, _, err := tx.Tokens.Token(ctx, digest(token))
		return false, t.Used, err
	}
}

// spend uses a code or token up, and in the same transaction gives the tokens out or revokes the grant.
func (p *Provider) spend(ctx context.Context, s spending) (*tokens, error) {
	var refused error
	replayed := false
	err := p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		refused, replayed = s.bad, false
		g, err := tx.Grants.Grant(ctx, s.grant.ID)
		if err != nil {
			return err
		}
		first, before, err := s.use(ctx, tx)
		switch {
		case err != nil:
			return err
		case before:
			refused, replayed = errGrant.because(errors.New("used before")), true
		case g.Revoked != "":
			refused = errGrant.because(errors.New("the grant was revoked: " + g.Revoked))
		case !first:
			refused = errGrant.because(errors.New("over"))
		case refused == nil:
			return p.hand(ctx, tx, s)
		}
		revoked, err := tx.Grants.Revoke(ctx, g.ID, revocation(refused))
		if err != nil || !revoked {
			return err
		}
		return audit(ctx, tx, s.client.ID, s.action, g.Granted.Profile, "refused: "+revocation(refused)+", grant "+g.ID+" revoked")
	})
	if errors.Is(err, ErrNotFound) {
		return nil, errGrant.because(errors.New("the grant is gone"))
	}
	switch {
	case err != nil:
		return nil, err
	case replayed:
		p.config.Observe(ctx, Event{Name: EventReplayed, Client: s.client.ID, Session: s.grant.Session})
	case refused == nil:
		p.config.Observe(ctx, Event{Name: EventTokens, Client: s.client.ID, Session: s.grant.Session})
		return &s.issue.answer, nil
	}
	return nil, refused
}

// revocation is why a grant is revoked: the private cause of a refusal, which names no secret.
func revocation(refused error) string {
	if cause := errors.Unwrap(refused); cause != nil {
		return cause.Error()
	}
	return "refused"
}

// hand makes the prepared tokens good.
func (p *Provider) hand(ctx context.Context, tx *Tx, s spending) error {
	for _, row := range s.issue.rows {
		if err := tx.Tokens.AddToken(ctx, row); err != nil {
			return err
		}
	}
	return audit(ctx, tx, s.client.ID, s.action, s.grant.Granted.Profile, "session "+s.grant.Session+", grant "+s.grant.ID)
}
