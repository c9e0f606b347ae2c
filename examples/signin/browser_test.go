// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// seen is a person at a browser.
type seen struct {
	t   *testing.T
	tab context.Context
}

func (p seen) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.tab, steps...))
}

func (p seen) eval(script string) string {
	text, err := chromedp.Run(p.tab, chromedp.Evaluate[string](script))
	if err != nil {
		return "" // a page on its way out
	}
	return text
}

// arrives waits until the browser is at an address whose page says something, and axe finds nothing wrong with it.
func (p seen) arrives(address, says string) {
	p.t.Helper()
	if !assert.Eventually(p.t, func() bool {
		return strings.HasPrefix(p.eval("location.href"), address) && strings.Contains(p.eval("document.body.innerText"), says)
	}, 20*time.Second, 50*time.Millisecond) {
		require.FailNow(p.t, "no such page", "%s says %q, but %s says %s", address, says, p.eval("location.href"), p.eval("document.body.innerText"))
	}
	browser.Accessible(p.t, p.tab)
}

// A person signs in at the pages of the test server: whose card, in which role, back at the application, and out.
func TestPages(t *testing.T) {
	need.Tool(t, "node")
	app := newParty(t)
	s := test(t, app)
	p := seen{t, browser.New(t)}

	p.do(chromedp.Navigate(s.issuer + "/"))
	p.arrives(s.issuer+"/", "900000000106")

	p.do(chromedp.Navigate(s.asking(app, "scope", "openid profile nationalrbacaccess selectedrole")))
	p.arrives(s.issuer+"/login", "Whose card?")
	p.do(chromedp.Click(`input[value="`+doctor+`"]`), chromedp.Click("main form button"))
	p.arrives(s.issuer+"/login", "In which role?")
	p.do(chromedp.Click(`input[value="900000000903"]`), chromedp.Click("main form button"))
	p.arrives(app.URL+"/callback?code=", "Back at the ward list")

	t.Run("the next application asks nothing", func(t *testing.T) {
		p := seen{t, p.tab}
		p.do(chromedp.Navigate(s.asking(app, "scope", "openid selectedrole", "state", "two")))
		p.arrives(app.URL+"/callback?code=", "Back at the ward list")
	})
	t.Run("another role", func(t *testing.T) {
		p := seen{t, p.tab}
		p.do(chromedp.Navigate(s.asking(app, "scope", "openid changedrole")))
		p.arrives(s.issuer+"/login", "will not do")
		p.do(chromedp.Click(`input[value="`+doctor+`"]`), chromedp.Click("main form button"))
		p.arrives(s.issuer+"/login", "In which role?")
		p.do(chromedp.Click(`form[action="/login/refuse"] button`))
		p.arrives(app.URL+"/callback?error=access_denied", "Back at the ward list")
	})
	t.Run("a fresh sign-in", func(t *testing.T) {
		p := seen{t, p.tab}
		p.do(chromedp.Navigate(s.asking(app, "prompt", "login")))
		p.arrives(s.issuer+"/login", "will not do")
		p.do(chromedp.Click(`input[value="`+nurse+`"]`), chromedp.Click("main form button"))
		p.arrives(app.URL+"/callback?code=", "Back at the ward list")
	})
	t.Run("certificates that end soon", func(t *testing.T) {
		p := seen{t, p.tab}
		s.says(t, "/clock", `{"add":"24000h"}`) // 96 days before three years are over
		s.says(t, "/clock", `{"add":"480h"}`)
		p.do(chromedp.Navigate(s.asking(app)))
		p.arrives(s.issuer+"/login", "Whose card?")
		p.do(chromedp.Click(`input[value="`+nurse+`"]`), chromedp.Click("main form button"))
		p.arrives(s.issuer+"/login", "The certificates of this card end in")
		p.do(chromedp.Click("main a.button"))
		p.arrives(app.URL+"/callback?code=", "Back at the ward list")
	})
	t.Run("a person without a role", func(t *testing.T) {
		p := seen{t, p.tab}
		p.do(chromedp.Navigate(s.asking(app, "scope", "openid selectedrole", "prompt", "login")))
		p.arrives(s.issuer+"/login", "Whose card?")
		p.do(chromedp.Click(`input[value="900000000105"]`), chromedp.Click("main form button"))
		p.arrives(s.issuer+"/login", "you hold none")
		p.do(chromedp.Click(`form[action="/login/refuse"] button`))
		p.arrives(app.URL+"/callback?error=access_denied", "Back at the ward list")
	})
	t.Run("row048", func(t *testing.T) {
		p := seen{t, p.tab}
		p.do(chromedp.Navigate(s.issuer+"/"), chromedp.WaitVisible(`form[action="/signout"] button`), chromedp.Click(`form[action="/signout"] button`))
		p.arrives(s.issuer+"/signed-out", "Before you leave the workstation")
		book, err := careid.Rules()
		require.NoError(t, err)
		steps, _, err := careid.Route(book, careid.SigningOut, time.Now())
		require.NoError(t, err)
		require.Len(t, steps, 3)
		require.Equal(t, strings.Join(steps, "|"), p.eval(`[...document.querySelectorAll("ol.steps li")].map((step) => step.textContent).join("|")`))
	})
}
