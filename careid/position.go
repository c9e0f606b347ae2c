// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Coded is a national code and what it stands for.
type Coded struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Position is what somebody may do in clinical systems: a role with its activities, areas of work and workgroups. An
// organisation makes its own; the codes are national.
type Position struct {
	ID           string // 12 digits
	Organisation string // ODS code
	Name         string // the organisation's own name for it; one of a kind there
	Role         Coded  // such as S8000:G8000:R8001
	Activities   []Coded
	AreasOfWork  []Coded
	Workgroups   []string // ids of the organisation's workgroups
	Assignable   bool     // sponsors may assign it too, not the Registration Authority alone
	DeletedAt    time.Time
}

// Assignment is a position that a person holds. Its ID is what national systems call the person's role id. From is
// inclusive, To exclusive; a zero To has no end.
type Assignment struct {
	ID       string // 12 digits
	Profile  string
	Position string
	From, To time.Time
	By       string // user id of who assigned it
}

// In says whether an assignment is in force at t.
func (v Assignment) In(t time.Time) bool {
	return !t.Before(v.From) && (v.To.IsZero() || t.Before(v.To))
}

// maxCodes bounds each list of a position, so that a person's roles fit into one answer about them.
const maxCodes = 100

// Forms of the national codes.
var (
	roleCode     = regexp.MustCompile(`^S[0-9]{4}:G[0-9]{4}:R[0-9]{4}$`)
	activityCode = regexp.MustCompile(`^B[0-9]{4}$`)
	areaCode     = regexp.MustCompile(`^P[0-9]{4}:Q[0-9]{4}:T[0-9]{4}$`)
)

// CreatePosition makes a position at the actor's organisation; ID, Organisation and DeletedAt are filled in.
// Refusals, besides those of the actor: position.invalid, position.taken, workgroup.unknown, capability.….
func (s *Service) CreatePosition(ctx context.Context, a Actor, p Position) (*Position, error) {
	err := s.change(ctx, a.name(), "create position", "", func(ctx context.Context, tx *Tx, rec *record) error {
		p.ID, p.Organisation, p.DeletedAt = newUserID(), a.organisation, time.Time{}
		rec.Subject = p.ID
		if err := s.mayChange(ctx, tx, a, ActionChangePositions); err != nil {
			return err
		}
		if err := s.checkPosition(ctx, tx, a, p); err != nil {
			return err
		}
		rec.Detail = auditText(p.Name) + " " + p.Role.Code
		return s.taken(tx.Positions.AddPosition(ctx, p), "position.taken")
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// ChangePosition writes a position anew, for everybody who holds it. Nobody changes one that they hold themselves:
// own.record. Other refusals are those of CreatePosition, and org.scope for one that is not there.
func (s *Service) ChangePosition(ctx context.Context, a Actor, p Position) error {
	return s.change(ctx, a.name(), "change position", p.ID, func(ctx context.Context, tx *Tx, rec *record) error {
		old, err := s.ownPosition(ctx, tx, a, p.ID)
		if err != nil {
			return err
		}
		held, err := tx.Assignments.Holders(ctx, p.ID, tx.Now)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(v Assignment) bool { return v.Profile == a.profile }) {
			return s.no("own.record")
		}
		p.Organisation, p.DeletedAt = old.Organisation, old.DeletedAt
		if err := s.checkPosition(ctx, tx, a, p); err != nil {
			return err
		}
		rec.Detail = auditText(p.Name) + " " + p.Role.Code
		return s.taken(tx.Positions.UpdatePosition(ctx, p), "position.taken")
	})
}

// DeletePosition takes away a position that nobody holds or is to hold. Refusal: position.held.
func (s *Service) DeletePosition(ctx context.Context, a Actor, id string) error {
	return s.change(ctx, a.name(), "delete position", id, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.ownPosition(ctx, tx, a, id)
		if err != nil {
			return err
		}
		held, err := tx.Assignments.Holders(ctx, id, tx.Now)
		if err != nil {
			return err
		}
		if len(held) > 0 {
			return s.no("position.held")
		}
		rec.Detail = auditText(p.Name)
		p.DeletedAt = tx.Now
		return tx.Positions.UpdatePosition(ctx, p)
	})
}

// Positions lists the positions of the actor's organisation, by name.
func (s *Service) Positions(ctx context.Context, a Actor) ([]Position, error) {
	return listed(ctx, s, a, func(ctx context.Context, tx *Tx) ([]Position, error) {
		return tx.Positions.PositionsOf(ctx, a.organisation)
	})
}

// mayChange proves that the actor may change what belongs to the organisation and to no single person, and that the
// service for it does so at this time.
func (s *Service) mayChange(ctx context.Context, tx *Tx, a Actor, action Action) error {
	if _, err := s.authorize(ctx, tx, a, action, AnyTerm, Profile{Organisation: a.organisation}); err != nil {
		return err
	}
	_, err := CapabilityAt(s.book, CIM, action, a.role, tx.Now)
	return err
}

// ownPosition reads a position that the actor may change; another organisation's is as if it were not there.
func (s *Service) ownPosition(ctx context.Context, tx *Tx, a Actor, id string) (Position, error) {
	p, err := s.positionHere(ctx, tx, a, id)
	if err != nil {
		return Position{}, err
	}
	return p, s.mayChange(ctx, tx, a, ActionChangePositions)
}

func (s *Service) positionHere(ctx context.Context, tx *Tx, a Actor, id string) (Position, error) {
	p, err := tx.Positions.Position(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && (p.Organisation != a.organisation || !p.DeletedAt.IsZero()) {
		return Position{}, s.absent(ctx, tx, a)
	}
	return p, err
}

// checkPosition holds a position to the forms of the national codes. With workgroups it takes the right to assign them.
func (s *Service) checkPosition(ctx context.Context, tx *Tx, a Actor, p Position) error {
	bad := func(what string) error { return s.no("position.invalid", "what", what) }
	lists := []struct {
		form *regexp.Regexp
		what string
		list []Coded
	}{
		{roleCode, "the role's code, such as S8000:G8000:R8001", []Coded{p.Role}},
		{activityCode, "an activity's code, such as B0058", p.Activities},
		{areaCode, "an area of work's code, such as P0020:Q0300:T0640", p.AreasOfWork},
	}
	if !plainName(p.Name) {
		return bad("its name")
	}
	for _, l := range lists {
		if len(l.list) > maxCodes {
			return bad("the number of codes")
		}
		for _, c := range l.list {
			if !l.form.MatchString(c.Code) || !plainName(c.Name) {
				return bad(l.what + ", and its name")
			}
		}
	}
	if len(p.Workgroups) == 0 {
		return nil
	}
	if len(p.Workgroups) > maxCodes {
		return bad("the number of workgroups")
	}
	if err := s.mayChange(ctx, tx, a, ActionAssignWorkgroups); err != nil {
		return err
	}
	for _, id := range p.Workgroups {
		w, err := tx.Positions.Workgroup(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && (w.Organisation != p.Organisation || !w.DeletedAt.IsZero()) {
			return s.no("workgroup.unknown")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// plainName is what something may be called: printable, without space at its ends, no longer than a line.
func plainName(name string) bool {
	return name != "" && strings.TrimSpace(name) == name && utf8.ValidString(name) && utf8.RuneCountInString(name) <= 100 &&
		strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || invisible(r) }) < 0
}

// taken is the refusal that a conflict in the store means.
func (s *Service) taken(err error, rule string) error {
	if errors.Is(err, ErrConflict) {
		return s.no(rule)
	}
	return err
}
