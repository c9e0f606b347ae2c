// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (d *Desk) applyRoutes(mux *http.ServeMux) {
	d.Handle(mux, "GET /apply/{token}", d.applyPage)
	d.Handle(mux, "POST /apply/{token}", d.apply)
	d.Handle(mux, "POST /desk/applications/{id}/check", d.check)
	d.Handle(mux, "POST /desk/applications/{id}/approve", d.approve)
}

// applyPage is where an invitation leads. It doesn't tell whether the token is
// good; sending the form does.
type applyPage struct {
	pages.Base
	Token string
}

func (*applyPage) Template() string { return "apply.html" }

func (d *Desk) applyPage(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	return pages.Answer{View: &applyPage{Base: pages.Base{Title: "Apply for a Care Identity"}, Token: r.PathValue("token")}, Body: map[string]string{}}, nil
}

// apply sends the application. Whether the person has a profile already it tells
// nobody: that is for the desk to see, when the identity is checked.
func (d *Desk) apply(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ GivenName, FamilyName, NINumber, Born string }
	if err := d.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	born, err := d.date(in.Born)
	if err != nil {
		return pages.Answer{}, d.Book.Refuse("identity.person").Because(err)
	}
	_, err = d.Care.Submit(r.Context(), r.PathValue("token"), careid.Submission{
		Given: in.GivenName, Family: in.FamilyName, NINumber: in.NINumber, Born: born,
	})
	return pages.Answer{Next: "/?told=submitted"}, err
}

func (d *Desk) check(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	in, actor, err := asked[struct {
		Method    careid.CheckMethod
		Documents []careid.Document
	}](d, w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	_, err = d.Care.RecordCheck(r.Context(), actor, r.PathValue("id"), careid.Check{Method: in.Method, Documents: in.Documents})
	return pages.Answer{Next: "/desk?told=done"}, err
}

func (d *Desk) approve(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	actor, err := d.Strongest(r)
	if err != nil {
		return pages.Answer{}, err
	}
	p, err := d.Care.Approve(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Body: map[string]string{"userID": p.ID}, Next: "/desk/people/" + p.ID + "?told=done"}, nil
}
