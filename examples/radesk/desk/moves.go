// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (d *Desk) moveRoutes(mux *http.ServeMux) {
	d.Handle(mux, "GET /desk/moves", d.moves)
	d.Handle(mux, "POST /desk/people/{id}/release", d.release)
	d.Handle(mux, "POST /desk/moves/{id}/take", d.takeOver)
	d.Handle(mux, "GET /desk/people/{id}/leaving", d.leaving)
	d.Handle(mux, "POST /desk/people/{id}/leave", d.leave)
	d.Handle(mux, "POST /desk/people/{id}/reopen", d.reopen)
}

// movesPage is who may be taken over from another organisation.
type movesPage struct {
	frame
	Releases  []careid.Release
	Positions []careid.Position
}

func (*movesPage) Template() string { return "moves.html" }

func (d *Desk) moves(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "Moves between organisations")
	if err != nil {
		return pages.Answer{}, err
	}
	p := &movesPage{frame: f}
	if p.Releases, err = d.Care.Releases(r.Context(), actor); err != nil && !noRole(err) {
		return pages.Answer{}, err
	}
	if p.Positions, err = d.Care.Positions(r.Context(), actor); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{View: p, Body: map[string]any{"releases": p.Releases}}, nil
}

// release lets another organisation take the person over; to nobody it takes
// that back.
func (d *Desk) release(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ To string }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: d.back(r, "released")}, d.Care.Release(r.Context(), actor, r.PathValue("id"), in.To)
}

// takeOver moves a released person here, with one position to begin with or none.
func (d *Desk) takeOver(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[assignRequest](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	var positions []careid.Assign
	if in.Position != "" {
		asked, err := d.readAssign(in, r.PathValue("id"))
		if err != nil {
			return pages.Answer{}, err
		}
		positions = append(positions, asked)
	}
	p, err := d.Care.TakeOver(r.Context(), actor, r.PathValue("id"), positions)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Body: map[string]string{"organisation": p.Organisation}, Next: d.back(r, "moved")}, nil
}

// leavingPage is the checklist of somebody who leaves, by the kind of leaving.
type leavingPage struct {
	frame
	Person *careid.Profile
	Kind   careid.Leaving
	Steps  []careid.LeaverStep
	Cards  []careid.Card // in use, to be handed in
}

func (*leavingPage) Template() string { return "leaving.html" }

func (d *Desk) leaving(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "")
	if err != nil {
		return pages.Answer{}, err
	}
	p := &leavingPage{frame: f, Kind: careid.Leaving(r.URL.Query().Get("kind"))}
	if p.Kind == "" {
		p.Kind = careid.LeavingOrganisation
	}
	ctx, id := r.Context(), r.PathValue("id")
	if p.Person, err = d.Care.Profile(ctx, actor, id); err != nil {
		return pages.Answer{}, err
	}
	p.Title = p.Person.Name() + " leaves"
	if p.Steps, err = d.Care.LeaverChecklist(ctx, actor, id, p.Kind); err != nil {
		return pages.Answer{}, err
	}
	cards, err := d.Care.Cards(ctx, actor, id)
	if err != nil {
		return pages.Answer{}, err
	}
	for _, c := range cards {
		if (cardView{Card: c}).Live() {
			p.Cards = append(p.Cards, c)
		}
	}
	steps := []map[string]any{}
	for _, s := range p.Steps {
		steps = append(steps, map[string]any{"step": s.Step, "what": s.What, "done": s.Done})
	}
	return pages.Answer{View: p, Body: map[string]any{"steps": steps}}, nil
}

// leave ends the Care Identity of somebody who leaves care.
func (d *Desk) leave(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ Card string }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: d.back(r, "left")}, d.Care.LeaveCare(r.Context(), actor, careid.Leaver{Profile: r.PathValue("id"), Card: in.Card})
}

// reopen has somebody who left care, and comes back, go on under their user id.
func (d *Desk) reopen(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	actor, err := d.Strongest(r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: d.back(r, "done")}, d.Care.ReopenProfile(r.Context(), actor, r.PathValue("id"))
}
