// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"errors"
	"net/http"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (p *Portal) composeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /compose", p.show(p.composing))
	mux.HandleFunc("POST /compose/check", p.do(p.checkDraft, p.composing))
	mux.HandleFunc("POST /compose/decision", p.do(p.decision, p.composing))
	mux.HandleFunc("POST /compose/send", p.do(p.send, p.composing))
}

type composing struct {
	draft
	Typed    string   // the recipients
	Senders  []string // what the holder may write as
	Sends    bool     // there is a mail gateway
	Decision *decided // nil before anything was typed
}

// composing has the form, with the decision on what is in it. Only who may send
// writes.
func (p *Portal) composing(v *visit) (*page, error) {
	senders, account, err := p.senders(v)
	if err != nil {
		return nil, err
	}
	data := composing{Senders: senders, Sends: p.SMTP != ""}
	if v.form != nil {
		d := written(v)
		d.from(v.trimmed("from"), senders, account.Name) // a sender that was refused gives way to the holder
		data.draft, data.Typed = d, v.form.Get("to")
		if p.check(d) == nil {
			decision, _, err := p.decide(d)
			if err != nil {
				return nil, err
			}
			data.Decision = decidedBy(decision)
		}
	}
	return &page{Template: "compose.html", Title: "Write a message", Data: data}, nil
}

// senders are the addresses that the holder may write from: their own, and the
// shared mailboxes that are open to them. The first one is their own.
func (p *Portal) senders(v *visit) ([]string, mailpolicy.Account, error) {
	account, err := p.account(v)
	if err != nil {
		return nil, account, err
	}
	if err := p.Accounts.CanSend(v.r.Context(), account.Address); err != nil {
		return nil, account, err
	}
	senders := []string{account.Address}
	boxes, err := p.boxes(v, account.Site)
	for _, b := range boxes {
		if b.As != "" {
			senders = append(senders, b.Address)
		}
	}
	return senders, account, err
}

// asked is a draft that somebody may write, and the decision on it.
func (p *Portal) asked(v *visit) (d draft, decision mailpolicy.Decision, raw []byte, err error) {
	d = written(v)
	if err = p.check(d); err != nil {
		return d, decision, nil, err
	}
	senders, account, err := p.senders(v)
	switch {
	case err != nil:
		return d, decision, nil, err
	case !d.from(v.trimmed("from"), senders, account.Name):
		return d, decision, nil, mailpolicy.Rules().Refuse("mail.shared.member")
	}
	decision, raw, err = p.decide(d)
	return d, decision, raw, err
}

// checkDraft is the button for who has no script: the whole page again.
func (p *Portal) checkDraft(v *visit) (answer, error) {
	_, decision, _, err := p.asked(v)
	if err != nil {
		return answer{}, err
	}
	shown, err := p.composing(v)
	return answer{Page: shown, Body: decidedBy(decision)}, err
}

// decision is what the script of the page asks while somebody types: the part of
// the page with the decision, and nothing else.
func (p *Portal) decision(v *visit) (answer, error) {
	_, decision, _, err := p.asked(v)
	if err != nil {
		return answer{}, err
	}
	return answer{Page: &page{Template: "decision.html", Data: decidedBy(decision)}, Body: decidedBy(decision)}, nil
}

// send decides once more, on the very bytes that go out, and hands them to the
// gateway. A message that is held goes to nobody; one whose reply has lost the tag
// goes where its sender says so.
func (p *Portal) send(v *visit) (answer, error) {
	d, decision, raw, err := p.asked(v)
	switch {
	case err != nil:
		return answer{}, err
	case p.SMTP == "":
		return answer{}, p.rules.Refuse("compose.gateway.none")
	case decision.Err() != nil:
		return answer{}, decision.Err()
	case decision.Warning != nil && v.form.Get("warned") != "yes":
		return answer{}, p.rules.Refuse("compose.warned", "why", decision.Warning.Text, "next", decision.Warning.Next)
	}
	if err := submit(v.r.Context(), p.SMTP, d, raw); err != nil {
		return answer{}, p.unsent(err)
	}
	account, err := p.account(v)
	if err == nil {
		err = p.Accounts.Used(v.r.Context(), account.Address)
	}
	if err != nil { // the message has gone, and is not to be sent again for this
		p.Log.WarnContext(v.r.Context(), "use of the account not noted", "cause", err)
	}
	return answer{Next: "/compose?told=sent", Body: decidedBy(decision)}, nil
}

