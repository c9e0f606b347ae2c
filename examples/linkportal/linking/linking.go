// SPDX-License-Identifier: Apache-2.0

// Package linking is the pages at which somebody links the card of their session
// to their mail account: what is missing for it, all at once and before anything
// is done; linking, moving the link to another account, and ending it.
//
//	l, err := linking.New(linking.Config{Site: site, MailAccount: account})
//	l.Routes(mux) // /links
//
// Three things come from three sides: the card from the session, the address from
// the mail account that this browser is signed in to, the workstation from its
// card service and its person. Where the site has a MailPassword, the password of
// the account is asked for as well: at a workstation that others use, the browser
// may still be signed in to somebody else's.
//
// With Config.Login the pages are an application that signs its people in at an
// OpenID Provider. What it changes is careid's own, so they then stand at the
// address of the service whose session the provider answers with: whoever the
// provider names has to be the person of that session.
package linking

import (
	"embed"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/spineportal/workstation"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed templates/*.html
var templates embed.FS

// Config is where the pages are. Site and MailAccount are needed.
type Config struct {
	Site *pages.Site
	// MailAccount is the address of the mail account that the browser of a request is signed in to. Its refusals, which
	// are of mail, mean none.
	MailAccount func(*http.Request) (string, error)
	// Login signs people in, with its callback in the folder /links/auth. Nil: the site's own session does.
	Login *relyingparty.RelyingParty
}

// Linking is the pages under /links.
type Linking struct {
	*pages.Module
	mailAccount func(*http.Request) (string, error)
	login       *relyingparty.RelyingParty
	rules       *wardkey.Rulebook
}

// New reads the templates.
func New(c Config) (*Linking, error) {
	if c.Site == nil || c.MailAccount == nil {
		return nil, errors.New("linking: Config needs Site and MailAccount")
	}
	rules, err := wardkey.ParseRulebook(rulesJSON)
	if err != nil {
		return nil, err
	}
	m, err := c.Site.Module(templates, "templates/*.html")
	return &Linking{m, c.MailAccount, c.Login, rules}, err
}

// Routes adds the pages to a mux.
func (l *Linking) Routes(mux *http.ServeMux) {
	l.handle(mux, "GET /links", l.links)
	l.handle(mux, "GET /links/preflight", l.preflight)
	l.handle(mux, "POST /links/preflight", l.look)
	l.handle(mux, "POST /links", l.link)
	l.handle(mux, "POST /links/relink", l.relink)
	l.handle(mux, "POST /links/unlink", l.unlink)
	if l.login != nil {
		mux.Handle(l.login.Path(), l.login)
	}
}

// handle puts a page at an address, behind the sign-in where there is one.
func (l *Linking) handle(mux *http.ServeMux, pattern string, e pages.Endpoint) {
	if l.login == nil {
		l.Handle(mux, pattern, e)
		return
	}
	inside := http.NewServeMux()
	l.Handle(inside, pattern, e)
	mux.Handle(pattern, l.login.Protect(inside))
}

// person is whoever is signed in, here and at the provider alike.
func (l *Linking) person(r *http.Request) (careid.Actor, error) {
	me, err := l.Holder(r)
	if err != nil {
		return me, err
	}
	if claims, asked := relyingparty.ClaimsOf(r.Context()); asked && claims.Subject != me.Profile() {
		return careid.Actor{}, l.rules.Refuse("link.person")
	}
	return me, nil
}

// request is the address with what is declared of the workstation. From is the
// account that a link is moved away from, for nothing but that; Password is the
// address's own.
type request struct {
	Address, From                                                                      string
	Password                                                                           pages.Secret
	System, Browser, Client, Network, Private, CredentialManagement, Card, Skew, Build string
}

// query is what a preflight is asked with.
func (in request) query() url.Values {
	return url.Values{
		"address": {in.Address}, "system": {in.System}, "browser": {in.Browser}, "client": {in.Client}, "network": {in.Network}, "private": {in.Private},
		"credentialManagement": {in.CredentialManagement}, "card": {in.Card}, "skew": {in.Skew}, "build": {in.Build},
	}
}

func (in request) link() careid.LinkRequest {
	return careid.LinkRequest{Address: in.Address, Workstation: workstation.Declared(in.query())}
}

// linksPage is all of it on one page.
type linksPage struct {
	pages.Base
	Links   []careid.Link
	Card    string           // of the session
	Active  *careid.Link     // of that card
	Opens   string           // the mail account that the card opens
	Shut    *wardkey.Refusal // why it opens none though it is linked
	Account string           // the mail account that this browser is signed in to, ""
	Proof   bool             // its password is asked for
	Choices []workstation.Choice
	Asked   bool // a preflight was asked for
	Missing wardkey.Refusals
}

func (*linksPage) Template() string { return "links.html" }

func (l *Linking) links(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	page, me, err := l.page(r, careid.Workstation{Browser: careid.Chrome, Client: careid.ClientBrowser, Private: careid.No})
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{View: page, Body: map[string]any{"profile": me.Profile(), "links": page.Links, "opens": page.Opens, "mailAccount": page.Account}}, nil
}

// page is the links of the person who is signed in, and what their card opens.
func (l *Linking) page(r *http.Request, at careid.Workstation) (*linksPage, careid.Actor, error) {
	me, err := l.person(r)
	if err != nil {
		return nil, me, err
	}
	session, err := l.Session(r)
	if err != nil {
		return nil, me, err
	}
	page := &linksPage{Base: pages.Base{Title: "Linked mail account"}, Card: session.Card, Proof: l.MailPassword != nil, Choices: workstation.Choices(at)}
	if page.Links, err = l.Care.Links(r.Context(), me, me.Profile()); err != nil {
		return nil, me, err
	}
	slices.Reverse(page.Links) // newest first
	if i := slices.IndexFunc(page.Links, func(k careid.Link) bool { return k.Card == session.Card && k.State == careid.LinkActive }); i >= 0 {
		page.Active = &page.Links[i]
	}
	page.Opens, err = l.Care.MailAccount(r.Context(), l.Cards.Token(r))
	if err != nil && wardkey.RuleOf(err) != "link.none" && !errors.As(err, &page.Shut) {
		return nil, me, err
	}
	page.Account, err = l.account(r)
	return page, me, err
}

// account is the mail account of the browser, "" where it is signed in to none.
func (l *Linking) account(r *http.Request) (string, error) {
	account, err := l.mailAccount(r)
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		return "", nil
	}
	return account, err
}

