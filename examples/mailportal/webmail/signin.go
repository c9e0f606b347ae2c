// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// sessionCookie holds the session of mailpolicy. It has the portal's name, since
// all ports of a machine share their cookies.
const sessionCookie = "mailportal-session"

func (p *Portal) signInRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", p.show(p.signingIn))
	mux.HandleFunc("POST /signin", p.do(p.counted(p.signIn), p.signingIn))
	mux.HandleFunc("POST /signout", p.do(p.signOut, p.signingIn))
	mux.HandleFunc("POST /signout/everywhere", p.do(p.signOutEverywhere, p.signingIn))
	mux.HandleFunc("GET /first", p.show(p.firstLogin))
	mux.HandleFunc("POST /first/password", p.do(p.ownPassword, p.firstLogin))
	mux.HandleFunc("POST /first/questions", p.do(p.questions, p.firstLogin))
	mux.HandleFunc("POST /first/policy", p.do(p.acceptPolicy, p.firstLogin))
}

// token is the session of a browser, "" for none.
func (v *visit) token() string { return cmp.Or(v.fresh, v.cookie(sessionCookie)) }

// cookie is one of the portal's own. Of two with its name the second may be the
// portal's, and the first another program's on this machine: neither is taken.
func (v *visit) cookie(name string) string {
	if same := v.r.CookiesNamed(name); len(same) == 1 {
		return same[0].Value
	}
	return ""
}

// account is who is signed in. Refusal: mail.session, and those of an account
// that may not sign in any more.
func (p *Portal) account(v *visit) (mailpolicy.Account, error) {
	return p.Accounts.Session(v.r.Context(), v.token())
}

// keep gives the browser a secret of its own, or takes it away where it is "".
func (p *Portal) keep(v *visit, name, path, secret string) {
	c := &http.Cookie{
		Name: name, Value: secret, Path: path, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: strings.HasPrefix(p.Base, "https://"),
	}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

type signingIn struct {
	Private bool   // how the box begins
	Unlock  string // the address that can be unlocked here, "" for none
}

// signingIn has the form. The button Unlock Account comes where mailpolicy shows
// it, and only after it has refused a sign-in because the account is locked:
// before, nobody is told so.
func (p *Portal) signingIn(v *visit) (*page, error) {
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	data := signingIn{Private: policy.PrivateTicked(p.Device)}
	if v.form != nil {
		data.Private = v.form.Get("private") == "yes"
	}
	if v.was("mail.account.locked") {
		account, err := p.Accounts.Account(v.r.Context(), v.trimmed("address"))
		if err != nil && wardkey.RuleOf(err) == "" {
			return nil, err
		}
		if err == nil && account.ShowUnlock() {
			data.Unlock = account.Address
		}
	}
	return &page{Template: "signin.html", Title: "Sign in", Data: data}, nil
}

// signIn opens a session under a token that nobody had before, whatever the
// browser came with.
func (p *Portal) signIn(v *visit) (answer, error) {
	password := []byte(v.form.Get("password"))
	defer clear(password)
	s, err := p.Accounts.SignIn(v.r.Context(), v.trimmed("address"), password)
	if err != nil {
		return answer{}, err
	}
	if err := p.leave(v); err != nil {
		return answer{}, err
	}
	if v.form.Get("private") == "yes" {
		if err := p.Accounts.DeclareComputer(v.r.Context(), s.Token, true); err != nil {
			return answer{}, err
		}
	}
	p.keep(v, sessionCookie, "/", s.Token)
	a := answer{Next: "/account", Body: map[string]any{"steps": s.Account.Steps}}
	if len(s.Account.Steps) > 0 {
		a.Next = "/first"
	}
	return a, nil
}

// leave ends the session that this browser had, its holder's or somebody else's.
func (p *Portal) leave(v *visit) error { return over(p.Accounts.SignOut(v.r.Context(), v.token())) }

// over takes a session that is over already for one that was ended.
func over(err error) error {
	if wardkey.RuleOf(err) != "" {
		return nil
	}
	return err
}

func (p *Portal) signOut(v *visit) (answer, error) {
	err := p.leave(v)
	p.keep(v, sessionCookie, "/", "")
	return answer{Next: "/signin?told=out"}, err
}

// signOutEverywhere needs a session that goes on: with one that is over nobody is
// known whose others it could end.
func (p *Portal) signOutEverywhere(v *visit) (answer, error) {
	err := p.Accounts.SignOutEverywhere(v.r.Context(), v.token())
	p.keep(v, sessionCookie, "/", "")
	if wardkey.RuleOf(err) == "mail.session" && pages.Browser(v.r) {
		return answer{Next: "/signin?told=session"}, nil
	}
	return answer{Next: "/signin?told=everywhere"}, err
}

type firstLogin struct {
	Password, Questions, Policy bool // are still to do
	Count                       []int
	Policies                    *mailpolicy.Policy
	Version                     string
}

// firstLogin shows the steps that are still to do, in no order.
func (p *Portal) firstLogin(v *visit) (*page, error) {
	account, err := p.account(v)
	if err != nil {
		return nil, err
	}
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	left := func(s mailpolicy.Step) bool { return slices.Contains(account.Steps, s) }
	data := firstLogin{left(mailpolicy.ChangePassword), left(mailpolicy.SetQuestions), left(mailpolicy.AcceptPolicy), nil, policy, p.PolicyVersion}
	for i := range policy.Questions {
		data.Count = append(data.Count, i+1)
	}
	return &page{Template: "first.html", Title: "Your first login", Data: data}, nil
}

// step takes one of the three steps, once: what is done is changed on the page of
// the account, which asks for the password.
func (p *Portal) step(v *visit, s mailpolicy.Step, take func(token string) error) (answer, error) {
	account, err := p.account(v)
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(account.Steps, s) {
		return answer{}, p.rules.Refuse("step.done")
	}
	if err := take(v.token()); err != nil {
		return answer{}, err
	}
	if len(account.Steps) == 1 {
		return answer{Next: "/account?told=ready"}, nil
	}
	return answer{Next: "/first?told=step"}, nil
}

func (p *Portal) ownPassword(v *visit) (answer, error) {
	return p.step(v, mailpolicy.ChangePassword, func(token string) error {
		password := []byte(v.form.Get("new"))
		defer clear(password)
		return p.Accounts.ChangePassword(v.r.Context(), token, password)
	})
}

func (p *Portal) questions(v *visit) (answer, error) {
	return p.step(v, mailpolicy.SetQuestions, func(token string) error {
		var set []mailpolicy.Question
		answers := v.form["answer"]
		for i, q := range v.form["question"] {
			if i < len(answers) {
				set = append(set, mailpolicy.Question{Question: q, Answer: answers[i]})
			}
		}
		return p.Accounts.SetQuestions(v.r.Context(), token, set)
	})
}

func (p *Portal) acceptPolicy(v *visit) (answer, error) {
	return p.step(v, mailpolicy.AcceptPolicy, func(token string) error {
		return p.Accounts.AcceptPolicy(v.r.Context(), token, v.form.Get("version"))
	})
}
