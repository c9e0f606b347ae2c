// SPDX-License-Identifier: Apache-2.0

// Package holder is a card holder's own page: who they are, their cards and the
// end of their certificates, the contacts that a code goes to, the passcode,
// other ways to sign in, what happened to them, the terms, and the day on which
// the old service stops doing something.
//
//	h, err := holder.New(holder.Config{Site: site})
//	h.Routes(mux)
//
// Nobody but the person of the session is shown or changed here.
package holder

import (
	"embed"
	"errors"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

//go:embed templates/*.html
var templates embed.FS

// Config is where the pages are. Site is needed.
type Config struct {
	Site *pages.Site

	// MailAccount is the address of the mail account that the browser of a request is signed in to. It is registered to sign in
	// by where the site has a MailPassword. Nil: there is no mail here.
	MailAccount func(*http.Request) (string, error)
}

// Holder is the pages under /my, and /passcode.
type Holder struct {
	*pages.Module
	mailAccount func(*http.Request) (string, error)
}

// New reads the templates.
func New(c Config) (*Holder, error) {
	if c.Site == nil {
		return nil, errors.New("holder: Config needs Site")
	}
	m, err := c.Site.Module(templates, "templates/*.html")
	return &Holder{m, c.MailAccount}, err
}

// Routes adds the pages to a mux.
func (h *Holder) Routes(mux *http.ServeMux) {
	h.Handle(mux, "GET /my", h.my)
	h.Handle(mux, "GET /my/session", h.session)
	h.Handle(mux, "POST /my/contacts", h.contacts)
	h.Handle(mux, "POST /my/terms", h.acceptTerms)
	h.cardRoutes(mux)
	h.authenticatorRoutes(mux)
	h.Handle(mux, "GET /my/events", h.events)
	h.Handle(mux, "GET /my/switch-off", h.switchOff)
	h.Handle(mux, "POST /my/unlink", h.unlink)
}

// frame is what every page of the holder shows.
type frame struct {
	pages.Base
	Tabs []pages.Place
}

func newFrame(r *http.Request, title string) frame {
	f := frame{Base: pages.Base{Title: title}, Tabs: []pages.Place{
		{Path: "/my", Name: "Card and contacts"},
		{Path: "/my/authenticators", Name: "Ways to sign in"},
		{Path: "/my/events", Name: "What happened"},
		{Path: "/my/switch-off", Name: "The old service"},
	}}
	for i, tab := range f.Tabs {
		f.Tabs[i].Here = tab.Path == r.URL.Path
	}
	return f
}

type alertView struct {
	Kind     string    `json:"kind"`
	DaysLeft int       `json:"daysLeft"`
	NotAfter time.Time `json:"notAfter"`
}

// alerts tell of the card of the session, while its certificates end soon.
func (h *Holder) alerts(session *careid.Session, cards []careid.Card) ([]alertView, error) {
	alerts := []alertView{}
	for _, c := range cards {
		if c.Serial != session.Card {
			continue
		}
		due, err := careid.ExpiryAlerts(h.Book, careid.KindCard, c.Serial, c.NotAfter, h.Now())
		if err != nil {
			return nil, err
		}
		for _, a := range due {
			alerts = append(alerts, alertView{a.Rule, a.DaysLeft, a.NotAfter})
		}
	}
	return alerts, nil
}

type sessionView struct {
	UserID  string      `json:"userID"`
	Name    string      `json:"name"`
	Card    string      `json:"card"`
	Expires time.Time   `json:"expires"`
	Alerts  []alertView `json:"alerts"`
	AMR     []string    `json:"amr"`
	ACR     string      `json:"acr"`
	Roles   []string    `json:"roles"`
}

func (h *Holder) session(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	session, err := h.Session(r)
	if err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	cards, err := h.Care.Cards(r.Context(), me, session.Profile)
	if err != nil {
		return pages.Answer{}, err
	}
	grants, err := h.Care.Grants(r.Context(), h.Cards.Token(r))
	if err != nil {
		return pages.Answer{}, err
	}
	v := sessionView{
		UserID: session.Profile, Name: session.Name, Card: session.Card, Expires: session.ExpiresAt,
		AMR: session.AMR, ACR: session.ACR, Roles: []string{},
	}
	if v.Alerts, err = h.alerts(session, cards); err != nil {
		return pages.Answer{}, err
	}
	for _, g := range grants {
		v.Roles = append(v.Roles, string(g.Role))
	}
	return pages.Answer{Body: v, Next: "/my"}, nil
}

// myPage is the holder's own page.
type myPage struct {
	frame
	Person *careid.Profile
	Cards  []careid.Card
	Held   []careid.Held
	Alerts []alertView
	Roles  []string
	Signed *careid.Session
	Terms  string // the version in force
	Said   []careid.Acceptance
	Yes    bool // said to that version
	Links  []careid.Link
}

func (*myPage) Template() string { return "my.html" }

func (h *Holder) my(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	page, err := h.page(r)
	return pages.Answer{View: page, Body: map[string]any{}}, err
}

func (h *Holder) page(r *http.Request) (*myPage, error) {
	session, err := h.Session(r)
	if err != nil {
		return nil, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return nil, err
	}
	p := &myPage{frame: newFrame(r, "My card"), Signed: session}
	ctx := r.Context()
	if p.Person, err = h.Care.Profile(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	if p.Cards, err = h.Care.Cards(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	if p.Held, err = h.Care.Assignments(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	if p.Links, err = h.Care.Links(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	grants, err := h.Care.Grants(ctx, h.Cards.Token(r))
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		p.Roles = append(p.Roles, pages.RoleName(string(g.Role))+" at "+g.Organisation)
	}
	if p.Alerts, err = h.alerts(session, p.Cards); err != nil {
		return nil, err
	}
	return p, h.addTerms(r, me, p)
}

// addTerms fills in which terms are in force, and what the person accepted.
func (h *Holder) addTerms(r *http.Request, me careid.Actor, p *myPage) error {
	policy, err := careid.PolicyAt(h.Book, h.Now())
	if err != nil {
		return err
	}
	p.Terms = policy.TermsVersion
	p.Said, err = h.Care.Acceptances(r.Context(), me, me.Profile())
	for _, v := range p.Said {
		p.Yes = p.Yes || v.Version == p.Terms && v.Mode == careid.TermsExplicit
	}
	return err
}

// acceptTerms is an explicit yes to the version that was shown.
func (h *Holder) acceptTerms(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Version string }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: "/my?told=done"}, h.Care.AcceptTerms(r.Context(), h.Cards.Token(r), in.Version)
}

func (h *Holder) contacts(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	var in pages.Contacts
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: "/my?told=done"}, h.SetContacts(r.Context(), me, me.Profile(), in)
}
