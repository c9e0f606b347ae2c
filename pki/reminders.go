// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"errors"
	"math/big"
	"time"
)

// Reminder says that a pair ends soon. There is one for a pair, named by its
// authentication certificate. Serial and Days tell a reminder from all others.
type Reminder struct {
	UserID   string
	Serial   *big.Int  // of the authentication certificate
	NotAfter time.Time // inclusive
	Days     int       // 90, 30, 7 or 1: at most so many times 24 hours are left
}

// reminderDays are the thresholds, the first at which the renewal window opens
// by default (features.md row 63), the largest first.
var reminderDays = [...]int{90, 30, 7, 1}

// reminding is how long, by the calendar, a reminder that is being sent, or failed,
// is left alone. Mail systems give up within it.
const reminding = 10 * time.Minute

// remindersAtOnce bounds one call of Due, which has other work.
const remindersAtOnce = 100

func daysBefore(notAfter time.Time, days int) time.Time {
	return notAfter.Add(-time.Duration(days) * 24 * time.Hour)
}

// firstReminder is what RemindAt begins with.
func firstReminder(use Use, notAfter time.Time) time.Time {
	if use != Authentication {
		return time.Time{}
	}
	return daysBefore(notAfter, reminderDays[0])
}

// reminderAt returns the threshold that an instant stands in, 0 when the
// certificate has ended, and the instant of the next one, zero after the last.
func reminderAt(now, notAfter time.Time) (days int, next time.Time) {
	if now.After(notAfter) {
		return 0, time.Time{}
	}
	for _, d := range reminderDays {
		if at := daysBefore(notAfter, d); at.After(now) {
			return days, at
		}
		days = d
	}
	return days, time.Time{}
}

// remind sends what is due and returns when the next is. A reminder is put off in
// the ledger before it is sent, so that no other server sends it meanwhile, and
// done with afterwards. If sending fails, or nobody says how it ended, it comes
// again: somebody who is told twice is better off than one whose card ends
// unannounced, and people who can't be reached don't stand before all others. Of
// several thresholds that passed unseen only the last is sent.
func (ca *CA) remind(ctx context.Context, now time.Time) (next time.Time, err error) {
	if ca.reminder == nil {
		return time.Time{}, nil
	}
	due, err := ca.ledger.DueReminders(ctx, ca.keyID, now, remindersAtOnce)
	if err != nil {
		return time.Time{}, err
	}
	var errs []error
	for _, r := range due {
		errs = append(errs, ca.remindOne(ctx, r, now))
	}
	next, err = ca.ledger.NextReminder(ctx, ca.keyID)
	return next, errors.Join(append(errs, err)...)
}

func (ca *CA) remindOne(ctx context.Context, r Record, now time.Time) error {
	days, next := reminderAt(now, r.NotAfter)
	renewed, err := ca.renewed(ctx, r)
	if err != nil {
		return err
	}
	if renewed {
		days, next = 0, time.Time{}
	}
	if days == 0 {
		_, err := ca.ledger.MoveReminder(ctx, r.Serial, r.RemindAt, next)
		return err
	}
	again := now.Add(reminding)
	taken, err := ca.ledger.MoveReminder(ctx, r.Serial, r.RemindAt, again)
	if err != nil || !taken {
		return err
	}
	err = ca.reminder(ctx, Reminder{UserID: r.UserID, Serial: r.Serial, NotAfter: r.NotAfter, Days: days})
	if err != nil {
		return err // it comes again, behind what others wait for meanwhile
	}
	if _, err := ca.ledger.MoveReminder(context.WithoutCancel(ctx), r.Serial, again, next); err != nil {
		return err
	}
	ca.observe(ctx, Event{Name: EventReminded, Serial: r.Serial})
	return nil
}

// renewed reports whether a later pair of the lineage counts. RFC 5280 knows no
// such state: it is Renew's rule.
func (ca *CA) renewed(ctx context.Context, r Record) (bool, error) {
	all, err := ca.ledger.Lineage(ctx, r.Lineage)
	for _, other := range all {
		if other.Generation > r.Generation && other.State != Revoked {
			return true, err
		}
	}
	return false, err
}
