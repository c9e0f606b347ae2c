// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Release is one organisation's word that a person may move to another.
type Release struct {
	Profile string
	From    string // ODS code
	To      string // ODS code
	By      string // user id
	At      time.Time
}

// Release lets another organisation take a person over. Nothing ends by it yet. A later release takes the place of an
// earlier one; to "" withdraws it. Neither organisation can move anybody alone.
// Refusals, besides those of the actor: profile.closed, organisation.invalid, transfer.same, transfer.none.
func (s *Service) Release(ctx context.Context, a Actor, profile, to string) error {
	return s.change(ctx, a.name(), "release person", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionMove, AnyTerm, p); err != nil {
			return err
		}
		if p.State != ProfileOpen {
			return s.no("profile.closed")
		}
		if to == "" {
			rec.Detail = "withdrawn"
			if done, err := tx.Releases.DropRelease(ctx, p.ID); err != nil || done {
				return err
			}
			return s.no("transfer.none")
		}
		if err := s.checkODS(to); err != nil {
			return err
		}
		if to == p.Organisation {
			return s.no("transfer.same")
		}
		rec.Detail = "to " + to
		return tx.Releases.SetRelease(ctx, Release{Profile: p.ID, From: p.Organisation, To: to, By: a.profile, At: tx.Now})
	})
}

// Releases lists those who may be taken over by the actor's organisation, oldest first.
func (s *Service) Releases(ctx context.Context, a Actor) ([]Release, error) {
	var all []Release
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := s.authorize(ctx, tx, a, ActionMove, AnyTerm, Profile{Organisation: a.organisation}); err != nil {
			return err
		}
		var err error
		all, err = tx.Releases.ReleasesTo(ctx, a.organisation)
		return err
	})
	return all, err
}

// TakeOver moves a released person to the actor's organisation, with the same card: in one act all positions and roles
// at the old one end and these positions of the new one begin. Their sessions end, so that no application goes on with
// what they held. Somebody who was not released is as if they were not there: org.scope.
// Other refusals: act.open (work is open on the card), own.record, and those of AssignPosition.
func (s *Service) TakeOver(ctx context.Context, a Actor, profile string, positions []Assign) (*Profile, error) {
	var p Profile
	err := s.change(ctx, a.name(), "take person over", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		if p, err = s.person(ctx, tx, a, profile); err != nil {
			return err
		}
		r, err := tx.Releases.TakeRelease(ctx, profile, a.organisation)
		if errors.Is(err, ErrNotFound) {
			return s.absent(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		p.Organisation = a.organisation
		if _, err := s.authorize(ctx, tx, a, ActionMove, AnyTerm, p); err != nil {
			return err
		}
		if err := s.idleCards(ctx, tx, p.ID); err != nil {
			return err
		}
		if err := tx.People.UpdateProfile(ctx, p); err != nil {
			return err
		}
		if err := endRoles(ctx, tx, p.ID); err != nil {
			return err
		}
		ended, err := endPositions(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		var begun []string
		for _, r := range positions {
			if err := s.mayAssign(ctx, tx, a, p, CIM); err != nil {
				return err
			}
			r.Profile = p.ID
			v, err := s.assign(ctx, tx, a, p, r)
			if err != nil {
				return err
			}
			begun = append(begun, v.ID)
		}
		rec.Detail = "from " + r.From + ", ended " + words(ended) + ", begun " + words(begun)
		return s.endSessions(ctx, tx, rec, SessionFilter{Profile: p.ID}, "moved to another organisation")
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// idleCards refuses while work that somebody of the old organisation began is open on a person's card.
func (s *Service) idleCards(ctx context.Context, tx *Tx, profile string) error {
	cards, err := tx.Cards.CardsOf(ctx, profile)
	for _, c := range cards {
		act, err := tx.Acts.OpenActOf(ctx, c.Serial)
		if err == nil {
			return s.no("act.open", "kind", string(act.Kind))
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return err
}

func words(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Join(ids, " ")
}
