// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// party is a relying party that takes logout tokens.
type party struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	hang   chan struct{} // until it is closed, nothing is answered
	got    []string
}

func newParty(t *testing.T) *party {
	t.Helper()
	p := &party{status: http.StatusOK}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		hang, status := p.hang, p.status
		p.mu.Unlock()
		if hang != nil {
			<-hang
		}
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			p.mu.Lock()
			p.got = append(p.got, r.PostFormValue("logout_token"))
			p.mu.Unlock()
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *party) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func (p *party) tokens() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...)
}

// wantsLogout registers parties: the first is the client "app", the others are b, c, …
func wantsLogout(parties ...*party) func(*openid.Config) {
	return func(c *openid.Config) {
		c.Clients[0].LogoutURI = parties[0].URL
		for i, p := range parties[1:] {
			c.Clients = append(c.Clients, openid.Client{
				ID: string(rune('b' + i)), Method: openid.SecretPost, Secret: []byte(secret), RedirectURIs: []string{redirect}, LogoutURI: p.URL,
			})
		}
	}
}

// due calls Due and waits for what it began.
func (s *site) due() {
	s.Helper()
	_, err := s.provider.Due(s.Context())
	require.NoError(s, err)
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	require.NoError(s, s.provider.Drain(ctx))
}

func TestRelyingPartiesAreTold(t *testing.T) {
	ends := map[string]func(*testing.T, *site, *careidtest.SignedIn){
		"signed out": func(t *testing.T, s *site, in *careidtest.SignedIn) {
			require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
		},
		"row046": func(t *testing.T, s *site, in *careidtest.SignedIn) { // the card is pulled
			require.NoError(t, s.Service.Removed(t.Context(), in.Presence))
			kept := openIn(t, careidtest.Config{Binding: careid.BindingKeep}, nil)
			in = kept.signIn(kept.Nurse)
			access := kept.tokens(in.Token)["access_token"].(string)
			require.NoError(t, kept.Service.Removed(t.Context(), in.Presence))
			require.Equal(t, http.StatusOK, kept.userinfo(access).status, "where the organisation's card binding says so")
		},
		"workstation silent": func(t *testing.T, s *site, _ *careidtest.SignedIn) {
			s.Wall.Add(31 * time.Second)
			_, err := s.Service.Due(t.Context())
			require.NoError(t, err)
		},
		"time over": func(t *testing.T, s *site, _ *careidtest.SignedIn) { // without careid's Due
			s.Clock.Add(8 * time.Hour)
		},
		"card cancelled": func(t *testing.T, s *site, _ *careidtest.SignedIn) {
			manager, err := s.Actor(t.Context(), s.RAManager, careid.RAManager)
			require.NoError(t, err)
			require.NoError(t, s.Service.CancelCard(t.Context(), manager, s.Nurse.Card.Serial))
		},
		"revoked at the CA": func(t *testing.T, s *site, in *careidtest.SignedIn) {
			require.NoError(t, s.CA.Revoke(t.Context(), s.Nurse.Card.Certificates[0], 1, s.Clock.Now()))
			_, err := s.Service.Session(t.Context(), in.Token) // whoever asks first finds out
			require.Error(t, err)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			first, second := newParty(t), newParty(t)
			s := open(t, wantsLogout(first, second))
			in := s.signIn(s.Nurse)
			_, signed := s.claims(s.tokens(in.Token)["id_token"].(string))
			s.code(in.Token, "client_id", "b")
			s.code(in.Token) // once more: told once
			s.due()
			require.Empty(t, first.tokens())

			end(t, s, in)
			s.due()
			require.Len(t, first.tokens(), 1)
			require.Len(t, second.tokens(), 1)
			header, claims := s.claims(first.tokens()[0])
			require.Equal(t, "logout+jwt", header.ExtraHeaders["typ"])
			require.Equal(t, "b/O6OvVv1+y=", header.KeyID)
			require.Equal(t, map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, claims["events"])
			require.Equal(t, issuer, claims["iss"])
			require.Equal(t, "app", claims["aud"])
			require.Equal(t, signed["sub"], claims["sub"])
			require.Equal(t, signed["sid"], claims["sid"])
			require.NotEmpty(t, claims["jti"])
			require.EqualValues(t, s.Wall.Now().Unix(), claims["iat"])
			require.EqualValues(t, s.Wall.Now().Add(2*time.Minute).Unix(), claims["exp"])
			require.NotContains(t, claims, "nonce")
			_, other := s.claims(second.tokens()[0])
			require.Equal(t, "b", other["aud"])

			s.Wall.Add(time.Hour)
			s.due()
			require.Len(t, first.tokens(), 1, "told once")
			require.Len(t, s.heard(openid.EventLogoutSent), 2)
		})
	}
}

