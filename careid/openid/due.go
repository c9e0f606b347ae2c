// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// The ends of sessions, and what follows from them.

const (
	// sweep is how many sessions one Due looks at, and sweepOld how many old rows of a kind it drops.
	sweep    = 500
	sweepOld = 5000
	// lookEvery is how often a session that nobody told of is looked at, so that its relying parties know of its end
	// within a minute though the process that ended it was killed.
	lookEvery = 30 * time.Second
	// steppedUp is careid's reason for the end of a session that goes on under another id.
	steppedUp = "stepped up"
)

// OnEvent hears what careid tells: give it, or a function that calls it, as careid.Config.Observe. The end of a session
// revokes what was granted in it and has its relying parties told.
func (p *Provider) OnEvent(ctx context.Context, e careid.Event) {
	if e.Name != careid.EventSessionEnded {
		return
	}
	if err := p.end(context.WithoutCancel(ctx), e.Session, e.Reason); err != nil {
		// Due looks at the session again.
		p.config.Log.ErrorContext(ctx, "openid: the end of a session was not noted", "session", e.Session, "error", err)
	}
}

// end revokes what was granted in a session and queues a logout token for each relying party. One without any is nothing.
func (p *Provider) end(ctx context.Context, id, why string) error {
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Sessions.Session(ctx, id)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ended := false
	err = p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		row, err := tx.Sessions.Session(ctx, id)
		if errors.Is(err, ErrNotFound) {
			ended = false
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.queueLogouts(ctx, tx, row, why); err != nil {
			return err
		}
		if err := tx.Grants.RevokeOf(ctx, id, why); err != nil {
			return err
		}
		if ended, err = tx.Sessions.DropSession(ctx, id); err != nil {
			return err
		}
		return audit(ctx, tx, "system", "session over", row.Profile, "session "+id+": "+why)
	})
	if err == nil && ended {
		p.config.Observe(ctx, Event{Name: EventSessionEnded, Session: id, Reason: why})
	}
	return err
}

func (p *Provider) queueLogouts(ctx context.Context, tx *Tx, row SessionRow, why string) error {
	at := tx.Wall
	if why == steppedUp {
		at = at.Add(stepUpGrace)
	}
	participants, err := tx.Sessions.Participants(ctx, row.ID)
	if err != nil {
		return err
	}
	for _, one := range participants {
		if c := p.client(one.Client); c == nil || c.logout == nil {
			continue
		}
		err := tx.Logouts.AddLogout(ctx, LogoutRow{
			ID: newID(), Session: row.ID, Client: one.Client, SID: one.SID, Profile: row.Profile, At: at, Until: at.Add(retryFor),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takeOver makes the relying parties of a session that was stepped up those of the one that followed it, each by the sid
// that it knows. Their tokens died with the old one; they are told when the new one ends.
func (p *Provider) takeOver(ctx context.Context, tx *Tx, prior string, s *careid.Session) error {
	waiting, err := tx.Logouts.TakeLogouts(ctx, prior, tx.Wall)
	if err != nil {
		return err
	}
	for _, l := range waiting {
		if l.Profile != s.Profile {
			err = tx.Logouts.AddLogout(ctx, l)
		} else {
			err = tx.Sessions.AddParticipant(ctx, Participant{Session: s.ID, Client: l.Client, SID: l.SID})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Due does what the calendar and the wire ask for: it ends sessions whose time is over or that careid has ended
// unheard, sends the logout tokens that are due, and drops what is spent. Call it every second, after careid's own Due.
// next is the earliest end of a session, or zero. Tokens are sent beside it; Drain waits for them.
func (p *Provider) Due(ctx context.Context) (next time.Time, err error) {
	if err := p.endOver(ctx); err != nil {
		return time.Time{}, err
	}
	if err := p.endUnheard(ctx); err != nil {
		return time.Time{}, err
	}
	if err := p.sendDue(ctx); err != nil {
		return time.Time{}, err
	}
	if err := p.drop(ctx); err != nil {
		return time.Time{}, err
	}
	err = p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) error {
		next, err = tx.Sessions.NextExpiry(ctx)
		return err
	})
	return next, err
}

// endOver ends the sessions whose time is over.
func (p *Provider) endOver(ctx context.Context) error {
	var over []SessionRow
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		over, err = tx.Sessions.Over(ctx, tx.Now, sweep)
		return err
	})
	if err != nil {
		return err
	}
	for _, row := range over {
		if err := p.end(ctx, row.ID, "time over"); err != nil {
			return err
		}
	}
	return nil
}

// endUnheard looks at sessions that were not looked at for a while, and ends those that careid has ended or dropped.
func (p *Provider) endUnheard(ctx context.Context) error {
	var rows []SessionRow
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		rows, err = tx.Sessions.Unchecked(ctx, tx.Wall.Add(-lookEvery), sweep)
		return err
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	ended := map[string]string{}
	err = p.config.Records.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		for _, row := range rows {
			kept, err := tx.Sessions.Session(ctx, row.Hash)
			switch {
			case errors.Is(err, careid.ErrNotFound):
				ended[row.ID] = "gone"
			case err != nil:
				return err
			case kept.Ended != "":
				ended[row.ID] = kept.Ended
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		for _, row := range rows {
			if err := tx.Sessions.SetChecked(ctx, row.ID, tx.Wall); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, why := range ended {
		if err := p.end(ctx, id, why); err != nil {
			return err
		}
	}
	return nil
}

// drop drops what can't be used any more. Nothing is kept for longer than it is needed.
func (p *Provider) drop(ctx context.Context) error {
	stale := false
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		stale, err = tx.Assertions.Stale(ctx, tx.Wall)
		return err
	})
	if err != nil || !stale {
		return err
	}
	return p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		return tx.Assertions.Drop(ctx, tx.Wall, sweepOld)
	})
}
