// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// phoneStep is where a caller of the mail help desk is, after the keys pressed so
// far. Each key that leads on is one digit.
type phoneStep struct {
	Says  string
	Keys  []phoneKey
	Agent bool // a person has picked up
}

type phoneKey struct{ Digit, Leads string }

// phoneMenu is the published way through the menu to a person, by the keys
// pressed. (NHSmail: frequently asked questions for care providers, "Account
// Password Recovery".) What other keys lead to is not published.
func phoneMenu() map[string]phoneStep {
	return map[string]phoneStep{
		"":   {Says: "A message, then the first choices.", Keys: []phoneKey{{"1", "I can't reach my account"}}},
		"1":  {Says: "You can reset the password yourself on the log in page. Or contact your Local Administrator. If you are social care, pharmacy or the like, press 1.", Keys: []phoneKey{{"1", "An agent"}}},
		"11": {Says: "An agent. Have your address ready, the mobile number of the account, and the answers to your security questions: you are asked for some of their characters.", Agent: true},
	}
}

type phonePage struct {
	pages.Base
	Number string
	Keys   string
	Step   phoneStep
	Wrong  bool // the last key leads nowhere that is published
}

func (*phonePage) Template() string { return "phone.html" }

// phone plays the menu. A key that leads nowhere leaves the caller where they are.
func (s *Site) phone(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	desk, err := careid.PublishedDesk(s.Book, careid.DeskMail, careid.Workstation{}, s.Now())
	if err != nil {
		return pages.Answer{}, err
	}
	p := &phonePage{Base: pages.Base{Title: "Calling the mail help desk"}, Number: desk.Phone}
	menu := phoneMenu()
	for _, key := range r.URL.Query().Get("keys") {
		if _, leads := menu[p.Keys+string(key)]; !leads {
			p.Wrong = true
			break
		}
		p.Keys += string(key)
	}
	p.Step = menu[p.Keys]
	return pages.Answer{View: p, Body: map[string]any{"number": p.Number, "keys": p.Keys, "says": p.Step.Says, "agent": p.Step.Agent}}, nil
}