// unsent is what the sender is told of an error of submit.
func (p *Portal) unsent(err error) error {
	var no *answered
	switch {
	case errors.As(err, &no):
		return p.rules.Refuse("compose.refused", "why", no.text).Because(err)
	case errors.Is(err, errUnsure):
		return p.rules.Refuse("compose.unsure").Because(err)
	}
	return p.rules.Refuse("compose.gateway").Because(err)
}

// decided is a decision as a page or a program shows it.
type decided struct {
	Verdict    string           `json:"verdict"`
	Says       string           `json:"says"`
	Profile    string           `json:"profile"`
	Tagged     bool             `json:"tagged"`
	Refusal    *wardkey.Refusal `json:"refusal,omitempty"`
	Warning    *reason          `json:"warning,omitempty"`
	Recipients []recipient      `json:"recipients"`
}

// reason is a mailpolicy.Reason.
type reason struct {
	Rule   string         `json:"rule"`
	Text   string         `json:"text"`
	Next   []string       `json:"next,omitempty"`
	Source wardkey.Source `json:"source"`
}

// recipient is what happens to one copy. Why is the reason of what happens; where
// all are held it says what the address counts as.
type recipient struct {
	Address string  `json:"address"`
	Verdict string  `json:"verdict"`
	Secure  bool    `json:"secure"`
	Why     *reason `json:"why,omitempty"`
}

func decidedBy(d mailpolicy.Decision) *decided {
	shown := &decided{
		Verdict: d.Verdict.String(), Says: says(d), Profile: string(d.Profile), Tagged: d.Tagged, Refusal: d.Refusal, Warning: reasonOf(d.Warning),
		Recipients: []recipient{},
	}
	for _, r := range d.Recipients {
		one := recipient{r.Address, r.Verdict.String(), r.Secure, reasonOf(r.Why)}
		if r.Refusal != nil && r.Refusal != d.Refusal {
			one.Why = &reason{r.Refusal.Rule, r.Refusal.Public, r.Refusal.Next, r.Refusal.Source}
		}
		shown.Recipients = append(shown.Recipients, one)
	}
	return shown
}

func reasonOf(r *mailpolicy.Reason) *reason {
	if r == nil {
		return nil
	}
	shown := &reason{Rule: r.Rule, Text: r.Text, Source: r.Source}
	if r.Next != "" {
		shown.Next = []string{r.Next}
	}
	return shown
}

// says is the decision in one line.
func says(d mailpolicy.Decision) string {
	clear := 0
	for _, r := range d.Recipients {
		if r.Verdict == mailpolicy.Pass && !r.Secure {
			clear++
		}
	}
	switch {
	case d.Verdict == mailpolicy.Encrypt && clear > 0:
		return "Some copies are encrypted, and some go in clear."
	case d.Verdict == mailpolicy.Encrypt:
		return "What goes to addresses that are not secure is encrypted."
	case d.Verdict == mailpolicy.Pass && clear > 0:
		return "The message goes as it is, also to addresses that do not count as secure."
	case d.Verdict == mailpolicy.Pass:
		return "The message goes as it is: every address is secure by itself."
	}
	return "The message is held: it goes to nobody."
}

// verdict is what happens to a copy, in words.
func verdict(v string) string {
	switch v {
	case mailpolicy.Pass.String():
		return "goes as it is"
	case mailpolicy.Encrypt.String():
		return "is encrypted"
	}
	return "is held"
}
