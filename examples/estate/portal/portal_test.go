// SPDX-License-Identifier: Apache-2.0

package portal_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/portal"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

func TestPortal(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: func(site *pages.Site, mux *http.ServeMux) error {
		p, err := portal.New(site)
		if err == nil {
			p.Routes(mux)
		}
		return err
	}})
	app, err := s.RegisterApp(t.Context(), s.Nurse)
	require.NoError(t, err)
	account, err := s.Register(t.Context(), s.Nurse, careid.KindMailAccount, s.Nurse.Profile.Email)
	require.NoError(t, err)
	key, err := s.Register(t.Context(), s.Nurse, careid.KindSecurityKey, "a credential of a key")
	require.NoError(t, err)
	s.Clock.Add(time.Minute) // the app shows another code than the one that confirmed it

	t.Run("row072", func(t *testing.T) {
		require.Contains(t, s.SignedIn(s.Nurse).Get("/portal").Body, "is let in, by AAL3")

		weaker := s.SignedInWith(careid.Use{Authenticator: account}, app.Use())
		shown := weaker.Get("/portal")
		require.Equal(t, http.StatusForbidden, shown.Status)
		for _, part := range []string{"You are signed in with less than this asks for: it needs AAL3.", "Sign in with your card or another authenticator of that level", "<code>signin.weaker</code>"} {
			require.Contains(t, shown.Body, part)
		}
		require.Equal(t, "signin.weaker", weaker.Refused(http.MethodGet, "/portal", nil))

		verified := s.SignedInWith(careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 1})
		require.Contains(t, verified.Get("/portal").Body, "is let in, by AAL3", "a key that asked for its PIN is as strong")
	})
	require.Equal(t, "session.none", s.Stranger().Refused(http.MethodGet, "/portal", nil))
}
