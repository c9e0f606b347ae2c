// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"context"
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (d *Desk) personRoutes(mux *http.ServeMux) {
	d.Handle(mux, "GET /desk/people/{id}", d.person)
	d.Handle(mux, "POST /desk/profiles/{id}/roles", d.grantRole)
	d.Handle(mux, "POST /desk/profiles/{id}/contacts", d.contacts)
	d.Handle(mux, "POST /desk/profiles/{id}/name", d.rename)
	d.Handle(mux, "POST /desk/authenticators/{id}/remove", d.done("", func(r *http.Request, a careid.Actor) error {
		return d.Care.RemoveAuthenticator(r.Context(), a, r.PathValue("id"))
	}))
}

// personPage is one person with everything that the desk can do for them.
type personPage struct {
	frame
	Person         *careid.Profile
	Own            bool // the actor's own record, on which nobody acts
	Cards          []cardView
	Known          bool // which card is in which reader
	Blanks         []pages.Reader
	Grants         []careid.Role
	Held           []careid.Held
	Positions      []careid.Position
	Authenticators []careid.Authenticator
	Release        *careid.Release
}

func (*personPage) Template() string { return "person.html" }

// Closed says that the Care Identity has ended.
func (p *personPage) Closed() bool { return p.Person.State == careid.ProfileClosed }

// cardView is a card and where it is.
type cardView struct {
	careid.Card
	Reader int
}

// Live says that the card may still be used, and so renewed, lost or cancelled.
func (c cardView) Live() bool {
	return slices.Contains([]careid.CardState{careid.CardOrdered, careid.CardActive, careid.CardLocked, careid.CardExpired}, c.State)
}

// Openable says that the card can be unlocked, or its passcode changed, at the
// desk. A card that was locked by wrong passcodes still counts as active here:
// only the card knows.
func (c cardView) Openable() bool {
	return c.State == careid.CardActive || c.State == careid.CardLocked
}

func (d *Desk) person(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "")
	if err != nil {
		return pages.Answer{}, err
	}
	ctx, id := r.Context(), r.PathValue("id")
	p := &personPage{frame: f, Own: actor.Profile() == id, Known: d.Readers != nil}
	if p.Person, err = d.Care.Profile(ctx, actor, id); err != nil {
		return pages.Answer{}, err
	}
	p.Title = p.Person.Name()
	if p.Closed() { // nothing is given before it is opened again
		for _, action := range []careid.Action{careid.ActionIssue, careid.ActionAssignPosition, careid.ActionRename, careid.ActionRole, careid.ActionMove} {
			delete(p.Offers, string(action))
		}
	}
	if err := d.addCards(ctx, actor, p); err != nil {
		return pages.Answer{}, err
	}
	if err := d.addPositions(ctx, actor, p); err != nil {
		return pages.Answer{}, err
	}
	if p.Authenticators, err = d.Care.Authenticators(ctx, actor, id); err != nil {
		return pages.Answer{}, err
	}
	p.Authenticators = slices.DeleteFunc(p.Authenticators, func(a careid.Authenticator) bool { return a.State != careid.AuthenticatorActive })
	p.Grants = slices.DeleteFunc(careid.Roles(), func(role careid.Role) bool { return role == careid.Holder })
	return pages.Answer{View: p, Body: map[string]any{"userID": id, "name": p.Person.Name()}}, nil
}

// addCards fills in the cards, and the blank ones where the server sees readers.
func (d *Desk) addCards(ctx context.Context, a careid.Actor, p *personPage) error {
	cards, err := d.Care.Cards(ctx, a, p.Person.ID)
	if err != nil {
		return err
	}
	var readers []pages.Reader
	if p.Known {
		if readers, err = d.Readers(ctx); err != nil {
			return err
		}
	}
	for _, c := range cards {
		v := cardView{Card: c}
		for _, at := range readers {
			if at.Card == c.Serial {
				v.Reader = at.Number
			}
		}
		p.Cards = append(p.Cards, v)
	}
	p.Blanks = slices.DeleteFunc(readers, func(v pages.Reader) bool { return v.Card == "" || v.UserID != "" })
	return nil
}

// addPositions fills in what the person holds, and what they can be given.
func (d *Desk) addPositions(ctx context.Context, a careid.Actor, p *personPage) (err error) {
	if p.Held, err = d.Care.Assignments(ctx, a, p.Person.ID); err != nil || !p.Offers[string(careid.ActionAssignPosition)] {
		return err
	}
	if p.Positions, err = d.Care.Positions(ctx, a); err != nil {
		return err
	}
	if a.Role() == careid.Sponsor {
		p.Positions = slices.DeleteFunc(p.Positions, func(v careid.Position) bool { return !v.Assignable })
	}
	return nil
}

// grantRole gives a role at the organisation of the one who gives it; another
// organisation is not theirs to give at. With end it is taken away.
func (d *Desk) grantRole(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct {
		Role, Organisation string
		End                pages.Flag
	}](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	if in.Organisation != "" && in.Organisation != actor.Organisation() {
		return pages.Answer{}, d.Book.Refuse("org.scope")
	}
	role, err := careid.ParseRole(in.Role)
	if err != nil {
		return pages.Answer{}, d.Refuse("request.invalid").Because(err)
	}
	if in.End {
		return pages.Answer{Next: d.back(r, "done")}, d.Care.EndRole(r.Context(), actor, r.PathValue("id"), role)
	}
	return pages.Answer{Next: d.back(r, "done")}, d.Care.GrantRole(r.Context(), actor, r.PathValue("id"), role)
}

// back is the page of the person that the address names.
func (*Desk) back(r *http.Request, told string) string {
	return "/desk/people/" + r.PathValue("id") + "?told=" + told
}

func (d *Desk) contacts(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[pages.Contacts](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: d.back(r, "done")}, d.SetContacts(r.Context(), actor, r.PathValue("id"), in)
}

// rename changes the name; the new card is ordered by it.
func (d *Desk) rename(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ GivenName, FamilyName, Attested string }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	order, err := d.Care.Rename(r.Context(), actor, r.PathValue("id"), careid.NewName{
		Given: in.GivenName, Family: in.FamilyName, Evidence: careid.Evidence{Kind: careid.Attested, Document: in.Attested},
	})
	if err != nil {
		return pages.Answer{}, err
	}
	body, next := map[string]string{"order": ""}, d.back(r, "done")
	if order != nil {
		body["order"], next = order.ID, d.back(r, "renamed")
	}
	return pages.Answer{Body: body, Next: next}, nil
}

// noRole says whether a refusal only tells that the role has no such page.
func noRole(err error) bool { return wardkey.RuleOf(err) == "role.action" }
