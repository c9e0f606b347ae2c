// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

func TestNewRefusesWhatIsUnsafe(t *testing.T) {
	good := open(t, nil).config
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, err = openid.New(good)
	require.NoError(t, err)
	t.Run("threat065", func(t *testing.T) {
		for name, change := range map[string]func(*openid.Config){
			"no service":            func(c *openid.Config) { c.Service = nil },
			"no records":            func(c *openid.Config) { c.Records = nil },
			"no store":              func(c *openid.Config) { c.Store = nil },
			"no sign-in page":       func(c *openid.Config) { c.SignIn = "" },
			"no cookie":             func(c *openid.Config) { c.SessionToken = nil },
			"no issuer":             func(c *openid.Config) { c.Issuer = "" },
			"http issuer":           func(c *openid.Config) { c.Issuer = "http://am.example/realm" },
			"issuer with a query":   func(c *openid.Config) { c.Issuer = "https://am.example/?realm=x" },
			"issuer without host":   func(c *openid.Config) { c.Issuer = "https:///realm" },
			"issuer with a pattern": func(c *openid.Config) { c.Issuer = "https://am.example/{realm}" },
			"issuer with dots":      func(c *openid.Config) { c.Issuer = "https://am.example/a/../b" },
			"unknown layout":        func(c *openid.Config) { c.Layout = "okta" },
			"no keys":               func(c *openid.Config) { c.Keys = nil },
			"a key of 1024 bits":    func(c *openid.Config) { c.Keys[0].Signer = short },
			"a key of another kind": func(c *openid.Config) { c.Keys[0].Algorithm = "ES256" },
			"a key for none":        func(c *openid.Config) { c.Keys[0].Algorithm = "none" },
			"a key for HS256":       func(c *openid.Config) { c.Keys[0].Algorithm = "HS256" },
			"only keys to come":     func(c *openid.Config) { c.Keys[0].From = c.Wall().Add(time.Second) },
			"one kid twice": func(c *openid.Config) {
				c.Keys = append(c.Keys, openid.Key{ID: c.Keys[0].ID, Algorithm: "RS512", Signer: otherKey()})
			},
			"codes for an hour":   func(c *openid.Config) { c.CodeFor = time.Hour },
			"negative":            func(c *openid.Config) { c.AccessFor = -1 },
			"short refresh":       func(c *openid.Config) { c.RefreshFor = time.Minute },
			"one client twice":    func(c *openid.Config) { c.Clients = append(c.Clients, c.Clients[0]) },
			"no id":               func(c *openid.Config) { c.Clients[0].ID = "" },
			"an id with spaces":   func(c *openid.Config) { c.Clients[0].ID = "a b" },
			"a short secret":      func(c *openid.Config) { c.Clients[0].Secret = []byte("secret") },
			"no secret":           func(c *openid.Config) { c.Clients[0].Secret = nil },
			"a public client":     func(c *openid.Config) { c.Clients[0].Method = "none" },
			"no keys of a signer": func(c *openid.Config) { c.Clients[0].Method = openid.PrivateKeyJWT },
			"short keys": func(c *openid.Config) {
				c.Clients[0].Method, c.Clients[0].KeySet = openid.PrivateKeyJWT, keySet(map[string]*rsa.PrivateKey{"k": short})
			},
			"assertions by HS256": func(c *openid.Config) {
				c.Clients[0].Method, c.Clients[0].KeySet = openid.PrivateKeyJWT, keySet(map[string]*rsa.PrivateKey{"k": clientKey()})
				c.Clients[0].AssertionAlgorithm = "HS256"
			},
			"keys over http": func(c *openid.Config) {
				c.Clients[0].Method, c.Clients[0].KeysURI = openid.PrivateKeyJWT, "http://app.example/jwks"
			},
			"no redirect":        func(c *openid.Config) { c.Clients[0].RedirectURIs = nil },
			"redirect over http": func(c *openid.Config) { c.Clients[0].RedirectURIs = []string{"http://app.example/cb"} },
			"any redirect":       func(c *openid.Config) { c.Clients[0].RedirectURIs = []string{"https://*.example/cb"} },
			"a fragment":         func(c *openid.Config) { c.Clients[0].RedirectURIs = []string{"https://app.example/cb#x"} },
			"its own scheme":     func(c *openid.Config) { c.Clients[0].RedirectURIs = []string{"app:/cb"} },
			"ID tokens by none":  func(c *openid.Config) { c.Clients[0].IDTokenAlgorithm = "none" },
			"ID tokens by HS256": func(c *openid.Config) { c.Clients[0].IDTokenAlgorithm = "HS256" },
			"no key for it":      func(c *openid.Config) { c.Clients[0].IDTokenAlgorithm = "RS512" },
		} {
			_, err := openid.New(with(good, func(c *openid.Config) {
				c.Keys = append([]openid.Key(nil), c.Keys...)
				change(c)
			}))
			require.Error(t, err, name)
		}
	})
}

