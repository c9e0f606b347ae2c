// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

const tokenEndpoint = issuer + "/access_token"

// keySet is a JSON Web Key Set of public keys by kid.
func keySet(keys map[string]*rsa.PrivateKey) []byte {
	var set jose.JSONWebKeySet
	for kid, key := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return text
}

// signed adds a client that signs.
func signed(c *openid.Config) {
	c.Clients = append(c.Clients, openid.Client{
		ID: "signer", Method: openid.PrivateKeyJWT, KeySet: keySet(map[string]*rsa.PrivateKey{"k1": clientKey()}), RedirectURIs: []string{redirect},
	})
}

// assertion signs a client's word. The zero values of claims are those of a good one.
func (s *site) assertion(key any, alg jose.SignatureAlgorithm, kid string, changes map[string]any) string {
	s.Helper()
	now := s.Wall.Now()
	claims := map[string]any{
		"iss": "signer", "sub": "signer", "aud": tokenEndpoint, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, changes)
	options := new(jose.SignerOptions).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	require.NoError(s, err)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(s, err)
	return text
}

// asserting are the parameters that redeem a code with an assertion.
func asserting(code, assertion string, changes ...string) url.Values {
	return redeeming(code, append([]string{
		"client_id", "", "client_secret", "", "client_assertion", assertion,
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	}, changes...)...)
}

func TestAssertionsThatAreGood(t *testing.T) {
	s := open(t, signed)
	in := s.signIn(s.Nurse)
	without443 := strings.Replace(issuer, ":443", "", 1)
	for name, a := range map[string]string{
		"RS256":                        s.assertion(clientKey(), jose.RS256, "k1", nil),
		"RS384":                        s.assertion(clientKey(), jose.RS384, "k1", nil),
		"RS512":                        s.assertion(clientKey(), jose.RS512, "k1", nil),
		"the only key needs no kid":    s.assertion(clientKey(), jose.RS512, "", nil),
		"a list of one audience":       s.assertion(clientKey(), jose.RS512, "k1", map[string]any{"aud": []string{tokenEndpoint}}),
		"the issuer as the audience":   s.assertion(clientKey(), jose.RS512, "k1", map[string]any{"aud": issuer}),
		"a library that drops the 443": s.assertion(clientKey(), jose.RS512, "k1", map[string]any{"aud": without443 + "/access_token"}),
		"the issuer without the 443":   s.assertion(clientKey(), jose.RS512, "k1", map[string]any{"aud": []string{without443, tokenEndpoint}}),
		"without iat":                  s.assertion(clientKey(), jose.RS256, "k1", map[string]any{"iat": nil}),
		"a clock 30 seconds ahead":     s.assertion(clientKey(), jose.RS256, "k1", map[string]any{"iat": s.Wall.Now().Add(30 * time.Second).Unix()}),
		"as long as allowed":           s.assertion(clientKey(), jose.RS256, "k1", map[string]any{"exp": s.Wall.Now().Add(10 * time.Minute).Unix()}),
	} {
		got := s.post(asserting(s.code(in.Token, "client_id", "signer"), a))
		require.Equal(t, http.StatusOK, got.status, "%s: %s", name, got.body)
		require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", a))), "%s: once", name)
	}
	withID := asserting(s.code(in.Token, "client_id", "signer"), s.assertion(clientKey(), jose.RS256, "k1", nil), "client_id", "signer")
	require.Equal(t, http.StatusOK, s.post(withID).status)
}

