// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// SharedAddress returns the address of a care site's shared mailbox, with the
// ODS code in capitals: care.VLX12@nhs.net. Addresses are compared without
// regard to case.
func SharedAddress(ods string) (string, error) { return sharedAddress("care.", ods) }

// PharmacyAddress returns the address of a pharmacy's shared mailbox:
// pharmacy.FA123@nhs.net.
func PharmacyAddress(ods string) (string, error) { return sharedAddress("pharmacy.", ods) }

func sharedAddress(prefix, ods string) (string, error) {
	code, err := ParseODS(ods)
	if err != nil {
		return "", err
	}
	return prefix + code + "@nhs.net", nil
}

// sharedAddress is the address of a site's n-th shared mailbox, from 1: the second
// is care.VLX12.2@nhs.net. No ODS code has the mark in it, so that it is no other
// site's.
func (p *Policy) sharedAddress(s Site, n int) (string, error) {
	prefix := "care."
	if s.Pharmacy {
		prefix = "pharmacy."
	}
	first, err := sharedAddress(prefix, s.ODS)
	if err != nil || n == 1 {
		return first, err
	}
	local, domain, _ := strings.Cut(first, "@")
	return local + p.SharedMark + strconv.Itoa(n) + "@" + domain, nil
}

// OpenShared opens a shared mailbox of the site, owned by one of its accounts: its
// first one, or another where it was granted more (GrantShared).
// Refusals: mail.role (an Actor without a name or a role), mail.site.unknown,
// mail.quota.shared, mail.account.unknown (the owner has no account at this
// site), mail.account.locked and mail.account.disabled (the owner can't sign in).
func (a *Accounts) OpenShared(ctx context.Context, by Actor, ods, owner string) (Shared, error) {
	if err := by.check(); err != nil {
		return Shared{}, err
	}
	p, err := a.Policy()
	if err != nil {
		return Shared{}, err
	}
	if ods, err = ParseODS(ods); err != nil {
		return Shared{}, err
	}
	owner = addressKey(owner)
	shared := Shared{Site: ods, Owners: []string{owner}}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		site, err := tx.Site(ctx, ods)
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.site.unknown")
		}
		if err := p.mayOwn(ctx, tx, owner, ods); err != nil {
			return err
		}
		n, err := tx.CountShared(ctx, ods)
		if err != nil {
			return err
		}
		if limit := p.SharedPerSite + site.MoreShared; n >= limit {
			return Rules().Refuse("mail.quota.shared", "limit", strconv.Itoa(limit))
		}
		if shared.Address, err = p.sharedAddress(site, n+1); err != nil {
			return err
		}
		shared.Opened = tx.Now()
		if err := tx.InsertShared(ctx, shared); err != nil {
			return err
		}
		if err := tx.PutMember(ctx, MemberRecord{Shared: shared.Address, Account: owner, Owner: true}); err != nil {
			return err
		}
		return tx.Audit(ctx, by.ID, "mail.shared.opened", shared.Address, "owner "+owner)
	})
	if err != nil {
		return Shared{}, err
	}
	return shared, nil
}

// colleague is an account that belongs to a site: not one that is deleted or
// leaving.
func (p *Policy) colleague(ctx context.Context, tx StoreTx, address, ods string) (AccountRecord, error) {
	r, err := tx.Account(ctx, address)
	if err != nil {
		return r, refuseIf(err, ErrNotFound, "mail.account.unknown")
	}
	if state := p.state(r); r.Site != ods || !r.Leaver.IsZero() || state == Deleted || state == Removed {
		return r, Rules().Refuse("mail.account.unknown")
	}
	return r, nil
}

// mayOwn refuses for the first owner of a mailbox who is no colleague or can't
// sign in.
func (p *Policy) mayOwn(ctx context.Context, tx StoreTx, address, ods string) error {
	r, err := p.colleague(ctx, tx, address, ods)
	if err == nil && !p.state(r).Can(SignIn) {
		err = p.refusal(r)
	}
	return err
}

// Membership is what an account may do with a shared mailbox.
type Membership string

const (
	// Owner reads and sends, and adds and removes users.
	Owner Membership = "owner"
	// Member reads and sends.
	Member Membership = "member"
)

// CanOpenShared refuses where the account that token is signed in to may not
// open a shared mailbox: mail.session, mail.shared.unknown, mail.shared.member
// (it is neither owner nor member, or of another site by now), mail.aup.pending.
func (a *Accounts) CanOpenShared(ctx context.Context, token, shared string) (Membership, error) {
	p, err := a.Policy()
	if err != nil {
		return "", err
	}
	var as Membership
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := p.signedIn(ctx, tx, token)
		if err != nil {
			return err
		}
		if !p.state(r).Can(Send) {
			return p.refusal(r)
		}
		_, as, err = p.openShared(ctx, tx, r, shared)
		return err
	})
	return as, err
}

// openShared finds a shared mailbox and what an account is there.
func (p *Policy) openShared(ctx context.Context, tx StoreTx, r AccountRecord, address string) (Shared, Membership, error) {
	s, err := tx.Shared(ctx, addressKey(address))
	if err != nil {
		return s, "", refuseIf(err, ErrNotFound, "mail.shared.unknown")
	}
	here := r.Site == s.Site && r.Leaver.IsZero()
	switch {
	case here && slices.Contains(s.Owners, r.Address):
		return s, Owner, nil
	case here && slices.Contains(s.Members, r.Address):
		return s, Member, nil
	}
	return s, "", Rules().Refuse("mail.shared.member")
}

