// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

const day = 24 * time.Hour

func (h *home) state(address string) mailpolicy.State {
	h.t.Helper()
	a, err := h.accounts.Account(h.t.Context(), address)
	require.NoError(h.t, err)
	return a.State
}

// audited counts the rows of an action about an account or a mailbox.
func (h *home) audited(action, subject string) int {
	h.t.Helper()
	var n int
	require.NoError(h.t, h.db.QueryRowContext(h.t.Context(), "SELECT count(*) FROM mail_audit WHERE action = $1 AND subject = $2", action, subject).Scan(&n))
	return n
}

func (h *home) session(address string) string {
	h.t.Helper()
	s, err := h.signIn(address, []byte(lasting))
	require.NoError(h.t, err)
	return s.Token
}

// What the calendar does counts from its second on, swept or not, and a sweep
// writes it down once.
func TestLife(t *testing.T) {
	for _, swept := range []bool{false, true} {
		h := newHome(t)
		ctx := t.Context()
		sweep := func() {
			for range 2 {
				if swept {
					_, err := h.accounts.Due(ctx)
					require.NoError(t, err)
				}
			}
		}
		a := h.active(1)
		steps := []struct {
			after time.Duration
			state mailpolicy.State
		}{{30*day - time.Second, mailpolicy.Active}, {time.Second, mailpolicy.Inactive}, {30*day - time.Second, mailpolicy.Inactive}, {time.Second, mailpolicy.Deleted}, {30*day - time.Second, mailpolicy.Deleted}}
		for _, step := range steps {
			h.forward(step.after)
			sweep()
			require.Equal(t, step.state, h.state(a.Address))
		}
		now, err := h.accounts.Account(ctx, a.Address)
		require.NoError(t, err)
		require.Equal(t, mailpolicy.Removed, now.Then)
		require.WithinDuration(t, h.now().Add(time.Second), now.ThenAt, 0)
		h.forward(time.Second)
		sweep()
		_, err = h.accounts.Account(ctx, a.Address)
		refused(t, "mail.account.unknown", err)
		_, err = h.signIn(a.Address, []byte(lasting))
		refused(t, "mail.password.wrong", err)
		refused(t, "mail.account.unknown", h.accounts.Restore(ctx, nas, a.Address))
		_, err = h.open(1)
		refused(t, "mail.account.exists", err)
		if !swept {
			next, err := h.accounts.Due(ctx)
			require.NoError(t, err)
			require.Zero(t, next)
		}
		require.Equal(t, 1, h.audited("mail.account.deleted", a.Address))
		require.Equal(t, 1, h.audited("mail.account.removed", a.Address))
		require.NoError(t, h.store.Read(ctx, func(ctx context.Context, tx mailpolicy.StoreTx) error {
			r, err := tx.Account(ctx, a.Address)
			require.NoError(t, err)
			require.Empty(t, r.Name+r.Mobile+r.RegisteredMobile+r.PasswordHash+r.Purpose)
			answers, err := tx.Answers(ctx, a.Address)
			require.NoError(t, err)
			require.Empty(t, answers)
			return nil
		}))
	}
}

func TestUseKeepsAnAccount(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, b := h.active(1), h.active(2)
	h.forward(29 * day)
	require.NoError(t, h.accounts.Used(ctx, a.Address))
	h.forward(day)
	require.Equal(t, mailpolicy.Active, h.state(a.Address))
	require.Equal(t, mailpolicy.Inactive, h.state(b.Address))
	_, err := h.accounts.Due(ctx)
	require.NoError(t, err)
	refused(t, "mail.account.inactive", h.accounts.CanSend(ctx, b.Address))
	refused(t, "mail.account.inactive", h.accounts.Can(ctx, b.Address, mailpolicy.Teams))
	require.NoError(t, h.accounts.Can(ctx, b.Address, mailpolicy.Receive))
	_, err = h.signIn(b.Address, []byte(lasting))
	require.NoError(t, err, "which makes it active")
	require.NoError(t, h.accounts.CanSend(ctx, b.Address))
	require.Equal(t, 1, h.audited("mail.account.inactive", b.Address))
	refused(t, "mail.account.unknown", h.accounts.Used(ctx, "nobody@nhs.net"))

	// Disabled it is kept for eighteen months, unused.
	require.NoError(t, h.accounts.Disable(ctx, local, a.Address))
	refused(t, "mail.account.disabled", h.accounts.Used(ctx, a.Address))
	ends := h.now().AddDate(0, 18, 0)
	h.forward(ends.Sub(h.now()) - time.Second)
	require.Equal(t, mailpolicy.Disabled, h.state(a.Address))
	h.forward(time.Second)
	require.Equal(t, mailpolicy.Deleted, h.state(a.Address))
	refused(t, "mail.account.deleted", h.accounts.Enable(ctx, local, a.Address))
	require.NoError(t, h.accounts.Restore(ctx, nas, a.Address))
	require.Equal(t, mailpolicy.Disabled, h.state(a.Address))
	require.NoError(t, h.accounts.Enable(ctx, local, a.Address))
	require.Equal(t, mailpolicy.Activated, h.state(a.Address), "its password has expired meanwhile")
	refused(t, "mail.account.live", h.accounts.Restore(ctx, nas, a.Address))
}

