// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// State is where an account stands in its life.
type State string

const (
	// Applied: the activation password is on its way or not used yet.
	Applied State = "applied"
	// Activated: the activation password was used; steps of the first login
	// are still to do, or the password has expired.
	Activated State = "activated"
	// Active: all three steps are done.
	Active State = "active"
	// Leaver: active, marked to leave the organisation, and deleted unless
	// another one takes it over.
	Leaver State = "leaver"
	// Locked: too many wrong passwords in a row.
	Locked State = "locked"
	// Inactive: not used for too long; signing in makes it active again.
	Inactive State = "inactive"
	// Disabled by an administrator. Its mail still arrives.
	Disabled State = "disabled"
	// Deleted: it can be restored for a while.
	Deleted State = "deleted"
	// Removed: deleted for good. Its address is not given again.
	Removed State = "removed"
)

// States lists the states in the order of a life.
func States() []State {
	return []State{Applied, Activated, Active, Leaver, Locked, Inactive, Disabled, Deleted, Removed}
}

// Capability is one thing that an account may be able to do.
type Capability string

// The capabilities of an account.
const (
	SignIn  Capability = "sign in"
	Receive Capability = "receive"
	Send    Capability = "send"
	Teams   Capability = "teams"
)

// Capabilities lists them; with States and Can they are a table for a page.
func Capabilities() []Capability { return []Capability{SignIn, Receive, Send, Teams} }

// Can reports whether an account in this state can do c.
func (s State) Can(c Capability) bool {
	switch s {
	case Active, Leaver:
		return slices.Contains(Capabilities(), c)
	case Applied, Activated, Inactive:
		return c == SignIn || c == Receive
	case Locked, Disabled:
		return c == Receive
	}
	return false
}

// Life is how long an account stays in its states.
type Life struct {
	// Inactive is how long an account may go unused, Delete how long it then
	// stays inactive, Restore how long a deleted one can be restored. New is how
	// long after its opening an account waits for its first login before it is
	// inactive, Leaver how long one who leaves keeps it, Password how long a
	// password that its holder chose is good. Each ends exclusive.
	Inactive, New, Delete, Restore, Leaver, Password time.Duration
	// DisabledMonths is how many calendar months a disabled account is kept.
	DisabledMonths int
}

func readLife(book *wardkey.Rulebook, t time.Time) (l Life, err error) {
	for _, d := range []struct {
		id   string
		into *time.Duration
	}{
		{"mail.life.inactive", &l.Inactive},
		{"mail.life.new", &l.New},
		{"mail.life.delete", &l.Delete},
		{"mail.life.restore", &l.Restore},
		{"mail.life.leaver", &l.Leaver},
		{"mail.password.max", &l.Password},
	} {
		if *d.into, err = book.Duration(d.id, t); err != nil {
			return Life{}, err
		}
	}
	l.DisabledMonths, err = book.Int("mail.life.disabled", t)
	return l, err
}

// inactiveAt is when an account becomes inactive unless it is used. One that
// waits for its first login does so from its opening; use before then does not
// help it, finishing does.
func (l Life) inactiveAt(r AccountRecord) time.Time {
	first := r.Opened.Add(l.New)
	if (!r.QuestionsSet || r.PolicyVersion == "") && r.Used.Before(first) {
		return first
	}
	return r.Used.Add(l.Inactive)
}

// deletedAt is when an account was deleted or is to be. A disabled one waits
// for its own term alone.
func (l Life) deletedAt(r AccountRecord) time.Time {
	if !r.Deleted.IsZero() {
		return r.Deleted
	}
	if r.Disabled {
		return monthsAfter(r.DisabledAt, l.DisabledMonths)
	}
	at := l.inactiveAt(r).Add(l.Delete)
	if left := r.Leaver.Add(l.Leaver); !r.Leaver.IsZero() && left.Before(at) {
		return left
	}
	return at
}