func TestAssertionsThatAreBad(t *testing.T) {
	s := open(t, func(c *openid.Config) {
		signed(c)
		c.Clients = append(c.Clients, openid.Client{
			ID: "strict", Method: openid.PrivateKeyJWT, RedirectURIs: []string{redirect}, StrictAudience: true, AssertionAlgorithm: "RS512",
			KeySet: keySet(map[string]*rsa.PrivateKey{"k1": clientKey(), "k2": otherKey()}),
		})
	})
	in := s.signIn(s.Nurse)
	now := s.Wall.Now()
	by := func(changes map[string]any) string { return s.assertion(clientKey(), jose.RS256, "k1", changes) }
	strict := func(alg jose.SignatureAlgorithm, kid, aud string) string {
		return s.assertion(clientKey(), alg, kid, map[string]any{"iss": "strict", "sub": "strict", "aud": aud})
	}
	good := by(nil)
	parts := strings.Split(good, ".")
	t.Run("threat058", func(t *testing.T) {
		for name, a := range map[string]string{
			"no signature":                   parts[0] + "." + parts[1] + ".",
			"alg none":                       unsigned(parts[1]),
			"HS256 with the public key":      s.assertion(publicPEM(clientKey()), jose.HS256, "k1", nil),
			"HS256 with the key set":         s.assertion(keySet(map[string]*rsa.PrivateKey{"k1": clientKey()}), jose.HS256, "k1", nil),
			"PS256":                          s.assertion(clientKey(), jose.PS256, "k1", nil),
			"key of somebody else":           s.assertion(otherKey(), jose.RS256, "k1", nil),
			"the provider's own key":         s.assertion(signingKey(), jose.RS256, "b/O6OvVv1+y=", nil),
			"wrong kid":                      s.assertion(clientKey(), jose.RS256, "k2", nil),
			"embedded key":                   s.embedded(otherKey()),
			"other payload":                  parts[0] + "." + strings.Split(by(nil), ".")[1] + "." + parts[2],
			"garbage":                        "a.b.c",
			"nothing":                        " ",
			"aud of another provider":        by(map[string]any{"aud": "https://evil.example/token"}),
			"aud of two providers":           by(map[string]any{"aud": []string{tokenEndpoint, "https://evil.example/token"}}),
			"no aud":                         by(map[string]any{"aud": nil}),
			"empty aud":                      by(map[string]any{"aud": []string{}}),
			"aud userinfo":                   by(map[string]any{"aud": issuer + "/userinfo"}),
			"aud in other case":              by(map[string]any{"aud": strings.ToUpper(tokenEndpoint)}),
			"no exp":                         by(map[string]any{"exp": nil}),
			"over":                           by(map[string]any{"exp": now.Add(-30 * time.Second).Unix()}),
			"for a day":                      by(map[string]any{"exp": now.Add(24 * time.Hour).Unix()}),
			"from the future":                by(map[string]any{"iat": now.Add(time.Minute).Unix()}),
			"not yet":                        by(map[string]any{"nbf": now.Add(time.Minute).Unix()}),
			"no jti":                         by(map[string]any{"jti": nil}),
			"empty jti":                      by(map[string]any{"jti": ""}),
			"long jti":                       by(map[string]any{"jti": strings.Repeat("j", 256)}),
			"sub of another":                 by(map[string]any{"sub": "app"}),
			"no sub":                         by(map[string]any{"sub": nil}),
			"iss of another":                 by(map[string]any{"iss": "app", "sub": "app"}),
			"iss of nobody":                  by(map[string]any{"iss": "nobody", "sub": "nobody"}),
			"strict: the issuer as audience": strict(jose.RS512, "k1", issuer),
			"strict: without the 443":        strict(jose.RS512, "k1", strings.Replace(tokenEndpoint, ":443", "", 1)),
			"strict: another algorithm":      strict(jose.RS256, "k1", tokenEndpoint),
			"strict: no kid among two keys":  strict(jose.RS512, "", tokenEndpoint),
			"strict: the other key's kid":    strict(jose.RS512, "k2", tokenEndpoint),
			"an ID token as an assertion":    s.tokens(in.Token)["id_token"].(string),
		} {
			code := s.code(in.Token, "client_id", "signer")
			got := s.post(asserting(code, a))
			require.Equal(t, http.StatusUnauthorized, got.status, name)
			require.Equal(t, map[string]any{"error": "invalid_client", "error_description": "JWT is not valid"}, got.members(t), name)
		}
		for name, form := range map[string]url.Values{
			"another client's id":     asserting("x", by(nil), "client_id", "app"),
			"another kind of word":    asserting("x", by(nil), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
			"a secret beside it":      asserting("x", by(nil), "client_id", "app", "client_secret", secret),
			"a secret instead of it":  redeeming("x", "client_id", "signer", "client_secret", " "),
			"an assertion by another": asserting("x", s.assertion(clientKey(), jose.RS256, "k1", map[string]any{"iss": "app", "sub": "app"})),
		} {
			code := s.refused(s.post(form))
			require.Contains(t, []string{"invalid_client", "invalid_request"}, code, name)
		}
	})
	require.Equal(t, http.StatusOK, s.post(asserting(s.code(in.Token, "client_id", "signer"), good)).status, "the good one is still good")
	sure := s.code(in.Token, "client_id", "strict")
	require.Equal(t, http.StatusOK, s.post(asserting(sure, strict(jose.RS512, "k1", tokenEndpoint))).status)
}

// unsigned is a JWS by the algorithm none.
func unsigned(payload string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + "."
}

func publicPEM(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// embedded is signed by a key that it brings along.
func (s *site) embedded(key *rsa.PrivateKey) string {
	s.Helper()
	now := s.Wall.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	require.NoError(s, err)
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "signer", "sub": "signer", "aud": tokenEndpoint, "jti": rand.Text(), "exp": now.Add(time.Minute).Unix(),
	}).Serialize()
	require.NoError(s, err)
	return text
}

