// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlow(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	to := s.authorize(in.Token, asked())
	require.Equal(t, "app.example", to.Host)
	require.Equal(t, "st", to.Query().Get("state"))
	require.Equal(t, issuer, to.Query().Get("iss"))

	got := s.post(redeeming(to.Query().Get("code")))
	require.Equal(t, http.StatusOK, got.status, string(got.body))
	tokens := got.members(t)
	require.Equal(t, "Bearer", tokens["token_type"])
	header, claims := s.claims(tokens["id_token"].(string))
	require.Equal(t, "b/O6OvVv1+y=", header.KeyID)
	require.Equal(t, s.Nurse.Profile.ID, claims["sub"])
	require.Equal(t, issuer, claims["iss"])
	require.Equal(t, "app", claims["aud"])
	require.Equal(t, "AAL3_ANY", claims["acr"])
	require.Equal(t, []any{"N3_SMARTCARD"}, claims["amr"])

	info := s.userinfo(tokens["access_token"].(string))
	require.Equal(t, http.StatusOK, info.status, string(info.body))
	require.Equal(t, s.Nurse.Profile.ID, info.members(t)["sub"])
	require.Equal(t, []any{}, info.members(t)["nhsid_nrbac_roles"])

	require.NoError(t, s.Service.SignOut(t.Context(), in.Token))
	require.Equal(t, http.StatusUnauthorized, s.userinfo(tokens["access_token"].(string)).status)
}
