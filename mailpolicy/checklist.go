// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"errors"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// afterReset adds the checklist (mail.reset.checklist) to the refusal of a
// sign-in that still fails after the account was unlocked or reset: what it
// says to try comes before what the refusal itself says. Other errors, and
// accounts whose reset lies further back than ResetRecent, are left as they
// are.
func (p *Policy) afterReset(r AccountRecord, err error) error {
	var no *wardkey.Refusal
	if !errors.As(err, &no) || !p.recentlyReset(r.Recovered) {
		return err
	}
	with := *no
	with.Next = slices.Concat(Rules().Refuse("mail.reset.checklist").Next, no.Next)
	return &with
}

// recentlyReset reports whether p.At lies in [at, at + ResetRecent). A reset
// of the future, as another server's clock may have it, is recent too.
func (p *Policy) recentlyReset(at time.Time) bool {
	return !at.IsZero() && p.At.Before(at.Add(p.ResetRecent))
}
