// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Reactivate makes an inactive account usable again, as its holder's signing in
// does, and begins its time of not being used anew. Refusals:
// mail.account.unknown, mail.account.deleted, mail.role.
func (a *Accounts) Reactivate(ctx context.Context, by Actor, address string) error {
	return a.administer(ctx, by, address, "mail.account.reactivated", func(_ context.Context, tx StoreTx, _ *Policy, r *AccountRecord) error {
		r.Used, r.Inactive = tx.Now(), time.Time{}
		return nil
	}, LocalAdministrator, AdministrationService)
}

// Delete deletes an account, which can be restored for the time that the policy
// says. Refusals: mail.account.unknown, mail.account.deleted, mail.role,
// mail.shared.lastowner (it is the last owner of a shared mailbox who can sign
// in; Disable is there for what can't wait).
func (a *Accounts) Delete(ctx context.Context, by Actor, address string) error {
	return a.administer(ctx, by, address, "mail.account.deleted", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if err := p.keepsOwners(ctx, tx, *r); err != nil {
			return err
		}
		r.Deleted = tx.Now()
		return shutOut(ctx, tx, r.Address)
	}, LocalAdministrator, AdministrationService)
}

// Restore gives a deleted account back as it was, at its site, without the
// sessions that it had; a leaver's time begins anew, which only the
// administration service may do: a leaver counts for no site, so a site that
// could do it again and again would have more accounts than it may. Refusals:
// mail.account.unknown (also where it is too late), mail.account.live (it is not
// deleted), mail.quota.accounts, mail.role.
func (a *Accounts) Restore(ctx context.Context, by Actor, address string) error {
	return a.administer(ctx, by, address, "mail.account.restored", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if p.state(*r) != Deleted {
			return Rules().Refuse("mail.account.live")
		}
		switch {
		case !r.Leaver.IsZero():
			if by.Role != AdministrationService {
				return Rules().Refuse("mail.role")
			}
			r.Leaver = tx.Now()
		case !r.Deleted.IsZero(): // not counted any more
			if err := p.room(ctx, tx, r.Site); err != nil {
				return err
			}
		}
		r.Deleted, r.Inactive, r.Used = time.Time{}, time.Time{}, tx.Now()
		if r.Disabled {
			r.DisabledAt = tx.Now()
		}
		return shutOut(ctx, tx, r.Address) // no sweep may have seen it deleted
	}, LocalAdministrator, AdministrationService)
}

// MarkLeaver marks an account of the site as leaving for another organisation.
// Whoever token is signed in to must own a shared mailbox of the site. The
// account goes on as it is, out of the site's shared mailboxes and its quota,
// until another site takes it (Join) or its time is over. Refusals:
// mail.session, mail.leaver.owner, mail.account.unknown (none at this site),
// mail.shared.lastowner.
func (a *Accounts) MarkLeaver(ctx context.Context, token, address string) error {
	p, err := a.Policy()
	if err != nil {
		return err
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		by, err := p.signedIn(ctx, tx, token)
		if err != nil {
			return err
		}
		owns, err := p.ownsAt(ctx, tx, by)
		if err != nil {
			return err
		}
		if !owns {
			return Rules().Refuse("mail.leaver.owner")
		}
		r, err := p.colleague(ctx, tx, addressKey(address), by.Site)
		if err != nil {
			return err
		}
		if err := p.keepsOwners(ctx, tx, r); err != nil {
			return err
		}
		return p.leaves(ctx, tx, r, by.Address, "")
	})
}

// ownsAt reports whether an account may act as the owner of a shared mailbox of
// its site.
func (p *Policy) ownsAt(ctx context.Context, tx StoreTx, r AccountRecord) (bool, error) {
	boxes, err := tx.SiteShared(ctx, r.Site)
	owns := slices.ContainsFunc(boxes, func(s Shared) bool { return slices.Contains(s.Owners, r.Address) })
	return owns && r.Leaver.IsZero() && p.state(r).Can(Send), err
}

// leaves marks a leaver, and takes away what they had from their site.
func (p *Policy) leaves(ctx context.Context, tx StoreTx, r AccountRecord, actor, detail string) error {
	r.Leaver, r.ConfirmedMobile = tx.Now(), ""
	if err := leaveShared(ctx, tx, r); err != nil {
		return err
	}
	if err := p.update(ctx, tx, r); err != nil {
		return err
	}
	return tx.Audit(ctx, actor, "mail.account.leaver", r.Address, detail)
}

