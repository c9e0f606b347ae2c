// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (d *Desk) cardRoutes(mux *http.ServeMux) {
	d.Handle(mux, "POST /desk/acts", d.openAct)
	d.Handle(mux, "POST /desk/acts/{id}/abandon", d.done("", func(r *http.Request, a careid.Actor) error {
		return d.Care.AbandonAct(r.Context(), a, r.PathValue("id"))
	}))
	d.Handle(mux, "POST /desk/presence", d.presence)
	d.Handle(mux, "POST /desk/cards/{serial}/lost", d.lost)
	d.Handle(mux, "POST /desk/cards/{serial}/cancel", d.done("", func(r *http.Request, a careid.Actor) error {
		return d.Care.CancelCard(r.Context(), a, r.PathValue("serial"))
	}))
	d.Handle(mux, "POST /desk/cards/{serial}/return", d.done("", func(r *http.Request, a careid.Actor) error {
		return d.Care.ReturnCard(r.Context(), a, r.PathValue("serial"))
	}))
}

type actRequest struct {
	Kind     careid.Purpose
	Card     string
	UserID   string
	Replaces string
	Locked   pages.Flag
	Presence struct {
		Card     pages.Flag
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

// deskHeading is what each kind of work is called.
func deskHeading(kind careid.Purpose) string {
	return map[careid.Purpose]string{
		careid.Issue: "Issue the card", careid.Renew: "Renew the card with its holder", careid.Repair: "Repair the card",
		careid.Clear: "Empty the card", careid.Unlock: "Unlock the card with its holder", careid.Passcode: "Change the passcode with its holder",
	}[kind]
}

// openAct opens work on somebody's card. The ticket carries, beside the handle,
// what the holder's card has to sign first where that is the evidence: the act
// and the bind of this session.
func (d *Desk) openAct(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[actRequest](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	act, err := d.Care.OpenAct(r.Context(), actor, in.request())
	if err != nil {
		return pages.Answer{}, err
	}
	t := d.Cards.ActTicket(r, act)
	witness := d.Cards.PresenceTicket(r, act)
	if !pages.Browser(r) {
		full := pages.Named(t)
		full.Act, full.Bind = witness.Act, witness.Bind
		return pages.Answer{Status: http.StatusCreated, Body: full}, nil
	}
	p := pages.CardPage{
		Heading: deskHeading(act.Kind), Button: "Begin", Then: "/desk/people/" + act.Profile + "?told=done",
		Lead: "The holder types the passcode, at the window that the card service opens.",
	}
	if in.Presence.Card && act.Kind != careid.Passcode {
		p.Presence = witness.JSON()
		p.Lead = "The holder’s card shows first that the holder is here, then the work is done: the passcode is asked for twice."
	}
	page, err := d.ForCard(r, p, t, in.Card)
	return pages.Answer{View: page}, err
}

// presence is the ticket for the holder's card to show that its holder is at
// this desk, for an act that is open.
func (d *Desk) presence(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Act, Card string }
	if err := d.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	if _, err := d.Strongest(r); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Body: pages.Named(d.Cards.PresenceTicket(r, &careid.Act{ID: in.Act}))}, nil
}

// lost takes a card out of use and opens the case of its loss.
func (d *Desk) lost(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ Stolen pages.Flag }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	card, err := d.Care.Card(r.Context(), actor, r.PathValue("serial"))
	if err != nil {
		return pages.Answer{}, err
	}
	_, err = d.Care.ReportLoss(r.Context(), actor, careid.LossReport{Profile: card.Profile, Card: card.Serial, Stolen: bool(in.Stolen)})
	return pages.Answer{}, err
}
