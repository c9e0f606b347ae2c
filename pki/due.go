// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"errors"
	"time"
)

// abandoned is how old, by the calendar, another server's unfinished act must be
// before Due takes it up: younger ones may be under way.
const abandoned = time.Minute

// Due does what the calendar asks for: it finishes or closes acts that a crash
// left open, signs lists that are missing, behind or near two thirds of their
// life, replaces the OCSP signing certificate, and reminds (Config.Remind, at
// most 100 a call). It returns when it is next
// needed for the calendar alone; call it every second and after each move of the
// clock. It is idempotent, and several servers may call it. Work that fails is
// tried again by the next call; the error joins all failures.
func (ca *CA) Due(ctx context.Context) (next time.Time, err error) {
	now := second(ca.now())
	errs := []error{ca.recover(ctx, now.Add(-abandoned))}
	for shard := range ca.profile.shards {
		state, err := ca.freshList(ctx, shard)
		errs = append(errs, err)
		if err == nil {
			next = soonest(next, ca.listDue(state))
		}
	}
	signer, err := ca.ocsp.identity(ctx, now)
	errs = append(errs, err)
	if err == nil {
		next = soonest(next, signer.renewAt)
	}
	reminder, err := ca.remind(ctx, now)
	if errs = append(errs, err); !reminder.IsZero() {
		next = soonest(next, reminder)
	}
	if next.IsZero() {
		next = now.Add(time.Minute)
	}
	return next, errors.Join(errs...)
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// recover finishes the acts of this issuer that were opened at or before a time
// and are nobody's in this process. An OCSP signing certificate is closed: the
// key was in the memory of a process that is gone. Only an error of the ledger
// itself is returned; what the signer refuses stays pending, is logged once and is
// tried again, and so does a renewal of what is on hold, silently.
func (ca *CA) recover(ctx context.Context, opened time.Time) error {
	acts, err := ca.ledger.PendingActs(ctx, ca.keyID, opened)
	if err != nil {
		return err
	}
	known, still := *ca.stuck.Load(), map[string]bool{}
	defer ca.stuck.Store(&still)
	for _, act := range acts {
		underWay := act.Kind == ActResponder && act.Opened.After(second(ca.now()).Add(-abandoned))
		if underWay || ca.acts.busy(act.ID) {
			still[act.ID] = known[act.ID]
			continue
		}
		if err := ca.recoverAct(ctx, act); err != nil && !errors.Is(err, ErrHeld) {
			if still[act.ID] = true; !known[act.ID] {
				ca.log.ErrorContext(ctx, "act stays open", "act", act.ID, "error", err.Error())
			}
			if !errors.Is(err, ErrSignerUnavailable) {
				return err
			}
		}
	}
	return nil
}

func (ca *CA) recoverAct(ctx context.Context, act Act) error {
	defer ca.acts.lock(act.ID)()
	var err error
	if act.Kind == ActResponder {
		_, err = ca.ledger.CloseAct(ctx, act.ID, second(ca.now()))
	} else {
		_, _, err = ca.finish(ctx, act)
	}
	if err == nil {
		ca.observe(ctx, Event{Name: EventRecovered, Act: act.ID})
	}
	return err
}
