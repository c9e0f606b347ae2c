// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net/http"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// stepUp puts the card's page between a person and what they asked for, where
// all that is missing is the card's word: the session was left and is locked, or
// the card was shown too long ago for this. What was asked for goes on
// afterwards, a form with what was typed. It says whether it did.
func (m *Module) stepUp(w http.ResponseWriter, r *http.Request, typed form, err error) bool {
	rule := wardkey.RuleOf(err)
	if !Browser(r) || rule != "session.locked" && rule != "session.stale" {
		return false
	}
	serial := ""
	if session, err := m.Session(r); err == nil {
		if session.Card == "" {
			return false // another authenticator shows itself by its own protocol
		}
		serial = session.Card
	}
	p := CardPage{
		Heading: "Show your card again", Button: "Go on", Then: r.URL.RequestURI(),
		Lead: "This asks for your passcode once more: the card was shown some time ago. Then you go on where you were.",
	}
	if rule == "session.locked" {
		p.Lead = "This page was left for a while, so your session is locked. Type your passcode and go on where you were."
	}
	if r.Method != http.MethodGet {
		p.Then, p.Again = back(r), &Again{Action: r.URL.RequestURI(), Fields: hidden(typed)}
	}
	page, err := m.ForCard(r, p, m.Cards.StepUpTicket(r), serial)
	if err != nil {
		return false
	}
	m.Log.Info("the card is asked for", "path", r.URL.Path, "rule", rule)
	m.render(w, r, http.StatusUnauthorized, page)
	return true
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
