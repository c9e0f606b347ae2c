// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net/http"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

// What a session lacks that its person can show.
const (
	ruleLocked = "session.locked" // it was left
	ruleStale  = "session.stale"  // they showed who they are too long ago
	ruleWeaker = "signin.weaker"  // they did so by less than this asks for
)

// stepUp puts the page of the card between a person and what they asked for,
// where all that is missing is that they show again who they are, or by more.
// What was asked for goes on afterwards, a form with what was typed unless a
// password was. It says whether it did.
func (m *Module) stepUp(w http.ResponseWriter, r *http.Request, typed form, err error) bool {
	rule := wardkey.RuleOf(err)
	if !Browser(r) || rule != ruleLocked && rule != ruleStale && rule != ruleWeaker {
		return false
	}
	page, err := m.proofPage(r, rule)
	if err != nil {
		return false
	}
	if r.Method != http.MethodGet {
		page.Then = back(r)
		if !typed.fields.Has("password") { // which is written into no page: that form is filled in once more
			page.Again = &Again{Action: r.URL.RequestURI(), Fields: hidden(typed)}
		}
	}
	m.Log.Info("a proof is asked for", "path", r.URL.Path, "rule", rule)
	m.render(w, r, http.StatusUnauthorized, page)
	return true
}

// proofPage asks for what a session lacks and leads to the address of the request.
func (m *Module) proofPage(r *http.Request, rule string) (*CardPage, error) {
	p := CardPage{Heading: "Show your card again", Button: "Go on", Then: r.URL.RequestURI()}
	serial := ""
	session, err := m.Session(r)
	switch {
	case err == nil && session.Card != "":
		serial = session.Card
		p.Lead = "This asks for your passcode once more: the card was shown some time ago. Then you go on where you were."
	case err == nil:
		p.Heading, p.Ways = "Show again who you are", m.WaysOn(session)
		p.Lead = "This asks once more: you signed in some time ago. Then you go on where you were."
		if rule == ruleWeaker {
			p.Lead, p.Ways.App = "What you signed in with is not enough for this. Then you go on where you were.", ""
		}
	case wardkey.RuleOf(err) == ruleLocked: // nobody is told whose it is
		p.Ways = m.WaysTo(careid.StepUp)
		p.Lead = "This page was left for a while, so your session is locked. Show again who you are, by what you signed in with, and go on where you were."
		if p.Ways == (Ways{}) {
			p.Lead = "This page was left for a while, so your session is locked. Type your passcode and go on where you were."
		}
	default:
		return nil, err
	}
	return m.ForCard(r, p, m.Cards.StepUpTicket(r), serial)
}

// Again is a form that waits for the card and is then sent as it was.
type Again struct {
	Action string
	Fields []Field
}

// Field is one of its fields.
type Field struct{ Name, Value string }

func hidden(typed form) []Field {
	var fields []Field
	for name, values := range typed.fields {
		for _, v := range values {
			fields = append(fields, Field{strings.Clone(name), strings.Clone(v)})
		}
	}
	return fields
}
