// SPDX-License-Identifier: Apache-2.0

package alone_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
)

// every is the pages of these programs as an RA manager reaches them. Where a form of a page is named, it is sent with
// what is typed wrongly, pairs of a field and a text: the page comes back with a refusal and what was typed. The pages on
// the way are asked about where they are shown: the first RA manager, a step-up, a position, an app to scan.
var every = []struct {
	path, form string
	typed      []string
}{
	{path: "/"},
	{path: "/nowhere"},
	{path: "/first?key=guess"},
	{path: "/signin"},
	{path: "/signin/again?next=/my"},
	{path: "/signed-out"},
	{"/desk", `form[action="/desk/invitations"]`, []string{"given", "Noah", "family", "Frost", "email", "noah@elsewhere.test"}},
	{"/desk/positions", `form[action="/desk/positions"]`, []string{"pname", "Night sister", "prole", "sister"}},
	{path: "/desk/losses"},
	{path: "/desk/moves"},
	{path: "/desk/report"},
	{path: "/desk/audit"},
	{path: "/apply/nothing"},
	{"/my", `form[action="/my/contacts"]`, []string{"mobile", "07"}},
	{"/my/authenticators", `form[action="/my/authenticators"]`, []string{"name", " a blank before"}},
	{path: "/my/events"},
	{path: "/my/switch-off"},
	{path: "/passcode"},
	{"/mail", `form[action="/mail/accounts"]`, []string{"name", "Noah Frost", "opens", "noah@elsewhere.test", "mobile", "07"}},
	{"/mail", `form[action="/mail/signin"]`, []string{"address", "noah.frost@nhs.net", "password", "not-the-password"}},
	{path: "/links"},
	{path: "/unlock"},
	{path: "/unlock/help"},
	{path: "/messages"},
}

// fits opens each page in a window as wide as a phone's, and then in a wide one, where axe-core finds nothing.
func fits(p alonetest.Person, site string) {
	p.T.Helper()
	name := strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace
	p.Do(chromedp.EmulateViewport(400, 900))
	for _, page := range every {
		p.Open(site + page.path)
		p.Do(chromedp.WaitVisible("h1"))
		p.Picture("5-narrow" + name(page.path))
		require.Equal(p.T, "true", p.Eval(`String(document.documentElement.scrollWidth <= innerWidth)`), "%s is wider than its window", page.path)
	}
	p.Do(chromedp.EmulateViewport(1280, 1000))
	for _, page := range every {
		p.Open(site + page.path)
		p.Do(chromedp.WaitVisible("h1"))
		p.Picture("6-wide" + name(page.path))
		p.Accessible(page.path)
		if page.form != "" {
			p.T.Run("refused: "+page.form, func(t *testing.T) { refused(p.On(t), page.form, page.typed) })
		}
	}
}

// refused sends a form with what is wrong in it.
func refused(p alonetest.Person, form string, typed []string) {
	p.T.Helper()
	for i := 0; i < len(typed); i += 2 {
		p.Do(chromedp.SetValue("#"+typed[i], typed[i+1]))
	}
	p.Do(chromedp.Click(form+" button"), chromedp.WaitVisible("#refused"))
	for i := 0; i < len(typed); i += 2 {
		if kept := p.Eval(`document.getElementById("` + typed[i] + `").value`); typed[i] == "password" {
			require.Empty(p.T, kept, "a password is typed again")
		} else {
			require.Equal(p.T, typed[i+1], kept, typed[i])
		}
	}
	p.Accessible("with what was typed")
}
