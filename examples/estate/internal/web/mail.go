// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// helpdesk is who opens sites and accounts here, as the audit names them.
var helpdesk = mailpolicy.Actor{ID: "estate mail desk", Role: mailpolicy.AdministrationService}

func (s *Site) mailRoutes(mux *http.ServeMux) {
	s.Handle(mux, "GET /mail", s.mail)
	s.Handle(mux, "GET /mail/phone", s.phone)
	s.Handle(mux, "POST /mail/sites", s.openSite)
	s.Handle(mux, "POST /mail/sites/{ods}/accounts", s.openAccount)
	s.Handle(mux, "POST /mail/sites/{ods}/shared", s.openShared)
	s.Handle(mux, "POST /mail/signin", s.mailSignIn)
	s.Handle(mux, "POST /mail/signout", s.mailSignOut)
	s.Handle(mux, "POST /mail/directory", s.mailDirectory)
}

const mailCookie = "estate-mail"

// mailToken is the session of this browser that shows here whose mail account is
// whose, "" for none. The mail portal is another host, with a session of its own.
func mailToken(r *http.Request) string {
	c, err := r.Cookie(mailCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// mailPage is the mail desk. Whoever wants to link an account signs in to it here.
type mailPage struct {
	pages.Base
	Sites   []siteView
	More    string              // the code after which the next sites come, "" for none
	Account *mailpolicy.Account // signed in to here
	Known   []string
	Portal  string // the address of the mail portal
	Real    string // and of the real one
}

func (*mailPage) Template() string { return "mail.html" }

func (s *Site) mail(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p := &mailPage{Base: pages.Base{Title: "Mail"}, Known: s.rooms.Gateway.Known(), Portal: s.rooms.Addresses.MailPortal}
	var err error
	if p.Real, err = careid.ServiceURL(s.Book, careid.MailService, s.Now()); err != nil {
		return pages.Answer{}, err
	}
	if p.Sites, p.More, err = s.sites(r.Context(), r.URL.Query().Get("after")); err != nil {
		return pages.Answer{}, err
	}
	if account, err := s.rooms.Mail.Session(r.Context(), mailToken(r)); err == nil {
		p.Account = &account
	}
	return pages.Answer{View: p, Body: map[string]int{"sites": len(p.Sites)}}, nil
}

func (s *Site) openSite(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ ODS, Name string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	site, err := s.rooms.Mail.OpenSite(r.Context(), helpdesk, mailpolicy.Site{ODS: in.ODS, Name: in.Name})
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"ods": site.ODS}, Next: "/mail"}, nil
}

// openAccount gives the account the first free address of its holder's name.
func (s *Site) openAccount(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ GivenName, FamilyName, Mobile string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	ods := strings.ToUpper(r.PathValue("ods"))
	local := strings.ToLower(strings.ReplaceAll(in.GivenName+"."+in.FamilyName, " ", "-"))
	n := mailpolicy.NewAccount{
		Site: ods, Name: strings.TrimSpace(in.GivenName + " " + in.FamilyName), Mobile: in.Mobile, Purpose: "care at the site",
	}
	var account mailpolicy.Account
	for i := range 10 {
		n.Address = local + "@nhs.net"
		if i > 0 {
			n.Address = local + strconv.Itoa(i+1) + "@nhs.net"
		}
		var err error
		account, err = s.rooms.Mail.Open(r.Context(), helpdesk, n)
		if err == nil {
			break
		}
		if wardkey.RuleOf(err) != "mail.account.exists" || i == 9 {
			return pages.Answer{}, err
		}
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"address": account.Address}, Next: "/mail"}, nil
}

// openShared gives the shared mailbox to the account named, or else to the
// site's first.
func (s *Site) openShared(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Owner string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	ods := strings.ToUpper(r.PathValue("ods"))
	if in.Owner == "" {
		var err error
		if in.Owner, err = s.firstAccount(r.Context(), ods); err != nil {
			return pages.Answer{}, err
		}
	}
	shared, err := s.rooms.Mail.OpenShared(r.Context(), helpdesk, ods, in.Owner)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"address": shared.Address}, Next: "/mail"}, nil
}

// mailSignIn takes the password that a holder has chosen. An activation password
// is for the mail portal, and is not spent here.
func (s *Site) mailSignIn(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct {
		Address  string
		Password pages.Secret
	}
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	defer clear(in.Password)
	if err := s.MayTry(r); err != nil {
		return pages.Answer{}, err
	}
	account, err := s.rooms.Mail.Account(r.Context(), in.Address)
	if err == nil && slices.Contains(account.Steps, mailpolicy.ChangePassword) {
		return pages.Answer{}, s.MailPassword(r.Context(), in.Address, in.Password)
	}
	session, err := s.rooms.Mail.SignIn(r.Context(), in.Address, in.Password)
	if err != nil {
		return pages.Answer{}, err
	}
	if err := s.leaveMail(r); err != nil {
		return pages.Answer{}, err
	}
	http.SetCookie(w, &http.Cookie{Name: mailCookie, Value: session.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return pages.Answer{Next: "/mail"}, nil
}

func (s *Site) mailSignOut(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	http.SetCookie(w, &http.Cookie{Name: mailCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return pages.Answer{Next: "/mail"}, s.leaveMail(r)
}

// leaveMail ends the mail session that a browser had.
func (s *Site) leaveMail(r *http.Request) error {
	err := s.rooms.Mail.SignOut(r.Context(), mailToken(r))
	if wardkey.RuleOf(err) != "" {
		return nil // it was over already
	}
	return err
}

// mailDirectory keeps a recipient's certificate for the gateway.
func (s *Site) mailDirectory(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Address, Certificate string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	_, err := s.rooms.Gateway.Add(r.Context(), in.Certificate)
	if errors.Is(err, rooms.ErrNoCertificate) {
		return pages.Answer{}, s.rules.Refuse("mail.certificate").Because(err)
	}
	return pages.Answer{Next: "/mail?told=done"}, err
}
