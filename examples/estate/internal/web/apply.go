// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
)

func (s *Site) applyRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /apply/{token}", s.serve(s.applyPage))
	mux.HandleFunc("POST /apply/{token}", s.serve(s.apply))
	mux.HandleFunc("POST /desk/applications/{id}/check", s.serve(s.check))
	mux.HandleFunc("POST /desk/applications/{id}/approve", s.serve(s.approve))
}

// applyPage is where an invitation leads. It doesn't tell whether the token is
// good; sending the form does.
type applyPage struct {
	base
	Token string
}

func (*applyPage) template() string { return "apply.html" }

func (s *Site) applyPage(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return answer{view: &applyPage{base: base{Title: "Apply for a Care Identity"}, Token: r.PathValue("token")}, body: map[string]string{}}, nil
}

func (s *Site) apply(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct{ GivenName, FamilyName string }
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	_, err := s.rooms.Care.Submit(r.Context(), r.PathValue("token"), careid.Submission{Given: in.GivenName, Family: in.FamilyName})
	return answer{next: "/?told=submitted"}, err
}

func (s *Site) check(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct {
		Method    careid.CheckMethod
		Documents []careid.Document
	}
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	_, err = s.rooms.Care.RecordCheck(r.Context(), actor, r.PathValue("id"), careid.Check{Method: in.Method, Documents: in.Documents})
	return answer{next: "/desk?told=done"}, err
}

func (s *Site) approve(_ http.ResponseWriter, r *http.Request) (answer, error) {
	actor, err := s.deskActor(r)
	if err != nil {
		return answer{}, err
	}
	p, err := s.rooms.Care.Approve(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: map[string]string{"userID": p.ID}, next: "/desk/people/" + p.ID + "?told=done"}, nil
}