func TestLogoutIsTriedAgain(t *testing.T) {
	app := newParty(t)
	s := open(t, wantsLogout(app))
	in := s.signIn(s.Nurse)
	s.code(in.Token)
	app.answers(http.StatusInternalServerError)
	require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	s.due()
	s.due()
	require.Len(t, app.tokens(), 1, "not before its time")
	for tries, wait := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
		s.Wall.Add(wait - time.Second)
		s.due()
		require.Len(t, app.tokens(), tries+1)
		s.Wall.Add(time.Second)
		s.due()
		require.Len(t, app.tokens(), tries+2)
	}

	t.Run("a restart forgets nothing", func(t *testing.T) {
		restarted, err := openid.New(s.config)
		require.NoError(t, err)
		app.answers(http.StatusOK)
		s.Wall.Add(80 * time.Second)
		_, err = restarted.Due(t.Context())
		require.NoError(t, err)
		require.NoError(t, restarted.Drain(t.Context()))
		require.Len(t, app.tokens(), 5)
		_, first := s.claims(app.tokens()[0])
		_, last := s.claims(app.tokens()[4])
		require.Equal(t, first["sid"], last["sid"])
		require.NotEqual(t, first["jti"], last["jti"], "a token of its own: the first may have arrived")
		s.Wall.Add(time.Hour)
		s.due()
		require.Len(t, app.tokens(), 5)
	})
}

func TestWhenALogoutIsGivenUp(t *testing.T) {
	app := newParty(t)
	s := open(t, wantsLogout(app))
	end := func() {
		in := s.signIn(s.Nurse)
		s.code(in.Token)
		require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
		s.due()
	}
	app.answers(http.StatusBadRequest)
	end()
	s.Wall.Add(time.Hour)
	s.due()
	require.Len(t, app.tokens(), 1, "a 400 is its last word")
	require.Len(t, s.heard(openid.EventLogoutGivenUp), 1)

	app.answers(http.StatusFound) // a redirect is not followed
	end()
	require.Len(t, app.tokens(), 2)
	for range 100 {
		s.Wall.Add(10 * time.Minute)
		s.due()
	}
	require.Less(t, len(app.tokens()), 90)
	require.Greater(t, len(app.tokens()), 70, "for twelve hours")
	require.Len(t, s.heard(openid.EventLogoutGivenUp), 2)
	for _, row := range s.rows() {
		require.NotContains(t, row, "eyJ", "no token in the audit")
	}
}

func TestOneHangingPartyHoldsUpNoOther(t *testing.T) {
	hanging, quick := newParty(t), newParty(t)
	hanging.hang = make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(hanging.hang) }))
	s := open(t, wantsLogout(hanging, quick))
	for range 20 {
		in := s.signIn(s.Nurse)
		s.code(in.Token)
		s.code(in.Token, "client_id", "b")
		require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	}
	_, err := s.provider.Due(t.Context())
	require.NoError(t, err, "and not Due either")
	_, err = s.provider.Due(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := s.provider.Due(t.Context())
		return err == nil && len(quick.tokens()) == 20
	}, time.Minute, 20*time.Millisecond)
	require.Empty(t, hanging.tokens())
}

func TestTwoServersTellOnce(t *testing.T) {
	app := newParty(t)
	s := open(t, wantsLogout(app))
	second, err := openid.New(s.config)
	require.NoError(t, err)
	for range 10 {
		in := s.signIn(s.Nurse)
		s.code(in.Token)
		require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	}
	var both sync.WaitGroup
	for _, p := range []*openid.Provider{s.provider, second} {
		both.Go(func() {
			_, err := p.Due(t.Context())
			require.NoError(t, err)
			require.NoError(t, p.Drain(t.Context()))
		})
	}
	both.Wait()
	require.Len(t, app.tokens(), 10)
}

// The process that ended a session may die before it tells.
func TestEndsThatNobodyHeardOf(t *testing.T) {
	app := newParty(t)
	s := open(t, wantsLogout(app))
	in := s.signIn(s.Nurse)
	got := s.tokens(in.Token)
	heard := s.provider
	s.provider = nil // nobody listens
	require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	s.provider = heard
	require.Equal(t, http.StatusUnauthorized, s.userinfo(got["access_token"].(string)).status, "the tokens are dead at once")
	s.due()
	require.Empty(t, app.tokens())
	t.Run("threat033", func(t *testing.T) {
		s.Wall.Add(31 * time.Second)
		s.due()
		require.Len(t, app.tokens(), 1, "within a minute")
	})
}

