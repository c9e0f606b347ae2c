// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// A client library that we did not write finds the provider, signs in, verifies and is told of the end.
func TestGoOIDC(t *testing.T) {
	for name, layout := range map[string]openid.Layout{"the national layout": openid.ForgeRock, "its mock's layout": openid.Keycloak} {
		t.Run(name, func(t *testing.T) {
			app := newParty(t)
			s := open(t, func(c *openid.Config) {
				c.Layout = layout
				c.Clients[0].Method, c.Clients[0].LogoutURI = openid.SecretBasic, app.URL
				c.Keys = append(c.Keys, openid.Key{Algorithm: "RS512", Signer: otherKey()})
			})
			ctx := oidc.ClientContext(t.Context(), s.web)
			provider, err := oidc.NewProvider(ctx, issuer) // refuses another issuer than it asked for
			require.NoError(t, err)
			config := oauth2.Config{
				ClientID: "app", ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: redirect,
				Scopes: []string{oidc.ScopeOpenID, "profile", "email", "nationalrbacaccess"},
			}
			pkce := oauth2.GenerateVerifier()
			in := s.signIn(s.Nurse)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.AuthCodeURL("st", oidc.Nonce("no"), oauth2.S256ChallengeOption(pkce)), nil)
			require.NoError(t, err)
			r.AddCookie(&http.Cookie{Name: cookie, Value: in.Token})
			back, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.do(r).header.Get("Location"), nil)
			require.NoError(t, err)

			token, err := config.Exchange(ctx, back.URL.Query().Get("code"), oauth2.VerifierOption(pkce))
			require.NoError(t, err)
			verify := provider.Verifier(&oidc.Config{ClientID: "app", Now: s.Wall.Now})
			id, err := verify.Verify(ctx, token.Extra("id_token").(string))
			require.NoError(t, err)
			require.Equal(t, "no", id.Nonce)
			require.NoError(t, id.VerifyAccessToken(token.AccessToken))
			info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
			require.NoError(t, err)
			require.Equal(t, id.Subject, info.Subject)
			require.Equal(t, s.Nurse.Profile.Email, info.Email)

			refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			require.NoError(t, err)
			again, err := verify.Verify(ctx, refreshed.Extra("id_token").(string))
			require.NoError(t, err)
			require.Equal(t, id.Subject, again.Subject)

			require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
			_, err = provider.UserInfo(ctx, oauth2.StaticTokenSource(refreshed))
			require.ErrorContains(t, err, "401")
			s.due()
			require.Len(t, app.tokens(), 1)
			told, err := verify.VerifyLogout(ctx, app.tokens()[0])
			require.NoError(t, err)
			require.Equal(t, id.Subject, told.Subject)
			var signed struct {
				SID string `json:"sid"`
			}
			require.NoError(t, id.Claims(&signed))
			require.Equal(t, signed.SID, told.SessionID)
		})
	}
}
