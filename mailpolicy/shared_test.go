// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func TestSharedMailbox(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	first, second, third := h.active(1), h.active(2), h.active(3)
	box, err := h.accounts.OpenShared(ctx, applicant, "VLX12", first.Address)
	require.NoError(t, err)
	one, two := h.session(first.Address), h.session(second.Address)
	set := func(token, address string, as mailpolicy.Membership) error {
		return h.accounts.SetMember(ctx, token, box.Address, address, as)
	}
	t.Run("row163", func(t *testing.T) {
		refused(t, "mail.shared.member", set(two, second.Address, mailpolicy.Owner))
		require.NoError(t, set(one, second.Address, mailpolicy.Member))
		as, err := h.accounts.CanOpenShared(ctx, two, "CARE.vlx12@nhs.net")
		require.NoError(t, err)
		require.Equal(t, mailpolicy.Member, as)
		refused(t, "mail.shared.owner", set(two, third.Address, mailpolicy.Member))
		refused(t, "mail.shared.owner", h.accounts.RemoveMember(ctx, two, box.Address, first.Address))
		refused(t, "mail.account.unknown", set(one, "nobody@nhs.net", mailpolicy.Member))
		refused(t, "mail.shared.owner", set(one, third.Address, "boss"))
		refused(t, "mail.shared.unknown", h.accounts.RemoveMember(ctx, one, "care.NONE9@nhs.net", first.Address))
		err = h.accounts.RemoveMember(ctx, one, box.Address, first.Address)
		refused(t, "mail.shared.lastowner", err)
		require.ErrorContains(t, err, box.Address)
		require.NoError(t, h.accounts.RemoveMember(ctx, one, box.Address, second.Address))
		_, err = h.accounts.CanOpenShared(ctx, two, box.Address)
		refused(t, "mail.shared.member", err)
	})
	t.Run("threat054", func(t *testing.T) {
		require.NoError(t, set(one, first.Address, mailpolicy.Owner), "ownership to oneself changes nothing")
		refused(t, "mail.shared.lastowner", set(one, first.Address, mailpolicy.Member))
		refused(t, "mail.shared.lastowner", h.accounts.Delete(ctx, nas, first.Address))
		refused(t, "mail.shared.lastowner", h.accounts.MarkLeaver(ctx, one, first.Address))
		require.NoError(t, set(one, second.Address, mailpolicy.Owner))
		// An owner who is locked out is none that could help.
		for range 5 {
			_, err := h.signIn(second.Address, []byte("wrong-horse-battery"))
			refused(t, "mail.password.wrong", err)
		}
		refused(t, "mail.shared.lastowner", h.accounts.RemoveMember(ctx, one, box.Address, first.Address))
		require.NoError(t, h.accounts.Unlock(ctx, local, second.Address))
		// Two who take each other away at once: one remains.
		var wg sync.WaitGroup
		errs := make([]error, 2)
		wg.Go(func() { errs[0] = h.accounts.RemoveMember(ctx, one, box.Address, second.Address) })
		wg.Go(func() { errs[1] = h.accounts.RemoveMember(ctx, two, box.Address, first.Address) })
		wg.Wait()
		require.True(t, (errs[0] == nil) != (errs[1] == nil), "%v", errs)
		boxes, err := h.accounts.SiteShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Len(t, boxes[0].Owners, 1)
		// What can't be refused is written down.
		last := boxes[0].Owners[0]
		require.NoError(t, h.accounts.Disable(ctx, local, last))
		require.Equal(t, 1, h.audited("mail.shared.ownerless", box.Address))
		require.NoError(t, h.accounts.Enable(ctx, local, last))
		h.forward(60 * day)
		_, err = h.accounts.Due(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, h.audited("mail.shared.ownerless", box.Address))
	})
}

func TestPharmacy(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "FA123", Name: "The Pharmacy", Pharmacy: true})
	require.NoError(t, err)
	a, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "FA123", Address: "po.li@nhs.net", Name: "Po Li", Mobile: "07700900001"})
	require.NoError(t, err)
	box, err := h.accounts.OpenShared(ctx, applicant, "fa123", a.Address)
	require.NoError(t, err)
	require.Equal(t, "pharmacy.FA123@nhs.net", box.Address)
	refused(t, "mail.shared.password", func() error { _, err := h.signIn(box.Address, nil); return err }())
}

