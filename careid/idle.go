// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"fmt"
	"time"
)

// seenEvery is how finely the use of a session is kept: a sixtieth of the idle limit, at least a second and at most a
// minute. A session may lock by so much too early.
func seenEvery(idle time.Duration) time.Duration {
	return min(max(idle/60, time.Second), time.Minute)
}

// idleLimit is how long a session may be left at t, and whether that ever locks one: a limit as long as a session does
// not.
func (s *Service) idleLimit(t time.Time) (limit time.Duration, locks bool, err error) {
	limit, err = s.book.Duration("session.idle", t)
	if err != nil {
		return 0, false, err
	}
	whole, err := s.book.Duration("session.max", t)
	return limit, limit < whole, err
}

// idle says whether a session is locked at t: found so before, or not used for the limit.
func (s *Service) idle(row SessionRow, t time.Time) (bool, error) {
	if row.Locked {
		return true, nil
	}
	limit, locks, err := s.idleLimit(t)
	return locks && !t.Before(row.Seen.Add(limit)), err
}

// see keeps that a session was used, where that matters and was not kept just now.
func (s *Service) see(ctx context.Context, row SessionRow) error {
	now := s.now()
	limit, locks, err := s.idleLimit(now)
	if err != nil || !locks || now.Sub(row.Seen) < seenEvery(limit) {
		return err
	}
	return s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		// Nothing where somebody has locked it meanwhile: that stands, and the next call says so.
		_, err := tx.Sessions.SeeSession(ctx, row.Hash, tx.Now.Add(-limit), tx.Now)
		return err
	})
}

// lockIdle locks sessions that were left for longer than the limit, and makes it known.
func (s *Service) lockIdle(ctx context.Context) error {
	var rows []SessionRow
	var before time.Time
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		limit, locks, err := s.idleLimit(tx.Now)
		if err != nil || !locks {
			return err
		}
		before = tx.Now.Add(-limit)
		rows, err = tx.Sessions.IdleSessions(ctx, before, sweep)
		return err
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	return s.change(ctx, "system", "sessions idle", "", func(ctx context.Context, tx *Tx, rec *record) error {
		for _, row := range rows {
			locked, err := tx.Sessions.LockSession(ctx, row.Hash, before)
			if err != nil {
				return err
			}
			if locked {
				rec.events = append(rec.events, Event{Name: EventSessionLocked, Card: row.Card, Session: sessionID(row.Hash)})
			}
		}
		rec.quiet = len(rec.events) == 0
		rec.Detail = fmt.Sprintf("%d locked", len(rec.events))
		return nil
	})
}
