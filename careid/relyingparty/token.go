// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// skew is how far a provider's clock may be ahead of ours. Clients of the
	// national service take between 5 and 60 seconds.
	skew = time.Minute
)

// tokens are the token endpoint's answer. RFC 6749 §5.1, OpenID Connect Core
// §3.1.3.3.
type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ID        string `json:"id_token"`
	Refresh   string `json:"refresh_token"`
	ExpiresIn int64  `json:"expires_in"`
}

// grantError is the token endpoint's "no", by its code alone: its description may
// hold anything.
type grantError struct{ code string }

func (e *grantError) Error() string { return fmt.Sprintf("the token endpoint says %q", e.code) }

// invalidGrant says whether a code or refresh token is not, or no longer, good.
func invalidGrant(err error) bool {
	var no *grantError
	return errors.As(err, &no) && no.code == "invalid_grant"
}

// exchange asks the token endpoint, as this client.
func (rp *RelyingParty) exchange(ctx context.Context, p *provider, form url.Values) (tokens, error) {
	endpoint := p.Endpoint().TokenURL
	form.Set("client_id", rp.config.ClientID)
	if rp.config.Keys != nil {
		audience := rp.config.AssertionAudience
		if audience == "" {
			audience = endpoint
		}
		assertion, err := rp.config.Keys.assertion(rp.config.ClientID, audience)
		if err != nil {
			return tokens{}, err
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	} else {
		form.Set("client_secret", string(rp.config.Secret))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := rp.client.Do(req)
	if err != nil {
		return tokens{}, withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return readTokens(resp)
}

// withoutURL keeps an address with its query out of logs.
func withoutURL(err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

func readTokens(resp *http.Response) (tokens, error) {
	if resp.StatusCode != http.StatusOK {
		var no struct {
			Code string `json:"error"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&no); err != nil || no.Code == "" {
			return tokens{}, fmt.Errorf("the token endpoint answers with status %d", resp.StatusCode)
		}
		return tokens{}, &grantError{no.Code}
	}
	var t tokens
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil {
		return tokens{}, errors.New("the token endpoint's answer can't be read")
	}
	if t.Access == "" || !strings.EqualFold(t.Type, "Bearer") {
		return tokens{}, errors.New("the token endpoint's answer has no bearer token")
	}
	return t, nil
}

// expected is what an ID token must say besides what all must.
type expected struct {
	nonce string    // "" after a refresh, where none need be
	fresh bool      // max_age and prompt were asked for
	began time.Time // by Wall
}

// verifyID checks an ID token. OpenID Connect Core §3.1.3.7, by its numbers.
func (rp *RelyingParty) verifyID(ctx context.Context, p *provider, t tokens, want expected) (Claims, tokenClaims, error) {
	var claims tokenClaims
	refuse := func(why string) (Claims, tokenClaims, error) {
		return Claims{}, claims, rp.book.Refuse("rp.token").Because(errors.New(why))
	}
	if t.ID == "" {
		return refuse("no ID token came")
	}
	id, err := p.verify(ctx, t.ID) // 2, 3 in part, 6 to 8
	if errors.Is(err, errUnread) {
		return Claims{}, claims, rp.book.Refuse("rp.provider").Because(err)
	}
	if err != nil {
		return refuse("the ID token is not good: " + err.Error())
	}
	if err := id.Claims(&claims); err != nil {
		return refuse("the ID token's claims have another form: " + err.Error())
	}
	now := rp.config.Wall()
	if why := rp.wrongIn(id, claims, want, now); why != "" {
		return refuse(why)
	}
	if id.AccessTokenHash != "" { // §3.1.3.8
		if err := id.VerifyAccessToken(t.Access); err != nil {
			return refuse("the ID token belongs to another access token")
		}
	}
	c := Claims{Issuer: id.Issuer, Subject: id.Subject, SessionID: claims.SessionID, ACR: claims.ACR, AMR: claims.AMR, SelectedRole: claims.SelectedRole}
	if claims.AuthTime > 0 {
		c.AuthTime = time.Unix(claims.AuthTime, 0).UTC()
	}
	if rp.config.WardkeyClaims {
		c.Alerts = claims.Alerts
	}
	return c, claims, rp.freshEnough(c.AuthTime, want, now) // 13
}

// wrongIn is what is wrong in a token whose signature, issuer and audience are
// right, or "".
func (rp *RelyingParty) wrongIn(id *oidc.IDToken, claims tokenClaims, want expected, now time.Time) string {
	switch {
	case !slices.Equal(id.Audience, []string{rp.config.ClientID}): // 3: no audience is trusted besides
		return "the ID token has another audience besides"
	case claims.AuthorizedParty != "" && claims.AuthorizedParty != rp.config.ClientID: // 4, 5
		return "the ID token's authorized party is another"
	case id.Subject == "" || len(id.Subject) > 255: // §2
		return "the ID token's sub is missing or too long"
	case id.Expiry.IsZero() || !now.Before(id.Expiry): // 9
		return "the ID token has ended"
	case id.IssuedAt.IsZero() || id.IssuedAt.After(now.Add(skew)): // 10
		return "the ID token is of the future"
	case want.nonce != "" && id.Nonce != want.nonce: // 11
		return "the ID token's nonce is another"
	}
	return ""
}

// freshEnough holds the provider to max_age and prompt=login: the browser carries
// the request, and whoever sits at it can take them out.
func (rp *RelyingParty) freshEnough(at time.Time, want expected, now time.Time) error {
	login := rp.config.Prompt == "login"
	if !want.fresh || rp.config.MaxAge == 0 && !login {
		return nil
	}
	switch {
	case at.IsZero(),
		at.After(now.Add(skew)),
		rp.config.MaxAge > 0 && now.Sub(at) > rp.config.MaxAge+skew,
		login && at.Before(want.began.Add(-skew)):
		return rp.book.Refuse("rp.stale")
	}
	return nil
}

// person asks userinfo, which has the roles, and holds it to the ID token's
// subject. OpenID Connect Core §5.3.
func (rp *RelyingParty) person(ctx context.Context, p *provider, access string, c Claims, id tokenClaims) (Claims, error) {
	client, noted := *rp.client, &statusNoted{RoundTripper: rp.client.Transport}
	client.Transport = noted
	info, err := p.UserInfo(oidc.ClientContext(ctx, &client), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access}))
	if where := (*url.Error)(nil); errors.As(err, &where) {
		return c, rp.book.Refuse("rp.provider").Because(where.Err)
	}
	if noted.passing() {
		return c, rp.book.Refuse("rp.provider").Because(fmt.Errorf("userinfo answers with status %d", noted.status))
	}
	if err != nil {
		return c, rp.book.Refuse("rp.userinfo").Because(errors.New("userinfo was not given or can't be read"))
	}
	var u userinfoClaims
	if err := info.Claims(&u); err != nil {
		return c, rp.book.Refuse("rp.userinfo").Because(err)
	}
	if u.Subject != c.Subject {
		return c, rp.book.Refuse("rp.userinfo").Because(errors.New("userinfo is about another person"))
	}
	c = c.withUserinfo(id, u)
	if rp.config.WardkeyClaims && len(c.Alerts) == 0 {
		c.Alerts = u.Alerts
	}
	return c, nil
}

// statusNoted keeps the status of an answer, which package oidc makes a text of.
type statusNoted struct {
	http.RoundTripper
	status int
}

// RoundTrip is http.RoundTripper's.
func (n *statusNoted) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(r)
	if err == nil {
		n.status = resp.StatusCode
	}
	return resp, err
}

// passing says whether the status is of a provider that can't answer just now, and
// not its answer.
func (n *statusNoted) passing() bool {
	return n.status/100 == 5 || n.status == http.StatusTooManyRequests || n.status == http.StatusRequestTimeout
}