func TestParseClients(t *testing.T) {
	clients, err := openid.ParseClients([]byte(`[
		{"client_id": "a", "client_name": "Application A", "client_secret": "0123456789abcdef", "redirect_uris": ["https://a.example/cb"],
		 "token_endpoint_auth_method": "client_secret_post", "backchannel_logout_uri": "https://a.example/bye", "backchannel_logout_session_required": true,
		 "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "scope": "openid profile", "contacts": ["a@nhs.net"],
		 "wardkey_pkce": false, "wardkey_levels": "integer", "wardkey_alerts": true},
		{"client_id": "b", "redirect_uris": ["https://b.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []},
		 "token_endpoint_auth_signing_alg": "RS512", "id_token_signed_response_alg": "RS256", "wardkey_strict_audience": true},
		{"client_id": "c", "redirect_uris": ["https://c.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://c.example/jwks"}]`))
	require.NoError(t, err)
	require.Equal(t, []openid.Client{
		{
			ID: "a", Name: "Application A", Method: openid.SecretPost, Secret: []byte("0123456789abcdef"), RedirectURIs: []string{"https://a.example/cb"},
			LogoutURI: "https://a.example/bye", Refresh: true, Scopes: []string{"openid", "profile"}, WithoutPKCE: true, IntegerLevels: true, Alerts: true,
		},
		{
			ID: "b", Method: openid.PrivateKeyJWT, Secret: []byte{}, KeySet: []byte(`{"keys": []}`), AssertionAlgorithm: "RS512", IDTokenAlgorithm: "RS256",
			StrictAudience: true, RedirectURIs: []string{"https://b.example/cb"},
		},
		{ID: "c", Method: openid.PrivateKeyJWT, Secret: []byte{}, KeysURI: "https://c.example/jwks", RedirectURIs: []string{"https://c.example/cb"}},
	}, clients)
	for _, bad := range []string{
		``, `{}`, `[] []`, `[{"client_id": 1}]`, `[{"client_id": "a", "wardkey_pcke": false}]`, `[{"id_token_encrypted_response_alg": "RSA-OAEP"}]`,
		`[{"grant_types": ["password"]}]`, `[{"response_types": ["token"]}]`, `[{"subject_type": "pairwise"}]`, `[{"wardkey_levels": "roman"}]`,
	} {
		_, err := openid.ParseClients([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestDiscoveryKeepsTheIssuerVerbatim(t *testing.T) {
	for layout, paths := range map[openid.Layout][]string{
		openid.ForgeRock: {"/authorize", "/access_token", "/userinfo", "/connect/jwk_uri"},
		openid.Keycloak: {
			"/protocol/openid-connect/auth", "/protocol/openid-connect/token", "/protocol/openid-connect/userinfo", "/protocol/openid-connect/certs",
		},
	} {
		s := open(t, func(c *openid.Config) { c.Layout = layout })
		d := s.discovery()
		require.Equal(t, issuer, d["issuer"])
		for i, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} {
			require.Equal(t, issuer+paths[i], d[name])
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+paths[i], nil)
			require.NoError(t, err)
			require.NotEqual(t, http.StatusNotFound, s.do(r).status)
		}
		require.Equal(t, []any{"S256"}, d["code_challenge_methods_supported"])
		require.Equal(t, []any{"RS256"}, d["id_token_signing_alg_values_supported"])
		require.Equal(t, []any{"RS256", "RS384", "RS512"}, d["token_endpoint_auth_signing_alg_values_supported"])
		require.Equal(t, true, d["backchannel_logout_session_supported"])
		require.NotContains(t, d, "wardkey_test")
	}
}

// module is a key that never leaves where it is.
type module struct{ key crypto.Signer }

func (m module) Public() crypto.PublicKey { return m.key.Public() }

func (m module) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return m.key.Sign(random, digest, opts)
}

func TestAlgorithmsByClientAndKeysInModules(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for algorithm, key := range map[string]crypto.Signer{"RS512": otherKey(), "ES256": ec} {
		s := open(t, func(c *openid.Config) {
			c.Keys[0].Signer = module{c.Keys[0].Signer}
			c.Keys = append(c.Keys, openid.Key{Algorithm: algorithm, Signer: module{key}})
			c.Clients[0].IDTokenAlgorithm = algorithm
		})
		header, claims := s.claims(s.tokens(s.signIn(s.Nurse).Token)["id_token"].(string))
		require.Equal(t, algorithm, header.Algorithm)
		require.Equal(t, "app", claims["aud"])
	}
}

func TestKeysRotate(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	kid := func() string {
		header, _ := s.claims(s.tokens(in.Token)["id_token"].(string))
		return header.KeyID
	}
	before := s.tokens(in.Token)["id_token"].(string)
	next := append(s.config.Keys, openid.Key{ID: "next", Algorithm: "RS256", Signer: otherKey(), From: s.Wall.Now().Add(time.Minute)})
	require.NoError(t, s.provider.SetKeys(next))
	require.Equal(t, "b/O6OvVv1+y=", kid(), "published and not begun")
	s.wait(in, time.Minute)
	require.Equal(t, "next", kid())
	s.claims(before) // still published
	require.NoError(t, s.provider.SetKeys(next[1:]))
	require.Equal(t, "next", kid())
	require.Error(t, s.provider.SetKeys(nil))
	require.Equal(t, "next", kid(), "a mistake changes nothing")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/connect/jwk_uri", nil)
	require.NoError(t, err)
	body := s.do(r).body
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal(body, &set))
	require.Len(t, set.Keys, 1)
	require.True(t, set.Keys[0].IsPublic())
	require.Equal(t, "sig", set.Keys[0].Use)
	require.Equal(t, "RS256", set.Keys[0].Algorithm)
	for _, private := range []string{`"d"`, `"p"`, `"q"`} {
		require.NotContains(t, string(body), private)
	}
}

