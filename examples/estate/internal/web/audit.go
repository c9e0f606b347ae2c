// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/internal/chain"
)

func (s *Site) auditRoutes(mux *http.ServeMux) {
	s.Handle(mux, "GET /audit", s.auditPage)
	s.Handle(mux, "GET /api/audit", s.audit)
	s.Handle(mux, "POST /api/audit/copy", s.tamper)
}

// shownRows is how many rows of careid's audit a page shows.
const shownRows = 40

type auditPage struct {
	pages.Base
	Chains []chainView
	Rows   []careid.AuditEntry
	Found  *chain.BrokenError
}

func (*auditPage) Template() string { return "audit.html" }

type chainView struct {
	Room string
	Rows int64
}

// audit verifies every chain now.
func (s *Site) audit(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	rows, err := s.rooms.VerifyAudits(r.Context())
	if err != nil {
		return pages.Answer{}, err
	}
	body := map[string]map[string]int64{}
	for room, n := range rows {
		body[room] = map[string]int64{"rows": n}
	}
	return pages.Answer{Body: body, Next: "/audit"}, nil
}

func (s *Site) auditPage(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p, err := s.auditView(r)
	return pages.Answer{View: p, Body: map[string]string{"audit": "/api/audit"}}, err
}

func (s *Site) auditView(r *http.Request) (*auditPage, error) {
	rows, err := s.rooms.VerifyAudits(r.Context())
	if err != nil {
		return nil, err
	}
	p := &auditPage{Base: pages.Base{Title: "Audit"}}
	for _, room := range rooms.AuditedRooms() {
		p.Chains = append(p.Chains, chainView{room, rows[room]})
	}
	p.Rows, err = s.rooms.Care.Audit(r.Context(), s.rooms.Operator(), max(rows["careid"]-shownRows, 0), shownRows)
	slices.Reverse(p.Rows)
	return p, err
}

// tamper changes a row in a copy and tells what verifying the copy finds.
func (s *Site) tamper(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct {
		Room string
		Seq  json.Number
	}
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	seq, err := in.Seq.Int64()
	if err != nil {
		return pages.Answer{}, s.Refuse("request.invalid").Because(err)
	}
	broken, err := s.rooms.Tampered(r.Context(), in.Room, seq)
	switch {
	case errors.Is(err, rooms.ErrNoRoom):
		return pages.Answer{}, s.rules.Refuse("audit.room").Because(err)
	case errors.Is(err, rooms.ErrNoRow):
		return pages.Answer{}, s.rules.Refuse("audit.row").Because(err)
	case err != nil:
		return pages.Answer{}, err
	}
	body := map[string]any{"found": true, "room": broken.Room, "seq": broken.Seq, "why": broken.Why}
	if !pages.Browser(r) {
		return pages.Answer{Body: body}, nil
	}
	p, err := s.auditView(r)
	if err == nil {
		p.Found = broken
	}
	return pages.Answer{View: p}, err
}
