// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
)

func (s *Site) deskRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /desk", s.serve(s.desk))
	mux.HandleFunc("GET /desk/people/{id}", s.serve(s.deskPerson))
	mux.HandleFunc("POST /desk/invitations", s.serve(s.invite))
	mux.HandleFunc("POST /desk/profiles", s.serve(s.openProfile))
	mux.HandleFunc("POST /desk/profiles/{id}/roles", s.serve(s.grantRole))
	mux.HandleFunc("POST /desk/profiles/{id}/contacts", s.serve(s.deskContacts))
	mux.HandleFunc("POST /desk/acts", s.serve(s.openAct))
	mux.HandleFunc("POST /desk/acts/{id}/abandon", s.serve(s.abandon))
	mux.HandleFunc("POST /desk/presence", s.serve(s.presence))
	mux.HandleFunc("POST /desk/cards/{serial}/lost", s.serve(s.lost))
	mux.HandleFunc("POST /desk/cards/{serial}/cancel", s.serve(s.cancel))
}

// deskPage is what a person in a role sees of their organisation.
type deskPage struct {
	base
	Role         string
	Organisation string
	Applications []careid.Application
	People       []careid.Profile
	Orders       []careid.Order
	CanCheck     bool
	CanApprove   bool
	Documents    documentKinds
}

func (*deskPage) template() string { return "desk.html" }

type documentKinds struct{ Photo, Address []string }

func (s *Site) desk(_ http.ResponseWriter, r *http.Request) (answer, error) {
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	ctx, care := r.Context(), s.rooms.Care
	p := &deskPage{base: base{Title: "Desk"}, Role: string(actor.Role()), Organisation: actor.Organisation()}
	if actor.Role() == careid.Holder {
		return answer{view: p, body: map[string]string{"role": p.Role}}, nil
	}
	if p.Applications, err = care.Applications(ctx, actor); err != nil {
		return answer{}, err
	}
	if p.People, err = care.Profiles(ctx, actor); err != nil {
		return answer{}, err
	}
	if p.Orders, err = care.Orders(ctx, actor); err != nil {
		if wardkey.RuleOf(err) == "" {
			return answer{}, err
		}
		p.Orders = nil // a sponsor isn't told of orders
	}
	p.CanCheck, p.CanApprove = may(actor, careid.ActionCheck), may(actor, careid.ActionApprove)
	now := s.rooms.Clock.Now()
	if p.Documents.Photo, err = s.sentences.Strings("identity.photo", now); err != nil {
		return answer{}, err
	}
	if p.Documents.Address, err = s.sentences.Strings("identity.address", now); err != nil {
		return answer{}, err
	}
	return answer{view: p, body: map[string]any{"role": p.Role, "organisation": p.Organisation, "applications": len(p.Applications)}}, nil
}

// may reads the role table, so that a page offers what can be done; the service
// decides each time anew.
func may(a careid.Actor, action careid.Action) bool {
	return slices.ContainsFunc(careid.Permissions(), func(p careid.Permission) bool {
		return p.Action == action && slices.Contains(p.Roles, a.Role())
	})
}

// personPage is one person with everything that the desk can do for them.
type personPage struct {
	base
	Role   string
	Person *careid.Profile
	Roles  []string
	Cards  []cardView
	Blanks []readerView
	Grants []careid.Role
	Offers map[string]bool
}

func (*personPage) template() string { return "person.html" }

// cardView is a card and where it is.
type cardView struct {
	careid.Card
	Reader int
}

// Live says that the card may still be used, and so renewed, lost or cancelled.
func (c cardView) Live() bool {
	return slices.Contains([]careid.CardState{careid.CardOrdered, careid.CardActive, careid.CardLocked, careid.CardExpired}, c.State)
}

func (s *Site) deskPerson(_ http.ResponseWriter, r *http.Request) (answer, error) {
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	ctx, care, id := r.Context(), s.rooms.Care, r.PathValue("id")
	p := &personPage{Role: string(actor.Role()), Offers: map[string]bool{}}
	if p.Person, err = care.Profile(ctx, actor, id); err != nil {
		return answer{}, err
	}
	p.Title = p.Person.Name()
	cards, err := care.Cards(ctx, actor, id)
	if err != nil {
		return answer{}, err
	}
	readers, err := s.readers(ctx)
	if err != nil {
		return answer{}, err
	}
	for _, c := range cards {
		v := cardView{Card: c}
		for _, at := range readers {
			if at.Card == c.Serial {
				v.Reader = at.Reader
			}
		}
		p.Cards = append(p.Cards, v)
	}
	p.Blanks = slices.DeleteFunc(readers, func(v readerView) bool { return v.Card == "" || v.UserID != "" })
	p.Grants = slices.DeleteFunc(careid.Roles(), func(role careid.Role) bool { return role == careid.Holder })
	for _, action := range []careid.Action{careid.ActionIssue, careid.ActionRenew, careid.ActionLost, careid.ActionCancel, careid.ActionContact, careid.ActionRole, careid.ActionRepair, careid.ActionClear} {
		p.Offers[string(action)] = may(actor, action)
	}
	return answer{view: p, body: map[string]any{"userID": id, "name": p.Person.Name()}}, nil
}

type newPerson struct{ GivenName, FamilyName, Email, Mobile string }