func TestAnAssertionIsGoodUntilItsEndAndOnce(t *testing.T) {
	s := open(t, signed)
	in := s.signIn(s.Nurse)
	a := s.assertion(clientKey(), jose.RS256, "k1", map[string]any{"jti": "one", "exp": s.Wall.Now().Add(time.Minute).Unix()})
	require.Equal(t, http.StatusOK, s.post(asserting(s.code(in.Token, "client_id", "signer"), a)).status)
	again := s.assertion(clientKey(), jose.RS512, "k1", map[string]any{"jti": "one"})
	require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", again))), "the same id in another assertion")
	s.wait(in, 89*time.Second) // its clock may be thirty seconds off
	_, err := s.provider.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", a))))
	s.wait(in, 2*time.Minute)
	_, err = s.provider.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", a))), "forgotten and over")
}

// keyServer serves a client's keys, which change.
type keyServer struct {
	*httptest.Server
	keys  atomic.Pointer[[]byte]
	asked atomic.Int32
	fail  atomic.Bool
	hang  atomic.Pointer[chan struct{}]
}

func serveKeys(t *testing.T, keys map[string]*rsa.PrivateKey) *keyServer {
	t.Helper()
	k := &keyServer{}
	text := keySet(keys)
	k.keys.Store(&text)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.asked.Add(1)
		if hang := k.hang.Load(); hang != nil {
			<-*hang
		}
		switch {
		case k.fail.Load():
			http.Error(w, "down", http.StatusServiceUnavailable)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/keys", http.StatusFound)
		default:
			_, _ = w.Write(*k.keys.Load())
		}
	}))
	t.Cleanup(k.Close)
	return k
}

func TestKeysByAddressAreKeptAndRotate(t *testing.T) {
	keys := serveKeys(t, map[string]*rsa.PrivateKey{"k1": clientKey()})
	s := open(t, func(c *openid.Config) {
		c.Clients = append(c.Clients, openid.Client{ID: "signer", Method: openid.PrivateKeyJWT, KeysURI: keys.URL + "/keys", RedirectURIs: []string{redirect}})
	})
	in := s.without(s.Nurse, true)
	redeem := func(key *rsa.PrivateKey, kid string) int {
		return s.post(asserting(s.code(in.Token, "client_id", "signer"), s.assertion(key, jose.RS512, kid, nil))).status
	}
	for range 3 {
		require.Equal(t, http.StatusOK, redeem(clientKey(), "k1"))
	}
	require.EqualValues(t, 1, keys.asked.Load())

	both := keySet(map[string]*rsa.PrivateKey{"k1": clientKey(), "k2": otherKey()})
	keys.keys.Store(&both)
	for range 5 { // a stranger's kid doesn't make us hammer the client's server
		require.Equal(t, http.StatusUnauthorized, redeem(otherKey(), "k3"))
	}
	require.EqualValues(t, 1, keys.asked.Load())
	s.Wall.Add(time.Minute)
	require.Equal(t, http.StatusOK, redeem(otherKey(), "k2"))
	require.EqualValues(t, 2, keys.asked.Load())

	only := keySet(map[string]*rsa.PrivateKey{"k2": otherKey()})
	keys.keys.Store(&only)
	s.Wall.Add(time.Hour)
	require.Equal(t, http.StatusUnauthorized, redeem(clientKey(), "k1"), "taken away an hour ago")
	keys.fail.Store(true)
	s.Wall.Add(time.Hour)
	require.Equal(t, http.StatusUnauthorized, redeem(otherKey(), "k2"), "nobody can say that it still is the client's")
	keys.fail.Store(false)
	s.Wall.Add(time.Minute)
	require.Equal(t, http.StatusOK, redeem(otherKey(), "k2"))
}

