// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// nationalIssuer has the national service's own form, port and all.
const nationalIssuer = "https://example.com:443/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare"

// estate is a hospital with Wardkey's provider, and an application behind this
// package that signs in against it.
type estate struct {
	*testing.T
	*careidtest.Hospital
	provider *openid.Provider
	web      *httptest.Server
	app      ward
	nurse    careidtest.Person

	mu     sync.Mutex
	tokens int // issued by the token endpoint
}

func openEstate(t *testing.T, client openid.Client, configure func(*relyingparty.Config)) *estate {
	t.Helper()
	e := &estate{T: t}
	e.Hospital = careidtest.New(t, careidtest.Config{Observe: func(ctx context.Context, event careid.Event) {
		if e.provider != nil {
			e.provider.OnEvent(ctx, event)
		}
	}})
	var err error
	e.nurse, err = e.Add(t.Context(), careidtest.Persona{Given: "Amina", Family: "Osei", Position: "Staff nurse"})
	require.NoError(t, err)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: e.DB, Now: e.Clock.Now, Wall: e.Wall.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	e.web = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.provider.Handler().ServeHTTP(w, r) }))
	t.Cleanup(e.web.Close)

	e.app = protect(t, func(address string) relyingparty.Config {
		client.ID, client.RedirectURIs, client.LogoutURI = clientID, []string{address + "/auth/callback"}, address+"/auth/backchannel-logout"
		if client.Method == openid.PrivateKeyJWT {
			client.KeysURI = address + "/auth/jwks"
		} else {
			client.Method, client.Secret = openid.SecretPost, secret()
		}
		e.provider, err = openid.New(openid.Config{
			Issuer: nationalIssuer, Service: e.Service, Records: e.Store, Store: store,
			Keys:   []openid.Key{{ID: "b/O6OvVv1+y=", Algorithm: "RS256", Signer: rsaKey(t)}},
			SignIn: "/signin", Clients: []openid.Client{client}, AccessFor: 10 * time.Minute, Now: e.Clock.Now, Wall: e.Wall.Now,
			SessionToken: func(r *http.Request) string {
				c, err := r.Cookie("session")
				if err != nil {
					return ""
				}
				return c.Value
			},
			Observe: func(_ context.Context, event openid.Event) {
				if event.Name == openid.EventTokens {
					e.mu.Lock()
					e.tokens++
					e.mu.Unlock()
				}
			},
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.provider.Drain(context.Background())) })
		c := relyingparty.Config{
			Issuer: nationalIssuer, ClientID: clientID, Transport: e.web.Client().Transport, Now: e.Clock.Now, Wall: e.Wall.Now,
			Role: relyingparty.RoleNeeded{Roles: []string{"R8001"}},
		}
		if client.Secret != nil {
			c.Secret = secret()
		}
		configure(&c)
		return c
	})
	return e
}

// browser has, where a person is signed in at the provider, that session's cookie.
func (e *estate) browser(session string) *http.Client {
	e.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(e, err)
	if session != "" {
		issuer, err := url.Parse(nationalIssuer)
		require.NoError(e, err)
		jar.SetCookies(issuer, []*http.Cookie{{Name: "session", Value: session, Path: "/", Secure: true}})
	}
	return &http.Client{Jar: jar, Transport: e.web.Client().Transport}
}

// open asks the application for a page as a browser does, and says where that ends.
func (e *estate) open(b *http.Client, path string) (status int, body, at string) {
	e.Helper()
	r, err := http.NewRequestWithContext(e.Context(), http.MethodGet, e.app.URL+path, nil)
	require.NoError(e, err)
	r.Header.Set("Accept", "text/html")
	got, err := b.Do(r)
	require.NoError(e, err)
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	require.NoError(e, err)
	return got.StatusCode, string(text), got.Request.URL.Path
}

