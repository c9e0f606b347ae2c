// SPDX-License-Identifier: Apache-2.0

package portal_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// visitor is a browser whose person has a session at the provider already.
type visitor struct {
	t    *testing.T
	http *http.Client
}

func (h *hospital) visitor(t *testing.T, token string) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	at, err := url.Parse(h.site.URL)
	require.NoError(t, err)
	jar.SetCookies(at, []*http.Cookie{{Name: "wardkey-session", Value: token, Path: "/"}})
	return visitor{t, &http.Client{Jar: jar}}
}

// open is the page that an address leads to.
func (v visitor) open(address string) (status int, at *url.URL, body string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, address, nil)
	require.NoError(v.t, err)
	r.Header.Set("Accept", "text/html")
	got, err := v.http.Do(r)
	require.NoError(v.t, err)
	defer func() { _ = got.Body.Close() }() // read to its end below
	text, err := io.ReadAll(got.Body)
	require.NoError(v.t, err)
	return got.StatusCode, got.Request.URL, string(text)
}

// asks is what the portal asks the provider for.
func (v visitor) asks(portal string) *url.URL {
	v.t.Helper()
	follow := v.http.CheckRedirect
	v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { v.http.CheckRedirect = follow }()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, portal+"/portal", nil)
	require.NoError(v.t, err)
	r.Header.Set("Accept", "text/html")
	got, err := v.http.Do(r)
	require.NoError(v.t, err)
	require.NoError(v.t, got.Body.Close())
	to, err := got.Location()
	require.NoError(v.t, err)
	return to
}

// TestLevel is who is let in by what they signed in with. The portal asks for level
// 3, and the provider has a weaker session shown a card; where the person's browser
// takes that out of the request, the portal itself says no.
func TestLevel(t *testing.T) {
	for _, tool := range []string{"softhsm", "cc"} {
		need.Tool(t, tool)
	}
	h := openHospital(t)
	h.holds(t, h.Nurse, "Ward nurse")
	account, err := h.Register(t.Context(), h.Nurse, careid.KindMailAccount, h.Nurse.Profile.Email)
	require.NoError(t, err)
	key, err := h.Register(t.Context(), h.Nurse, careid.KindSecurityKey, "a credential of a key")
	require.NoError(t, err)

	t.Run("row072", func(t *testing.T) {
		require.NoError(t, h.tray.Insert(0, h.Nurse.Card.Serial))
		card, err := h.SignIn(t.Context(), h.Nurse.Card)
		require.NoError(t, err)
		status, at, body := h.visitor(t, card.Token).open(h.portal.URL + "/portal")
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, h.portal.URL+"/portal", at.String())
		require.Contains(t, body, "at level 3")

		weaker, err := h.Service.SignInWith(t.Context(), careid.Use{Authenticator: account}, careid.Use{Authenticator: key, Verified: careid.No, Counter: 1})
		require.NoError(t, err)
		v := h.visitor(t, weaker.Token)
		_, at, body = v.open(h.portal.URL + "/portal")
		require.Equal(t, "/login", at.Path, "a card is asked for")
		require.Contains(t, body, "Clinical portal", "and says for what")
		require.NotContains(t, body, "Good day")

		asked := v.asks(h.portal.URL)
		q := asked.Query()
		require.Equal(t, "AAL3_ANY", q.Get("acr_values"))
		q.Del("acr_values")
		asked.RawQuery = q.Encode()
		status, _, body = v.open(asked.String())
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "rp.authentication")
		status, _, _ = v.open(h.portal.URL + "/session")
		require.NotEqual(t, http.StatusNoContent, status)
	})
	t.Run("a key that asked for its PIN is as strong as a card", func(t *testing.T) {
		strong, err := h.Service.SignInWith(t.Context(), careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 2})
		require.NoError(t, err)
		status, at, body := h.visitor(t, strong.Token).open(h.portal.URL + "/portal")
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, "/portal", at.Path)
		require.Contains(t, body, "Good day, Asha")
	})
}
