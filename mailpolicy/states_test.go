// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// What an account in each state can really do: by which rule it is refused, "" for
// done, and what a link with a Care Identity is told (active, locked, accepted).
func TestStates(t *testing.T) {
	const (
		aup, answers = "mail.aup.pending", "mail.recovery.answers"
		locked       = "mail.account.locked"
		inactive     = "mail.account.inactive"
		disabled     = "mail.account.disabled"
		deleted      = "mail.account.deleted"
		unknown      = "mail.account.unknown"
	)
	for state, c := range map[mailpolicy.State]struct {
		receive, send, teams, recovery, link, signIn string
	}{
		mailpolicy.Applied:   {"", aup, aup, answers, "true false false", ""},
		mailpolicy.Activated: {"", aup, aup, answers, "true false false", "mail.activation.used"},
		mailpolicy.Active:    {"", "", "", "", "true false true", ""},
		mailpolicy.Leaver:    {"", "", "", "", "true false true", ""},
		mailpolicy.Locked:    {"", locked, locked, "", "true true true", locked},
		mailpolicy.Inactive:  {"", inactive, inactive, "", "true false true", ""},
		mailpolicy.Disabled:  {"", disabled, disabled, answers, "false false true", disabled},
		mailpolicy.Deleted:   {deleted, deleted, deleted, answers, deleted, deleted},
		mailpolicy.Removed:   {unknown, unknown, unknown, answers, unknown, "mail.password.wrong"},
	} {
		t.Run("row139/"+string(state), func(t *testing.T) {
			h := newHome(t)
			ctx := t.Context()
			address, password := h.in(state)
			require.Equal(t, c.receive, wardkey.RuleOf(h.accounts.Can(ctx, address, mailpolicy.Receive)), "receive")
			require.Equal(t, c.send, wardkey.RuleOf(h.accounts.CanSend(ctx, address)), "send")
			require.Equal(t, c.teams, wardkey.RuleOf(h.accounts.Can(ctx, address, mailpolicy.Teams)), "Teams")
			active, isLocked, accepted, err := h.accounts.LinkState(ctx, address)
			told := wardkey.RuleOf(err)
			if err == nil {
				told = fmt.Sprint(active, isLocked, accepted)
			}
			require.Equal(t, c.link, told, "link")
			rec, err := h.accounts.StartRecovery(ctx, address)
			require.NoError(t, err)
			require.Len(t, rec.Questions, 2)
			_, err = h.accounts.AnswerRecovery(ctx, rec.Token, answersTo(rec.Questions), "0002")
			require.Equal(t, c.recovery, wardkey.RuleOf(err), "recovery")
			_, err = h.signIn(address, password)
			require.Equal(t, c.signIn, wardkey.RuleOf(err), "sign in")
		})
	}
}

// in is an account that has come to a state.
func (h *home) in(state mailpolicy.State) (address string, password []byte) {
	h.t.Helper()
	ctx := h.t.Context()
	password = []byte(lasting)
	var a mailpolicy.Account
	switch state {
	case mailpolicy.Applied, mailpolicy.Activated:
		a, password = h.opened(2)
	default:
		a = h.active(2)
	}
	switch state {
	case mailpolicy.Activated:
		_, err := h.signIn(a.Address, password)
		require.NoError(h.t, err)
	case mailpolicy.Leaver:
		ticket := mailpolicy.TransferTicket{Address: a.Address, Reference: "INC1", RaisedWith: []string{"careadmin@nhs.net", "feedback@nhs.net"}}
		require.NoError(h.t, h.accounts.MarkLeaverByTicket(ctx, nas, ticket))
	case mailpolicy.Locked:
		h.lock(a.Address)
	case mailpolicy.Inactive:
		h.forward(30 * day)
	case mailpolicy.Disabled:
		require.NoError(h.t, h.accounts.Disable(ctx, local, a.Address))
	case mailpolicy.Deleted:
		require.NoError(h.t, h.accounts.Delete(ctx, local, a.Address))
	case mailpolicy.Removed:
		require.NoError(h.t, h.accounts.Delete(ctx, local, a.Address))
		h.forward(30 * day)
		_, err := h.accounts.Account(ctx, a.Address)
		refused(h.t, "mail.account.unknown", err)
		return a.Address, password
	}
	require.Equal(h.t, state, h.state(a.Address))
	return a.Address, password
}

