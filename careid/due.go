// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Resume finishes what a stop left open: certificates that the CA made and careid did not store, acts given up, and
// revocations not yet told to the CA. Call it once at start.
func (s *Service) Resume(ctx context.Context) error {
	var open []Act
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		open, err = tx.Acts.ActsIn(ctx, ActOpen)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, act := range open {
		if len(act.Requests) == 0 {
			continue // the agent comes back, or the act is given up
		}
		if _, err := s.certify(ctx, act); err != nil && !saidNo(err) {
			failed = append(failed, fmt.Errorf("careid: resume act %s: %w", act.ID, err))
		}
	}
	return errors.Join(append(failed, s.settle(ctx, ""))...)
}

// settle tells the CA what was decided here about one card, or with "" about all: it makes sure that acts given up
// leave no certificate that is not revoked, and asks for every revocation that is still open. It may be repeated at
// any time. A call about one card ends well even when the CA can't hear of another.
func (s *Service) settle(ctx context.Context, card string) error {
	var givenUp []Act
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		givenUp, err = tx.Acts.ActsIn(ctx, ActAbandoning)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, act := range givenUp {
		if card != "" && act.Card != card {
			continue
		}
		if err := s.settleAct(ctx, act); err != nil {
			failed = append(failed, fmt.Errorf("careid: give up act %s: %w", act.ID, err))
		}
	}
	return errors.Join(append(failed, s.settleRevocations(ctx, card))...)
}

// settleAct learns from the CA what it may have made for an act given up, marks that for revocation, and closes it.
func (s *Service) settleAct(ctx context.Context, act Act) error {
	if len(act.Requests) > 0 {
		if _, err := s.certify(ctx, act); err != nil && !saidNo(err) {
			return err
		}
	}
	return s.change(ctx, "system", "act given up", act.Card, func(ctx context.Context, tx *Tx, rec *record) error {
		rec.Detail = "act " + act.ID
		act.State = ActAbandoned
		_, err := tx.Acts.UpdateAct(ctx, act, ActAbandoning)
		return err
	})
}

// saidNo says whether an error is the CA's word that it makes no certificates for an act. That it can't sign at the
// moment is none.
func saidNo(err error) bool { return isRefusal(err) && wardkey.RuleOf(err) != "signer.unavailable" }

func (s *Service) settleRevocations(ctx context.Context, card string) error {
	var certs []Certificate
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		certs, err = tx.Cards.CertificatesIn(ctx, CertificateRevoking)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, c := range certs {
		if card != "" && c.Card != card {
			continue
		}
		cert, err := c.Parse()
		if err != nil {
			return err
		}
		if err := s.ca.Revoke(ctx, cert, c.Reason, c.RevokeAt); err != nil && wardkey.RuleOf(err) != "cert.revoked" {
			failed = append(failed, fmt.Errorf("careid: revoke a certificate of card %s: %w", c.Card, err))
			continue
		}
		err = s.change(ctx, "system", "revoked", c.Card, func(ctx context.Context, tx *Tx, rec *record) error {
			rec.Detail = fmt.Sprintf("%s %x, reason %d", c.Use, c.Fingerprint[:8], c.Reason)
			done := c
			done.State = CertificateRevoked
			_, err := tx.Cards.SetCertificate(ctx, done, CertificateRevoking)
			return err
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// sweep is how many sessions one Due ends in one transaction, and sweepOld how many old ones it drops.
const (
	sweep    = 500
	sweepOld = 5000
)

// keepEnded is how long a session that ended stays after its eight hours, so that a browser that comes back with it the
// next day is told that it ended, and not that there was none.
const keepEnded = 24 * time.Hour

// Due does what the calendar and the wire ask for: it ends sessions whose time or lease is over, locks those that were
// left idle, drops what is spent, asks every twenty seconds of Wall whether the certificates of live sessions were revoked
// elsewhere, and goes on with revocations and acts given up. next is the earliest end of a session,
// or zero; it stands beside an error too when the CA alone could not be asked or told something. For what is asked it waits
// five seconds at most: the rest is asked behind it, until ctx ends.
// Nothing depends on Due for being refused in time; it is what makes the ends known to Observe.
//
// Nothing is kept for longer than it is needed (UK GDPR, Article 5(1)(e)). Nonces, results, presences, handles and
// resets go when they can't be used any more. An unlock code goes a day after its end, the day of unlock.card.tries;
// with it go the tries that are a day old too and from before the card's last unlock or issue, while those since stay,
// as many as unlock.card.cap at most. A session goes a day after its eight hours. People, cards, certificates, acts and
// links are the record and stay, as do all rows of the audit.
func (s *Service) Due(ctx context.Context) (next time.Time, err error) {
	var overdue []SessionRow
	var stale bool
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		if overdue, err = tx.Sessions.Overdue(ctx, tx.Now, tx.Wall, sweep); err != nil {
			return err
		}
		stale, err = s.stale(ctx, tx)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	if len(overdue) > 0 {
		err = s.change(ctx, "system", "sessions over", "", func(ctx context.Context, tx *Tx, rec *record) error {
			for _, row := range overdue {
				// A lease may have been extended since: look again.
				if _, err := s.standing(ctx, tx, row.Hash); err == nil || !isRefusal(err) {
					continue
				}
				if err := s.endSessions(ctx, tx, rec, SessionFilter{Hash: row.Hash}, "time or lease over"); err != nil {
					return err
				}
			}
			rec.quiet = len(rec.events) == 0
			rec.Subject, rec.Detail = "", fmt.Sprintf("%d ended", len(rec.events))
			return nil
		})
		if err != nil {
			return time.Time{}, err
		}
	}
	if err := s.lockIdle(ctx); err != nil {
		return time.Time{}, err
	}
	if stale {
		if err := s.store.Write(ctx, s.purge); err != nil {
			return time.Time{}, err
		}
	}
	unsettled := errors.Join(s.endRevoked(ctx), s.settle(ctx, ""))
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error {
		next, err = tx.Sessions.NextExpiry(ctx)
		return err
	})
	return next, errors.Join(unsettled, err)
}

// stale says whether purge has anything to do, but for handles, which go along with the rest.
func (s *Service) stale(ctx context.Context, tx *Tx) (bool, error) {
	policy, err := s.policy(tx.Now)
	if err != nil {
		return false, err
	}
	if is, err := tx.Proofs.Spent(ctx, tx.Wall); err != nil || is {
		return is, err
	}
	if is, err := tx.Unlocks.Stale(ctx, tx.Now.Add(-triesWindow), tx.Wall.Add(-policy.ResetLife)); err != nil || is {
		return is, err
	}
	return tx.Sessions.Stale(ctx, tx.Now.Add(-keepEnded))
}

// purge drops what can't be used any more and what is no longer needed.
func (s *Service) purge(ctx context.Context, tx *Tx) error {
	policy, err := s.policy(tx.Now)
	if err != nil {
		return err
	}
	if err := tx.Acts.DropHandles(ctx, tx.Now.Add(-max(policy.HandleLife, policy.CodeFromStart))); err != nil {
		return err
	}
	if err := tx.Unlocks.Drop(ctx, tx.Now.Add(-triesWindow), tx.Wall.Add(-policy.ResetLife)); err != nil {
		return err
	}
	if err := tx.Sessions.Drop(ctx, tx.Now.Add(-keepEnded), sweepOld); err != nil {
		return err
	}
	return tx.Proofs.Purge(ctx, tx.Wall)
}
