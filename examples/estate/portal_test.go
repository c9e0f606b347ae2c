// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// looked keeps a picture and asks axe-core about the page.
func (h hand) looked(name string) {
	h.t.Helper()
	picture(h.t, h.ctx, name)
	h.t.Run("accessible: "+name, func(t *testing.T) { browser.Accessible(t, h.ctx) })
}

// press clicks, again where the page has just become another one.
func (h hand) press(selector string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		return chromedp.Do(h.ctx, chromedp.WaitVisible(selector), chromedp.Click(selector)) == nil
	}, time.Minute, 50*time.Millisecond, selector)
}

// typesPasscode fills in the window of the ward's card service.
func (h hand) typesPasscode(passcode string) {
	h.t.Helper()
	h.press("#go")
	agent := window(h.t, h.ctx, h.e.addresses.Ward)
	require.NoError(h.t, chromedp.Do(agent, chromedp.WaitVisible("#passcode"), chromedp.SendKeys("#passcode", passcode), chromedp.Click(`button[type="submit"]`)))
}

// declares says at the clinical portal's front page what the workstation is, once
// its card service has told what it knows.
func (h hand) declares(system string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		told, err := chromedp.Run(h.ctx, chromedp.Evaluate[bool](`location.search.includes("card=yes")`))
		return err == nil && told && chromedp.Do(h.ctx, chromedp.SetValue("#system", system), chromedp.SetValue("#browser", careid.Chrome),
			chromedp.SetValue("#network", careid.NetworkHSCN), chromedp.Click("#workstation button")) == nil
	}, time.Minute, 100*time.Millisecond, "the workstation is declared")
}

// TestPortalsByHand is a nurse on the ward: the front page leads to the clinical
// portal, which has no button until the workstation is one that cards work at; she
// signs in at the provider, chooses a role, is known at the link portal too, and
// is signed out of both when the card is pulled.
func TestPortalsByHand(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	serial, passcode := p.state().card("Amara Bell")
	h := hand{t, browser.New(t), e}

	h.insert("3", serial)
	h.press(`a[href="` + e.addresses.Portal + `"]`)
	h.shows("is not shown on this workstation") // its card service says what system it runs on
	h.press("#why summary")
	h.shows("system.")
	h.looked("40-no-button")
	h.declares(careid.Windows11)
	h.do(chromedp.WaitVisible("#button"))
	h.press("#why summary")
	h.looked("41-button")

	h.press("#button")
	h.shows("Sign in to Clinical portal")
	h.press("#r3")
	h.looked("42-provider")
	h.typesPasscode(passcode)
	h.do(chromedp.WaitVisible("#role1"))
	h.looked("43-role")
	h.press("#role1")
	h.press(`form[action="/login/role"] button`)
	arrive(t, h.ctx, "/portal")
	h.shows("Good day, Amara")
	require.Regexp(t, `(Nurse|Health Professional) Access Role at RWK01`, h.text("main"))
	h.looked("44-portal")

	links := hand{t, tab(t, h.ctx), e}
	links.open(e.addresses.Web + "/links")
	arrive(t, links.ctx, "/links")
	links.shows("It opens no mail account.")
	links.looked("45-links")

	t.Run("row046", func(t *testing.T) {
		h := hand{t, h.ctx, e}
		status, _ := p.call("DELETE", "/api/readers/3", nil)
		require.Equal(t, 204, status)
		pulled := time.Now()
		arrive(t, h.ctx, "/signed-out")
		took := time.Since(pulled)
		t.Logf("signed out %v after the card was pulled", took)
		require.LessOrEqual(t, took, 5*time.Second)
		h.looked("46-signed-out")
		links := hand{t, links.ctx, e}
		arrive(t, links.ctx, "/?told=ended")
		links.open(e.addresses.Web + "/links")
		links.shows("Sign in to Link portal")
	})
}

// tab opens another one of the same browser.
func tab(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	other, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(other, chromedp.Navigate("about:blank")))
	return other
}