// A leaver's days do not run while the account is disabled: enabled again, it has
// as many left as it had, and no more.
func TestDisabledLeaver(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, _ := h.in(mailpolicy.Leaver)
	h.forward(10 * day)
	require.NoError(t, h.accounts.Disable(ctx, local, a))
	h.forward(200 * day)
	require.NoError(t, h.accounts.Enable(ctx, local, a))
	require.Equal(t, mailpolicy.Leaver, h.state(a), "and not gone for good")
	for range 3 {
		require.NoError(t, h.accounts.Disable(ctx, local, a))
		require.NoError(t, h.accounts.Enable(ctx, local, a))
	}
	h.forward(20*day - time.Second)
	require.Equal(t, mailpolicy.Leaver, h.state(a))
	h.forward(time.Second)
	require.Equal(t, mailpolicy.Deleted, h.state(a))

	// Marked while it was disabled, it has all of them.
	require.NoError(t, h.accounts.Restore(ctx, nas, a))
	require.NoError(t, h.accounts.Join(ctx, nas, a, "VLX12"))
	require.NoError(t, h.accounts.Disable(ctx, local, a))
	h.forward(40 * day)
	ticket := mailpolicy.TransferTicket{Address: a, Reference: "INC1", RaisedWith: []string{"careadmin@nhs.net", "feedback@nhs.net"}}
	require.NoError(t, h.accounts.MarkLeaverByTicket(ctx, nas, ticket))
	h.forward(40 * day)
	require.NoError(t, h.accounts.Enable(ctx, local, a))
	h.forward(29 * day)
	require.NoError(t, h.accounts.Used(ctx, a))
	h.forward(day - time.Second)
	require.Equal(t, mailpolicy.Leaver, h.state(a))
	h.forward(time.Second)
	require.Equal(t, mailpolicy.Deleted, h.state(a))
}

// Months end where they end, and a day has 24 hours, also where the clocks of the
// rule's zone are changed.
func TestEndsOfMonths(t *testing.T) {
	for from, until := range map[string]string{
		"2026-08-31T12:00:00Z": "2028-02-29T12:00:00Z", // of 29 days
		"2027-08-31T23:59:59Z": "2029-02-28T23:59:59Z",
		"2027-08-28T00:00:00Z": "2029-02-28T00:00:00Z",
		"2027-03-31T23:30:00Z": "2028-09-30T23:30:00Z", // of 30
		"2028-02-29T12:00:00Z": "2029-08-29T12:00:00Z",
		"2026-07-01T00:00:00Z": "2028-01-01T00:00:00Z",
	} {
		t.Run(from, func(t *testing.T) {
			h := newHome(t)
			at, err := time.Parse(time.RFC3339, from)
			require.NoError(t, err)
			h.clock.Store(at.Unix())
			a, err := h.open(1)
			require.NoError(t, err)
			require.NoError(t, h.accounts.Disable(t.Context(), local, a.Address))
			a, err = h.accounts.Account(t.Context(), a.Address)
			require.NoError(t, err)
			require.Equal(t, mailpolicy.Deleted, a.Then)
			require.Equal(t, until, a.ThenAt.Format(time.RFC3339))
		})
	}
	for _, month := range []time.Month{time.March, time.October} { // the clocks are changed on its last Sunday
		h := newHome(t)
		at := time.Date(2027, month, 20, 9, 0, 0, 0, time.UTC)
		h.clock.Store(at.Unix())
		a, err := h.open(1)
		require.NoError(t, err)
		require.WithinDuration(t, at.Add(720*time.Hour), a.ThenAt, 0)
		h.forward(720*time.Hour - time.Second)
		require.Equal(t, mailpolicy.Applied, h.state(a.Address))
		h.forward(time.Second)
		require.Equal(t, mailpolicy.Inactive, h.state(a.Address))
	}
	// The first day of the rules begins at midnight of summer time.
	first := time.Date(2020, 3, 31, 23, 0, 0, 0, time.UTC)
	_, err := mailpolicy.PolicyAt(first)
	require.NoError(t, err)
	_, err = mailpolicy.PolicyAt(first.Add(-time.Second))
	require.Error(t, err)
}

