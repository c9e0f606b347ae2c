// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// More than the usual number comes by application, from the administration service
// and for a reason that the audit keeps.
func TestGrants(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for action, grant := range map[string]func(context.Context, mailpolicy.Actor, string, int, string) error{
		"mail.site.granted": h.accounts.GrantAccounts, "mail.site.granted.shared": h.accounts.GrantShared,
	} {
		const why = "application of 3 November"
		for _, by := range []mailpolicy.Actor{applicant, local, {}, {Role: mailpolicy.AdministrationService}} {
			refused(t, "mail.role", grant(ctx, by, "VLX12", 2, why))
		}
		refused(t, "mail.site.unknown", grant(ctx, nas, "NONE9", 2, why))
		refused(t, "mail.site.ods", grant(ctx, nas, "no code", 2, why))
		for _, bad := range []int{-1, mailpolicy.MaxListed + 1} {
			refused(t, "mail.grant.form", grant(ctx, nas, "VLX12", bad, why))
		}
		for _, bad := range []string{"", " ", "\u200b", "a\nb", "\u202eb"} {
			refused(t, "mail.grant.form", grant(ctx, nas, "VLX12", 2, bad))
		}
		require.NoError(t, grant(ctx, nas, "vlx12", 2, why))
		var actor, detail string
		var at int64
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT actor, detail, at FROM mail_audit WHERE action = $1", action).Scan(&actor, &detail, &at))
		require.Equal(t, []string{nas.ID, "2: " + why}, []string{actor, detail})
		require.Equal(t, h.now().Unix(), at)
	}
	site, err := h.accounts.Site(ctx, "vlx12")
	require.NoError(t, err)
	require.Equal(t, [2]int{2, 2}, [2]int{site.MoreAccounts, site.MoreShared})
	_, err = h.accounts.Site(ctx, "NONE9")
	refused(t, "mail.site.unknown", err)
}

func TestMoreShared(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	owner, other := h.active(1), h.active(2)
	open := func() (mailpolicy.Shared, error) {
		return h.accounts.OpenShared(ctx, applicant, "VLX12", owner.Address)
	}
	first, err := open()
	require.NoError(t, err)
	t.Run("row138", func(t *testing.T) {
		_, err := open()
		refused(t, "mail.quota.shared", err)
		require.ErrorContains(t, err, "shared mailboxes: 1.")
		require.NoError(t, h.accounts.GrantShared(ctx, nas, "VLX12", 2, "application of 3 November"))
	})
	t.Run("threat053", func(t *testing.T) {
		require.Equal(t, 2, fiftyAtOnce(t, "mail.quota.shared", func(int) error { _, err := open(); return err }))
		require.NoError(t, h.store.Close())
		h.store, err = sqlstore.Open(ctx, sqlstore.Config{DB: h.db, Now: h.now})
		require.NoError(t, err)
		h.start()
		_, err = open()
		refused(t, "mail.quota.shared", err)
		boxes, err := h.accounts.SiteShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Len(t, boxes, 3)
		var names []string
		for _, b := range boxes {
			names = append(names, b.Address)
			require.Equal(t, []string{owner.Address}, b.Owners)
		}
		require.ElementsMatch(t, []string{"care.VLX12@nhs.net", "care.VLX12.2@nhs.net", "care.VLX12.3@nhs.net"}, names)
	})
	t.Run("the second is as the first", func(t *testing.T) {
		const second = "care.VLX12.2@nhs.net"
		refused(t, "mail.shared.password", func() error { _, err := h.signIn(strings.ToLower(second), []byte(lasting)); return err }())
		require.NoError(t, h.accounts.CanSend(ctx, second))
		_, _, _, err := h.accounts.LinkState(ctx, second)
		refused(t, "mail.account.unknown", err) // no card opens it either
		_, err = h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: second, Name: "B", Mobile: "07700900001"})
		refused(t, "mail.account.form", err)
		owns := h.session(owner.Address)
		require.NoError(t, h.accounts.SetMember(ctx, owns, second, other.Address, mailpolicy.Member))
		token := h.session(other.Address)
		_, err = h.accounts.CanOpenShared(ctx, token, second)
		require.NoError(t, err)
		_, err = h.accounts.CanOpenShared(ctx, token, first.Address)
		refused(t, "mail.shared.member", err) // one is not the other
		require.NoError(t, h.accounts.AuthoriseMobile(ctx, nas, other.Address, "07700 900888", second))
		refused(t, "mail.shared.lastowner", h.accounts.RemoveMember(ctx, owns, second, owner.Address))
		require.NoError(t, h.accounts.SetMember(ctx, owns, first.Address, other.Address, mailpolicy.Owner))
		refused(t, "mail.shared.lastowner", h.accounts.Delete(ctx, nas, owner.Address)) // of the others
	})
	t.Run("taken back, it stays", func(t *testing.T) {
		require.NoError(t, h.accounts.GrantShared(ctx, nas, "VLX12", 0, "taken back"))
		boxes, err := h.accounts.SiteShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Len(t, boxes, 3)
		_, err = open()
		refused(t, "mail.quota.shared", err)
	})
}

