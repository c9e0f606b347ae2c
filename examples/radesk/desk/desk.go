// SPDX-License-Identifier: Apache-2.0

// Package desk is the Registration Authority's desk as pages: applications and
// identity checks, people and their cards, positions and workgroups, losses,
// moves between organisations, who leaves and who comes back, a report, and what
// the audit has of them.
//
//	d, err := desk.New(site)
//	d.Routes(mux)
//
// Whoever comes acts in the strongest role that they hold; the pages offer what
// the role table lets that role do, and the service decides each time anew. Work
// on a card hands a ticket to the card service of the workstation, where the
// holder types: no passcode comes here.
package desk

import (
	"context"
	"embed"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed templates/*.html
var templates embed.FS

// Desk is the pages under /desk and, for applicants, /apply.
type Desk struct {
	*pages.Module
	rules *wardkey.Rulebook
}

// New reads the templates.
func New(site *pages.Site) (*Desk, error) {
	rules, err := wardkey.ParseRulebook(rulesJSON)
	if err != nil {
		return nil, err
	}
	m, err := site.Module(templates, "templates/*.html")
	return &Desk{m, rules}, err
}

// Routes adds the pages to a mux.
func (d *Desk) Routes(mux *http.ServeMux) {
	d.Handle(mux, "GET /desk", d.overview)
	d.Handle(mux, "POST /desk/invitations", d.invite)
	d.Handle(mux, "POST /desk/profiles", d.openProfile)
	d.applyRoutes(mux)
	d.personRoutes(mux)
	d.cardRoutes(mux)
	d.positionRoutes(mux)
	d.lossRoutes(mux)
	d.moveRoutes(mux)
	d.Handle(mux, "GET /desk/report", d.report)
	d.Handle(mux, "GET /desk/audit", d.audit)
}

// frame is what every page of the desk shows.
type frame struct {
	pages.Base
	Role         string
	Organisation string
	Offers       map[string]bool // by action, what the role may do
	Tabs         []pages.Place
}

// frame names the actor and what may be offered.
func (d *Desk) frame(r *http.Request, title string) (frame, careid.Actor, error) {
	actor, err := d.Strongest(r)
	if err != nil {
		return frame{}, actor, err
	}
	f := frame{
		Base: pages.Base{Title: title}, Role: string(actor.Role()), Organisation: actor.Organisation(), Offers: map[string]bool{},
		Tabs: []pages.Place{
			{Path: "/desk", Name: "People"},
			{Path: "/desk/positions", Name: "Positions"},
			{Path: "/desk/losses", Name: "Lost cards"},
			{Path: "/desk/moves", Name: "Moves"},
		},
	}
	for _, p := range careid.Permissions() {
		if slices.Contains(p.Roles, actor.Role()) {
			f.Offers[string(p.Action)] = true
		}
	}
	if f.Offers[string(careid.ActionRunReports)] {
		f.Tabs = append(f.Tabs, pages.Place{Path: "/desk/report", Name: "Report"})
	}
	f.Tabs = append(f.Tabs, pages.Place{Path: "/desk/audit", Name: "Audit"})
	for i, tab := range f.Tabs {
		f.Tabs[i].Here = tab.Path == r.URL.Path
	}
	return f, actor, nil
}

// deskPage is what a person in a role sees of their organisation.
type deskPage struct {
	frame
	Find         string
	Applications []careid.Application
	People       []careid.Profile
	Orders       []careid.Order
	Documents    struct{ Photo, Address []string }
}

func (*deskPage) Template() string { return "desk.html" }

func (d *Desk) overview(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "Desk")
	if err != nil {
		return pages.Answer{}, err
	}
	ctx := r.Context()
	p := &deskPage{frame: f, Find: strings.TrimSpace(r.URL.Query().Get("find"))}
	if actor.Role() == careid.Holder {
		return pages.Answer{View: p, Body: map[string]string{"role": p.Role}}, nil
	}
	if p.Applications, err = d.Care.Applications(ctx, actor); err != nil {
		return pages.Answer{}, err
	}
	if p.People, err = d.find(ctx, actor, p.Find); err != nil {
		return pages.Answer{}, err
	}
	if p.Orders, err = d.Care.Orders(ctx, actor); err != nil {
		if wardkey.RuleOf(err) == "" {
			return pages.Answer{}, err
		}
		p.Orders = nil // a sponsor isn't told of orders
	}
	if p.Documents.Photo, err = d.Book.Strings("identity.photo", d.Now()); err != nil {
		return pages.Answer{}, err
	}
	if p.Documents.Address, err = d.Book.Strings("identity.address", d.Now()); err != nil {
		return pages.Answer{}, err
	}
	found := make([]string, len(p.People))
	for i, person := range p.People {
		found[i] = person.ID
	}
	return pages.Answer{View: p, Body: map[string]any{
		"role": p.Role, "organisation": p.Organisation, "applications": len(p.Applications), "people": found,
	}}, nil
}

// find is the organisation's people, or those of them who have the words in name,
// user id or contacts, or that card.
func (d *Desk) find(ctx context.Context, a careid.Actor, text string) ([]careid.Profile, error) {
	people, err := d.Care.Profiles(ctx, a)
	if err != nil || text == "" {
		return people, err
	}
	holder := ""
	card, err := d.Care.Card(ctx, a, text)
	switch {
	case err == nil:
		holder = card.Profile
	case wardkey.RuleOf(err) != "org.scope": // no card of ours has that serial
		return nil, err
	}
	words := strings.Fields(strings.ToLower(text))
	return slices.DeleteFunc(people, func(p careid.Profile) bool {
		if p.ID == holder {
			return false
		}
		all := strings.ToLower(strings.Join([]string{p.Name(), p.ID, p.Email, p.Mobile}, " "))
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(all, word) })
	}), nil
}

// asked reads what is asked for, and names who asks.
func asked[T any](d *Desk, w http.ResponseWriter, r *http.Request) (in T, actor careid.Actor, err error) {
	if err = d.Read(w, r, &in); err == nil {
		actor, err = d.Strongest(r)
	}
	return in, actor, err
}

// done is an endpoint that needs no more than the actor and the address, and leads
// to a page, or with "" back to the one that it was asked on.
func (d *Desk) done(next string, do func(*http.Request, careid.Actor) error) pages.Endpoint {
	return func(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
		actor, err := d.Strongest(r)
		if err == nil {
			err = do(r, actor)
		}
		return pages.Answer{Next: next}, err
	}
}

type newPerson struct{ GivenName, FamilyName, Email, Mobile string }

func (d *Desk) invite(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[newPerson](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	app, err := d.Care.Invite(r.Context(), actor, careid.Invitation{Given: in.GivenName, Family: in.FamilyName, Email: in.Email, Mobile: in.Mobile})
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"application": app.ID}, Next: "/desk?told=invited"}, nil
}

// openProfile is the direct way to a profile, which nobody may go.
func (d *Desk) openProfile(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[newPerson](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	p, err := d.Care.OpenProfile(r.Context(), actor, careid.NewProfile{
		Given: in.GivenName, Family: in.FamilyName, Organisation: actor.Organisation(), Email: in.Email, Mobile: in.Mobile,
	})
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"userID": p.ID}, Next: "/desk"}, nil
}

// date reads a day of a form, from its midnight in London on; "" is none.
func (d *Desk) date(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, pages.Zone())
	if err != nil {
		return time.Time{}, d.rules.Refuse("date.invalid").Because(err)
	}
	return t, nil
}