// monthsAfter is the same day of a later month, in UTC, or its last one where it
// has no such day.
func monthsAfter(t time.Time, months int) time.Time {
	at := t.AddDate(0, months, 0)
	if at.Day() != t.Day() {
		return at.AddDate(0, 0, -at.Day())
	}
	return at
}

// begun is an account whose clock runs: one from before there was a clock counts
// as used, or disabled, now.
func begun(r AccountRecord, t time.Time) AccountRecord {
	if r.Used.IsZero() {
		r.Used = t
	}
	if r.Disabled && r.DisabledAt.IsZero() {
		r.DisabledAt = t
	}
	if r.PasswordSet.IsZero() {
		r.PasswordSet = t
	}
	return r
}

// steps are those of the first login that are still to do; a password that has
// expired is one again.
func (l Life) steps(r AccountRecord, t time.Time) []Step {
	var steps []Step
	if r.Activation != ActivationDone || !t.Before(begun(r, t).PasswordSet.Add(l.Password)) {
		steps = append(steps, ChangePassword)
	}
	if !r.QuestionsSet {
		steps = append(steps, SetQuestions)
	}
	if r.PolicyVersion == "" {
		steps = append(steps, AcceptPolicy)
	}
	return steps
}

// stateAt is the state of an account at an instant: what the calendar has done
// to it counts before a sweep has written it down.
func (l Life) stateAt(r AccountRecord, t time.Time) State {
	r = begun(r, t)
	deleted := l.deletedAt(r)
	switch {
	case r.Removed || !t.Before(deleted.Add(l.Restore)):
		return Removed
	case !t.Before(deleted):
		return Deleted
	case r.Disabled:
		return Disabled
	case r.Locked:
		return Locked
	case !t.Before(l.inactiveAt(r)):
		return Inactive
	case r.Activation == ActivationSent:
		return Applied
	case len(l.steps(r, t)) > 0:
		return Activated
	case !r.Leaver.IsZero():
		return Leaver
	}
	return Active
}

// next is what the calendar does to an account next, and when; "" for nothing.
func (l Life) next(r AccountRecord, t time.Time) (State, time.Time) {
	r = begun(r, t)
	switch state := l.stateAt(r, t); {
	case state == Removed:
		return "", time.Time{}
	case state == Deleted:
		return Removed, l.deletedAt(r).Add(l.Restore)
	case !r.Disabled && t.Before(l.inactiveAt(r)) && l.inactiveAt(r).Before(l.deletedAt(r)):
		return Inactive, l.inactiveAt(r)
	}
	return Deleted, l.deletedAt(r)
}

func (p *Policy) state(r AccountRecord) State { return p.Life.stateAt(r, p.At) }

func (p *Policy) view(r AccountRecord) Account {
	then, at := p.Life.next(r, p.At)
	var expires time.Time
	if r.Activation == ActivationDone {
		expires = begun(r, p.At).PasswordSet.Add(p.Life.Password)
	}
	return Account{
		Address: r.Address, Site: r.Site, Name: r.Name, Purpose: r.Purpose, Mobile: r.Mobile, MobileHidden: r.Hidden,
		RegisteredMobile: r.RegisteredMobile, State: p.state(r), Steps: p.Life.steps(r, p.At), Opened: r.Opened, Used: r.Used,
		PasswordExpires: expires, Then: then, ThenAt: at,
	}
}

// update keeps an account and when the calendar is next to look at it.
func (p *Policy) update(ctx context.Context, tx StoreTx, r AccountRecord) error {
	return tx.UpdateAccount(ctx, p.scheduled(r))
}

func (p *Policy) scheduled(r AccountRecord) AccountRecord {
	if _, r.Due = p.Life.next(r, p.At); !r.Due.IsZero() {
		r.Due = r.Due.Truncate(time.Second)
	}
	return r
}