func (s *Site) invite(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in newPerson
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	app, err := s.rooms.Care.Invite(r.Context(), actor, careid.Invitation{Given: in.GivenName, Family: in.FamilyName, Email: in.Email, Mobile: in.Mobile})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: map[string]string{"application": app.ID}, next: "/desk?told=invited"}, nil
}

// openProfile is the direct way to a profile, which nobody may go.
func (s *Site) openProfile(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in newPerson
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	p, err := s.rooms.Care.OpenProfile(r.Context(), actor, careid.NewProfile{
		Given: in.GivenName, Family: in.FamilyName, Organisation: actor.Organisation(), Email: in.Email, Mobile: in.Mobile,
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: map[string]string{"userID": p.ID}, next: "/desk"}, nil
}

// grantRole gives a role at the organisation of the one who gives it; another
// organisation is not theirs to give at.
func (s *Site) grantRole(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct{ Role, Organisation string }
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	if in.Organisation != "" && in.Organisation != actor.Organisation() {
		return answer{}, s.sentences.Refuse("org.scope")
	}
	role, err := careid.ParseRole(in.Role)
	if err != nil {
		return answer{}, s.rules.Refuse("request.invalid").Because(err)
	}
	return answer{}, s.rooms.Care.GrantRole(r.Context(), actor, r.PathValue("id"), role)
}

// contacts replaces those that are named; an empty one is taken away.
type contacts struct{ Email, Mobile *string }

func (s *Site) deskContacts(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in contacts
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.setContacts(r, actor, r.PathValue("id"), in)
}

func (s *Site) setContacts(r *http.Request, a careid.Actor, id string, in contacts) error {
	p, err := s.rooms.Care.Profile(r.Context(), a, id)
	if err != nil {
		return err
	}
	c := careid.Contact{Email: p.Email, Mobile: p.Mobile}
	if in.Email != nil {
		c.Email = *in.Email
	}
	if in.Mobile != nil {
		c.Mobile = *in.Mobile
	}
	return s.rooms.Care.SetContact(r.Context(), a, id, c)
}

type actRequest struct {
	Kind     careid.Purpose
	Card     string
	UserID   string
	Replaces string
	Locked   flag
	Presence struct {
		Card     flag
		Attested string
	}
}

func (in actRequest) request() careid.ActRequest {
	r := careid.ActRequest{Kind: in.Kind, Card: in.Card, Profile: in.UserID, Replaces: in.Replaces, Locked: bool(in.Locked)}
	switch {
	case bool(in.Presence.Card):
		r.Evidence = careid.Evidence{Kind: careid.ByCard}
	case in.Presence.Attested != "":
		r.Evidence = careid.Evidence{Kind: careid.Attested, Document: in.Presence.Attested}
	}
	return r
}

// openAct opens work on somebody's card. The ticket carries, beside the handle,
// what the holder's card has to sign first where that is the evidence: the act
// and the bind of this session.
func (s *Site) openAct(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in actRequest
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	act, err := s.rooms.Care.OpenAct(r.Context(), actor, in.request())
	if err != nil {
		return answer{}, err
	}
	t := s.rooms.Cards.ActTicket(r, act)
	witness := s.rooms.Cards.PresenceTicket(r, act)
	if !browser(r) {
		full := named(t)
		full.Act, full.Bind = witness.Act, witness.Bind
		return answer{status: http.StatusCreated, body: full}, nil
	}
	p := cardPage{
		Heading: deskHeadings[act.Kind], Button: "Begin", Then: "/desk/people/" + act.Profile + "?told=done",
		Lead: "The holder types the passcode, at the window that the card service opens.",
	}
	if in.Presence.Card {
		text, err := json.Marshal(witness)
		if err != nil {
			return answer{}, err
		}
		p.Presence = string(text)
		p.Lead = "The holder’s card shows first that the holder is here, then the work is done: the passcode is asked for twice."
	}
	page, err := s.cardPage(r, p, t, in.Card)
	return answer{view: page}, err
}

// abandon gives up work that will not be finished.
func (s *Site) abandon(_ http.ResponseWriter, r *http.Request) (answer, error) {
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.rooms.Care.AbandonAct(r.Context(), actor, r.PathValue("id"))
}

var deskHeadings = map[careid.Purpose]string{
	careid.Issue: "Issue the card", careid.Renew: "Renew the card with its holder", careid.Repair: "Repair the card", careid.Clear: "Empty the card",
}

// presence is the ticket for the holder's card to show that its holder is at
// this desk, for an act that is open.
func (s *Site) presence(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct{ Act, Card string }
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	if _, err := s.deskActor(r); err != nil {
		return answer{}, err
	}
	return answer{body: named(s.rooms.Cards.PresenceTicket(r, &careid.Act{ID: in.Act}))}, nil
}

func (s *Site) lost(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return s.takeOut(r, func(ctx context.Context, a careid.Actor, serial string) error {
		_, err := s.rooms.Care.ReportLost(ctx, a, serial)
		return err
	})
}

func (s *Site) cancel(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return s.takeOut(r, s.rooms.Care.CancelCard)
}

func (s *Site) takeOut(r *http.Request, do func(context.Context, careid.Actor, string) error) (answer, error) {
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	return answer{}, do(r.Context(), actor, r.PathValue("serial"))
}

// readerView is a reader as pages show it. Index is its number as the agent at
// Agent counts, from 0.
type readerView struct {
	Reader int
	Agent  string
	Index  int
	rooms.Workstation
	Card   string
	Holder string
	UserID string
	Chosen bool
}
