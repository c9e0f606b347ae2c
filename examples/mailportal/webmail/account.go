// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"errors"
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (p *Portal) accountRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /account", p.show(p.ownAccount))
	for path, form := range map[string]doer{
		"/account/password": p.changePassword, "/account/mobile": p.changeMobile, "/account/mobile/hide": p.hideMobile,
		"/account/mobile/delete": p.deleteMobile, "/account/computer": p.declareComputer,
	} {
		mux.HandleFunc("POST "+path, p.do(form, p.ownAccount))
	}
}

type ownAccount struct {
	mailpolicy.Account
	Capabilities []mailpolicy.Capability
	States       []mailpolicy.State
	Attachments  *wardkey.Refusal // why none opens in this session, nil where they do
	Warned       bool             // that the number is about to be deleted
	Clients      []client
	Lowest       int // characters of a password
	Reminder     int // days, 0 where it is not time to say that the password expires
}

// client is a program and how one signs in to mail in it.
type client struct {
	Name      mailpolicy.Client
	Methods   []mailpolicy.Method
	Preferred bool
}

// ownAccount is the holder's page: what the account is, what it can do, and how
// the holder is reached.
func (p *Portal) ownAccount(v *visit) (*page, error) {
	account, err := p.account(v)
	if err != nil {
		return nil, err
	}
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	data := ownAccount{
		Account: account, Capabilities: mailpolicy.Capabilities(), States: mailpolicy.States(), Lowest: policy.PasswordMin, Reminder: policy.PasswordReminder(account),
		Warned: v.was("mail.mobile.delete") || v.form.Get("warned") == "yes",
	}
	if err := p.Accounts.CanOpenAttachments(v.r.Context(), v.token()); err != nil && !errors.As(err, &data.Attachments) {
		return nil, err
	}
	for _, c := range []mailpolicy.Client{mailpolicy.Web, mailpolicy.Outlook, mailpolicy.Mobile} {
		data.Clients = append(data.Clients, client{c, policy.Methods(c), c == policy.PreferredClient()})
	}
	return &page{Template: "account.html", Title: "Your account", Data: data}, nil
}

// confirmed asks for the password of who is signed in once more, as a sign-in
// does, and gives the browser the session that it opens for the one it had: whoever finds a
// workstation unattended can't take the account over. Who has no password of
// their own yet is not asked for one, and changes nothing but that.
func (p *Portal) confirmed(v *visit) (token string, err error) {
	account, err := p.account(v)
	if err != nil || slices.Contains(account.Steps, mailpolicy.ChangePassword) {
		return v.token(), err
	}
	private := p.Accounts.CanOpenAttachments(v.r.Context(), v.token()) == nil
	password := []byte(v.form.Get("current"))
	defer clear(password)
	s, err := p.Accounts.SignIn(v.r.Context(), account.Address, password)
	if err != nil {
		return "", err
	}
	if private {
		if err := p.Accounts.DeclareComputer(v.r.Context(), s.Token, true); err != nil {
			return "", err
		}
	}
	if err := p.leave(v); err != nil {
		return "", err
	}
	p.keep(v, sessionCookie, "/", s.Token)
	v.fresh = s.Token
	return s.Token, nil
}

func (p *Portal) changePassword(v *visit) (answer, error) {
	token, err := p.confirmed(v)
	if err != nil {
		return answer{}, err
	}
	password := []byte(v.form.Get("new"))
	defer clear(password)
	return answer{Next: "/account?told=password"}, p.Accounts.ChangePassword(v.r.Context(), token, password)
}

func (p *Portal) changeMobile(v *visit) (answer, error) {
	token, err := p.confirmed(v)
	if err != nil {
		return answer{}, err
	}
	return answer{Next: "/account?told=mobile"}, p.Accounts.ChangeMobile(v.r.Context(), token, v.form.Get("mobile"))
}

func (p *Portal) hideMobile(v *visit) (answer, error) {
	hidden, told := v.form.Get("hidden") == "yes", "shown"
	if hidden {
		told = "hidden"
	}
	return answer{Next: "/account?told=" + told}, p.Accounts.HideMobile(v.r.Context(), v.token(), hidden)
}

// deleteMobile is refused with the warning first, and done where it was read, for
// who knows the password: without a number the holder can't recover the account.
func (p *Portal) deleteMobile(v *visit) (answer, error) {
	token, warned := v.token(), v.form.Get("warned") == "yes"
	if warned {
		var err error
		if token, err = p.confirmed(v); err != nil {
			return answer{}, err
		}
	}
	return answer{Next: "/account?told=gone"}, p.Accounts.DeleteMobile(v.r.Context(), token, warned)
}

func (p *Portal) declareComputer(v *visit) (answer, error) {
	return answer{Next: "/account?told=computer"}, p.Accounts.DeclareComputer(v.r.Context(), v.token(), v.form.Get("private") == "yes")
}