// program asks without being sent anywhere: 200 in a session, else 401.
func (e *estate) program(b *http.Client) int {
	e.Helper()
	r, err := http.NewRequestWithContext(e.Context(), http.MethodGet, e.app.URL+"/ward", nil)
	require.NoError(e, err)
	got, err := b.Do(r)
	require.NoError(e, err)
	require.NoError(e, got.Body.Close())
	return got.StatusCode
}

func (e *estate) signedIn() (*careidtest.SignedIn, *http.Client) {
	e.Helper()
	in, err := e.SignIn(e.Context(), e.nurse.Card)
	require.NoError(e, err)
	b := e.browser(in.Token)
	status, body, at := e.open(b, "/ward?bed=4")
	require.Equal(e, http.StatusOK, status, body)
	require.Equal(e, "/ward", at)
	require.Equal(e, e.nurse.Profile.ID+" as S8000:G8000:R8001 at /ward?bed=4", body)
	return in, b
}

// out waits until a browser is signed out, without asking anybody but the
// application: what the provider sends has arrived by then.
func (e *estate) out(b *http.Client) {
	e.Helper()
	_, err := e.provider.Due(e.Context())
	require.NoError(e, err)
	require.Eventually(e, func() bool { return e.program(b) == http.StatusUnauthorized }, 20*time.Second, 10*time.Millisecond)
}

// A card signs in at the application through the provider's own seams, without a
// page: both client authentications, and the person's role.
func TestSignInAgainstWardkey(t *testing.T) {
	t.Run("client_secret_post", func(t *testing.T) {
		e := openEstate(t, openid.Client{IntegerLevels: true, WithoutPKCE: true}, func(c *relyingparty.Config) { c.NoPKCE = true })
		e.signedIn()
	})
	t.Run("private_key_jwt", func(t *testing.T) {
		e := openEstate(t, openid.Client{Method: openid.PrivateKeyJWT, AssertionAlgorithm: "RS512", StrictAudience: true}, func(c *relyingparty.Config) {
			keys, err := relyingparty.NewKeys("RS512", c.Wall)
			require.NoError(t, err)
			_, err = keys.Add(rsaKey(t), time.Time{})
			require.NoError(t, err)
			c.Keys, c.ACRValues, c.MaxAge = keys, []string{"AAL3_ANY"}, 5*time.Minute
		})
		e.signedIn()
	})
	t.Run("nobody is signed in at the provider", func(t *testing.T) {
		e := openEstate(t, openid.Client{}, func(*relyingparty.Config) {})
		b := e.browser("")
		status, _, at := e.open(b, "/ward")
		require.NotEqual(t, http.StatusOK, status)
		require.Equal(t, "/signin", at)
		require.Equal(t, http.StatusUnauthorized, e.program(b))
	})
	t.Run("not the role that the application is for", func(t *testing.T) {
		e := openEstate(t, openid.Client{}, func(c *relyingparty.Config) { c.Role.Roles = []string{"R0260"} })
		in, err := e.SignIn(t.Context(), e.nurse.Card)
		require.NoError(t, err)
		b := e.browser(in.Token)
		status, body, _ := e.open(b, "/ward")
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "rp.role.needed")
		require.Equal(t, http.StatusUnauthorized, e.program(b))
	})
}

