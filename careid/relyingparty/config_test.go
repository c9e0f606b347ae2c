// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// A configuration that can't work, or that would let in more than it says, does
// not start; nothing is asked of the provider for that.
func TestConfigurationsThatDoNotStart(t *testing.T) {
	keys, err := relyingparty.NewKeys("RS512", nil)
	require.NoError(t, err)
	for name, change := range map[string]func(*relyingparty.Config){
		"no issuer":                        func(c *relyingparty.Config) { c.Issuer = "" },
		"an issuer without TLS":            func(c *relyingparty.Config) { c.Issuer = "http://care.example" },
		"an issuer with a fragment":        func(c *relyingparty.Config) { c.Issuer += "#x" },
		"no client id":                     func(c *relyingparty.Config) { c.ClientID = "" },
		"neither secret nor keys":          func(c *relyingparty.Config) { c.Secret = nil },
		"both":                             func(c *relyingparty.Config) { c.Keys = keys },
		"no callback":                      func(c *relyingparty.Config) { c.RedirectURL = "" },
		"a callback without TLS":           func(c *relyingparty.Config) { c.RedirectURL = "http://ward.example/auth/callback" },
		"a callback that names no file":    func(c *relyingparty.Config) { c.RedirectURL = "https://ward.example/auth/" },
		"a callback with a query":          func(c *relyingparty.Config) { c.RedirectURL += "?a=b" },
		"a callback named as the logout":   func(c *relyingparty.Config) { c.RedirectURL = "https://ward.example/auth/backchannel-logout" },
		"scopes without openid":            func(c *relyingparty.Config) { c.Scopes = []string{"profile"} },
		"a role asked for, and none told":  func(c *relyingparty.Config) { c.Scopes = []string{"openid", "selectedrole"} },
		"a role needed, and none told":     func(c *relyingparty.Config) { c.Scopes = []string{"openid"}; c.Role.Roles = []string{"R8001"} },
		"a prompt that there isn't":        func(c *relyingparty.Config) { c.Prompt = "signin" },
		"a max_age of milliseconds":        func(c *relyingparty.Config) { c.MaxAge = 1500 * time.Millisecond },
		"a negative max_age":               func(c *relyingparty.Config) { c.MaxAge = -time.Second },
		"an acr value without a level":     func(c *relyingparty.Config) { c.ACRValues = []string{"strong"} },
		"an identity level that isn't":     func(c *relyingparty.Config) { c.MinIdentity = 4 },
		"an authentication level below":    func(c *relyingparty.Config) { c.MinAuthentication = -2 },
		"unsigned tokens":                  func(c *relyingparty.Config) { c.Algorithms = []string{"RS256", "none"} },
		"tokens by a shared secret":        func(c *relyingparty.Config) { c.Algorithms = []string{"HS256"} },
		"a session of nine hours":          func(c *relyingparty.Config) { c.Lifetime = 9 * time.Hour },
		"a session of less than no time":   func(c *relyingparty.Config) { c.Lifetime = -time.Hour },
		"left alone longer than it may be": func(c *relyingparty.Config) { c.Lifetime, c.Idle = time.Hour, 2*time.Hour },
	} {
		c := relyingparty.Config{
			Issuer: "https://care.example:443/openam/oauth2", ClientID: clientID, Secret: secret(), RedirectURL: "https://ward.example/auth/callback",
		}
		_, err := relyingparty.New(c)
		require.NoError(t, err)
		change(&c)
		_, err = relyingparty.New(c)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), string(secret()), name)
	}
}

// published are the ids in the key set that the application serves.
func published(t *testing.T, keys *relyingparty.Keys) []string {
	t.Helper()
	w := httptest.NewRecorder()
	keys.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/auth/jwks", nil))
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
	var ids []string
	for _, k := range set.Keys {
		require.True(t, k.IsPublic())
		require.Equal(t, "sig", k.Use)
		require.Equal(t, "RS512", k.Algorithm)
		ids = append(ids, k.KeyID)
	}
	return ids
}

// A key is published before it signs and an hour after, so that no provider meets
// an assertion whose key it can't have.
func TestKeysOverlap(t *testing.T) {
	wall := new(clock)
	keys, err := relyingparty.NewKeys("RS512", wall.now)
	require.NoError(t, err)
	require.Empty(t, published(t, keys))
	first := rsaKey(t)
	one, err := keys.Add(first, time.Time{})
	require.NoError(t, err)
	require.Equal(t, []string{one}, published(t, keys))
	two, err := keys.Add(rsaKey(t), wall.now().Add(2*time.Hour))
	require.NoError(t, err)
	for _, step := range []struct {
		pass time.Duration
		want []string
	}{{0, []string{one, two}}, {119 * time.Minute, []string{one, two}}, {60 * time.Minute, []string{one, two}}, {2 * time.Minute, []string{two}}} {
		wall.add(step.pass)
		require.Equal(t, step.want, published(t, keys))
	}

	_, err = keys.Add(first, wall.now())
	require.Error(t, err, "it was there before")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, err = keys.Add(small, wall.now())
	require.Error(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = keys.Add(curve, wall.now())
	require.Error(t, err)
	for _, alg := range []string{"", "none", "HS256", "ES256", "PS256"} {
		_, err := relyingparty.NewKeys(alg, nil)
		require.Error(t, err, alg)
	}
}