// refusal says why an account in its state can't do something.
func (p *Policy) refusal(r AccountRecord) error {
	switch p.state(r) {
	case Removed:
		return Rules().Refuse("mail.account.unknown")
	case Deleted:
		until := p.Life.deletedAt(r).Add(p.Life.Restore).UTC()
		return Rules().Refuse("mail.account.deleted", "address", r.Address, "until", until.Format("2 January 2006"))
	case Locked:
		return Rules().Refuse("mail.account.locked")
	case Disabled:
		return Rules().Refuse("mail.account.disabled")
	case Inactive:
		return Rules().Refuse("mail.account.inactive", "address", r.Address)
	case Active, Leaver:
		return Rules().Refuse("mail.capability")
	}
	steps := make([]string, 0, 3)
	for _, s := range p.Life.steps(r, p.At) {
		steps = append(steps, string(s))
	}
	return Rules().Refuse("mail.aup.pending", "steps", strings.Join(steps, ", "))
}

// dueAtOnce is how many accounts one transaction of Due changes.
const dueAtOnce = 100

// Due writes down what the calendar has done to accounts since it was last
// called: unused ones become inactive, then deleted, and what can't be restored
// any more loses its name, numbers, passwords, answers and shared mailboxes. It
// returns when it next has something to do, zero for never; a server calls it then, and after
// each change. What an account can do does not wait for it. It may run on any
// number of servers at once, and again, without doing anything twice.
func (a *Accounts) Due(ctx context.Context) (next time.Time, err error) {
	for {
		var more bool
		err := a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
			p, err := PolicyOf(a.config.Rules, tx.Now())
			if err != nil {
				return err
			}
			due, err := tx.DueAccounts(ctx, dueAtOnce)
			if err != nil {
				return err
			}
			for _, r := range due {
				if err := p.age(ctx, tx, r); err != nil {
					return err
				}
			}
			more = len(due) == dueAtOnce
			next, err = tx.NextDue(ctx)
			return err
		})
		if err != nil || !more {
			return next, err
		}
	}
}

// age writes down the state that an account has come to.
func (p *Policy) age(ctx context.Context, tx StoreTx, r AccountRecord) error {
	r = begun(r, p.At)
	state := p.state(r)
	if state == Inactive && r.Inactive.IsZero() {
		r.Inactive = p.Life.inactiveAt(r)
		if err := tx.Audit(ctx, calendar, "mail.account.inactive", r.Address, ""); err != nil {
			return err
		}
	}
	if (state == Deleted || state == Removed) && r.Deleted.IsZero() {
		r.Deleted = p.Life.deletedAt(r)
		if err := p.deleted(ctx, tx, r, calendar, ""); err != nil {
			return err
		}
	}
	if state == Removed {
		r.Removed = true
		r.Name, r.Purpose, r.Mobile, r.RegisteredMobile, r.ConfirmedMobile, r.PasswordHash = "", "", "", "", "", ""
		if err := errors.Join(leaveShared(ctx, tx, r), tx.ReplaceAnswers(ctx, r.Address, nil), tx.KeepPassword(ctx, r.Address, "", 0)); err != nil {
			return err
		}
		if err := tx.Audit(ctx, calendar, "mail.account.removed", r.Address, ""); err != nil {
			return err
		}
	}
	return p.update(ctx, tx, r)
}

// calendar is the actor of what nobody did.
const calendar = "calendar"

// shutOut ends the sessions of an account and a recovery that is under way, so
// that neither goes on where the account comes back.
func shutOut(ctx context.Context, tx StoreTx, address string) error {
	return errors.Join(tx.DeleteSessions(ctx, address, nil), tx.DeleteRecovery(ctx, address))
}

// deleted shuts the holder of an account that is deleted out, and audits it.
func (p *Policy) deleted(ctx context.Context, tx StoreTx, r AccountRecord, actor, detail string) error {
	if err := shutOut(ctx, tx, r.Address); err != nil {
		return err
	}
	if err := p.auditOwnerless(ctx, tx, r, actor); err != nil {
		return err
	}
	return tx.Audit(ctx, actor, "mail.account.deleted", r.Address, detail)
}
