// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS []byte

// pageTemplate is parsed once from what is compiled in.
var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what the template shows.
type page struct {
	Title, Origin, Server, Holder string
	Refusal                       *wardkey.Refusal
	Done, Working, Over, Final    bool
	DoneLine, Message, Button     string
	Tries                         string // what the card tells of its tries, but for the last
	Action, CSRF, Step, Card      string
	Form, Min, Max                int
	fields                        []string
}

// MendPage is where a person goes to have the refusal mended, and its words.
func (p page) MendPage() string {
	if p.Refusal == nil {
		return ""
	}
	return p.Refusal.Facts["page"]
}

// MendWords are those of the link to MendPage.
func (p page) MendWords() string {
	if mends(p.Refusal.Rule) == string(Unlock) {
		return "Unlock the smartcard"
	}
	return "Who can help"
}

// Asks says whether the form has that field.
func (p page) Asks(field string) bool { return slices.Contains(p.fields, field) }

// Wrong says whether the refusal is about that field, so that it is marked.
func (p page) Wrong(field string) bool {
	if p.Refusal == nil {
		return false
	}
	switch p.Refusal.Rule {
	case "passcode.wrong", "passcode.final":
		return field == "passcode"
	case "passcode.length", "passcode.invalid", "passcode.differs", "passcode.same":
		return field != "code" && (field != "passcode" || !p.Asks("newPasscode"))
	case "unlock.code", "code.form":
		return field == "code"
	}
	return false
}

func fieldsOf(step string) []string {
	switch step {
	case stepPasscode:
		return []string{"passcode"}
	case stepChange:
		return []string{"passcode", "newPasscode"}
	case stepChannel:
		return []string{"channel"}
	case stepCode:
		return []string{"code", "newPasscode"}
	case stepChoose, stepResume:
		return []string{"newPasscode"}
	}
	return nil
}

// words are a kind's heading, button and last line.
func words(kind Kind) (title, button, done string) {
	switch kind {
	case SignIn:
		return "Sign in with your smartcard", "Sign in", "You have proven your smartcard."
	case StepUp:
		return "Show your smartcard again", "Continue", "You have proven your smartcard."
	case Presence:
		return "Show that you are here", "I am here", "Your presence is recorded."
	case Issue:
		return "Prepare a new smartcard", "Prepare the smartcard", "The smartcard is ready."
	case Renew:
		return "Renew your smartcard", "Renew", "The smartcard is renewed."
	case Repair:
		return "Repair your smartcard", "Repair", "The smartcard is repaired."
	case Clear:
		return "Empty a smartcard", "Empty the smartcard", "The smartcard is empty."
	case Unlock:
		return "Unlock your smartcard", "Continue", "The smartcard is unlocked, with its new passcode."
	}
	return "Change your passcode", "Change the passcode", "The passcode is changed."
}

func getStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleCSS)
}

// getPage shows the form of the task's step. Only who knows the task's id, 128
// random bits, finds it; no other origin can read it, frame it or post it.
func (a *Agent) getPage(w http.ResponseWriter, r *http.Request) {
	t, err := a.task(r.PathValue("id"))
	if err != nil {
		a.say(w, r, err)
		return
	}
	a.show(w, r, t)
}

func (a *Agent) show(w http.ResponseWriter, r *http.Request, t *task) {
	free := t.one.TryRLock() // else a step is under way
	t.mu.Lock()
	form := t.taken
	t.mu.Unlock()
	now := t.snapshot()
	p := page{
		Origin: t.origin, Server: t.request.Server, Refusal: now.Refusal,
		Done: now.State == Done, Working: now.State == Working, Over: now.State == Refused,
		Action: r.URL.Path, CSRF: t.csrf, Step: now.Step, fields: fieldsOf(now.Step),
	}
	p.Title, p.Button, p.DoneLine = words(t.request.Kind)
	if now.State == Waiting {
		p.Form, p.Working = form, !free
	}
	if free {
		if now.State == Waiting {
			a.describe(r, t, &p)
		}
		t.one.RUnlock()
	}
	write(w, http.StatusOK, p)
}

// say says no to a person in words, and to a program as everywhere.
func (a *Agent) say(w http.ResponseWriter, r *http.Request, err error) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		wardkey.WriteProblem(w, err)
		return
	}
	no := a.refusal(err)
	write(w, no.Status, page{Title: "This can't go on", Refusal: no, Over: true})
}

func write(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		wardkey.WriteProblem(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	// Not no-referrer: a browser would then post the form with Origin: null.
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// describe adds what the person should know of the card before typing; t.one is
// held for reading.
func (a *Agent) describe(r *http.Request, t *task, p *page) {
	if t.view != nil {
		p.Holder = t.view.Holder
	}
	switch {
	case p.Asks("code"):
		p.Message = t.message
	case p.Step == stepAgree && t.request.Kind == Clear:
		p.Message = "Everything on the smartcard will be removed: its keys, its certificates and its passcode."
	case p.Step == stepChoose && t.request.Kind == Unlock:
		p.Message = "The holder types the new passcode, and nobody else sees it."
	case p.Step == stepAgree:
		p.Message = "The smartcard starts locked. Its holder chooses a passcode with the first unlock."
	case p.Step == stepResume:
		p.Message = "The unlock was cut short. Leave the smartcard in its reader and choose the new passcode again; the code is not needed any more."
	}
	var info *card.TokenInfo
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	if found, err := a.pick(ctx, t); err == nil {
		info = found
	}
	if info != nil {
		p.Card = info.Serial
	}
	if t.request.Kind == Issue && info != nil && info.Initialised && (t.view == nil || len(t.view.Certificates) == 0) {
		p.Message = strings.TrimSpace("This smartcard was in use: everything on it will be removed. " + p.Message)
	}
	p.Min, p.Max = a.passcodeDigits(info)
	if info != nil && p.Asks("passcode") {
		p.Final, p.Tries = info.PIN == card.PINFinalTry, triesLine(info.PIN)
	}
}

// triesLine says what the card tells of its tries. The last one has a section
// of its own on the page, and a card that tells nothing has no line.
func triesLine(s card.PINState) string {
	switch s {
	case card.PINLow:
		return "A wrong passcode was typed since the last right one."
	case card.PINLocked:
		return "This smartcard is locked: no passcode opens it before it is unlocked with a code."
	case card.PINUnknown:
		return "A passcode was refused, and this smartcard does not tell how many tries are left."
	}
	return ""
}

// postPage takes what was typed. It must come from this very page: its own
// Origin, and the csrf value printed into it.
func (a *Agent) postPage(w http.ResponseWriter, r *http.Request) {
	t, err := a.task(r.PathValue("id"))
	if err != nil {
		a.say(w, r, err)
		return
	}
	if origins := r.Header.Values("Origin"); len(origins) != 1 || origins[0] != own(r) {
		a.say(w, r, a.rules.Refuse("form.invalid"))
		return
	}
	f, err := readForm(r)
	if err != nil || !sameText(f["csrf"], []byte(t.csrf)) {
		f.clear()
		a.say(w, r, a.rules.Refuse("form.invalid"))
		return
	}
	// Where a step is under way, of a double click or another tab, the page says so.
	if len(f["cancel"]) > 0 {
		f.clear()
		_ = a.cancel(t)
	} else {
		a.step(t, f)
	}
	http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
}