// SetMember lets an account of the site open its shared mailbox, or changes
// what it is there. The account that token is signed in to must be an owner.
// Refusals: mail.session, mail.shared.unknown, mail.shared.member,
// mail.shared.owner (it is no owner), mail.shared.lastowner (the mailbox would
// be left without an owner who can sign in), mail.account.unknown.
func (a *Accounts) SetMember(ctx context.Context, token, shared, address string, as Membership) error {
	if as != Owner && as != Member {
		return Rules().Refuse("mail.shared.owner")
	}
	address = addressKey(address)
	return a.asOwner(ctx, token, shared, func(ctx context.Context, tx StoreTx, p *Policy, by AccountRecord, s Shared) error {
		if _, err := p.colleague(ctx, tx, address, s.Site); err != nil {
			return err
		}
		if as == Member {
			if err := p.keepsOwner(ctx, tx, s, address); err != nil {
				return err
			}
		}
		if err := tx.PutMember(ctx, MemberRecord{Shared: s.Address, Account: address, Owner: as == Owner}); err != nil {
			return err
		}
		return tx.Audit(ctx, by.Address, "mail.shared.member", s.Address, string(as)+" "+address)
	})
}

// RemoveMember takes an owner or a member away. Refusals: those of SetMember but
// mail.account.unknown; who is no member is none afterwards.
func (a *Accounts) RemoveMember(ctx context.Context, token, shared, address string) error {
	address = addressKey(address)
	return a.asOwner(ctx, token, shared, func(ctx context.Context, tx StoreTx, p *Policy, by AccountRecord, s Shared) error {
		if err := p.keepsOwner(ctx, tx, s, address); err != nil {
			return err
		}
		if err := tx.DeleteMember(ctx, s.Address, address); err != nil {
			return err
		}
		return tx.Audit(ctx, by.Address, "mail.shared.removed", s.Address, address)
	})
}

// asOwner runs fn where a token is signed in to an owner of the mailbox.
func (a *Accounts) asOwner(ctx context.Context, token, shared string, fn func(context.Context, StoreTx, *Policy, AccountRecord, Shared) error) error {
	p, err := a.Policy()
	if err != nil {
		return err
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := p.signedIn(ctx, tx, token)
		if err != nil {
			return err
		}
		s, as, err := p.openShared(ctx, tx, r, shared)
		if err != nil {
			return err
		}
		if as != Owner || !p.state(r).Can(Send) {
			return Rules().Refuse("mail.shared.owner")
		}
		return fn(ctx, tx, p, r, s)
	})
}

// keepsOwner refuses (mail.shared.lastowner) to take away the last owner who
// can sign in.
func (p *Policy) keepsOwner(ctx context.Context, tx StoreTx, s Shared, but string) error {
	if !slices.Contains(s.Owners, but) {
		return nil
	}
	able, err := p.ableOwner(ctx, tx, s, but, State.canSignIn)
	if err == nil && !able {
		return Rules().Refuse("mail.shared.lastowner", "address", s.Address)
	}
	return err
}

func (s State) canSignIn() bool { return s.Can(SignIn) }

// ableOwner reports whether a mailbox has an owner at its site, other than one,
// in a state that will do.
func (p *Policy) ableOwner(ctx context.Context, tx StoreTx, s Shared, but string, will func(State) bool) (bool, error) {
	for _, owner := range s.Owners {
		if owner == but {
			continue
		}
		r, err := p.colleague(ctx, tx, owner, s.Site)
		switch {
		case wardkey.RuleOf(err) == "mail.account.unknown":
		case err != nil:
			return false, err
		case will(p.state(r)):
			return true, nil
		}
	}
	return false, nil
}

// auditOwnerless writes down which mailboxes lose their last owner who can sign
// in with this account, where that could not be refused.
func (p *Policy) auditOwnerless(ctx context.Context, tx StoreTx, r AccountRecord, actor string) error {
	owned, err := tx.Memberships(ctx, r.Address)
	if err != nil {
		return err
	}
	for _, m := range owned {
		s, err := tx.Shared(ctx, m.Shared)
		if err != nil {
			return err
		}
		able, err := p.ableOwner(ctx, tx, s, r.Address, State.canSignIn)
		if err != nil {
			return err
		}
		if m.Owner && !able {
			if err := tx.Audit(ctx, actor, "mail.shared.ownerless", s.Address, r.Address); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepsOwners is keepsOwner for all the mailboxes of an account.
func (p *Policy) keepsOwners(ctx context.Context, tx StoreTx, r AccountRecord) error {
	owned, err := tx.Memberships(ctx, r.Address)
	if err != nil {
		return err
	}
	for _, m := range owned {
		s, err := tx.Shared(ctx, m.Shared)
		if err != nil {
			return err
		}
		if err := p.keepsOwner(ctx, tx, s, r.Address); err != nil {
			return err
		}
	}
	return nil
}