// Somebody revokes a certificate at the CA alone, while nobody uses the session: its relying parties know within a minute.
func TestARevocationAtTheCAAlone(t *testing.T) {
	app := newParty(t)
	s := open(t, wantsLogout(app))
	in := s.signIn(s.Nurse)
	s.tokens(in.Token)
	due := func() {
		t.Helper()
		_, err := s.Service.Due(t.Context())
		require.NoError(t, err)
		s.due()
	}
	due()
	require.NoError(t, s.CA.Revoke(t.Context(), s.Nurse.Card.Certificates[0], 1, s.Clock.Now()))
	t.Run("threat033", func(t *testing.T) {
		s.wait(in, 30*time.Second)
		due()
		require.Len(t, app.tokens(), 1)
	})
}

// A step-up ends a session and begins another; the person is at work all the time.
func TestAStepUpTakesRelyingPartiesAlong(t *testing.T) {
	app, second := newParty(t), newParty(t)
	s := open(t, wantsLogout(app, second))
	in := s.signIn(s.Nurse)
	_, old := s.claims(s.tokens(in.Token)["id_token"].(string))
	id := s.waiting(in.Token, "client_id", "b", "prompt", "login")
	up := s.stepUp(s.Nurse, in.Token)
	s.due()
	s.finished(id, up.Token, "")
	s.due()
	require.Empty(t, app.tokens(), "it goes on")
	require.NoError(t, s.Service.SignOut(t.Context(), up.Token))
	s.due()
	require.Len(t, app.tokens(), 1)
	require.Len(t, second.tokens(), 1)
	_, told := s.claims(app.tokens()[0])
	require.Equal(t, old["sid"], told["sid"], "by the sid that it knows")

	t.Run("elsewhere than in a sign-in, they are told after two minutes", func(t *testing.T) {
		in := s.signIn(s.Nurse)
		s.code(in.Token)
		up := s.stepUp(s.Nurse, in.Token)
		s.due()
		require.Len(t, app.tokens(), 1)
		s.Wall.Add(2 * time.Minute)
		s.due()
		require.Len(t, app.tokens(), 2)
		_ = up
	})
	t.Run("a sign-out is no step-up", func(t *testing.T) {
		in := s.signIn(s.Nurse)
		s.code(in.Token)
		id := s.waiting(in.Token, "client_id", "b", "prompt", "login")
		require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
		next := s.signIn(s.Nurse)
		s.finished(id, next.Token, "")
		s.due()
		require.Len(t, app.tokens(), 3)
	})
}

func TestLogoutAddressesLeadNowhereElse(t *testing.T) {
	app := newParty(t)
	port := app.URL[strings.LastIndex(app.URL, ":"):]
	t.Run("threat058", func(t *testing.T) {
		for _, uri := range []string{"http://10.0.0.1/", "ftp://app.example/", "https://user:pass@app.example/", "https://app.example/#x", "/bye", "https:///bye", "app.example"} {
			_, err := openid.New(with(open(t, nil).config, func(c *openid.Config) { c.Clients[0].LogoutURI = uri }))
			require.Error(t, err, uri)
		}
		for _, uri := range []string{"https://169.254.169.254/", "https://0.0.0.0" + port, "https://224.0.0.1/"} {
			s := open(t, func(c *openid.Config) { c.Clients[0].LogoutURI = uri })
			in := s.signIn(s.Nurse)
			s.code(in.Token)
			require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
			s.due()
			require.Len(t, s.heard(openid.EventLogoutFailed), 1, uri)
			require.Empty(t, app.tokens())
		}
	})
}

func TestLogoutOverTLS(t *testing.T) {
	app := newParty(t)
	secure := httptest.NewTLSServer(app.Config.Handler)
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	for _, trusted := range []*x509.CertPool{nil, roots} {
		s := open(t, func(c *openid.Config) { c.Roots, c.Clients[0].LogoutURI = trusted, secure.URL })
		in := s.signIn(s.Nurse)
		s.code(in.Token)
		require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
		s.due()
		if trusted == nil {
			require.Empty(t, app.tokens(), "to nobody whose certificate does not hold")
		}
	}
	require.Len(t, app.tokens(), 1)
}

// with is a configuration with something changed.
func with(c openid.Config, change func(*openid.Config)) openid.Config {
	c.Clients = append([]openid.Client(nil), c.Clients...)
	change(&c)
	return c
}