func TestDeleteAndRestore(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(0)
	for n := 1; n < 10; n++ {
		_, err := h.open(n)
		require.NoError(t, err)
	}
	token := h.session(a.Address)
	refused(t, "mail.role", h.accounts.Delete(ctx, applicant, a.Address))
	require.NoError(t, h.accounts.Delete(ctx, nas, a.Address))
	_, err := h.accounts.Session(ctx, token)
	refused(t, "mail.session", err)
	for _, c := range mailpolicy.Capabilities() {
		refused(t, "mail.account.deleted", h.accounts.Can(ctx, a.Address, c))
	}
	_, _, _, err = h.accounts.LinkState(ctx, a.Address)
	refused(t, "mail.account.deleted", err)
	require.ErrorContains(t, err, "until 22 December 2026")
	refused(t, "mail.account.deleted", h.accounts.Disable(ctx, local, a.Address))
	// Its place is free, and it comes back only where there is one.
	b, err := h.open(10)
	require.NoError(t, err)
	refused(t, "mail.quota.accounts", h.accounts.Restore(ctx, nas, a.Address))
	require.NoError(t, h.accounts.Delete(ctx, local, b.Address))
	require.NoError(t, h.accounts.Restore(ctx, nas, a.Address))
	h.session(a.Address)
}

// Any number of servers may sweep at once.
func TestSweepsAtOnce(t *testing.T) {
	h := newHome(t)
	a := h.active(1)
	h.forward(60 * day)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.accounts.Due(t.Context()) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 1, h.audited("mail.account.deleted", a.Address))
	_, err := h.accounts.VerifyAudit(t.Context())
	require.NoError(t, err)
}

// The days are data: those of before December 2022 are still there.
func TestLifeIsDated(t *testing.T) {
	before := policyAt(t, time.Date(2022, 11, 30, 23, 59, 59, 0, time.UTC)).Life
	after := policyAt(t, time.Date(2022, 12, 1, 0, 0, 0, 0, time.UTC)).Life
	require.Equal(t, mailpolicy.Life{Inactive: 90 * day, New: 90 * day, Delete: 90 * day, Restore: 180 * day, Leaver: 30 * day, Password: 365 * day, DisabledMonths: 18}, before)
	require.Equal(t, mailpolicy.Life{Inactive: 30 * day, New: 30 * day, Delete: 30 * day, Restore: 30 * day, Leaver: 30 * day, Password: 365 * day, DisabledMonths: 18}, after)
	require.Len(t, mailpolicy.Rules().History("mail.life.inactive"), 2)
}

// An account from before there was a clock begins it with the first sweep.
func TestLifeOfOldRows(t *testing.T) {
	h := newHome(t)
	a := h.active(1)
	_, err := h.db.ExecContext(t.Context(), "UPDATE mail_account SET used = 0, password_set = 0, due = 1")
	require.NoError(t, err)
	h.forward(400 * day)
	require.Equal(t, mailpolicy.Active, h.state(a.Address))
	next, err := h.accounts.Due(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, h.now().Add(30*day), next, 0)
}

