// SPDX-License-Identifier: Apache-2.0

package desk_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// TestInChromium is what a person sees who applies, whose application is refused as
// a duplicate, who comes back, and who reads the report.
func TestInChromium(t *testing.T) {
	p := alonetest.Person{T: t, Tab: browser.New(t)}
	s, _ := reported(t)
	agent := s.SignedIn(s.RAAgent)
	apply, application := invited(t, s, agent, "Noah", "Frost", "noah.frost@nhs.net")
	again, duplicate := invited(t, s, agent, "Rosa", "Lund", "rosa.lund@nhs.net")

	p.Open(s.URL + apply)
	p.Type("ni", "12 AB 34 56")
	p.Do(chromedp.SetValue("#born", "1990-02-28"))
	p.Press("form button")
	p.Shows("identity.person")
	p.Picture("desk-1-number")
	p.Accessible("a number that can't be right")
	p.Do(chromedp.SetValue("#ni", "AB 12 34 56 C"))
	p.Press("main form button")
	p.Arrive("?told=submitted")
	agent.Submit("/desk", "/desk/applications/"+application+"/check", seen())
	s.SignedIn(s.RAManager).Submit("/desk", "/desk/applications/"+application+"/approve", nil)
	s.Stranger().Submit(again, again, fields("niNumber", "AB123456C", "born", "1990-02-28"))

	p.Open(s.URL + again) // any page of the site takes the cookie
	p.Picture("desk-2-apply")
	p.Accessible("the application")
	p.Eval(`document.cookie = "wardkey-session=` + agent.Token() + `; path=/"`)
	p.Open(s.URL + "/desk")
	p.Press("details summary")
	p.Type("n"+duplicate, "925665416")
	p.Do(chromedp.SetValue("#o"+duplicate, "bank-statement"))
	p.Press(`form[action="/desk/applications/` + duplicate + `/check"] button`)
	p.Shows("identity.duplicate")
	p.Picture("desk-3-duplicate")
	p.Accessible("a duplicate")

	ola := s.People[2]
	p.Open(s.URL + of(ola) + "/leaving?kind=care")
	p.Do(chromedp.SetValue("#card", ola.Card.Serial))
	p.Press(`form[action$="/leave"] button`)
	p.Arrive("?told=left")
	p.Picture("desk-4-left")
	p.Accessible("a Care Identity that has ended")
	p.Open(s.URL + "/desk/report")
	p.Do(chromedp.WaitVisible("table"))
	p.Picture("desk-5-report")
	p.Accessible("the report")
	p.Do(chromedp.EmulateViewport(400, 900))
	p.Picture("desk-6-report-narrow")
	p.Accessible("the report on a phone")
	p.Do(chromedp.EmulateViewport(1280, 1000))
	p.Open(s.URL + of(ola))
	p.Press(`form[action$="/reopen"] button`)
	p.Arrive("?told=done")
	p.Do(chromedp.WaitVisible("#issue"))
}
