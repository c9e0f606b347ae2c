// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"strings"
)

// Proof is how somebody of a site shows that they may have its shared mailbox
// after all its staff have left.
type Proof string

// The proofs that are taken, and no other.
const (
	// ManagerEmail: a message from the address of the current registered manager.
	ManagerEmail Proof = "manager-email"
	// Landline: a call from the landline that the site has registered with the
	// CQC.
	Landline Proof = "landline"
)

// BreakGlass is what the help desk is given to open a shared mailbox that has
// no owner left.
type BreakGlass struct {
	// ODS, LocationID and ManagerID are the site's code and its two ids with the
	// CQC.
	ODS, LocationID, ManagerID string
	// Proof, and From: the address or the number that the desk saw.
	Proof Proof
	From  string
	// NewOwner is an account of the site.
	NewOwner string
}

// Missing lists what is still to be filled in before the desk is called, in the
// order of the form.
func (b BreakGlass) Missing() []string {
	var missing []string
	for _, field := range []struct{ name, value string }{
		{"ODS code", b.ODS},
		{"Location ID", b.LocationID},
		{"Manager ID", b.ManagerID},
		{"proof", string(b.Proof)},
		{"the address or number that it came from", b.From},
		{"new owner", b.NewOwner},
	} {
		if isBlank(field.value) {
			missing = append(missing, field.name)
		}
	}
	return missing
}

// BreakGlass gives the site's shared mailboxes whose owners have all left a new
// owner. Only the administration service may, and what it was shown must be what the
// site is registered with: a number is compared with the landline, an address
// with the manager's. That the message or the call really came from there is for
// the desk to make sure of. Refusals: mail.role, mail.breakglass.missing,
// mail.breakglass.proof (without saying what does not fit; it is audited),
// mail.shared.owned (each has an owner who can sign in, or can be unlocked or
// enabled), mail.site.unknown,
// mail.shared.unknown, mail.account.unknown, mail.account.locked and
// mail.account.disabled (of the new owner).
func (a *Accounts) BreakGlass(ctx context.Context, by Actor, b BreakGlass) error {
	if by.Role != AdministrationService || by.check() != nil {
		return Rules().Refuse("mail.role")
	}
	if missing := b.Missing(); missing != nil {
		return Rules().Refuse("mail.breakglass.missing", "missing", strings.Join(missing, ", "))
	}
	p, err := a.Policy()
	if err != nil {
		return err
	}
	ods, err := ParseODS(b.ODS)
	if err != nil {
		return err
	}
	var fits bool
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		site, err := tx.Site(ctx, ods)
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.site.unknown")
		}
		if fits = b.fits(site); !fits {
			return tx.Audit(ctx, by.ID, "mail.breakglass.refused", ods, "")
		}
		return p.breakGlass(ctx, tx, by, b.Proof, ods, addressKey(b.NewOwner))
	})
	if err == nil && !fits {
		return Rules().Refuse("mail.breakglass.proof")
	}
	return err
}

// breakGlass gives those mailboxes of a site that have none a new owner.
func (p *Policy) breakGlass(ctx context.Context, tx StoreTx, by Actor, proof Proof, ods, owner string) error {
	boxes, err := tx.SiteShared(ctx, ods)
	if err == nil && len(boxes) == 0 {
		return Rules().Refuse("mail.shared.unknown")
	}
	if err != nil {
		return err
	}
	if err := p.mayOwn(ctx, tx, owner, ods); err != nil {
		return err
	}
	taken := false
	for _, s := range boxes {
		owned, err := p.ableOwner(ctx, tx, s, "", func(state State) bool { return state.canSignIn() || state == Locked || state == Disabled })
		if err != nil {
			return err
		}
		if owned {
			continue
		}
		taken = true
		if err := takeOver(ctx, tx, s, owner); err != nil {
			return err
		}
		if err := tx.Audit(ctx, by.ID, "mail.shared.breakglass", s.Address, string(proof)+", owner "+owner); err != nil {
			return err
		}
	}
	if !taken {
		return Rules().Refuse("mail.shared.owned")
	}
	return nil
}

// takeOver gives a mailbox without an owner a new one. Those on its list are
// gone, and if they come back they are owners no more.
func takeOver(ctx context.Context, tx StoreTx, s Shared, owner string) error {
	for _, gone := range s.Owners {
		if err := tx.DeleteMember(ctx, s.Address, gone); err != nil {
			return err
		}
	}
	return tx.PutMember(ctx, MemberRecord{Shared: s.Address, Account: owner, Owner: true})
}

// fits compares what the desk was shown with what the site is registered with.
// What the site has not registered fits nothing.
func (b BreakGlass) fits(s Site) bool {
	if s.CQCLocation == "" || s.ManagerID == "" || b.LocationID != s.CQCLocation || b.ManagerID != s.ManagerID {
		return false
	}
	switch b.Proof {
	case ManagerEmail:
		from, err := CanonicalAddress(b.From)
		return err == nil && s.ManagerEmail != "" && from == s.ManagerEmail
	case Landline:
		number, err := parseLandline(b.From)
		return err == nil && s.Landline != "" && number == s.Landline
	}
	return false
}
