// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// What the discovery document says is what a client gets, no more and no less.
func TestDiscoveryIsWhatIsDone(t *testing.T) {
	var p openid.Person
	require.NoError(t, json.Unmarshal([]byte(person), &p))
	s := open(t, func(c *openid.Config) {
		signed(c)
		c.People = known{p}
		c.Clients = append(c.Clients, openid.Client{ID: "basic", Secret: []byte(secret), RedirectURIs: []string{redirect}})
	})
	in := s.signIn(s.Nurse)
	d := s.discovery()
	list := func(name string) (all []string) {
		for _, v := range d[name].([]any) {
			all = append(all, v.(string))
		}
		return all
	}
	goesOn := func(changes ...string) { // to the client with a code, or to the page
		to := s.authorize(in.Token, asked(changes...))
		require.Empty(t, to.Query().Get("error"), "%v", changes)
	}

	scopes := list("scopes_supported")
	goesOn("scope", strings.Join(scopes, " "))
	silent := slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return scope == "changedrole" }) // it has the person sign in
	got := s.tokens(in.Token, "scope", strings.Join(silent, " "))
	require.Equal(t, strings.Join(silent, " "), got["scope"])

	_, told := s.claims(got["id_token"].(string))
	maps.Copy(told, s.userinfo(got["access_token"].(string)).members(t))
	require.ElementsMatch(t, list("claims_supported"), slices.Collect(maps.Keys(told)))

	for _, prompt := range list("prompt_values_supported") {
		goesOn("prompt", prompt)
	}
	for _, acr := range list("acr_values_supported") {
		goesOn("acr_values", acr)
	}
	for _, mode := range list("response_modes_supported") {
		goesOn("response_mode", mode)
	}
	for _, kind := range list("response_types_supported") {
		goesOn("response_type", kind)
	}
	require.Equal(t, []string{"authorization_code", "refresh_token"}, list("grant_types_supported"))
	require.Equal(t, http.StatusOK, s.post(refreshing(got["refresh_token"].(string))).status)
	require.Equal(t, []string{"public"}, list("subject_types_supported"))

	ways := map[string]func(code string) answer{
		"client_secret_post": func(code string) answer { return s.post(redeeming(code)) },
		"client_secret_basic": func(code string) answer {
			form := redeeming(code, "client_id", "", "client_secret", "").Encode()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/access_token", strings.NewReader(form))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("basic", secret)
			return s.do(r)
		},
		"private_key_jwt": func(code string) answer {
			return s.post(asserting(code, s.assertion(clientKey(), jose.RS256, "k1", nil)))
		},
	}
	clients := map[string]string{"client_secret_post": "app", "client_secret_basic": "basic", "private_key_jwt": "signer"}
	require.ElementsMatch(t, slices.Collect(maps.Keys(ways)), list("token_endpoint_auth_methods_supported"))
	for name, redeem := range ways {
		require.Equal(t, http.StatusOK, redeem(s.code(in.Token, "client_id", clients[name])).status, name)
	}
	for _, alg := range list("token_endpoint_auth_signing_alg_values_supported") {
		word := s.assertion(clientKey(), jose.SignatureAlgorithm(alg), "k1", nil)
		require.Equal(t, http.StatusOK, s.post(asserting(s.code(in.Token, "client_id", "signer"), word)).status, alg)
	}
	for _, without := range []string{"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"} {
		require.Equal(t, false, d[without])
	}
	for _, absent := range []string{"end_session_endpoint", "registration_endpoint", "revocation_endpoint", "introspection_endpoint", "userinfo_signing_alg_values_supported"} {
		require.NotContains(t, d, absent)
	}
}

func TestTokensSayHowLongTheyLast(t *testing.T) {
	s := open(t, func(c *openid.Config) { c.AccessFor, c.RefreshFor = 5*time.Minute, 10*time.Minute })
	in := s.without(s.Nurse, true)
	got := s.tokens(in.Token)
	require.EqualValues(t, 300, got["expires_in"])
	s.Wall.Add(8 * time.Minute)
	got = s.post(refreshing(got["refresh_token"].(string))).members(t)
	require.EqualValues(t, 180, got["expires_in"], "to the end of the grant: the code's minute and ten more")
	s.Clock.Add(8*time.Hour - time.Minute)
	got = s.tokens(in.Token)
	require.EqualValues(t, 60, got["expires_in"], "to the end of the session")
	require.Equal(t, http.StatusOK, s.userinfo(got["access_token"].(string)).status)
	s.Clock.Add(time.Minute)
	require.Equal(t, http.StatusUnauthorized, s.userinfo(got["access_token"].(string)).status)
}