// TransferTicket asks the administration service to mark a leaver where no
// owner can: the owner is not available, or it is the owner who has left.
type TransferTicket struct {
	// Address is the leaver's account, Reference the ticket's.
	Address, Reference string
	// RaisedWith are the addresses that it was sent to: all of Recipients.
	RaisedWith []string
}

// TransferRecipients lists whom such a ticket goes to, in order: the ticket
// itself, and its escalation.
func (p *Policy) TransferRecipients() []Contact {
	return []Contact{p.Contacts.NAS, p.Contacts.Feedback}
}

// MarkLeaverByTicket is MarkLeaver without an owner. Only the administration
// service may. Refusals: mail.role, mail.transfer.ticket (what is missing),
// mail.transfer.owner (another owner can sign in and marks leavers),
// mail.account.unknown.
func (a *Accounts) MarkLeaverByTicket(ctx context.Context, by Actor, t TransferTicket) error {
	if by.Role != AdministrationService || by.check() != nil {
		return Rules().Refuse("mail.role")
	}
	p, err := a.Policy()
	if err != nil {
		return err
	}
	if missing := p.missingOf(t); missing != nil {
		return Rules().Refuse("mail.transfer.ticket", "missing", strings.Join(missing, ", "))
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := tx.Account(ctx, addressKey(t.Address))
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.account.unknown")
		}
		if r, err = p.colleague(ctx, tx, r.Address, r.Site); err != nil {
			return err
		}
		boxes, err := tx.SiteShared(ctx, r.Site)
		if err != nil {
			return err
		}
		for _, s := range boxes {
			able, err := p.ableOwner(ctx, tx, s, r.Address, State.canSignIn)
			if err != nil {
				return err
			}
			if able {
				return Rules().Refuse("mail.transfer.owner")
			}
		}
		if err := p.auditOwnerless(ctx, tx, r, by.ID); err != nil {
			return err
		}
		return p.leaves(ctx, tx, r, by.ID, "ticket "+t.Reference)
	})
}

// missingOf lists what a ticket lacks.
func (p *Policy) missingOf(t TransferTicket) []string {
	var missing []string
	if isBlank(t.Reference) || textFault(t.Reference) != "" {
		missing = append(missing, "the ticket's reference")
	}
	for _, c := range p.TransferRecipients() {
		if !slices.ContainsFunc(t.RaisedWith, func(to string) bool { return addressKey(strings.TrimSpace(to)) == addressKey(c.Email) }) {
			missing = append(missing, c.Email)
		}
	}
	return missing
}

// Join takes a leaver over to another site, or back to the one they left, with
// the same address, mailbox and password. They are out of the shared mailboxes
// of the site before, also where they come back to it; where they were the last
// owner of one, it waits for them or for BreakGlass. Refusals: mail.role, mail.account.unknown, mail.account.deleted
// (Restore comes first), mail.leaver.not (nobody has marked them),
// mail.site.unknown, mail.site.ods, mail.quota.accounts.
func (a *Accounts) Join(ctx context.Context, by Actor, address, ods string) error {
	ods, err := ParseODS(ods)
	if err != nil {
		return err
	}
	return a.administer(ctx, by, address, "mail.account.joined", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if r.Leaver.IsZero() {
			return Rules().Refuse("mail.leaver.not")
		}
		if err := p.room(ctx, tx, ods); err != nil {
			return err
		}
		r.Site, r.Leaver = ods, time.Time{}
		return nil
	}, LocalAdministrator, AdministrationService)
}

// leaveShared takes an account out of shared mailboxes. The last owner of one
// stays on its list, so that it has an owner's name at least; the name opens
// nothing at another site.
func leaveShared(ctx context.Context, tx StoreTx, r AccountRecord) error {
	of, err := tx.Memberships(ctx, r.Address)
	if err != nil {
		return err
	}
	for _, m := range of {
		s, err := tx.Shared(ctx, m.Shared)
		if err != nil {
			return err
		}
		if m.Owner && len(s.Owners) == 1 {
			continue
		}
		if err := tx.DeleteMember(ctx, m.Shared, r.Address); err != nil {
			return err
		}
	}
	return nil
}