// What one message is for, another is not taken for.
func TestMessagesAreNotMistaken(t *testing.T) {
	app := newParty(t)
	s := open(t, func(c *openid.Config) { signed(c); wantsLogout(app)(c) })
	in := s.signIn(s.Nurse)
	id := s.tokens(in.Token)["id_token"].(string)
	require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	s.due()
	bye := app.tokens()[0]
	in = s.signIn(s.Nurse)
	t.Run("threat038", func(t *testing.T) {
		proof, err := s.Proof(t.Context(), s.Nurse.Card, careidClaims(in.Token))
		require.NoError(t, err)
		for name, message := range map[string]string{"ID token": id, "logout token": bye, "card's proof": proof} {
			require.Equal(t, "invalid_client", s.refused(s.post(asserting("x", message))), name)
			require.Equal(t, http.StatusUnauthorized, s.userinfo(message[:min(len(message), 512)]).status, name)
			require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(message))), name)
			_, err := s.Service.Answer(t.Context(), message)
			if name != "card's proof" {
				require.Error(t, err, name)
			}
		}
		for name, hint := range map[string]string{"logout token": bye, "card's proof": proof, "unsigned": unsigned(strings.Split(id, ".")[1])} {
			require.Equal(t, "invalid_request", s.authorize(in.Token, asked("id_token_hint", hint)).Query().Get("error"), name)
		}
		require.NotEmpty(t, s.authorize(in.Token, asked("id_token_hint", id)).Query().Get("code"))
		national := s.authorize(in.Token, asked("client_id", "signer", "id_token_hint", id))
		require.Equal(t, "invalid_request", national.Query().Get("error"), "another client's")
	})
}

