// SPDX-License-Identifier: Apache-2.0

// Package mailbox is the mail accounts of the link portal while it runs by
// itself: real ones of package mailpolicy, without any mail.
//
//	m, err := mailbox.Open(ctx, mailbox.Config{DB: db, Sender: outbox})
//	m.Routes(site, mux) // /mail
//
// Anybody at this machine opens accounts, as a mail desk would; an activation
// password goes to the messages of the demonstration. A person signs in to their
// account, chooses a password and accepts the acceptable use policy, which a link
// needs. The rest of a mail account's life is in examples/estate.
package mailbox

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

//go:embed templates/*.html
var templates embed.FS

// What the demonstration's accounts are at.
const (
	siteCode = "RWK01"
	policy   = "1" // of acceptable use
	cookie   = "linkportal-mail"
)

// desk is who opens accounts here, as the audit names them.
var desk = mailpolicy.Actor{ID: "link portal's mail desk", Role: mailpolicy.AdministrationService}

// Config says where the accounts are kept. DB and Sender are needed.
type Config struct {
	DB     *sql.DB
	Sender mailpolicy.Sender
	Now    func() time.Time // the calendar; default time.Now
	Log    *slog.Logger     // nil is silent
}

// Mailbox is the accounts and their page.
type Mailbox struct {
	*mailpolicy.Accounts
	store *sqlstore.Store
	pages *pages.Module
}

// Open makes the accounts' tables and their site where there are none.
func Open(ctx context.Context, c Config) (*Mailbox, error) {
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: c.DB, Now: c.Now})
	if err != nil {
		return nil, err
	}
	accounts, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: c.Sender, PolicyVersion: policy, Now: c.Now, Log: c.Log})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	m := &Mailbox{Accounts: accounts, store: store}
	_, err = accounts.OpenSite(ctx, desk, mailpolicy.Site{ODS: siteCode, Name: "The hospital of this demonstration"})
	if err != nil && wardkey.RuleOf(err) != "mail.site.exists" {
		return nil, errors.Join(err, m.Close(ctx))
	}
	return m, nil
}

// Close has the last messages sent.
func (m *Mailbox) Close(ctx context.Context) error {
	return errors.Join(m.Accounts.Close(ctx), m.store.Close())
}

// Routes adds the page to a site.
func (m *Mailbox) Routes(site *pages.Site, mux *http.ServeMux) error {
	var err error
	if m.pages, err = site.Module(templates, "templates/*.html"); err != nil {
		return err
	}
	m.pages.Handle(mux, "GET /mail", m.show)
	m.pages.Handle(mux, "POST /mail/accounts", m.admit)
	m.pages.Handle(mux, "POST /mail/signin", m.signIn)
	m.pages.Handle(mux, "POST /mail/signout", m.signOut)
	m.pages.Handle(mux, "POST /mail/password", m.password)
	m.pages.Handle(mux, "POST /mail/policy", m.policy)
	return nil
}

// Account is the address of the account that a browser is signed in to. Refusal: mail.session.
func (m *Mailbox) Account(r *http.Request) (string, error) {
	account, err := m.Session(r.Context(), token(r))
	return account.Address, err
}

// token is the mail session of a browser, "" for none.
func token(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

type mailPage struct {
	pages.Base
	Account  *mailpolicy.Account // signed in here
	Accepted bool
	All      []mailpolicy.Account
}

func (*mailPage) Template() string { return "mail.html" }

func (m *Mailbox) show(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p := &mailPage{Base: pages.Base{Title: "Mail account"}}
	account, err := m.Session(r.Context(), token(r))
	switch {
	case err == nil:
		p.Account = &account
		if _, _, p.Accepted, err = m.LinkState(r.Context(), account.Address); err != nil {
			return pages.Answer{}, err
		}
	case wardkey.RuleOf(err) == "":
		return pages.Answer{}, err
	}
	const most = 50 // a page of a demonstration
	p.All, err = m.SiteAccounts(r.Context(), siteCode, "", most)
	return pages.Answer{View: p, Body: map[string]int{"accounts": len(p.All)}}, err
}

// admit opens an account.
func (m *Mailbox) admit(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Address, Name, Mobile string }
	if err := m.pages.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	account, err := m.Open(r.Context(), desk, mailpolicy.NewAccount{
		Site: siteCode, Address: strings.TrimSpace(in.Address), Name: strings.TrimSpace(in.Name), Mobile: in.Mobile, Purpose: "to be linked",
	})
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"address": account.Address}, Next: "/mail?told=done"}, err
}

func (m *Mailbox) signIn(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct {
		Address  string
		Password pages.Secret
	}
	if err := m.pages.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	defer clear(in.Password)
	if err := m.pages.MayTry(r); err != nil {
		return pages.Answer{}, err
	}
	session, err := m.SignIn(r.Context(), in.Address, in.Password)
	if err != nil {
		return pages.Answer{}, err
	}
	if err := m.leave(r); err != nil {
		return pages.Answer{}, err
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: session.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return pages.Answer{Next: "/mail?told=done"}, nil
}

func (m *Mailbox) signOut(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return pages.Answer{Next: "/mail?told=done"}, m.leave(r)
}

// leave ends the mail session that a browser had.
func (m *Mailbox) leave(r *http.Request) error {
	err := m.SignOut(r.Context(), token(r))
	if wardkey.RuleOf(err) != "" {
		return nil // it was over already
	}
	return err
}

func (m *Mailbox) password(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Password pages.Secret }
	if err := m.pages.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	defer clear(in.Password)
	return pages.Answer{Next: "/mail?told=done"}, m.ChangePassword(r.Context(), token(r), in.Password)
}

func (m *Mailbox) policy(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	return pages.Answer{Next: "/mail?told=done"}, m.AcceptPolicy(r.Context(), token(r), policy)
}
