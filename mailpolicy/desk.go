// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"slices"
	"time"
)

// ResendActivation draws a new activation password and sends it to the number
// given at registration, whatever the account's number is now; the one before
// is dead, and so are its sessions. Refusals: mail.account.unknown,
// mail.account.activated (the holder has, or had, a password of their own:
// HelpdeskReset sends another to the number that is theirs now),
// mail.account.disabled, mail.role.
func (a *Accounts) ResendActivation(ctx context.Context, by Actor, address string) error {
	if by.Role != AdministrationService {
		return Rules().Refuse("mail.role") // before the costly hash
	}
	p, err := a.Policy()
	if err != nil {
		return err
	}
	password := newActivation(p.ActivationLength)
	defer clear(password)
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	var sent AccountRecord
	err = a.administer(ctx, by, address, "mail.activation.resent", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if p.state(*r) == Disabled {
			return p.refusal(*r)
		}
		if err := neverOwned(ctx, tx, *r); err != nil {
			return err
		}
		r.PasswordHash, r.Activation = hash, ActivationSent
		r.Wrong, r.Locked = 0, false
		sent = *r
		return shutOut(ctx, tx, r.Address)
	}, AdministrationService)
	if err != nil {
		return err
	}
	a.queueActivation(sent.Address, sent.RegisteredMobile, password)
	return nil
}

// neverOwned refuses (mail.account.activated) where everOwned.
func neverOwned(ctx context.Context, tx StoreTx, r AccountRecord) error {
	owned, err := everOwned(ctx, tx, r)
	if err == nil && owned {
		return Rules().Refuse("mail.account.activated")
	}
	return err
}

// CorrectRegistration corrects the mobile number given at registration, before
// the holder has a password of their own. What was texted to the wrong number is
// dead, and so are the sessions that it opened; ResendActivation sends another.
// Only the administration service may (mail.account.mobile). Other refusals:
// mail.account.form, mail.account.unknown, mail.account.activated.
func (a *Accounts) CorrectRegistration(ctx context.Context, by Actor, address, mobile string) error {
	if by.Role != AdministrationService {
		return Rules().Refuse("mail.account.mobile")
	}
	number, err := parseMobile(mobile)
	if err != nil {
		return err
	}
	return a.administer(ctx, by, address, "mail.registration.corrected", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if err := neverOwned(ctx, tx, *r); err != nil {
			return err
		}
		r.Mobile, r.RegisteredMobile = number, number
		r.PasswordHash = "" // matches nothing
		return shutOut(ctx, tx, r.Address)
	}, AdministrationService)
}

// Unlock opens an account that wrong passwords have locked; its password stays.
// Refusals: mail.account.unknown, mail.role.
func (a *Accounts) Unlock(ctx context.Context, by Actor, address string) error {
	return a.administer(ctx, by, address, "mail.account.unlocked", func(_ context.Context, tx StoreTx, _ *Policy, r *AccountRecord) error {
		r.Wrong, r.Locked, r.Recovered = 0, false, tx.Now()
		return nil
	}, LocalAdministrator, AdministrationService)
}

// Disable keeps an account and lets it do nothing; its sessions end. Enable
// undoes it. Refusals: mail.account.unknown, mail.role.
func (a *Accounts) Disable(ctx context.Context, by Actor, address string) error {
	return a.administer(ctx, by, address, "mail.account.disabled", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if !r.Disabled {
			r.Disabled, r.DisabledAt = true, tx.Now()
		}
		if err := p.auditOwnerless(ctx, tx, *r, by.ID); err != nil {
			return err
		}
		return shutOut(ctx, tx, r.Address)
	}, LocalAdministrator, AdministrationService)
}

// Enable lets a disabled account be used again, from today as if it had been used;
// a leaver has as many days left as before.
func (a *Accounts) Enable(ctx context.Context, by Actor, address string) error {
	return a.administer(ctx, by, address, "mail.account.enabled", func(_ context.Context, tx StoreTx, _ *Policy, r *AccountRecord) error {
		if !r.Disabled {
			return nil
		}
		switch since := begun(*r, tx.Now()).DisabledAt; { // from then a leaver's days did not run
		case r.Leaver.IsZero():
		case r.Leaver.Before(since):
			r.Leaver = r.Leaver.Add(tx.Now().Sub(since))
		default:
			r.Leaver = tx.Now()
		}
		r.Disabled, r.DisabledAt, r.Used, r.Inactive = false, time.Time{}, tx.Now(), time.Time{}
		return nil
	}, LocalAdministrator, AdministrationService)
}

// administer runs fn on an account that an administrator changes, keeps it and
// audits it. One that is deleted is not there for it, unless it is to be
// restored.
func (a *Accounts) administer(ctx context.Context, by Actor, address, action string, fn func(context.Context, StoreTx, *Policy, *AccountRecord) error, may ...Role) error {
	if !slices.Contains(may, by.Role) || by.check() != nil {
		return Rules().Refuse("mail.role")
	}
	p, err := a.Policy()
	if err != nil {
		return err
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := tx.Account(ctx, addressKey(address))
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.account.unknown")
		}
		if state := p.state(r); state == Removed || state == Deleted && action != "mail.account.restored" {
			return p.refusal(r)
		}
		if err := fn(ctx, tx, p, &r); err != nil {
			return err
		}
		if err := p.update(ctx, tx, r); err != nil {
			return err
		}
		return tx.Audit(ctx, by.ID, action, r.Address, string(by.Role))
	})
}
