// SPDX-License-Identifier: Apache-2.0

package cardhttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

// An answer that took longer than the floor waits for the next beat, so that a
// busy server tells no more than an idle one.
func TestUnlockAnswersOnTheBeat(t *testing.T) {
	const beat = 150 * time.Millisecond
	p := start(t, func(c *cardhttp.Config) { c.UnlockAnswer = beat })
	t.Run("threat008", func(t *testing.T) {
		for work, want := range map[time.Duration]time.Duration{0: beat, beat / 2: beat, beat + 20*time.Millisecond: 2 * beat, 2*beat - 30*time.Millisecond: 2 * beat} {
			p.service.started = func() (*careid.UnlockStarted, error) {
				time.Sleep(work)
				return &careid.UnlockStarted{Request: "q"}, nil
			}
			began := time.Now()
			require.Equal(t, 202, p.agent(t, "unlock/start", `{"card":"1","channel":"email"}`, "Authorization", "Bearer h").StatusCode)
			require.GreaterOrEqual(t, time.Since(began), want, work)
		}
	})
	_, err := cardhttp.New(cardhttp.Config{Service: &service{}, Server: "https://care.example", UnlockAnswer: -1})
	require.Error(t, err)
}

// A sign-in page that is opened again may wait as long as the first time.
func TestPreSessionIsRenewed(t *testing.T) {
	h, err := cardhttp.New(cardhttp.Config{Service: &service{}, Server: "https://care.example"})
	require.NoError(t, err)
	first := httptest.NewRecorder()
	ticket := h.SignInTicket(first, httptest.NewRequest(http.MethodGet, "https://care.example/signin", nil))
	cookie := first.Result().Cookies()[0]
	require.Equal(t, 30*60, cookie.MaxAge)

	again := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://care.example/signin", nil)
	r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	require.Equal(t, ticket, h.SignInTicket(again, r))
	require.Len(t, again.Result().Cookies(), 1)
	require.Equal(t, cookie.Value, again.Result().Cookies()[0].Value)
	require.Equal(t, 30*60, again.Result().Cookies()[0].MaxAge)
	require.Equal(t, http.SameSiteStrictMode, again.Result().Cookies()[0].SameSite)
}

// A result is redeemed for one of two purposes, by that purpose's cookie alone.
func TestRedeemByPurpose(t *testing.T) {
	p := start(t, nil)
	t.Run("threat059", func(t *testing.T) {
		for name, c := range map[string]struct {
			body, cookies string
			status        int
		}{
			"a purpose that is none":              {`{"result":"r","purpose":"presence"}`, "wardkey-presession=a; wardkey-session=b", 400},
			"a step-up by the pre-session cookie": {`{"result":"r","purpose":"stepup"}`, "wardkey-presession=a", 401},
			"a sign-in by the session cookie":     {`{"result":"r"}`, "wardkey-session=b", 401},
			"the pre-session cookie as a session": {`{"result":"r","purpose":"signin"}`, "wardkey-presession=a", 200},
		} {
			p.service.redeemed = ""
			a := p.do(t, nil, http.MethodPost, cardhttp.Path+"session", c.body, "Cookie", c.cookies)
			require.Equal(t, c.status, a.StatusCode, name)
			require.Equal(t, c.status == 200, p.service.redeemed != "", name)
		}
	})
	t.Run("no session of a pre-session cookie", func(t *testing.T) {
		require.Equal(t, 303, p.do(t, browser(t), http.MethodGet, "/ward", "", "Cookie", "wardkey-presession=new-token").StatusCode)
	})
	t.Run("the session cookie", func(t *testing.T) {
		a := p.do(t, nil, http.MethodPost, cardhttp.Path+"session", `{"result":"r"}`, "Cookie", "wardkey-presession=a")
		var c *http.Cookie
		for _, one := range a.Cookies() {
			if one.Name == "wardkey-session" {
				c = one
			}
		}
		require.NotNil(t, c)
		require.True(t, c.HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, "/", c.Path)
		require.Zero(t, c.MaxAge, "it ends with the browser")
	})
}
