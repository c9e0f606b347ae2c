// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/inbox"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// overview is all that the front page and /api/state tell.
type overview struct {
	people []rooms.Person
	cards  []cardLine
}

// cardLine is a card, wherever it is.
type cardLine struct {
	Serial       string
	Label        string
	Holder       string // user id
	HolderName   string
	State        careid.CardState
	NotAfter     time.Time
	Reader       int
	DemoPasscode string
}

// blankState is a card that careid knows nothing of.
const blankState careid.CardState = "blank"

func (s *Site) overview(ctx context.Context) (*overview, error) {
	people, err := s.rooms.People(ctx)
	if err != nil {
		return nil, err
	}
	tray, err := s.rooms.Desk.Cards()
	if err != nil {
		return nil, err
	}
	o := &overview{people: people}
	for _, c := range tray {
		line := cardLine{Serial: c.Serial, Reader: c.Reader, State: blankState}
		for _, p := range people {
			for _, held := range p.Cards {
				if held.Serial == c.Serial && held.State != careid.CardCleared {
					line.Holder, line.HolderName, line.State, line.NotAfter = p.ID, p.Name(), held.State, held.NotAfter
				}
			}
		}
		line.Label = cmp.Or(line.HolderName, "Blank card")
		if note, ok := s.rooms.Demo.Card(c.Serial); ok && note.UserID == line.Holder {
			line.DemoPasscode, line.Label = note.Passcode, cmp.Or(note.Label, line.Label)
		}
		o.cards = append(o.cards, line)
	}
	return o, nil
}

// readers are the readers with what is in them.
func (s *Site) readers(ctx context.Context) ([]pages.Reader, error) {
	o, err := s.overview(ctx)
	if err != nil {
		return nil, err
	}
	return s.readersOf(o), nil
}

func (s *Site) readersOf(o *overview) []pages.Reader {
	views := make([]pages.Reader, rooms.Readers)
	for i := range views {
		station, index := s.rooms.Desk.At(i + 1)
		views[i] = pages.Reader{Number: i + 1, Agent: station.Address, Index: index, Workstation: station.Name}
		for _, c := range o.cards {
			if c.Reader == i+1 {
				views[i].Card, views[i].Holder, views[i].UserID = c.Serial, c.HolderName, c.Holder
			}
		}
	}
	return views
}

// state is the estate as programs see it.
func (s *Site) state(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	o, err := s.overview(r.Context())
	if err != nil {
		return pages.Answer{}, err
	}
	type object = map[string]any
	readers, cards, people, sites := []object{}, []object{}, []object{}, []object{}
	for _, v := range s.readersOf(o) {
		readers = append(readers, object{"reader": v.Number, "card": v.Card, "workstation": v.Workstation})
	}
	for _, c := range o.cards {
		cards = append(cards, object{
			"serial": c.Serial, "label": c.Label, "holder": c.Holder, "state": c.State, "reader": c.Reader, "demoPasscode": c.DemoPasscode,
		})
	}
	for _, p := range o.people {
		demo := ""
		for _, c := range p.Cards {
			if note, ok := s.rooms.Demo.Card(c.Serial); ok && note.UserID == p.ID {
				demo = note.Demo
			}
		}
		people = append(people, object{
			"userID": p.ID, "name": p.Name(), "roles": append([]string{}, p.Roles...), "organisation": p.Organisation,
			"email": p.Email, "mobile": p.Mobile, "demo": demo,
		})
	}
	mail, err := s.allSites(r.Context())
	if err != nil {
		return pages.Answer{}, err
	}
	for _, site := range mail {
		sites = append(sites, object{"ods": site.ODS, "accounts": len(site.Boxes), "shared": len(site.Shared)})
	}
	return pages.Answer{Next: "/", Body: object{
		"now": s.rooms.Clock.Now().UTC(), "web": s.rooms.Addresses.Web, "agent": s.rooms.Addresses.Agent,
		"issuer": s.rooms.Issuer(), "portal": s.rooms.Addresses.Portal, "mailPortal": s.rooms.Addresses.MailPortal,
		"agents": s.rooms.Desk.Stations(), "smtp": s.rooms.Addresses.SMTP,
		"readers": readers, "cards": cards, "people": people, "mail": object{"sites": sites},
		"ca": object{"notAfter": s.rooms.CA.Chain()[0].NotAfter, "issuingKey": "softhsm"},
	}}, nil
}

// homePage is the front page.
type homePage struct {
	pages.Base
	Readers    []liveReader
	Drawer     []cardLine
	People     []personLine
	Ahead      string
	NextWindow *time.Time
	Messages   []inbox.Message
	Issuer     string
	Portal     string // the clinical one
	MailPortal string
}

func (*homePage) Template() string { return "home.html" }

type personLine struct {
	Name, UserID, Organisation string
	Roles                      []string
	Cards                      []cardLine
}

func (s *Site) home(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	o, err := s.overview(r.Context())
	if err != nil {
		return pages.Answer{}, err
	}
	p := &homePage{Base: pages.Base{Title: "The estate"}, Ahead: elapsed(s.rooms.Clock.Ahead())}
	p.Issuer, p.Portal, p.MailPortal = s.rooms.Issuer(), s.rooms.Addresses.Portal, s.rooms.Addresses.MailPortal
	p.Readers = s.live(r.Context(), s.readersOf(o))
	for _, c := range o.cards {
		if c.Reader == 0 {
			p.Drawer = append(p.Drawer, c)
		}
	}
	slices.SortStableFunc(p.Drawer, func(a, b cardLine) int { return cmp.Compare(last(a.HolderName), last(b.HolderName)) })
	for _, person := range o.people {
		line := personLine{Name: person.Name(), UserID: person.ID, Organisation: person.Organisation, Roles: person.Roles}
		for _, c := range person.Cards {
			passcode := ""
			if note, ok := s.rooms.Demo.Card(c.Serial); ok && note.UserID == person.ID {
				passcode = note.Passcode
			}
			line.Cards = append(line.Cards, cardLine{Serial: c.Serial, State: c.State, NotAfter: c.NotAfter, DemoPasscode: passcode})
		}
		p.People = append(p.People, line)
	}
	slices.SortFunc(p.People, func(a, b personLine) int {
		return cmp.Or(cmp.Compare(rank(a.Roles), rank(b.Roles)), cmp.Compare(a.Name, b.Name))
	})
	p.NextWindow = s.nextWindow(o)
	all := s.rooms.Inbox.Messages("")
	slices.Reverse(all)
	p.Messages = all[:min(len(all), 6)]
	return pages.Answer{View: p, Body: map[string]string{"state": "/api/state"}}, nil
}

// last sorts blank cards behind those of people.
func last(name string) string { return cmp.Or(name, "\uffff") }

// rank is the order in which people are shown: by their strongest role.
func rank(held []string) int {
	for i, role := range careid.Roles() {
		if slices.Contains(held, string(role)) {
			return i
		}
	}
	return len(careid.Roles())
}

// nextWindow is when the first card that is in use can be renewed, where that
// is still to come.
func (s *Site) nextWindow(o *overview) *time.Time {
	now := s.rooms.Clock.Now()
	window, err := s.Book.Duration("cert.renewal", now)
	if err != nil {
		return nil // no rule in force, no button
	}
	var first *time.Time
	for _, c := range o.cards {
		opens := c.NotAfter.Add(-window)
		if c.State == careid.CardActive && opens.After(now) && (first == nil || opens.Before(*first)) {
			first = &opens
		}
	}
	return first
}
