// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/internal/chain"
)

func (s *Site) auditRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /audit", s.serve(s.auditPage))
	mux.HandleFunc("GET /api/audit", s.serve(s.audit))
	mux.HandleFunc("POST /api/audit/copy", s.serve(s.tamper))
}

// shownRows is how many rows of careid's audit a page shows.
const shownRows = 40

type auditPage struct {
	base
	Chains []chainView
	Rows   []careid.AuditEntry
	Found  *chain.BrokenError
}

func (*auditPage) template() string { return "audit.html" }

type chainView struct {
	Room string
	Rows int64
}

// audit verifies every chain now.
func (s *Site) audit(_ http.ResponseWriter, r *http.Request) (answer, error) {
	rows, err := s.rooms.VerifyAudits(r.Context())
	if err != nil {
		return answer{}, err
	}
	body := map[string]map[string]int64{}
	for room, n := range rows {
		body[room] = map[string]int64{"rows": n}
	}
	return answer{body: body, next: "/audit"}, nil
}

func (s *Site) auditPage(_ http.ResponseWriter, r *http.Request) (answer, error) {
	p, err := s.auditView(r)
	return answer{view: p, body: map[string]string{"audit": "/api/audit"}}, err
}

func (s *Site) auditView(r *http.Request) (*auditPage, error) {
	rows, err := s.rooms.VerifyAudits(r.Context())
	if err != nil {
		return nil, err
	}
	p := &auditPage{base: base{Title: "Audit"}}
	for _, room := range rooms.AuditedRooms() {
		p.Chains = append(p.Chains, chainView{room, rows[room]})
	}
	p.Rows, err = s.rooms.Care.Audit(r.Context(), s.rooms.Operator(), max(rows["careid"]-shownRows, 0), shownRows)
	slices.Reverse(p.Rows)
	return p, err
}

// tamper changes a row in a copy and tells what verifying the copy finds.
func (s *Site) tamper(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct {
		Room string
		Seq  json.Number
	}
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	seq, err := in.Seq.Int64()
	if err != nil {
		return answer{}, s.rules.Refuse("request.invalid").Because(err)
	}
	broken, err := s.rooms.Tampered(r.Context(), in.Room, seq)
	switch {
	case errors.Is(err, rooms.ErrNoRoom):
		return answer{}, s.rules.Refuse("audit.room").Because(err)
	case errors.Is(err, rooms.ErrNoRow):
		return answer{}, s.rules.Refuse("audit.row").Because(err)
	case err != nil:
		return answer{}, err
	}
	body := map[string]any{"found": true, "room": broken.Room, "seq": broken.Seq, "why": broken.Why}
	if !browser(r) {
		return answer{body: body}, nil
	}
	p, err := s.auditView(r)
	if err == nil {
		p.Found = broken
	}
	return answer{view: p}, err
}