// Anybody may send an assertion that says it is the client's, and break it off: the client signs in all the same.
func TestAStrangerTakesNoKeysAway(t *testing.T) {
	keys := serveKeys(t, map[string]*rsa.PrivateKey{"k1": clientKey()})
	s := open(t, func(c *openid.Config) {
		c.Clients = append(c.Clients, openid.Client{ID: "signer", Method: openid.PrivateKeyJWT, KeysURI: keys.URL + "/keys", RedirectURIs: []string{redirect}})
	})
	in := s.without(s.Nurse, true)
	good := func() int {
		return s.post(asserting(s.code(in.Token, "client_id", "signer"), s.assertion(clientKey(), jose.RS512, "k1", nil))).status
	}
	stranger := func(ctx context.Context) {
		form := asserting("x", s.assertion(otherKey(), jose.RS512, "k9", nil)).Encode()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, issuer+"/access_token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.provider.Handler().ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	t.Run("threat058", func(t *testing.T) {
		stranger(gone) // before the keys were ever read
		require.Equal(t, http.StatusOK, good())
		s.Wall.Add(time.Minute)
		keys.fail.Store(true)
		stranger(t.Context())
		require.EqualValues(t, 2, keys.asked.Load())
		require.Equal(t, http.StatusOK, good(), "what was read within the hour is known")

		keys.fail.Store(false)
		hang := make(chan struct{})
		keys.hang.Store(&hang)
		s.Wall.Add(time.Minute)
		var waits sync.WaitGroup
		waits.Go(func() { stranger(t.Context()) })
		defer waits.Wait()
		defer close(hang)
		require.Eventually(t, func() bool { return keys.asked.Load() == 3 }, time.Minute, time.Millisecond)
		require.Equal(t, http.StatusOK, good(), "the client waits for no reading that it doesn't need")
	})
}

func TestKeyAddressesLeadNowhereElse(t *testing.T) {
	keys := serveKeys(t, map[string]*rsa.PrivateKey{"k1": clientKey()})
	port := keys.Listener.Addr().String()[strings.LastIndex(keys.Listener.Addr().String(), ":"):]
	t.Run("threat058", func(t *testing.T) {
		for name, c := range map[string]struct {
			uri     string
			reached bool
		}{
			"a redirect":                    {keys.URL + "/moved", true},
			"an unspecified address":        {"https://0.0.0.0" + port, false},
			"where clouds keep credentials": {"https://169.254.169.254/latest", false},
			"the same by IPv6":              {"https://[fe80::1]/", false},
			"the same, written otherwise":   {"https://[::ffff:169.254.169.254]/", false},
			"the same through NAT64":        {"https://[64:ff9b::169.254.169.254]/", false},
			"another such one by IPv6":      {"https://[fd00:ec2::254]/", false},
			"this machine through NAT64":    {"https://[64:ff9b::127.0.0.1]" + port + "/keys", false},
		} {
			s := open(t, func(config *openid.Config) {
				config.Clients = append(config.Clients, openid.Client{ID: "signer", Method: openid.PrivateKeyJWT, KeysURI: c.uri, RedirectURIs: []string{redirect}})
			})
			before := keys.asked.Load()
			require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", s.assertion(clientKey(), jose.RS512, "k1", nil)))), name)
			require.Equal(t, c.reached, keys.asked.Load() > before, fmt.Sprint(name, " reached the server"))
		}
	})
	t.Run("names are looked at when they are dialled", func(t *testing.T) {
		var dialled []netip.Addr
		s := open(t, func(config *openid.Config) {
			config.Reach = func(a netip.Addr) bool { dialled = append(dialled, a); return false }
			config.Clients = append(config.Clients, openid.Client{
				ID: "signer", Method: openid.PrivateKeyJWT, KeysURI: "http://localhost" + port + "/keys", RedirectURIs: []string{redirect},
			})
		})
		before := keys.asked.Load()
		require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", s.assertion(clientKey(), jose.RS512, "k1", nil)))))
		require.Equal(t, before, keys.asked.Load())
		require.Contains(t, dialled, netip.MustParseAddr("127.0.0.1"))
	})
}