func TestLeavers(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	owner, leaver, other := h.active(1), h.active(2), h.active(3)
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "AB123", Name: "The Oaks"})
	require.NoError(t, err)
	box, err := h.accounts.OpenShared(ctx, applicant, "VLX12", owner.Address)
	require.NoError(t, err)
	owns := h.session(owner.Address)
	require.NoError(t, h.accounts.SetMember(ctx, owns, box.Address, leaver.Address, mailpolicy.Member))
	leaving := h.session(leaver.Address)
	t.Run("row133", func(t *testing.T) {
		refused(t, "mail.leaver.not", h.accounts.Join(ctx, nas, leaver.Address, "AB123"))
		for _, token := range []string{leaving, h.session(other.Address)} {
			refused(t, "mail.leaver.owner", h.accounts.MarkLeaver(ctx, token, leaver.Address))
		}
		refused(t, "mail.session", h.accounts.MarkLeaver(ctx, "no token", leaver.Address))
		refused(t, "mail.account.unknown", h.accounts.MarkLeaver(ctx, owns, "nobody@nhs.net"))
		require.NoError(t, h.accounts.MarkLeaver(ctx, owns, "Asha.PATEL2@nhs.net"))
		require.Equal(t, mailpolicy.Leaver, h.state(leaver.Address))
		_, err := h.accounts.CanOpenShared(ctx, leaving, box.Address)
		refused(t, "mail.shared.member", err)
		require.NoError(t, h.accounts.CanSend(ctx, leaver.Address), "their own mail goes on")
	})
	t.Run("row135", func(t *testing.T) {
		require.NoError(t, h.accounts.Join(ctx, nas, leaver.Address, "ab123"))
		after, err := h.accounts.Account(ctx, leaver.Address)
		require.NoError(t, err)
		require.Equal(t, mailpolicy.Active, after.State)
		require.Equal(t, "AB123", after.Site)
		require.Equal(t, leaver.Opened, after.Opened, "the same mailbox")
		h.session(leaver.Address) // with the same password
		boxes, err := h.accounts.SiteShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Empty(t, boxes[0].Members)
	})
	t.Run("row134", func(t *testing.T) {
		ticket := mailpolicy.TransferTicket{Address: owner.Address, Reference: "INC0001", RaisedWith: []string{"careadmin@nhs.net", "feedback@nhs.net"}}
		refused(t, "mail.shared.lastowner", h.accounts.MarkLeaver(ctx, owns, owner.Address))
		refused(t, "mail.role", h.accounts.MarkLeaverByTicket(ctx, local, ticket))
		half := ticket
		half.RaisedWith = half.RaisedWith[:1]
		err := h.accounts.MarkLeaverByTicket(ctx, nas, half)
		refused(t, "mail.transfer.ticket", err)
		require.ErrorContains(t, err, "feedback@nhs.net")
		to := policyAt(t, today).TransferRecipients()
		require.Equal(t, ticket.RaisedWith, []string{to[0].Email, to[1].Email})
		// Another member has an owner to ask.
		another := ticket
		another.Address = other.Address
		refused(t, "mail.transfer.owner", h.accounts.MarkLeaverByTicket(ctx, nas, another))
		require.NoError(t, h.accounts.MarkLeaverByTicket(ctx, nas, ticket))
		require.Equal(t, mailpolicy.Leaver, h.state(owner.Address))
		require.Equal(t, 1, h.audited("mail.shared.ownerless", box.Address))
		require.NoError(t, h.accounts.Join(ctx, nas, owner.Address, "AB123"))
		boxes, err := h.accounts.SiteShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Equal(t, []string{owner.Address}, boxes[0].Owners, "never without an owner's name")
		_, err = h.accounts.CanOpenShared(ctx, h.session(owner.Address), box.Address)
		refused(t, "mail.shared.member", err)
	})
	t.Run("not taken over", func(t *testing.T) {
		third := mailpolicy.TransferTicket{Address: other.Address, Reference: "INC0002", RaisedWith: []string{"feedback@nhs.net", "CareAdmin@nhs.net"}}
		require.NoError(t, h.accounts.MarkLeaverByTicket(ctx, nas, third))
		h.forward(30*day - time.Second)
		require.NoError(t, h.accounts.Used(ctx, other.Address))
		require.Equal(t, mailpolicy.Leaver, h.state(other.Address))
		h.forward(time.Second)
		require.Equal(t, mailpolicy.Deleted, h.state(other.Address))
		refused(t, "mail.account.deleted", h.accounts.Join(ctx, nas, other.Address, "AB123"))
		require.NoError(t, h.accounts.Restore(ctx, nas, other.Address))
		require.NoError(t, h.accounts.Join(ctx, nas, other.Address, "AB123"))
	})
}