// preflight tells every condition that is missing at once, and does nothing.
func (l *Linking) preflight(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	q := r.URL.Query()
	asked := careid.LinkRequest{Address: q.Get("address"), Workstation: workstation.Declared(q)}
	page, me, err := l.page(r, asked.Workstation)
	if err != nil {
		return pages.Answer{}, err
	}
	missing, err := l.Care.LinkPreflight(r.Context(), me, asked)
	if err != nil {
		return pages.Answer{}, err
	}
	if missing == nil {
		missing = wardkey.Refusals{}
	}
	page.Asked, page.Missing = true, missing
	return pages.Answer{View: page, Body: map[string]any{"missing": missing}}, nil
}

// look leads to the preflight of a form that may hold a password, which so comes
// into no address.
func (l *Linking) look(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in request
	if err := l.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	clear(in.Password)
	at := "/links/preflight?" + in.query().Encode()
	return pages.Answer{Body: map[string]string{"preflight": at}, Next: at}, nil
}

// read is a request of the browser whose mail account it names. That the address
// is the person's own is for us to know: careid believes it.
func (l *Linking) read(w http.ResponseWriter, r *http.Request, in *request) (careid.Actor, error) {
	if err := l.Read(w, r, in); err != nil {
		return careid.Actor{}, err
	}
	defer clear(in.Password)
	me, err := l.person(r)
	if err != nil {
		return me, err
	}
	account, err := l.account(r)
	if err == nil && (account == "" || !strings.EqualFold(account, in.Address)) {
		err = l.rules.Refuse("link.account")
	}
	if err == nil && l.MailPassword != nil {
		err = l.MailPassword(r.Context(), account, in.Password)
	}
	return me, err
}

func (l *Linking) link(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in request
	me, err := l.read(w, r, &in)
	if err == nil {
		_, err = l.Care.Link(r.Context(), me, in.link())
	}
	return pages.Answer{Next: "/links?told=linked"}, err
}

// relink moves the link of the card from one account to another, in one act.
func (l *Linking) relink(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in request
	me, err := l.read(w, r, &in)
	if err == nil {
		_, err = l.Care.Relink(r.Context(), me, in.From, in.link())
	}
	return pages.Answer{Next: "/links?told=linked"}, err
}

func (l *Linking) unlink(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Address string }
	if err := l.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	me, err := l.person(r)
	if err == nil {
		err = l.Care.Unlink(r.Context(), me, in.Address)
	}
	return pages.Answer{Next: "/links?told=unlinked"}, err
}
