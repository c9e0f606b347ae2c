// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// A client's assertion is good for as long as it says, and for no longer than this: national clients say 3 to 5 minutes.
const assertionMax = 10 * time.Minute

// skew is by how much a client's clock may be wrong.
const skew = 30 * time.Second

func assertionAlgorithms() []string { return []string{"RS256", "RS384", "RS512"} }

var (
	errClient = no("invalid_client", "Client authentication failed.").with(http.StatusUnauthorized)
	// The national service's words, for which clients look.
	errAssertion = no("invalid_client", "JWT is not valid").with(http.StatusUnauthorized)
)

// authenticate finds out which client asks, by exactly the method that it is registered for. RFC 6749 §2.3.
func (p *Provider) authenticate(ctx context.Context, r *http.Request, form url.Values) (*client, error) {
	basicID, basicSecret, basic := r.BasicAuth()
	posted, asserted := form.Has("client_secret"), form.Has("client_assertion")
	if r.Header.Get("Authorization") != "" && !basic || basic && (posted || asserted) || posted && asserted {
		return nil, no("invalid_request", "There must be one way of client authentication.")
	}
	switch {
	case basic: // form-encoded: RFC 6749 §2.3.1
		id, badID := url.QueryUnescape(basicID)
		secret, badSecret := url.QueryUnescape(basicSecret)
		if badID != nil || badSecret != nil {
			return nil, errClient.because(errors.New("the credentials are not form-encoded"))
		}
		return p.bySecret(SecretBasic, id, secret, form)
	case posted:
		return p.bySecret(SecretPost, form.Get("client_id"), form.Get("client_secret"), form)
	case asserted:
		return p.byAssertion(ctx, form)
	}
	return nil, errClient.because(errors.New("no credentials"))
}

// bySecret compares a secret.
func (p *Provider) bySecret(method AuthMethod, id, secret string, form url.Values) (*client, error) {
	c := p.client(id)
	if c == nil || c.Method != method || form.Has("client_id") && form.Get("client_id") != id {
		return nil, errClient.because(errors.New("no such client by this method"))
	}
	given := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(given[:], c.secret[:]) != 1 {
		return nil, errClient.because(errors.New("wrong secret"))
	}
	return c, nil
}

// audience is one string or a list of them; every one must be ours, so that no other server's assertion is good here.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// assertion is what a client says of itself. RFC 7523 §3.
type assertion struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  audience         `json:"aud"`
	ID        string           `json:"jti"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// byAssertion verifies a client's signed word, and that it was never used before. Whose keys to ask is the unverified
// issuer; all the rest is believed after the signature only.
func (p *Provider) byAssertion(ctx context.Context, form url.Values) (*client, error) {
	refuse := func(why string) (*client, error) { return nil, errAssertion.because(errors.New(why)) }
	if form.Get("client_assertion_type") != assertionType {
		return refuse("client_assertion_type is not " + assertionType)
	}
	var allowed []jose.SignatureAlgorithm
	for _, a := range assertionAlgorithms() {
		allowed = append(allowed, jose.SignatureAlgorithm(a))
	}
	token, err := jwt.ParseSigned(form.Get("client_assertion"), allowed)
	if err != nil || len(token.Headers) != 1 {
		return refuse("it is no JWS by RS256, RS384 or RS512")
	}
	var claims assertion
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return refuse("its claims are no claims")
	}
	c := p.client(claims.Issuer)
	header := token.Headers[0]
	switch {
	case c == nil || c.Method != PrivateKeyJWT:
		return refuse("no such client by this method")
	case form.Has("client_id") && form.Get("client_id") != c.ID:
		return refuse("client_id is another")
	case c.AssertionAlgorithm != "" && c.AssertionAlgorithm != header.Algorithm:
		return refuse("it is registered for " + c.AssertionAlgorithm)
	}
	key, err := c.keys.find(ctx, header.KeyID, p.config.Wall())
	if err != nil {
		return nil, errAssertion.because(err)
	}
	var payload assertion
	if err := token.Claims(key, &payload); err != nil {
		return refuse("its signature does not hold")
	}
	return c, p.acceptAssertion(ctx, c, payload)
}

func (p *Provider) acceptAssertion(ctx context.Context, c *client, a assertion) error {
	refuse := func(why string) error { return errAssertion.because(errors.New(why)) }
	wall := p.config.Wall()
	switch {
	case a.Subject != c.ID:
		return refuse("sub is not the client")
	case len(a.Audience) == 0 || slices.ContainsFunc(a.Audience, func(v string) bool { return !p.isAudience(c, v) }):
		return refuse("aud is not this token endpoint")
	case a.ID == "" || len(a.ID) > 255:
		return refuse("jti is missing or longer than 255")
	case a.Expiry == nil || !wall.Before(a.Expiry.Time().Add(skew)):
		return refuse("exp is missing or over")
	case a.Expiry.Time().After(wall.Add(assertionMax + skew)):
		return refuse("exp is too far away")
	case a.IssuedAt != nil && a.IssuedAt.Time().After(wall.Add(skew)), a.NotBefore != nil && a.NotBefore.Time().After(wall.Add(skew)):
		return refuse("it is from the future")
	}
	first := false
	err := p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) (err error) {
		first, err = tx.Assertions.UseAssertion(ctx, digest(c.ID+"\x00"+a.ID), a.Expiry.Time().Add(skew+time.Second))
		return err
	})
	if err == nil && !first {
		return refuse("it was used before")
	}
	return err
}

// isAudience reports whether a name is the token endpoint's or, unless the client is strict, the issuer's or one of the two
// as libraries write it that drop the port.
func (p *Provider) isAudience(c *client, name string) bool {
	if name == p.at.token {
		return true
	}
	return !c.StrictAudience && (name == p.at.issuer || name == withoutPort443(p.at.token) || name == withoutPort443(p.at.issuer))
}
