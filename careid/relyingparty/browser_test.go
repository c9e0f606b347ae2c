// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// A real browser signs in, with its own rules for cookies, and every page of this
// package is accessible, its style let through by its own policy.
func TestInChromium(t *testing.T) {
	f := newFake(t)
	f.URL = strings.Replace(f.URL, "127.0.0.1", "localhost", 1) // another site than the application, as it always is
	app := protect(t, func(string) relyingparty.Config {
		return relyingparty.Config{Issuer: f.URL, ClientID: clientID, Secret: secret()}
	})
	tab := browser.New(t)
	tab, cancel := context.WithTimeout(tab, time.Minute)
	t.Cleanup(cancel)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...))
	}
	text := func() string {
		t.Helper()
		got, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.body.innerText"))
		require.NoError(t, err)
		return got
	}
	do(chromedp.Navigate(app.URL + "/ward?bed=4"))
	require.Equal(t, "555000000017 as S8000:G8000:R8001 at /ward?bed=4", text())

	do(chromedp.Navigate(app.URL + "/auth/callback?state=of-another-browser&code=theirs"))
	require.Contains(t, text(), "rp.state")
	browser.Accessible(t, tab)
	width, err := chromedp.Run(tab, chromedp.Evaluate[float64]("document.querySelector('main').getBoundingClientRect().width"))
	require.NoError(t, err)
	require.Less(t, width, 700.0, "the style is not applied")

	do(chromedp.Navigate(app.URL+"/page"), chromedp.Click("button"))
	require.Eventually(t, func() bool { // the browser is on its way to another page
		got, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.body.innerText"))
		return err == nil && strings.Contains(got, "You are signed out")
	}, 30*time.Second, 50*time.Millisecond)
	browser.Accessible(t, tab)

	end := time.Date(2026, 12, 31, 11, 59, 59, 0, time.UTC)
	fragment, err := relyingparty.Prompts(relyingparty.Situation{Now: end.AddDate(0, 0, -9), Agent: &relyingparty.AgentStatus{Readers: []relyingparty.AgentReader{
		{State: "locked", RenewalOpen: true, NotAfter: &end}, {State: "finalTry"},
	}}}, relyingparty.Pages{Renew: "/renew", Unlock: "/unlock"}).HTML()
	require.NoError(t, err)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><title>Ward</title><main><h1>Ward</h1>`+string(fragment)+"</main></html>")
	}))
	t.Cleanup(page.Close)
	do(chromedp.Navigate(page.URL))
	require.Contains(t, text(), "in 9 days")
	browser.Accessible(t, tab)
}
