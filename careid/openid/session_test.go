// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// What becomes of tokens when something happens to the session they came from.

func TestTokensDieWithTheirSession(t *testing.T) {
	ends := map[string]func(*testing.T, *site, *careidtest.SignedIn){
		"signed out": func(t *testing.T, s *site, in *careidtest.SignedIn) {
			require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
		},
		"card pulled": func(t *testing.T, s *site, in *careidtest.SignedIn) {
			require.NoError(t, s.Service.Removed(t.Context(), in.Presence))
		},
		"workstation silent": func(_ *testing.T, s *site, _ *careidtest.SignedIn) { s.Wall.Add(time.Minute) },
		"eight hours later":  func(_ *testing.T, s *site, _ *careidtest.SignedIn) { s.Clock.Add(8 * time.Hour) },
		"card cancelled": func(t *testing.T, s *site, _ *careidtest.SignedIn) {
			manager, err := s.Actor(t.Context(), s.RAManager, careid.RAManager)
			require.NoError(t, err)
			require.NoError(t, s.Service.CancelCard(t.Context(), manager, s.Nurse.Card.Serial))
		},
		"certificate revoked": func(t *testing.T, s *site, _ *careidtest.SignedIn) {
			require.NoError(t, s.CA.Revoke(t.Context(), s.Nurse.Card.Certificates[0], 1, s.Clock.Now()))
		},
		"profile closed": func(t *testing.T, s *site, _ *careidtest.SignedIn) {
			manager, err := s.Actor(t.Context(), s.RAManager, careid.RAManager)
			require.NoError(t, err)
			require.NoError(t, s.Service.CloseProfile(t.Context(), manager, s.Nurse.Profile.ID))
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := open(t, nil)
			in := s.signIn(s.Nurse)
			got, code := s.tokens(in.Token), s.code(in.Token)
			access, refresh := got["access_token"].(string), got["refresh_token"].(string)
			require.Equal(t, http.StatusOK, s.userinfo(access).status)
			end(t, s, in)
			dead := s.userinfo(access)
			require.Equal(t, http.StatusUnauthorized, dead.status)
			require.Contains(t, dead.header.Get("WWW-Authenticate"), `error="invalid_token"`)
			require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(refresh))))
			require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))))
			require.Equal(t, "login_required", s.authorize(in.Token, asked("prompt", "none")).Query().Get("error"))
			require.Equal(t, "/signin", s.authorize(in.Token, asked()).Path)
		})
	}
}

func TestRemovalOfACardAtEachStep(t *testing.T) {
	s := open(t, nil)
	t.Run("threat034", func(t *testing.T) {
		before := s.signIn(s.Nurse)
		require.NoError(t, s.Service.Removed(t.Context(), before.Presence))
		require.Equal(t, "/signin", s.authorize(before.Token, asked()).Path, "before the code")

		after := s.signIn(s.Nurse)
		code := s.code(after.Token)
		require.NoError(t, s.Service.Removed(t.Context(), after.Presence))
		_ = s.Service.Removed(t.Context(), after.Presence) // twice within 200 ms changes nothing
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))), "after the code")

		mid := s.signIn(s.Nurse)
		got := s.tokens(mid.Token)
		next := s.post(refreshing(got["refresh_token"].(string))).members(t)
		require.NoError(t, s.Service.Removed(t.Context(), mid.Presence))
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(next["refresh_token"].(string)))), "between two refreshes")

		again := s.signIn(s.Nurse) // the card is back in its reader
		require.Equal(t, http.StatusUnauthorized, s.userinfo(next["access_token"].(string)).status, "reinsertion never revives")
		require.Equal(t, http.StatusOK, s.userinfo(s.tokens(again.Token)["access_token"].(string)).status)
	})
	t.Run("threat035", func(t *testing.T) {
		nurse, agent := s.signIn(s.Nurse), s.signIn(s.RAAgent)
		access := s.tokens(nurse.Token)["access_token"].(string)
		require.NoError(t, s.Service.Removed(t.Context(), agent.Presence))
		require.Equal(t, http.StatusOK, s.userinfo(access).status, "another reader's card")
	})
}

func TestAnIdleSessionKeepsItsTokensForNobody(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	got := s.tokens(in.Token)
	// A token is not a session: neither it nor what it came from opens a page or a session.
	for _, token := range []string{got["access_token"].(string), got["refresh_token"].(string), got["id_token"].(string)} {
		_, err := s.Service.Session(t.Context(), token)
		require.ErrorContains(t, err, "session.none")
		require.Equal(t, "/signin", s.authorize(token, asked()).Path)
	}
	require.Equal(t, http.StatusUnauthorized, s.userinfo(got["refresh_token"].(string)).status)
	require.Equal(t, http.StatusUnauthorized, s.userinfo(in.Token).status)
	require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(got["access_token"].(string)))))
}