func TestBreakGlass(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{
		ODS: "CQC01", Name: "The Limes", CQCLocation: "1-2345", ManagerID: "CON1-77", ManagerEmail: "Manager@Limes.example", Landline: "020 7946 0000",
	})
	require.NoError(t, err)
	open := func(address string) mailpolicy.Account {
		a, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "CQC01", Address: address, Name: "A", Mobile: "07700900001"})
		require.NoError(t, err)
		return a
	}
	left := open("left@nhs.net")
	box, err := h.accounts.OpenShared(ctx, applicant, "CQC01", left.Address)
	require.NoError(t, err)
	joined := open("joined@nhs.net")
	good := mailpolicy.BreakGlass{ODS: "cqc01", LocationID: "1-2345", ManagerID: "CON1-77", Proof: mailpolicy.Landline, From: "+44 20 7946 0000", NewOwner: joined.Address}
	t.Run("row165", func(t *testing.T) {
		require.Equal(t, []string{"ODS code", "Location ID", "Manager ID", "proof", "the address or number that it came from", "new owner"}, mailpolicy.BreakGlass{}.Missing())
		require.Empty(t, good.Missing())
		some := good
		some.LocationID, some.ManagerID = " ", ""
		err := h.accounts.BreakGlass(ctx, nas, some)
		refused(t, "mail.breakglass.missing", err)
		require.ErrorContains(t, err, "Location ID, Manager ID")
	})
	t.Run("row164", func(t *testing.T) {
		refused(t, "mail.shared.owned", h.accounts.BreakGlass(ctx, nas, good))
		require.NoError(t, h.accounts.Disable(ctx, local, left.Address))
		refused(t, "mail.shared.owned", h.accounts.BreakGlass(ctx, nas, good))
		require.NoError(t, h.accounts.Enable(ctx, local, left.Address))
		h.forward(40 * day)
		require.NoError(t, h.accounts.Reactivate(ctx, local, joined.Address))
		require.Equal(t, mailpolicy.Inactive, h.state(left.Address))
		refused(t, "mail.shared.owned", h.accounts.BreakGlass(ctx, nas, good))
		h.forward(20 * day)
		_, err := h.accounts.Due(ctx)
		require.NoError(t, err)

		refused(t, "mail.role", h.accounts.BreakGlass(ctx, local, good))
		for name, change := range map[string]func(*mailpolicy.BreakGlass){
			"a mobile":             func(b *mailpolicy.BreakGlass) { b.From = "07700 900001" },
			"another landline":     func(b *mailpolicy.BreakGlass) { b.From = "020 7946 0001" },
			"an address as number": func(b *mailpolicy.BreakGlass) { b.From = "manager@limes.example" },
			"another address":      func(b *mailpolicy.BreakGlass) { b.Proof, b.From = mailpolicy.ManagerEmail, "other@limes.example" },
			"another proof":        func(b *mailpolicy.BreakGlass) { b.Proof = "letter" },
			"another location":     func(b *mailpolicy.BreakGlass) { b.LocationID = "1-2346" },
			"another manager":      func(b *mailpolicy.BreakGlass) { b.ManagerID = "CON1-78" },
			"a site without ids":   func(b *mailpolicy.BreakGlass) { b.ODS = "VLX12" },
		} {
			bad := good
			change(&bad)
			err := h.accounts.BreakGlass(ctx, nas, bad)
			require.Equal(t, "mail.breakglass.proof", wardkey.RuleOf(err), name)
		}
		require.NoError(t, h.accounts.BreakGlass(ctx, nas, good))
		boxes, err := h.accounts.SiteShared(ctx, "CQC01")
		require.NoError(t, err)
		require.Contains(t, boxes[0].Owners, joined.Address)
		require.Equal(t, 1, h.audited("mail.shared.breakglass", box.Address))

		h.forward(90 * day) // all gone again
		next := open("next@nhs.net")
		again := good
		again.Proof, again.From, again.NewOwner = mailpolicy.ManagerEmail, "MANAGER@limes.example", next.Address
		require.NoError(t, h.accounts.BreakGlass(ctx, nas, again))
	})
}
