// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
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
	agent := h.begins(h.e.addresses.Ward)
	require.NoError(h.t, chromedp.Do(agent, chromedp.WaitVisible("#passcode"), chromedp.SendKeys("#passcode", passcode), chromedp.Click(`button[type="submit"]`)))
}

// declares says at the clinical portal's front page what the workstation is, once
// its card service has told what it knows: of a card, yes or no.
func (h hand) declares(system, card string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		told, err := chromedp.Run(h.ctx, chromedp.Evaluate[bool](`location.search.includes("card=`+card+`")`))
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
	require.Eventually(t, func() bool {         // the page may still be drawn anew, closed
		_, _ = chromedp.Run(h.ctx, chromedp.Evaluate[any](`document.querySelector("#why details:not([open]) summary, details#why:not([open]) summary")?.click()`))
		return strings.Contains(h.text("#why"), "system.")
	}, time.Minute, 50*time.Millisecond, "it says why")
	h.looked("40-no-button")
	h.declares(careid.Windows11, "yes")
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

// nurseAtPortals is the seeded nurse, signed in at both portals with the card in
// the ward's reader.
func nurseAtPortals(t *testing.T, e *estate) (h *hospital.Hospital, nurse *hospital.Browser, entry hospital.Entry) {
	t.Helper()
	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	serial, passcode := client(t, e).state().card("Amara Bell")
	require.NoError(t, h.Insert(t.Context(), 3, serial))
	entry = hospital.Entry{Reader: 3, Passcode: passcode, Role: "S8000:G8000:R8003"}
	nurse = h.Browser()
	asked, err := nurse.Enter(t.Context(), e.addresses.Portal+"/portal", entry)
	require.NoError(t, err)
	require.Equal(t, []string{hospital.AskedSignIn, hospital.AskedRole}, asked)
	asked, err = nurse.Enter(t.Context(), e.addresses.Web+"/links", entry)
	require.NoError(t, err)
	require.Empty(t, asked, "one sign-in for both")
	return h, nurse, entry
}

// TestPortals is what the provider's sessions mean for the applications on them,
// in an estate whose calendar is moved and which is stopped and started again.
func TestPortals(t *testing.T) {
	dir := t.TempDir()
	var clinical, links string
	over := func(t *testing.T, b *hospital.Browser, address string) {
		t.Helper()
		require.Eventually(t, func() bool { return wardkey.RuleOf(b.Inside(t.Context(), address, nil)) == "rp.session" }, time.Minute, 20*time.Millisecond, address)
	}
	t.Run("whoever signs out of the identity service is signed out of both", func(t *testing.T) {
		e := open(t, dir, nil)
		clinical, links = e.addresses.Portal+"/session", e.addresses.Web+"/links"
		_, nurse, _ := nurseAtPortals(t, e)
		require.NoError(t, nurse.Inside(t.Context(), clinical, nil))
		require.NoError(t, nurse.SignOut(t.Context()))
		over(t, nurse, clinical)
		over(t, nurse, links)
	})
	t.Run("and the session's time over ends both", func(t *testing.T) {
		e := open(t, dir, nil)
		clinical, links = e.addresses.Portal+"/session", e.addresses.Web+"/links"
		h, nurse, entry := nurseAtPortals(t, e)
		_, err := h.Advance(t.Context(), 14*time.Minute) // they end after 15 minutes without a request
		require.NoError(t, err)
		require.NoError(t, nurse.Inside(t.Context(), clinical, nil))
		_, err = h.Advance(t.Context(), 8*time.Hour)
		require.NoError(t, err)
		over(t, nurse, clinical)
		over(t, nurse, links)
		asked, err := nurse.Enter(t.Context(), e.addresses.Portal+"/portal", entry)
		require.NoError(t, err)
		require.Equal(t, []string{hospital.AskedSignIn, hospital.AskedRole}, asked)
	})
	t.Run("the clinical portal prompts in the last ninety days", func(t *testing.T) {
		e := open(t, dir, nil)
		h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
		require.NoError(t, err)
		_, err = h.AdvanceTo(t.Context(), e.rooms.Clock.Now().AddDate(3, 0, -30))
		require.NoError(t, err)
		require.NoError(t, h.Pull(t.Context(), 3))
		_, nurse, _ := nurseAtPortals(t, e)
		var page struct {
			Prompts []struct{ Kind, URL string }
		}
		require.NoError(t, nurse.Inside(t.Context(), e.addresses.Portal+"/portal", &page))
		require.Len(t, page.Prompts, 1)
		require.Equal(t, "renew", page.Prompts[0].Kind)
		require.Equal(t, e.addresses.Web+"/my", page.Prompts[0].URL)
	})
	t.Run("another person's card in the same browser opens no links of the one before", func(t *testing.T) {
		e := open(t, dir, nil)
		h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
		require.NoError(t, err)
		require.NoError(t, h.Pull(t.Context(), 3))
		_, nurse, _ := nurseAtPortals(t, e)
		sponsor, passcode := client(t, e).state().card("Priya Nair")
		require.NoError(t, h.Insert(t.Context(), 1, sponsor))
		_, err = nurse.SignIn(t.Context(), 1, passcode)
		require.NoError(t, err)
		err = nurse.Inside(t.Context(), e.addresses.Web+"/links", nil)
		require.Contains(t, []string{"link.person", "rp.session"}, wardkey.RuleOf(err), "at once, and once the provider has told of the end")
		over(t, nurse, e.addresses.Web+"/links")
	})
	t.Run("the provider says who it is", func(t *testing.T) {
		e := open(t, dir, nil)
		status, body := client(t, e).call("GET", "/openid/.well-known/openid-configuration", nil)
		require.Equal(t, 200, status)
		require.Contains(t, string(body), `"issuer":"`+e.rooms.Issuer()+`"`)
		resp, err := http.Get(strings.Replace(e.addresses.Portal, "127.0.0.1", "localhost", 1))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode, "the portal is no host of the identity service's")
	})
}