// What ends the session at the provider ends it here, by a logout token.
func TestBackChannelLogoutByWardkey(t *testing.T) {
	e := openEstate(t, openid.Client{}, func(*relyingparty.Config) {})
	t.Run("sign-out", func(t *testing.T) {
		in, b := e.signedIn()
		require.NoError(t, e.Service.SignOut(t.Context(), in.Token))
		e.out(b)
	})
	t.Run("row046", func(t *testing.T) {
		reader := e.Reader("ward")
		require.NoError(t, reader.Insert(e.nurse.Card))
		in, err := reader.SignIn(t.Context(), careidtest.Passcode)
		require.NoError(t, err)
		b := e.browser(in.Token)
		status, _, _ := e.open(b, "/ward")
		require.Equal(t, http.StatusOK, status)
		require.NoError(t, reader.Remove(t.Context()))
		e.out(b)
		t.Run("threat034", func(t *testing.T) {
			require.NoError(t, reader.Insert(e.nurse.Card))
			_, again := e.signedIn()
			require.Equal(t, http.StatusUnauthorized, e.program(b), "another sign-in revives nothing")
			require.Equal(t, http.StatusOK, e.program(again))
		})
	})
	t.Run("threat033", func(t *testing.T) {
		_, b := e.signedIn()
		manager, err := e.Actor(t.Context(), e.RAManager, careid.RAManager)
		require.NoError(t, err)
		require.NoError(t, e.Service.CancelCard(t.Context(), manager, e.nurse.Card.Serial))
		e.out(b)
	})
}

// Where the provider gives refresh tokens, the application asks again when its
// access token ends, once for all requests, and a session that is over there ends
// here, though no logout token ever arrived.
func TestRefreshAgainstWardkey(t *testing.T) {
	e := openEstate(t, openid.Client{Refresh: true}, func(*relyingparty.Config) {})
	e.app.Server.Config.Handler = withoutLogout(e.app.Server.Config.Handler)
	in, b := e.signedIn()
	issued := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.tokens
	}
	require.Equal(t, 1, issued())
	for round := range 3 {
		for range 30 { // an agent that sees the card
			e.Wall.Add(20 * time.Second)
			e.Clock.Add(20 * time.Second)
			require.NoError(t, e.Service.Lease(t.Context(), in.Presence))
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if status := e.program(b); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			})
		}
		all.Wait()
		require.Equal(t, 2+round, issued())
	}
	t.Run("threat033", func(t *testing.T) {
		require.NoError(t, e.Service.SignOut(t.Context(), in.Token))
		require.Equal(t, http.StatusOK, e.program(b), "nobody has told it yet")
		e.Wall.Add(10 * time.Minute)
		require.Equal(t, http.StatusUnauthorized, e.program(b))
	})
}

// withoutLogout is an application that no logout token reaches.
func withoutLogout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.Error(w, "lost", http.StatusBadGateway)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// The provider tells whoever is registered for it what the card has to be alerted for, and Prompts makes of it what the
// person should do.
func TestPromptsOfWardkeysAlerts(t *testing.T) {
	at := func(e *estate, left time.Duration) (*careidtest.SignedIn, *http.Client) {
		e.Clock.Set(e.nurse.Card.Certificates[0].NotAfter.Add(-left))
		in, err := e.SignIn(t.Context(), e.nurse.Card)
		require.NoError(t, err)
		return in, e.browser(in.Token)
	}
	const days = 24 * time.Hour
	t.Run("row063", func(t *testing.T) {
		e := openEstate(t, openid.Client{Alerts: true}, func(c *relyingparty.Config) { c.WardkeyClaims = true })
		_, b := at(e, 91*days)
		_, body, _ := e.open(b, "/card")
		require.Equal(t, "[]", body)
		_, b = at(e, 40*days)
		_, body, _ = e.open(b, "/card")
		require.JSONEq(t, `[{"kind": "renew", "url": "/renew", "daysLeft": 40, "notAfter": "`+e.nurse.Card.Certificates[0].NotAfter.Format(time.RFC3339)+`",
			"text": "Renew your smartcard: its certificates end on `+e.nurse.Card.Certificates[0].NotAfter.Format("2 January 2006")+`, in 40 days."}]`, body)
	})
	t.Run("a client that is not registered for it", func(t *testing.T) {
		e := openEstate(t, openid.Client{}, func(c *relyingparty.Config) { c.WardkeyClaims = true })
		_, b := at(e, 40*days)
		_, body, _ := e.open(b, "/card")
		require.Equal(t, "[]", body)
	})
}
