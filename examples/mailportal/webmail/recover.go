// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// recoveryCookie holds the secret of who began a recovery.
const recoveryCookie = "mailportal-recovery"

func (p *Portal) recoverRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /recover", p.show(p.recovering))
	mux.HandleFunc("POST /recover", p.do(p.counted(p.startRecovery), p.recovering))
	mux.HandleFunc("POST /recover/answers", p.do(p.counted(p.answerRecovery), p.answering))
	mux.HandleFunc("POST /recover/finish", p.do(p.counted(p.finishRecovery), p.finishing))
}

// recovering asks for the address. It is the same page for every address, and so
// is the next but for the questions.
func (p *Portal) recovering(*visit) (*page, error) {
	return &page{Template: "recover.html", Title: "Unlock Account or Forgotten Password"}, nil
}

type answering struct {
	Address   string
	Questions []string
}

func (p *Portal) startRecovery(v *visit) (answer, error) {
	address := v.trimmed("address")
	r, err := p.Accounts.StartRecovery(v.r.Context(), address)
	if err != nil {
		return answer{}, err
	}
	p.keep(v, recoveryCookie, "/recover", r.Token)
	return answer{
		Page: &page{Template: "answers.html", Title: "Your security questions", Data: answering{address, r.Questions}},
		Body: map[string]any{"questions": r.Questions},
	}, nil
}

// answering asks the same questions again after answers that do not fit, and for
// the address where that is no use.
func (p *Portal) answering(v *visit) (*page, error) {
	if v.was("mail.recovery.answers") {
		a, err := p.startRecovery(v)
		if wardkey.RuleOf(err) == "" {
			return a.Page, err
		}
	}
	return p.recovering(v)
}

type finishing struct {
	Address string
	Offers  []mailpolicy.Outcome
}

// Reset reports that a new password is offered, Unlock that the one in force can
// be kept.
func (f finishing) Reset() bool  { return slices.Contains(f.Offers, mailpolicy.UnlockAndReset) }
func (f finishing) Unlock() bool { return slices.Contains(f.Offers, mailpolicy.UnlockOnly) }

func (p *Portal) answerRecovery(v *visit) (answer, error) {
	offers, err := p.Accounts.AnswerRecovery(v.r.Context(), v.cookie(recoveryCookie), v.form["answer"], v.trimmed("digits"))
	if err != nil {
		return answer{}, err
	}
	return answer{
		Page: finishingPage(v.trimmed("address"), offers),
		Body: map[string]any{"outcomes": offers},
	}, nil
}

func finishingPage(address string, offers []mailpolicy.Outcome) *page {
	return &page{Template: "code.html", Title: "The code from the text", Data: finishing{address, offers}}
}

// finishing asks for the code again. What is offered comes back with the form,
// and is for mailpolicy to decide.
func (p *Portal) finishing(v *visit) (*page, error) {
	if v.was("mail.recovery.ended") || v.was("mail.recovery.blocked") {
		return p.recovering(v)
	}
	var offers []mailpolicy.Outcome
	for _, o := range v.form["offer"] {
		offers = append(offers, mailpolicy.Outcome(o))
	}
	return finishingPage(v.trimmed("address"), offers), nil
}

func (p *Portal) finishRecovery(v *visit) (answer, error) {
	password := []byte(v.form.Get("new"))
	defer clear(password)
	outcome := mailpolicy.Outcome(v.form.Get("outcome"))
	if err := p.Accounts.FinishRecovery(v.r.Context(), v.cookie(recoveryCookie), v.trimmed("code"), outcome, password); err != nil {
		return answer{}, err
	}
	p.keep(v, recoveryCookie, "/recover", "")
	if outcome == mailpolicy.UnlockOnly {
		return answer{Next: "/signin?told=unlocked"}, nil
	}
	return answer{Next: "/signin?told=reset"}, nil
}