func TestUserInfoNeedsAToken(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	bare := s.userinfo("")
	require.Equal(t, http.StatusUnauthorized, bare.status)
	require.Equal(t, "Bearer", bare.header.Get("WWW-Authenticate"), "no error where no token was: RFC 6750 §3.1")
	t.Run("threat058", func(t *testing.T) {
		for _, token := range []string{"x", strings.Repeat("A", 43), strings.Repeat("A", 513), "a b", "' --"} {
			require.Equal(t, http.StatusUnauthorized, s.userinfo(token).status)
		}
		access := s.tokens(in.Token)["access_token"].(string)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/userinfo?access_token="+access, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, s.do(r).status, "no tokens in addresses")
		r.Header.Set("Authorization", "Basic "+access)
		require.Equal(t, http.StatusUnauthorized, s.do(r).status)
		byKey := s.without(s.Nurse, true) // no card that has to stay in its reader
		access = s.tokens(byKey.Token)["access_token"].(string)
		s.Wall.Add(time.Hour - time.Second)
		require.Equal(t, http.StatusOK, s.userinfo(access).status)
		s.Wall.Add(time.Second)
		require.Equal(t, http.StatusUnauthorized, s.userinfo(access).status, "its hour is over")
	})
}

func TestRefreshTokens(t *testing.T) {
	s := open(t, func(c *openid.Config) {
		other(c)
		c.Clients[1].Refresh = true
		c.Clients = append(c.Clients, openid.Client{ID: "none", Method: openid.SecretPost, Secret: []byte(secret), RedirectURIs: []string{redirect}})
	})
	in := s.signIn(s.Nurse)
	t.Run("they rotate, and keep what was granted", func(t *testing.T) {
		first := s.tokens(in.Token)
		_, signed := s.claims(first["id_token"].(string))
		s.wait(in, 10*time.Second)
		got := s.post(refreshing(first["refresh_token"].(string)))
		require.Equal(t, http.StatusOK, got.status, string(got.body))
		next := got.members(t)
		require.NotEqual(t, first["refresh_token"], next["refresh_token"])
		_, again := s.claims(next["id_token"].(string))
		for _, same := range []string{"iss", "sub", "aud", "auth_time", "acr", "amr", "sid"} {
			require.Equal(t, signed[same], again[same], same)
		}
		require.Equal(t, "no", signed["nonce"])
		require.NotContains(t, again, "nonce", "it was the request's: OpenID Connect Core §12.2")
		require.Greater(t, again["iat"], signed["iat"])
		require.Equal(t, http.StatusOK, s.userinfo(first["access_token"].(string)).status, "the first is good for its hour")
	})
	t.Run("threat058", func(t *testing.T) {
		first := s.tokens(in.Token)["refresh_token"].(string)
		next := s.post(refreshing(first)).members(t)
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(first))), "a replay")
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(next["refresh_token"].(string)))), "revokes the next one")
		require.Equal(t, http.StatusUnauthorized, s.userinfo(next["access_token"].(string)).status, "and all that came of it")

		stolen := s.tokens(in.Token)["refresh_token"].(string)
		mine := []string{"client_id", "other", "client_secret", "another secret of enough characters"}
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(stolen, mine...))))
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(stolen))), "it was in other hands")
		require.Equal(t, "invalid_client", s.refused(s.post(refreshing("x", "client_secret", "wrong secret of a length"))))
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing("x"))))
		require.Equal(t, "invalid_request", s.refused(s.post(refreshing(""))))

		more := s.tokens(in.Token, "scope", "openid profile")["refresh_token"].(string)
		require.Equal(t, "invalid_scope", s.refused(s.post(refreshing(more, "scope", "openid nationalrbacaccess"))))
		require.Equal(t, "openid profile", s.post(refreshing(more, "scope", "openid")).members(t)["scope"])
	})
	t.Run("a client that has none gets none", func(t *testing.T) {
		got := s.post(redeeming(s.code(in.Token, "client_id", "none"), "client_id", "none")).members(t)
		require.NotContains(t, got, "refresh_token")
	})
	t.Run("no longer than twelve hours", func(t *testing.T) {
		s := open(t, func(c *openid.Config) { c.AccessFor, c.RefreshFor = 5*time.Minute, 10*time.Minute })
		in := s.without(s.Nurse, true)
		token := s.tokens(in.Token)["refresh_token"].(string)
		s.Wall.Add(6 * time.Minute)
		token = s.post(refreshing(token)).members(t)["refresh_token"].(string)
		s.Wall.Add(6 * time.Minute)
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(token))), "counted from the sign-in")
	})
}

// What a revoked grant's code and tokens opened is not kept, though nobody has used them up.
func TestRevocationForgetsTheSession(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	sealed := func() (n int) {
		t.Helper()
		for _, table := range []string{"openid_grant", "openid_token"} {
			var one int
			require.NoError(t, s.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+" WHERE length(sealed) > 0").Scan(&one))
			n += one
		}
		return n
	}
	got := s.tokens(in.Token)
	require.Equal(t, 2, sealed())
	refresh := got["refresh_token"].(string)
	s.post(refreshing(refresh))
	require.Equal(t, 3, sealed())
	require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(refresh))), "a replay")
	require.Zero(t, sealed())
	s.tokens(in.Token)
	s.code(in.Token)
	require.Equal(t, 3, sealed())
	require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	require.Zero(t, sealed())
}

func TestARevocationInMidSession(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	got := s.tokens(in.Token)
	t.Run("threat033", func(t *testing.T) {
		manager, err := s.Actor(t.Context(), s.RAManager, careid.RAManager)
		require.NoError(t, err)
		require.NoError(t, s.Service.CancelCard(t.Context(), manager, s.Nurse.Card.Serial))
		require.Equal(t, http.StatusUnauthorized, s.userinfo(got["access_token"].(string)).status)
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(got["refresh_token"].(string)))))
		require.Len(t, s.heard(openid.EventSessionEnded), 1)
	})
}
