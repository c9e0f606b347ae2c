// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/spineportal/workstation"
)

// answer is whether the button is there, and by which rule.
type answer struct {
	Show   bool             `json:"show"`
	Rule   string           `json:"rule"` // of the refusal where it is hidden, else what shows it
	From   string           `json:"from,omitempty"`
	Source wardkey.Source   `json:"source"`
	Note   string           `json:"note,omitempty"`
	Says   string           `json:"says,omitempty"`
	Next   []string         `json:"next,omitempty"`
	No     *wardkey.Refusal `json:"-"`
}

// decide asks the published compatibility rules. The portal is registered at the provider, or it could sign nobody in.
func (p *Portal) decide(w careid.Workstation) (answer, error) {
	ground, err := careid.ShowSignInButton(p.book, w, careid.Yes, p.Now())
	if err == nil {
		return answer{Show: true, Rule: ground.Rule, From: ground.From, Source: ground.Source, Note: ground.Note}, nil
	}
	var no *wardkey.Refusal
	if !errors.As(err, &no) {
		return answer{}, err
	}
	return answer{Rule: no.Rule, From: ground.From, Source: no.Source, Note: ground.Note, Says: no.Public, Next: no.Next, No: no}, nil
}

// button tells a program what the front page would show.
func (p *Portal) button(w http.ResponseWriter, r *http.Request) {
	a, err := p.decide(workstation.Declared(r.URL.Query()))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	writeJSON(w, a)
}

type frontPage struct {
	frame
	Real     string
	Declared bool
	Button   answer
	Choices  []workstation.Choice
	Checkup  careid.Checkup
	Wrong    int // findings of the checkup
	Prompts  template.HTML
}

// front is the page before the sign-in.
func (p *Portal) front(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	at := workstation.Declared(q)
	a, err := p.decide(at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	checkup := careid.Doctor(p.book, careid.Visit{Service: careid.SpinePortal}, at, p.Now())
	p.render(w, r, http.StatusOK, "front.html", &frontPage{
		frame: p.frame("front"), Real: p.name, Declared: len(q) > 0, Button: a, Choices: workstation.Choices(at), Checkup: checkup, Wrong: len(checkup.Refusals()),
	})
}
