// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// Clients come, go and change while the provider runs.
func TestClientsChange(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	app := s.config.Clients[0]
	late := openid.Client{ID: "late", Method: openid.SecretPost, Secret: []byte(secret), RedirectURIs: []string{redirect}}
	asLate := []string{"client_id", "late"}
	unknown := func(client string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/authorize?"+asked("client_id", client).Encode(), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, s.do(r).status)
	}
	unknown("late")
	require.NoError(t, s.provider.SetClients([]openid.Client{app, late}))
	require.Equal(t, http.StatusOK, s.post(redeeming(s.code(in.Token, asLate...), asLate...)).status)

	for name, bad := range map[string][]openid.Client{
		"twice":     {app, late, app},
		"no secret": {app, {ID: "late", Method: openid.SecretPost, RedirectURIs: []string{redirect}}},
		"no key":    {app, {ID: "late", Method: openid.SecretPost, Secret: []byte(secret), RedirectURIs: []string{redirect}, IDTokenAlgorithm: "ES256"}},
	} {
		require.Error(t, s.provider.SetClients(bad), name)
	}
	require.NotEmpty(t, s.code(in.Token, asLate...), "a mistake changes nothing")

	t.Run("one that is gone has nothing", func(t *testing.T) {
		got := s.post(redeeming(s.code(in.Token, asLate...), asLate...)).members(t)
		code, waits := s.code(in.Token, asLate...), s.waiting("", asLate...)
		require.NoError(t, s.provider.SetClients([]openid.Client{app}))
		unknown("late")
		require.Equal(t, http.StatusUnauthorized, s.userinfo(got["access_token"].(string)).status)
		require.Equal(t, "invalid_client", s.refused(s.post(redeeming(code, asLate...))))
		_, err := s.provider.Finish(t.Context(), waits, in.Token, "")
		require.Equal(t, "openid.request", wardkey.RuleOf(err))
		_, err = s.provider.Refuse(t.Context(), waits)
		require.Equal(t, "openid.request", wardkey.RuleOf(err))
		require.NotEmpty(t, s.code(in.Token), "and others what they had")
	})
	t.Run("another address", func(t *testing.T) {
		waits := s.waiting("")
		moved := app
		moved.RedirectURIs = []string{"https://app.example/moved"}
		require.NoError(t, s.provider.SetClients([]openid.Client{moved}))
		_, err := s.provider.Finish(t.Context(), waits, in.Token, "")
		require.Equal(t, "openid.request", wardkey.RuleOf(err), "no code goes where the client is no more")
	})
	t.Run("another secret", func(t *testing.T) {
		turned := app
		turned.Secret = []byte("the next secret of this client")
		require.NoError(t, s.provider.SetClients([]openid.Client{turned}))
		require.Equal(t, "invalid_client", s.refused(s.post(redeeming(s.code(in.Token)))))
		require.Equal(t, http.StatusOK, s.post(redeeming(s.code(in.Token), "client_secret", string(turned.Secret))).status)
	})
	t.Run("while others sign in", func(t *testing.T) {
		require.NoError(t, s.provider.SetClients([]openid.Client{app}))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 5 {
					if err := s.provider.SetClients([]openid.Client{app, late}); err != nil {
						t.Error(err)
					}
					if err := s.provider.SetKeys(s.config.Keys); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 5 {
			require.NotEmpty(t, s.tokens(in.Token)["access_token"])
		}
		all.Wait()
	})
}

// Who looks at an authorization request without making it, as the preview of a link does, begins nothing.
func TestOnlyLooking(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	before := s.rows()
	for _, session := range []string{"", in.Token} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, issuer+"/authorize?"+asked().Encode(), nil)
		require.NoError(t, err)
		r.AddCookie(&http.Cookie{Name: cookie, Value: session})
		got := s.do(r)
		require.Equal(t, http.StatusMethodNotAllowed, got.status)
		require.Equal(t, "GET, POST", got.header.Get("Allow"))
		require.Empty(t, got.header.Get("Location"))
		require.Empty(t, got.header.Get("Set-Cookie"))
	}
	require.Equal(t, before, s.rows())
	var waiting int
	require.NoError(t, s.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM openid_request").Scan(&waiting))
	require.Zero(t, waiting)
	require.Empty(t, s.heard(openid.EventAuthorized))
}

// wardkey_alerts is ours: a client that is not registered for it never sees it.
func TestAlertsAreForThoseWhoAskedForThem(t *testing.T) {
	s := open(t, func(c *openid.Config) {
		with := c.Clients[0]
		with.ID, with.Alerts = "alerted", true
		c.Clients = append(c.Clients, with)
	})
	in := s.signIn(s.Nurse)
	asAlerted := []string{"client_id", "alerted"}
	alerted := func(token string) map[string]any {
		_, claims := s.claims(s.post(redeeming(s.code(token, asAlerted...), asAlerted...)).members(t)["id_token"].(string))
		return claims
	}
	require.NotContains(t, alerted(in.Token), "wardkey_alerts", "nothing to tell of")

	card, err := s.Service.Card(t.Context(), s.manager(), s.Nurse.Card.Serial)
	require.NoError(t, err)
	s.Clock.Set(card.NotAfter.Add(-40 * 24 * time.Hour))
	in = s.signIn(s.Nurse)
	claims := alerted(in.Token)
	require.Equal(t, []any{map[string]any{"rule": "cert.alert", "daysLeft": 40.0, "notAfter": card.NotAfter.Format(time.RFC3339)}}, claims["wardkey_alerts"])
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	require.NotContains(t, string(text), s.Nurse.Card.Serial)
	plain := s.tokens(in.Token)
	_, claims = s.claims(plain["id_token"].(string))
	require.NotContains(t, claims, "wardkey_alerts")
	require.NotContains(t, s.userinfo(plain["access_token"].(string)).members(t), "wardkey_alerts")
	key := s.without(s.Nurse, true)
	require.NotContains(t, alerted(key.Token), "wardkey_alerts", "a key has no certificates that end")
}
