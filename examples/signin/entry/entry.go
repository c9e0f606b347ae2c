// SPDX-License-Identifier: Apache-2.0

// Package entry is the pages between an application that asks for a sign-in and
// the person who answers: the card, the role, the terms, what ends soon, and the
// way back to the application.
//
//	provider, err := openid.New(openid.Config{SignIn: entry.Path, SessionToken: site.Cards.Token, …})
//	e, err := entry.New(entry.Config{Site: site, Provider: provider, Clients: clients})
//	e.Routes(mux)
//
// The page of a card is the site's own, and so is the page after a sign-out.
// Beside the card it offers what else the site has, a security key or Windows
// Hello, or a mail account and an authenticator app, as far as that is what the
// application asks for by acr_values; a session by one of them goes on by the
// person's card where it asks for more. What the application is told in acr and
// amr comes from what was used. Where a person can't or won't answer, it is told
// access_denied.
package entry

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

//go:embed templates/*.html
var templates embed.FS

// Path is where the pages begin: the provider's Config.SignIn.
const Path = "/login"

// Config is what the pages stand on. Site and Provider are needed.
type Config struct {
	Site     *pages.Site
	Provider *openid.Provider
	Clients  []openid.Client // the provider's: a form may lead to their redirect addresses
	// Virtual, where set, are cards in the memory of a test server, instead of those at the agent of a workstation.
	Virtual Virtual
}

// Virtual is cards without a reader.
type Virtual interface {
	Cards(ctx context.Context) ([]VirtualCard, error)
	SignIn(ctx context.Context, userID string) (*careid.SignedIn, error)
}

// VirtualCard is one of them; State is inserted or pulled.
type VirtualCard struct{ UserID, Name, Roles, State string }

// Entry is the pages under Path.
type Entry struct {
	*pages.Module
	provider *openid.Provider
	virtual  Virtual
	leadTo   string // origins, with blanks between
}

// New reads the templates.
func New(c Config) (*Entry, error) {
	if c.Site == nil || c.Provider == nil {
		return nil, errors.New("entry: Config needs Site and Provider")
	}
	m, err := c.Site.Module(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	return &Entry{Module: m, provider: c.Provider, virtual: c.Virtual, leadTo: origins(c.Clients)}, nil
}

// origins are where the redirect addresses of the clients lead.
func origins(clients []openid.Client) string {
	var all []string
	for _, c := range clients {
		for _, address := range c.RedirectURIs {
			if u, err := url.Parse(address); err == nil {
				all = append(all, u.Scheme+"://"+u.Host)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// Routes adds the pages to a mux.
func (e *Entry) Routes(mux *http.ServeMux) {
	e.Handle(mux, "GET "+Path, e.enter)
	e.Handle(mux, "GET "+Path+"/other", e.other)
	e.Handle(mux, "POST "+Path+"/role", e.role)
	e.Handle(mux, "POST "+Path+"/terms", e.terms)
	e.Handle(mux, "POST "+Path+"/refuse", e.refuse)
	if e.virtual != nil {
		e.Handle(mux, "POST "+Path+"/virtual", e.signInVirtual)
	}
}

// request is a page's own part of what it shows: the request that waits.
type request struct {
	pages.Base
	Request string
	Client  string
}

// at is the page of a request.
func at(id, more string) string { return Path + "?request=" + url.QueryEscape(id) + more }

// lead lets the forms of this page lead back to an application: browsers hold
// form-action against redirects too. CSP Level 3 §6.4.1.
func (e *Entry) lead(w http.ResponseWriter) {
	policy := w.Header().Get("Content-Security-Policy")
	w.Header().Set("Content-Security-Policy", strings.Replace(policy, "form-action 'self'", "form-action 'self' "+e.leadTo, 1))
}

// enter shows what the request still needs, one thing at a time, and goes back
// to the application when that is nothing.
func (e *Entry) enter(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	id, token := r.URL.Query().Get("request"), e.Cards.Token(r)
	if err := e.provider.Began(r, id); err != nil {
		return pages.Answer{}, err
	}
	waiting, err := e.provider.Waiting(r.Context(), id, token)
	e.lead(w)
	switch {
	case wardkey.RuleOf(err) == "openid.role.none":
		return e.stuck(id, err)
	case err != nil:
		return pages.Answer{}, err
	case waiting.SignIn:
		return e.signIn(w, r, id, waiting)
	}
	if r.URL.Query().Has("in") {
		if a, err := e.news(r, id, waiting); a.View != nil || err != nil {
			return a, err
		}
	}
	if len(waiting.Roles) > 0 {
		page := &rolesPage{request: request{pages.Base{Title: "Choose a role"}, id, waiting.Client}, Roles: waiting.Roles}
		return pages.Answer{View: page, Body: map[string]any{"roles": waiting.Roles}}, nil
	}
	return e.finish(r.Context(), id, token, "")
}

// finish goes back to the application with a code.
func (e *Entry) finish(ctx context.Context, id, token, role string) (pages.Answer, error) {
	to, err := e.provider.Finish(ctx, id, token, role)
	return pages.Answer{Next: to, Body: map[string]string{"next": to}}, err
}

type rolesPage struct {
	request
	Roles []openid.Role
}

func (*rolesPage) Template() string { return "roles.html" }

func (e *Entry) role(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Request, Role string }
	if err := e.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	if err := e.provider.Began(r, in.Request); err != nil {
		return pages.Answer{}, err
	}
	return e.finish(r.Context(), in.Request, e.Cards.Token(r), in.Role)
}

// refuse goes back to the application without a sign-in.
func (e *Entry) refuse(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Request string }
	if err := e.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	if err := e.provider.Began(r, in.Request); err != nil {
		return pages.Answer{}, err
	}
	to, err := e.provider.Refuse(r.Context(), in.Request)
	return pages.Answer{Next: to, Body: map[string]string{"next": to}}, err
}

// stuckPage tells a person why this application can't take them, with the way back.
type stuckPage struct {
	request
	Refusals wardkey.Refusals
}

func (*stuckPage) Template() string { return "stuck.html" }

func (e *Entry) stuck(id string, why error) (pages.Answer, error) {
	var no *wardkey.Refusal
	if !errors.As(why, &no) {
		return pages.Answer{}, why
	}
	page := &stuckPage{request: request{Base: pages.Base{Title: "That can’t be done"}, Request: id}, Refusals: wardkey.Refusals{no}}
	return pages.Answer{View: page, Body: no}, nil
}

// ticket is what the page hands to the agent, for the session to go on or for another one.
func (e *Entry) ticket(w http.ResponseWriter, r *http.Request, again bool) cardhttp.Ticket {
	if again {
		return e.Cards.StepUpTicket(r)
	}
	return e.Cards.SignInTicket(w, r)
}
