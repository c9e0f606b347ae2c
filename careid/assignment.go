// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Assign asks for a position for a person. A zero From is now, a zero To no end. Via is the national service through
// which it is asked for: a sponsor may do in one what another no longer lets them do. The default is CIM.
type Assign struct {
	Profile  string
	Position string
	From, To time.Time
	Via      NationalService
}

// Held is a position that a person holds, or held, or is to hold.
type Held struct {
	Assignment
	Position Position
}

// AssignPosition gives a person of the actor's organisation a position there. Sponsors assign those that are
// assignable. Nobody assigns one to themselves: own.record.
//
// Refusals, besides those of the actor: org.scope (a position that is not there), position.assignable,
// position.dates, position.twice, profile.closed, capability.… (by Via and the day).
func (s *Service) AssignPosition(ctx context.Context, a Actor, r Assign) (*Assignment, error) {
	var made Assignment
	err := s.change(ctx, a.name(), "assign position", r.Profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, r.Profile)
		if err != nil {
			return err
		}
		if err := s.mayAssign(ctx, tx, a, p, cmp.Or(r.Via, CIM)); err != nil {
			return err
		}
		made, err = s.assign(ctx, tx, a, p, r)
		rec.Detail = "position " + auditText(r.Position) + ", assignment " + made.ID
		return err
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// mayAssign proves that the actor may give and take positions of a person, through a service at this time.
func (s *Service) mayAssign(ctx context.Context, tx *Tx, a Actor, p Profile, via NationalService) error {
	if _, err := s.authorize(ctx, tx, a, ActionAssignPosition, AnyTerm, p); err != nil {
		return err
	}
	_, err := CapabilityAt(s.book, via, ActionAssignPosition, a.role, tx.Now)
	return err
}

// assign adds one assignment for a person of the actor's organisation.
func (s *Service) assign(ctx context.Context, tx *Tx, a Actor, p Profile, r Assign) (Assignment, error) {
	position, err := s.positionHere(ctx, tx, a, r.Position)
	if err != nil {
		return Assignment{}, err
	}
	v := Assignment{ID: newUserID(), Profile: p.ID, Position: position.ID, From: r.From, To: r.To, By: a.profile}
	if v.From.IsZero() {
		v.From = tx.Now
	}
	v.From, v.To = v.From.UTC().Truncate(time.Second), v.To.UTC().Truncate(time.Second)
	if r.To.IsZero() {
		v.To = time.Time{}
	}
	switch {
	case p.State != ProfileOpen:
		return Assignment{}, s.no("profile.closed")
	case a.role == Sponsor && !position.Assignable:
		return Assignment{}, s.no("position.assignable")
	case v.From.Before(tx.Now) || !v.To.IsZero() && !v.To.After(v.From):
		return Assignment{}, s.no("position.dates")
	}
	held, err := tx.Assignments.AssignmentsOf(ctx, p.ID)
	if err != nil {
		return Assignment{}, err
	}
	for _, other := range held {
		apart := !other.To.IsZero() && !v.From.Before(other.To) || !v.To.IsZero() && !other.From.Before(v.To)
		if other.Position == v.Position && !apart {
			return Assignment{}, s.no("position.twice")
		}
	}
	return v, tx.Assignments.AddAssignment(ctx, v)
}

// EndPosition ends an assignment from this second on; one that has not begun never will. Ending one that has ended
// changes nothing. Refusals are those of AssignPosition.
func (s *Service) EndPosition(ctx context.Context, a Actor, assignment string) error {
	return s.change(ctx, a.name(), "end position", "", func(ctx context.Context, tx *Tx, rec *record) error {
		v, err := tx.Assignments.Assignment(ctx, assignment)
		if errors.Is(err, ErrNotFound) {
			return s.absent(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		rec.Subject, rec.Detail = v.Profile, "position "+v.Position+", assignment "+v.ID
		p, err := s.person(ctx, tx, a, v.Profile)
		if err != nil {
			return err
		}
		if err := s.mayAssign(ctx, tx, a, p, CIM); err != nil {
			return err
		}
		position, err := tx.Positions.Position(ctx, v.Position)
		if err != nil {
			return err
		}
		if a.role == Sponsor && !position.Assignable {
			return s.no("position.assignable")
		}
		_, err = tx.Assignments.EndAssignment(ctx, v.ID, tx.Now)
		return err
	})
}

// Assignments lists the positions of a person, past and future ones too, by their beginning.
func (s *Service) Assignments(ctx context.Context, a Actor, profile string) ([]Held, error) {
	var all []Held
	err := s.view(ctx, a, profile, func(ctx context.Context, tx *Tx) error {
		list, err := tx.Assignments.AssignmentsOf(ctx, profile)
		if err != nil {
			return err
		}
		all = make([]Held, 0, len(list))
		for _, v := range list {
			position, err := tx.Positions.Position(ctx, v.Position)
			if err != nil {
				return err
			}
			all = append(all, Held{v, position})
		}
		return nil
	})
	return all, err
}

// endPositions ends all that a person holds or is to hold, and names them.
func endPositions(ctx context.Context, tx *Tx, profile string) ([]string, error) {
	var ended []string
	list, err := tx.Assignments.AssignmentsOf(ctx, profile)
	for _, v := range list {
		done, err := tx.Assignments.EndAssignment(ctx, v.ID, tx.Now)
		if err != nil {
			return nil, err
		}
		if done {
			ended = append(ended, v.ID)
		}
	}
	return slices.Clip(ended), err
}
