// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"time"
)

// The rows of what people work as: positions, who holds them, and moves between organisations.

// Positions keeps positions and workgroups. What was deleted is still read by its id, and is in no list.
type Positions interface {
	AddWorkgroup(ctx context.Context, w Workgroup) error // ErrConflict: the id or, at the organisation, the name is taken
	UpdateWorkgroup(ctx context.Context, w Workgroup) error
	Workgroup(ctx context.Context, id string) (Workgroup, error)
	WorkgroupsOf(ctx context.Context, organisation string) ([]Workgroup, error) // "" is all; by name

	AddPosition(ctx context.Context, p Position) error // ErrConflict: as AddWorkgroup
	UpdatePosition(ctx context.Context, p Position) error
	Position(ctx context.Context, id string) (Position, error)
	PositionsOf(ctx context.Context, organisation string) ([]Position, error) // "" is all; by name
}

// Assignments keeps who holds which position, and when.
type Assignments interface {
	AddAssignment(ctx context.Context, v Assignment) error // ErrConflict: the id is taken
	Assignment(ctx context.Context, id string) (Assignment, error)
	AssignmentsOf(ctx context.Context, profile string) ([]Assignment, error) // past and future too; by beginning
	// Holders are the assignments of a position that have not ended at t, future ones too.
	Holders(ctx context.Context, position string, t time.Time) ([]Assignment, error)
	// EndAssignment ends one that has not ended at t; one that begins later ends at its beginning.
	EndAssignment(ctx context.Context, id string, t time.Time) (bool, error)
}

// Acceptances keeps which terms people have accepted, each version once a mode.
type Acceptances interface {
	AddAcceptance(ctx context.Context, v Acceptance) (bool, error) // whether it is the first
	AcceptancesOf(ctx context.Context, profile string) ([]Acceptance, error)
}

// Releases keeps the words of organisations that people may move. A person has at most one.
type Releases interface {
	SetRelease(ctx context.Context, r Release) error                        // in the place of an earlier one
	TakeRelease(ctx context.Context, profile, to string) (Release, error)   // ErrNotFound; once
	DropRelease(ctx context.Context, profile string) (bool, error)          // whether there was one
	ReleasesTo(ctx context.Context, organisation string) ([]Release, error) // "" is all; oldest first
}

// Losses keeps the cases of lost and stolen cards.
type Losses interface {
	AddLoss(ctx context.Context, v Loss) error
	UpdateLoss(ctx context.Context, v Loss) error // writes the two steps; ErrNotFound
	Loss(ctx context.Context, id string) (Loss, error)
	OpenLosses(ctx context.Context) ([]Loss, error) // a step is missing; oldest first
}
