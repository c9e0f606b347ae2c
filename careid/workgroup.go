// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Workgroup is a team of an organisation whose patients' records its members may see. Its id is a code like any other
// of this kind.
type Workgroup struct {
	ID           string // 12 digits
	Organisation string // ODS code
	Name         string // one of a kind there
	DeletedAt    time.Time
}

// CreateWorkgroup makes a workgroup at the actor's organisation. Refusals, besides those of the actor:
// workgroup.invalid, workgroup.taken, capability.….
func (s *Service) CreateWorkgroup(ctx context.Context, a Actor, name string) (*Workgroup, error) {
	w := Workgroup{Organisation: a.organisation, Name: name}
	err := s.change(ctx, a.name(), "create workgroup", "", func(ctx context.Context, tx *Tx, rec *record) error {
		w.ID = newUserID()
		rec.Subject = w.ID
		if err := s.mayChange(ctx, tx, a, ActionChangeWorkgroups); err != nil {
			return err
		}
		if !plainName(name) {
			return s.no("workgroup.invalid")
		}
		rec.Detail = auditText(name)
		return s.taken(tx.Positions.AddWorkgroup(ctx, w), "workgroup.taken")
	})
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// RenameWorkgroup changes a workgroup's name. Refusals are those of CreateWorkgroup, and org.scope for one that is not
// there.
func (s *Service) RenameWorkgroup(ctx context.Context, a Actor, id, name string) error {
	return s.change(ctx, a.name(), "rename workgroup", id, func(ctx context.Context, tx *Tx, rec *record) error {
		w, err := s.ownWorkgroup(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if !plainName(name) {
			return s.no("workgroup.invalid")
		}
		rec.Detail = auditText(w.Name) + " to " + auditText(name)
		w.Name = name
		return s.taken(tx.Positions.UpdateWorkgroup(ctx, w), "workgroup.taken")
	})
}

// DeleteWorkgroup takes away a workgroup that no position has. Refusal: workgroup.used.
func (s *Service) DeleteWorkgroup(ctx context.Context, a Actor, id string) error {
	return s.change(ctx, a.name(), "delete workgroup", id, func(ctx context.Context, tx *Tx, rec *record) error {
		w, err := s.ownWorkgroup(ctx, tx, a, id)
		if err != nil {
			return err
		}
		positions, err := tx.Positions.PositionsOf(ctx, w.Organisation)
		if err != nil {
			return err
		}
		for _, p := range positions {
			if slices.Contains(p.Workgroups, id) {
				return s.no("workgroup.used", "position", p.Name)
			}
		}
		rec.Detail = auditText(w.Name)
		w.DeletedAt = tx.Now
		return tx.Positions.UpdateWorkgroup(ctx, w)
	})
}

// Workgroups lists the workgroups of the actor's organisation, by name.
func (s *Service) Workgroups(ctx context.Context, a Actor) ([]Workgroup, error) {
	return listed(ctx, s, a, func(ctx context.Context, tx *Tx) ([]Workgroup, error) {
		return tx.Positions.WorkgroupsOf(ctx, a.organisation)
	})
}

// ownWorkgroup reads a workgroup that the actor may change; another organisation's is as if it were not there.
func (s *Service) ownWorkgroup(ctx context.Context, tx *Tx, a Actor, id string) (Workgroup, error) {
	w, err := tx.Positions.Workgroup(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && (w.Organisation != a.organisation || !w.DeletedAt.IsZero()) {
		return Workgroup{}, s.absent(ctx, tx, a)
	}
	if err != nil {
		return Workgroup{}, err
	}
	return w, s.mayChange(ctx, tx, a, ActionChangeWorkgroups)
}
