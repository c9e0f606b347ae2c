// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate holds the application to the one way of authenticating that it is
// configured for. RFC 6749 §2.3.1, RFC 7523 §3.
func (c *Checker) authenticate(r *http.Request) error {
	form := r.PostForm
	switch {
	case c.config.JWKS != "":
		return c.assertion(form)
	case len(c.config.Secret) > 0:
		id, secret := form.Get("client_id"), form.Get("client_secret")
		if user, password, basic := r.BasicAuth(); basic {
			id, secret = unescape(user), unescape(password)
		}
		if id != c.config.ClientID {
			return errors.New("the client_id is another")
		}
		if subtle.ConstantTimeCompare([]byte(secret), c.config.Secret) != 1 {
			return errors.New("the client_secret is missing or wrong")
		}
	}
	return nil
}

// unescape undoes the form encoding of RFC 6749 §2.3.1.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (c *Checker) assertion(form url.Values) error {
	if form.Get("client_assertion_type") != assertionType {
		return errors.New("the client_assertion_type is missing or wrong")
	}
	token, err := jwt.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512})
	if err != nil {
		return errors.New("the client_assertion is no JWT by RS256, RS384 or RS512")
	}
	keys, err := c.clientKeys()
	if err != nil {
		return err
	}
	var claims jwt.Claims
	known := keys.Key(token.Headers[0].KeyID)
	if len(known) == 0 {
		return fmt.Errorf("the client_assertion's kid %q is not among the keys at %s", token.Headers[0].KeyID, c.config.JWKS)
	}
	if err := token.Claims(known[0], &claims); err != nil {
		return errors.New("the client_assertion's signature is not by the key that its kid names")
	}
	return c.assertionClaims(claims)
}

func (c *Checker) assertionClaims(claims jwt.Claims) error {
	now := c.config.Wall()
	switch {
	case claims.Issuer != c.config.ClientID || claims.Subject != c.config.ClientID:
		return errors.New("the client_assertion's iss and sub are not both the client_id")
	case !claims.Audience.Contains(c.at(tokenPath)):
		return fmt.Errorf("the client_assertion's aud is not the token endpoint, %s", c.at(tokenPath))
	case claims.Expiry == nil || !claims.Expiry.Time().After(now):
		return errors.New("the client_assertion has no exp, or it is over")
	case claims.Expiry.Time().After(now.Add(10 * time.Minute)):
		return errors.New("the client_assertion's exp is more than ten minutes ahead")
	case claims.ID == "":
		return errors.New("the client_assertion has no jti")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.assertions[claims.ID] {
		return errors.New("the client_assertion's jti was used before")
	}
	c.assertions[claims.ID] = true
	return nil
}

// clientKeys reads the application's keys anew each time, so that it may rotate
// them while it is checked.
func (c *Checker) clientKeys() (jose.JSONWebKeySet, error) {
	var keys jose.JSONWebKeySet
	client := http.Client{Timeout: c.config.Timeout, Transport: c.config.Transport}
	resp, err := client.Get(c.config.JWKS)
	if err != nil {
		return keys, fmt.Errorf("the application's keys can't be read: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil || resp.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("the application's keys can't be read: %s answers %s", c.config.JWKS, resp.Status)
	}
	if err := json.Unmarshal(body, &keys); err != nil {
		return keys, fmt.Errorf("%s is no JSON Web Key Set", c.config.JWKS)
	}
	if strings.Contains(string(body), `"d":`) {
		return keys, fmt.Errorf("%s publishes a private key", c.config.JWKS)
	}
	return keys, nil
}
