// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (d *Desk) positionRoutes(mux *http.ServeMux) {
	d.Handle(mux, "GET /desk/positions", d.positions)
	d.Handle(mux, "POST /desk/positions", d.createPosition)
	d.Handle(mux, "GET /desk/positions/{id}", d.position)
	d.Handle(mux, "POST /desk/positions/{id}", d.changePosition)
	d.Handle(mux, "POST /desk/positions/{id}/delete", d.done("/desk/positions?told=done", func(r *http.Request, a careid.Actor) error {
		return d.Care.DeletePosition(r.Context(), a, r.PathValue("id"))
	}))
	d.Handle(mux, "POST /desk/workgroups", d.createWorkgroup)
	d.Handle(mux, "POST /desk/workgroups/{id}", d.renameWorkgroup)
	d.Handle(mux, "POST /desk/workgroups/{id}/delete", d.done("/desk/positions?told=done", func(r *http.Request, a careid.Actor) error {
		return d.Care.DeleteWorkgroup(r.Context(), a, r.PathValue("id"))
	}))
	d.Handle(mux, "POST /desk/people/{id}/positions", d.assign)
	d.Handle(mux, "POST /desk/people/{id}/positions/{assignment}/end", d.done("", func(r *http.Request, a careid.Actor) error {
		return d.Care.EndPosition(r.Context(), a, r.PathValue("assignment"))
	}))
}

// positionsPage is the positions and workgroups of the organisation.
type positionsPage struct {
	frame
	Positions  []careid.Position
	Workgroups []careid.Workgroup
	Names      map[string]string // of workgroups
	Edit       careid.Position   // in the form
	In         map[string]bool   // the workgroups of Edit
}

func (*positionsPage) Template() string { return "positions.html" }

// Lines are codes as the form shows them.
func (*positionsPage) Lines(codes []careid.Coded) string {
	lines := make([]string, len(codes))
	for i, c := range codes {
		lines[i] = strings.TrimSpace(c.Code + " " + c.Name)
	}
	return strings.Join(lines, "\n")
}

func (d *Desk) positionsPage(r *http.Request) (*positionsPage, error) {
	f, actor, err := d.frame(r, "Positions and workgroups")
	if err != nil {
		return nil, err
	}
	p := &positionsPage{frame: f, Names: map[string]string{}, In: map[string]bool{}}
	if p.Positions, err = d.Care.Positions(r.Context(), actor); err != nil {
		return nil, err
	}
	if p.Workgroups, err = d.Care.Workgroups(r.Context(), actor); err != nil {
		return nil, err
	}
	for _, w := range p.Workgroups {
		p.Names[w.ID] = w.Name
	}
	return p, nil
}

func (d *Desk) positions(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p, err := d.positionsPage(r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{View: p, Body: map[string]any{"positions": p.Positions, "workgroups": p.Workgroups}}, nil
}

// position is the same page with one position in the form.
func (d *Desk) position(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p, err := d.positionsPage(r)
	if err != nil {
		return pages.Answer{}, err
	}
	i := slices.IndexFunc(p.Positions, func(v careid.Position) bool { return v.ID == r.PathValue("id") })
	if i < 0 {
		return pages.Answer{}, d.Book.Refuse("org.scope")
	}
	p.Edit = p.Positions[i]
	for _, w := range p.Edit.Workgroups {
		p.In[w] = true
	}
	return pages.Answer{View: p, Body: p.Edit}, nil
}

type positionRequest struct {
	Name, Role, Activities, Areas string
	Workgroups                    map[string]pages.Flag
	Assignable                    pages.Flag
}

// read reads a position from its form.
func (d *Desk) readPosition(w http.ResponseWriter, r *http.Request) (careid.Position, error) {
	var in positionRequest
	if err := d.Read(w, r, &in); err != nil {
		return careid.Position{}, err
	}
	p := careid.Position{ID: r.PathValue("id"), Name: in.Name, Assignable: bool(in.Assignable), Workgroups: slices.Sorted(maps.Keys(in.Workgroups))}
	role, err := d.codes(in.Role)
	if err != nil {
		return p, err
	}
	if len(role) != 1 {
		return p, d.rules.Refuse("code.invalid")
	}
	p.Role = role[0]
	if p.Activities, err = d.codes(in.Activities); err != nil {
		return p, err
	}
	p.AreasOfWork, err = d.codes(in.Areas)
	return p, err
}

// codes reads one code a line with what it stands for behind.
func (d *Desk) codes(text string) ([]careid.Coded, error) {
	var codes []careid.Coded
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		code, name, found := strings.Cut(line, " ")
		if !found {
			return nil, d.rules.Refuse("code.invalid")
		}
		codes = append(codes, careid.Coded{Code: code, Name: strings.TrimSpace(name)})
	}
	return codes, nil
}

func (d *Desk) createPosition(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p, err := d.readPosition(w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	actor, err := d.Strongest(r)
	if err != nil {
		return pages.Answer{}, err
	}
	made, err := d.Care.CreatePosition(r.Context(), actor, p)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"position": made.ID}, Next: "/desk/positions?told=done"}, nil
}

func (d *Desk) changePosition(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p, err := d.readPosition(w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	actor, err := d.Strongest(r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: "/desk/positions?told=done"}, d.Care.ChangePosition(r.Context(), actor, p)
}

func (d *Desk) createWorkgroup(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ Name string }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	made, err := d.Care.CreateWorkgroup(r.Context(), actor, in.Name)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"workgroup": made.ID}, Next: "/desk/positions?told=done"}, nil
}

func (d *Desk) renameWorkgroup(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct{ Name string }](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: "/desk/positions?told=done"}, d.Care.RenameWorkgroup(r.Context(), actor, r.PathValue("id"), in.Name)
}

// assignRequest is a position with its first day and the day on which it is over.
type assignRequest struct{ Position, From, To string }

func (d *Desk) readAssign(in assignRequest, profile string) (careid.Assign, error) {
	from, err := d.date(in.From)
	if err != nil {
		return careid.Assign{}, err
	}
	to, err := d.date(in.To)
	return careid.Assign{Profile: profile, Position: in.Position, From: from, To: to}, err
}

func (d *Desk) assign(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in assignRequest
	if err := d.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	asked, err := d.readAssign(in, r.PathValue("id"))
	if err != nil {
		return pages.Answer{}, err
	}
	actor, err := d.Strongest(r)
	if err != nil {
		return pages.Answer{}, err
	}
	held, err := d.Care.AssignPosition(r.Context(), actor, asked)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"assignment": held.ID}, Next: d.back(r, "done")}, nil
}
