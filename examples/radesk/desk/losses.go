// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (d *Desk) lossRoutes(mux *http.ServeMux) {
	d.Handle(mux, "GET /desk/losses", d.losses)
	d.Handle(mux, "POST /desk/losses/{id}/handle", d.done("/desk/losses?told=done", func(r *http.Request, a careid.Actor) error {
		_, err := d.Care.HandleLoss(r.Context(), a, r.PathValue("id"))
		return err
	}))
	d.Handle(mux, "POST /desk/losses/{id}/incident", d.raiseIncident)
}

// lossesPage is the open cases: each goes through two steps, the Registration
// Authority's first.
type lossesPage struct {
	frame
	Losses []careid.Loss
	Desk   careid.Desk // whom the second step tells
}

func (*lossesPage) Template() string { return "losses.html" }

func (d *Desk) losses(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "Lost cards")
	if err != nil {
		return pages.Answer{}, err
	}
	p := &lossesPage{frame: f}
	if p.Losses, err = d.Care.Losses(r.Context(), actor); err != nil {
		return pages.Answer{}, err
	}
	if p.Desk, err = careid.PublishedDesk(d.Book, careid.DeskMail, careid.Workstation{}, d.Now()); err != nil {
		return pages.Answer{}, err
	}
	cases := []map[string]any{}
	for _, v := range p.Losses {
		cases = append(cases, map[string]any{"loss": v.ID, "userID": v.Profile, "card": v.Card, "stolen": v.Stolen, "next": v.Next()})
	}
	return pages.Answer{View: p, Body: map[string]any{"losses": cases}}, nil
}

func (d *Desk) raiseIncident(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ Address, Card string }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	_, err = d.Care.RaiseIncident(r.Context(), actor, r.PathValue("id"), careid.Incident{Address: in.Address, Card: in.Card})
	return pages.Answer{Next: "/desk/losses?told=done"}, err
}