// What lies in the store, and what is logged and audited, opens nothing.
func TestNothingAtRestOpensAnything(t *testing.T) {
	var log bytes.Buffer
	s := open(t, func(c *openid.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	in := s.signIn(s.Nurse)
	open, spent := s.code(in.Token), s.code(in.Token)
	got := s.post(redeeming(spent)).members(t)
	waiting := s.waiting("")
	s.post(redeeming(spent))
	s.post(redeeming(open, "client_secret", "not the secret of this client"))
	var all bytes.Buffer
	for _, table := range []string{"request", "session", "participant", "grant", "token", "logout", "assertion", "audit"} {
		rows, err := s.DB.QueryContext(t.Context(), "SELECT * FROM openid_"+table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			require.NoError(t, rows.Scan(values...))
			for _, v := range values {
				switch v := (*v.(*any)).(type) {
				case []byte:
					all.Write(v)
				case string:
					all.WriteString(v)
				}
				all.WriteByte('\n')
			}
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	require.Contains(t, all.String(), s.Nurse.Profile.ID)
	for name, text := range map[string]string{
		"open code": open, "spent code": spent, "access token": got["access_token"].(string), "refresh token": got["refresh_token"].(string),
		"ID token": got["id_token"].(string), "session": in.Token, "request": waiting, "client's secret": secret, "wrong secret": "not the secret of this client",
		"verifier": verifier,
	} {
		require.NotContains(t, all.String(), text, name)
		require.NotContains(t, log.String(), text, name)
	}
}

func TestTestProvidersSaySo(t *testing.T) {
	app := newParty(t)
	s := open(t, func(c *openid.Config) {
		wantsLogout(app)(c)
		c.Clients[0].Secret = []byte("short")
		c.Test = &openid.Test{Alter: func(m openid.Message, client string, claims map[string]any) {
			if m == openid.IDToken && client == "app" {
				claims["aud"] = "somebody else"
			}
			claims["wardkey_test"] = false
		}}
	})
	in := s.signIn(s.Nurse)
	got := s.post(redeeming(s.code(in.Token), "client_secret", "short")).members(t)
	_, claims := s.claims(got["id_token"].(string))
	require.Equal(t, "somebody else", claims["aud"])
	require.Equal(t, true, claims["wardkey_test"])
	require.Equal(t, true, s.userinfo(got["access_token"].(string)).members(t)["wardkey_test"])
	require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	s.due()
	_, claims = s.claims(app.tokens()[0])
	require.Equal(t, true, claims["wardkey_test"])
	require.Equal(t, true, s.discovery()["wardkey_test"])

	_, claims = func() (jose.Header, map[string]any) {
		s := open(t, nil)
		return s.claims(s.tokens(s.signIn(s.Nurse).Token)["id_token"].(string))
	}()
	require.NotContains(t, claims, "wardkey_test")
}

func TestAuthorizationByPost(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/authorize", strings.NewReader(asked().Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: cookie, Value: in.Token})
	got := s.do(r)
	require.Equal(t, http.StatusSeeOther, got.status, "the browser goes on with a GET")
	require.Contains(t, got.header.Get("Location"), redirect+"?code=")
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
}

// A session ends at eight hours, at its clients too.
func TestEightHours(t *testing.T) {
	app := newParty(t)
	s := open(t, wantsLogout(app))
	in := s.signIn(s.Nurse)
	access := s.tokens(in.Token)["access_token"].(string)
	t.Run("row047", func(t *testing.T) {
		next, err := s.provider.Due(t.Context())
		require.NoError(t, err)
		require.Equal(t, in.Session.ExpiresAt, next)
		s.Clock.Add(8*time.Hour - time.Second)
		require.Equal(t, http.StatusOK, s.userinfo(access).status)
		require.NotEmpty(t, s.code(in.Token), "no card is asked for")
		s.due()
		require.Empty(t, app.tokens())
		s.Clock.Add(time.Second)
		require.Equal(t, http.StatusUnauthorized, s.userinfo(access).status)
		require.Equal(t, "/signin", s.authorize(in.Token, asked()).Path)
		require.Equal(t, "/signin", s.authorize("", asked()).Path, "nor in another browser")
		s.due()
		require.Len(t, app.tokens(), 1)
	})
}

func TestDueDropsWhatIsOver(t *testing.T) {
	s := open(t, nil)
	in := s.without(s.Nurse, true)
	s.tokens(in.Token)
	s.waiting("")
	count := func() (n int) {
		require.NoError(t, s.DB.QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM openid_grant) + (SELECT COUNT(*) FROM openid_token)
			+ (SELECT COUNT(*) FROM openid_request) + (SELECT COUNT(*) FROM openid_session) + (SELECT COUNT(*) FROM openid_participant)`).Scan(&n))
		return n
	}
	require.Equal(t, 6, count())
	s.Clock.Add(13 * time.Hour)
	s.Wall.Add(13 * time.Hour)
	s.due()
	require.Zero(t, count())
	require.NotEmpty(t, s.rows(), "the audit stays")
}

func TestAFailureTellsNothing(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	access, code := s.tokens(in.Token)["access_token"].(string), s.code(in.Token)
	require.NoError(t, s.store.Close())
	_, err := s.DB.ExecContext(t.Context(), "DROP TABLE openid_token")
	require.NoError(t, err)
	got := s.userinfo(access)
	require.Equal(t, http.StatusInternalServerError, got.status)
	require.Equal(t, map[string]any{"error": "server_error", "error_description": "The service can't answer at the moment."}, got.members(t))
	require.Equal(t, "server_error", s.refused(s.post(redeeming(code))))
}

func careidClaims(bind string) careidtest.Claims {
	return careidtest.Claims{Purpose: careid.StepUp, Bind: bind}
}