func TestPharmacysSecond(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "FA123", Pharmacy: true, MoreShared: 5, MoreAccounts: 5})
	require.NoError(t, err)
	_, err = h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "FA123", Address: "po.li@nhs.net", Name: "Po Li", Mobile: "07700900001"})
	require.NoError(t, err)
	_, err = h.accounts.OpenShared(ctx, applicant, "FA123", "po.li@nhs.net")
	require.NoError(t, err)
	_, err = h.accounts.OpenShared(ctx, applicant, "FA123", "po.li@nhs.net")
	refused(t, "mail.quota.shared", err) // nobody grants themselves more
	require.NoError(t, h.accounts.GrantShared(ctx, nas, "FA123", 1, "application of 3 November"))
	box, err := h.accounts.OpenShared(ctx, applicant, "FA123", "po.li@nhs.net")
	require.NoError(t, err)
	require.Equal(t, "pharmacy.FA123.2@nhs.net", box.Address)
}

// Of several mailboxes only those without an owner get one by BreakGlass.
func TestBreakGlassOfSeveral(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "CQC01", CQCLocation: "1-2345", ManagerID: "CON1-77", ManagerEmail: "old@limes.example"})
	require.NoError(t, err)
	require.NoError(t, h.accounts.GrantShared(ctx, nas, "CQC01", 1, "application of 3 November"))
	for _, address := range []string{"left@nhs.net", "stays@nhs.net"} {
		_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "CQC01", Address: address, Name: "A", Mobile: "07700900001"})
		require.NoError(t, err)
		_, err = h.accounts.OpenShared(ctx, applicant, "CQC01", address)
		require.NoError(t, err)
	}
	_, err = h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "CQC01", Address: "joined@nhs.net", Name: "A", Mobile: "07700900001"})
	require.NoError(t, err)
	ticket := mailpolicy.TransferTicket{Address: "left@nhs.net", Reference: "INC1", RaisedWith: []string{"careadmin@nhs.net", "feedback@nhs.net"}}
	refused(t, "mail.transfer.owner", h.accounts.MarkLeaverByTicket(ctx, nas, ticket)) // the owner of the second is there to ask
	for range 3 {                                                                      // who stays, and who joined, use their accounts
		h.forward(25 * day)
		for _, address := range []string{"stays@nhs.net", "joined@nhs.net"} {
			require.NoError(t, h.accounts.Used(ctx, address))
		}
	}
	b := mailpolicy.BreakGlass{ODS: "CQC01", LocationID: "1-2345", ManagerID: "CON1-77", Proof: mailpolicy.ManagerEmail, From: "new@limes.example", NewOwner: "joined@nhs.net"}
	refused(t, "mail.breakglass.proof", h.accounts.BreakGlass(ctx, nas, b))
	t.Run("row141", func(t *testing.T) { // the manager whom the site is registered with has changed
		site, err := h.accounts.Site(ctx, "CQC01")
		require.NoError(t, err)
		site.ManagerEmail, site.Pharmacy, site.MoreShared = "New@Limes.example", true, 9
		for _, by := range []mailpolicy.Actor{applicant, local, {}} {
			refused(t, "mail.role", h.accounts.CorrectSite(ctx, by, site))
		}
		bad := site
		bad.Landline = "07700 900001"
		refused(t, "mail.site.form", h.accounts.CorrectSite(ctx, nas, bad))
		bad = site
		bad.ODS = "NONE9"
		refused(t, "mail.site.unknown", h.accounts.CorrectSite(ctx, nas, bad))
		require.NoError(t, h.accounts.CorrectSite(ctx, nas, site))
		after, err := h.accounts.Site(ctx, "CQC01")
		require.NoError(t, err)
		site.ManagerEmail, site.Pharmacy, site.MoreShared = "new@limes.example", false, 1
		require.Equal(t, site, after, "what it was granted and is named for is no correction")
		var detail string
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT detail FROM mail_audit WHERE action = 'mail.site.corrected'").Scan(&detail))
		require.Equal(t, "manager's address", detail)
	})
	t.Run("row164", func(t *testing.T) {
		require.NoError(t, h.accounts.BreakGlass(ctx, nas, b))
		boxes, err := h.accounts.SiteShared(ctx, "CQC01")
		require.NoError(t, err)
		require.Equal(t, []string{"stays@nhs.net"}, boxes[0].Owners, boxes[0].Address)
		require.Equal(t, []string{"joined@nhs.net"}, boxes[1].Owners)
		require.Equal(t, "mail.shared.owned", wardkey.RuleOf(h.accounts.BreakGlass(ctx, nas, b)), "none is left")
	})
}