// Nothing is left of an account that can't be restored any more: no row but its
// own knows its address, where it is not the last owner of a mailbox.
func TestNothingIsLeft(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	owner, gone := h.active(1), h.active(2)
	require.NoError(t, h.accounts.GrantShared(ctx, nas, "VLX12", 1, "application of 3 November"))
	boxes := make([]mailpolicy.Shared, 2)
	for i := range boxes {
		var err error
		boxes[i], err = h.accounts.OpenShared(ctx, applicant, "VLX12", owner.Address)
		require.NoError(t, err)
		require.NoError(t, h.accounts.SetMember(ctx, h.session(owner.Address), boxes[i].Address, gone.Address, []mailpolicy.Membership{mailpolicy.Owner, mailpolicy.Member}[i]))
	}
	h.session(gone.Address)
	h.answered(gone.Address, "0002")
	q, err := h.accounts.HelpdeskQuestion(ctx, nas, gone.Address)
	require.NoError(t, err)
	require.NotEmpty(t, q.Question)
	require.NoError(t, h.accounts.Delete(ctx, nas, gone.Address))
	h.forward(29 * day)
	require.NoError(t, h.accounts.Used(ctx, owner.Address))
	h.forward(day)
	h.machine.forward(time.Hour)
	_, err = h.accounts.Due(ctx)
	require.NoError(t, err)
	_, err = h.accounts.AnswerRecovery(ctx, h.begun(owner.Address), nil, "") // which forgets the tries of an hour ago
	refused(t, "mail.recovery.answers", err)
	listed, err := h.accounts.SiteAccounts(ctx, "VLX12", "", 0)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	for table, column := range map[string]string{
		"mail_session": "address", "mail_answer": "address", "mail_password": "address", "mail_recovery": "address", "mail_member": "account", "mail_tries": "what",
	} {
		var n int
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE "+column+" LIKE $1", "%"+gone.Address).Scan(&n))
		require.Zero(t, n, table)
	}
	// The last owner's name stays, so that BreakGlass finds whom to replace.
	h.forward(90 * day)
	_, err = h.accounts.Due(ctx)
	require.NoError(t, err)
	left, err := h.accounts.SiteShared(ctx, "VLX12")
	require.NoError(t, err)
	for _, box := range left {
		require.Equal(t, []string{owner.Address}, box.Owners)
		require.Equal(t, 1, h.audited("mail.shared.ownerless", box.Address))
	}
}

func (h *home) begun(address string) (token string) {
	h.t.Helper()
	rec, err := h.accounts.StartRecovery(h.t.Context(), address)
	require.NoError(h.t, err)
	return rec.Token
}

// What shows nothing is no name.
func TestNamesThatShowNothing(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for _, bad := range []string{"", " ", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u3164", "\U000e0041\U000e0042", "Asha\u200bPatel", "Asha\u2066Patel", "-", "\u2800"} {
		_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "b@nhs.net", Name: bad, Mobile: "07700900001"})
		refused(t, "mail.account.form", err)
		by := mailpolicy.Actor{ID: bad, Role: mailpolicy.AdministrationService}
		refused(t, "mail.role", h.accounts.Disable(ctx, by, "b@nhs.net"))
		_, err = policyAt(t, today).Escalate(mailpolicy.Query{Ticket: bad})
		refused(t, "mail.escalation", err)
	}
	for _, good := range []string{"محمد\u200cعلی", "क्\u200dष", "Zoë Ní Bhriain-O'Neill", "李", "J. R. 2nd"} {
		_, err := h.accounts.OpenSite(ctx, mailpolicy.Actor{ID: good, Role: mailpolicy.SiteApplicant}, mailpolicy.Site{ODS: fmt.Sprintf("B%02d", len(good)), Name: good})
		require.NoError(t, err, good)
	}
	a, password := h.opened(1)
	s, err := h.signIn(a.Address, password)
	require.NoError(t, err)
	for _, bad := range []string{"  ", "?", strings.Repeat("\u200d", 5)} {
		refused(t, "mail.questions.form", h.accounts.SetQuestions(ctx, s.Token, []mailpolicy.Question{questions[0], questions[1], {Question: bad, Answer: "Biscuit"}}))
	}
}
