// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Whoever has the answers and not the code learns nothing about the passwords
// that the holder has or had, and each guess is a try.
func TestNoCodeTellsNoPassword(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	token, code, _ := h.answered(a.Address, "0001")
	for _, guess := range []string{lasting, "another-good-sentence"} {
		refused(t, "mail.recovery.code", h.accounts.FinishRecovery(ctx, token, "00000000", mailpolicy.UnlockAndReset, []byte(guess)))
	}
	refused(t, "mail.recovery.code", h.accounts.FinishRecovery(ctx, token, "", mailpolicy.UnlockAndReset, []byte(lasting)))
	refused(t, "mail.recovery.blocked", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("another-good-sentence")))
	h.machine.forward(time.Hour)
	// Whoever has the code may choose badly as often as they like.
	for range 5 {
		refused(t, "mail.password.form", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte(lasting)))
	}
	require.NoError(t, h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("another-good-sentence")))
}

// A try that was given up in the queue for a hash has told nothing.
func TestBusyIsNoTryOfARecovery(t *testing.T) {
	h := newHome(t)
	a := h.active(1)
	rec, err := h.accounts.StartRecovery(t.Context(), a.Address)
	require.NoError(t, err)
	crowd, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for crowd.Err() == nil {
				_, _ = h.accounts.SignIn(crowd, "nobody@nhs.net", []byte(lasting))
			}
		})
	}
	for range 6 {
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _ = h.accounts.AnswerRecovery(short, rec.Token, nil, "")
		_ = h.accounts.HelpdeskVerify(short, nas, mailpolicy.Caller{Address: a.Address})
		cancel()
	}
	leave()
	wg.Wait()
	_, err = h.accounts.AnswerRecovery(t.Context(), rec.Token, answersTo(rec.Questions), "0001")
	require.NoError(t, err)
	refused(t, "mail.desk.unverified", h.accounts.HelpdeskVerify(t.Context(), nas, mailpolicy.Caller{Address: a.Address}))
}

// What is begun again by strangers is audited once.
func TestBeginningAgainFillsNoAudit(t *testing.T) {
	h := newHome(t)
	a := h.active(1)
	for range 5 {
		_, err := h.accounts.StartRecovery(t.Context(), a.Address)
		require.NoError(t, err)
	}
	require.Equal(t, 1, h.audited("mail.recovery.started", a.Address))
}

// An account that comes back comes back without the sessions and the codes that
// it had.
func TestNothingSurvives(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	owner, leaver := h.active(1), h.active(2)
	_, err := h.accounts.OpenShared(ctx, applicant, "VLX12", owner.Address)
	require.NoError(t, err)
	require.NoError(t, h.accounts.MarkLeaver(ctx, h.session(owner.Address), leaver.Address))
	h.forward(29 * day)
	require.NoError(t, h.accounts.Used(ctx, owner.Address))
	require.NoError(t, h.accounts.Used(ctx, leaver.Address))
	h.forward(day - time.Minute)
	session := h.session(leaver.Address)
	h.forward(time.Minute)
	_, err = h.accounts.Session(ctx, session)
	refused(t, "mail.account.deleted", err)
	refused(t, "mail.role", h.accounts.Restore(ctx, local, leaver.Address)) // or a site has accounts without an end
	require.NoError(t, h.accounts.Restore(ctx, nas, leaver.Address), "before a sweep has seen it")
	_, err = h.accounts.Session(ctx, session)
	refused(t, "mail.session", err)

	for name, away := range map[string]func() error{
		"disabled": func() error {
			require.NoError(t, h.accounts.Disable(ctx, local, leaver.Address))
			return h.accounts.Enable(ctx, local, leaver.Address)
		},
		"deleted": func() error {
			require.NoError(t, h.accounts.Delete(ctx, nas, leaver.Address))
			return h.accounts.Restore(ctx, nas, leaver.Address)
		},
	} {
		token, code, _ := h.answered(leaver.Address, "0002")
		require.NoError(t, away(), name)
		err := h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("another-good-sentence"))
		refused(t, "mail.recovery.ended", err)
	}
}

// Who has the old phone, with a code on it, is out as soon as the holder changes
// what the account is opened with.
func TestChangeEndsARecovery(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	digits := "0001"
	for _, c := range []struct {
		name   string
		change func(session string) error
		after  string // the digits then
	}{
		{"the number", func(s string) error { return h.accounts.ChangeMobile(ctx, s, "07700 900555") }, "0555"},
		{"the password", func(s string) error { return h.accounts.ChangePassword(ctx, s, []byte("another-good-sentence")) }, "0555"},
		{"the questions", func(s string) error { return h.accounts.SetQuestions(ctx, s, questions) }, "0555"},
		{"no number", func(s string) error { return h.accounts.DeleteMobile(ctx, s, true) }, ""},
	} {
		token, code, _ := h.answered(a.Address, digits)
		password := lasting
		if c.name != "the number" && c.name != "the password" {
			password = "another-good-sentence"
		}
		s, err := h.signIn(a.Address, []byte(password))
		require.NoError(t, err)
		require.NoError(t, c.change(s.Token), c.name)
		err = h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("the-thiefs-own-sentence"))
		require.Equal(t, "mail.recovery.ended", wardkey.RuleOf(err), c.name)
		_, err = h.accounts.AnswerRecovery(ctx, token, nil, "")
		refused(t, "mail.recovery.ended", err)
		digits = c.after
		h.machine.forward(time.Hour)
	}
}

// A number that the shared mailbox has confirmed is for one password of one
// stay, and is not what a caller is known by.
func TestConfirmedNumberIsForOnePassword(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	owner, a := h.active(1), h.active(2)
	box, err := h.accounts.OpenShared(ctx, applicant, "VLX12", owner.Address)
	require.NoError(t, err)
	_, err = h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "AB123"})
	require.NoError(t, err)
	const another = "07700 900888"
	authorise := func() {
		require.NoError(t, h.accounts.AuthoriseMobile(ctx, nas, a.Address, another, box.Address))
	}
	reset := func(mobile string) error {
		q, err := h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
		require.NoError(t, err)
		return h.accounts.HelpdeskReset(ctx, nas, mailpolicy.Caller{Address: a.Address, Mobile: mobile, Characters: characters(t, q)}, another)
	}
	authorise()
	refused(t, "mail.desk.unverified", reset(another))

	session := h.session(a.Address)
	require.NoError(t, h.accounts.ChangePassword(ctx, session, []byte("another-good-sentence")))
	refused(t, "mail.mobile.unconfirmed", reset("07700900002"))

	authorise()
	require.NoError(t, h.accounts.MarkLeaver(ctx, h.session(owner.Address), a.Address))
	refused(t, "mail.mobile.unconfirmed", h.accounts.AuthoriseMobile(ctx, nas, a.Address, another, box.Address))
	require.NoError(t, h.accounts.Join(ctx, nas, a.Address, "AB123"))
	refused(t, "mail.mobile.unconfirmed", reset("07700900002"))
}

// A one-time password of the help desk is no activation password: nothing goes
// to the number first given, which may be somebody else's by now.
func TestResetIsNoActivation(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	require.NoError(t, h.accounts.ChangeMobile(ctx, h.session(a.Address), "07700 900555"))
	q, err := h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
	require.NoError(t, err)
	caller := mailpolicy.Caller{Address: a.Address, Mobile: "07700900555", Characters: characters(t, q)}
	require.NoError(t, h.accounts.HelpdeskReset(ctx, nas, caller, ""))
	refused(t, "mail.account.activated", h.accounts.ResendActivation(ctx, nas, a.Address))
	refused(t, "mail.account.activated", h.accounts.CorrectRegistration(ctx, nas, a.Address, "07700 900666"))
	texts := h.texts()
	require.Equal(t, "+447700900555", texts[len(texts)-1].To)
}

// Who was an owner long ago is none when they come back.
func TestOwnersOfLongAgo(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	first, second, member := h.active(1), h.active(2), h.active(3)
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{
		ODS: "CQC01", CQCLocation: "1-2345", ManagerID: "CON1-77", ManagerEmail: "manager@limes.example",
	})
	require.NoError(t, err)
	move := func(address, ods string) {
		ticket := mailpolicy.TransferTicket{Address: address, Reference: "INC1", RaisedWith: []string{"careadmin@nhs.net", "feedback@nhs.net"}}
		require.NoError(t, h.accounts.MarkLeaverByTicket(ctx, nas, ticket))
		require.NoError(t, h.accounts.Join(ctx, nas, address, ods))
	}
	for _, a := range []mailpolicy.Account{first, second, member} {
		move(a.Address, "CQC01")
	}
	require.NoError(t, h.accounts.Disable(ctx, local, second.Address))
	_, err = h.accounts.OpenShared(ctx, applicant, "CQC01", second.Address)
	refused(t, "mail.account.disabled", err) // it would begin without an owner
	require.NoError(t, h.accounts.Enable(ctx, local, second.Address))
	box, err := h.accounts.OpenShared(ctx, applicant, "CQC01", first.Address)
	require.NoError(t, err)
	owns := h.session(first.Address)
	require.NoError(t, h.accounts.SetMember(ctx, owns, box.Address, member.Address, mailpolicy.Member))
	// A member who leaves, and comes back to the same site, is none any more.
	require.NoError(t, h.accounts.MarkLeaver(ctx, owns, member.Address))
	require.NoError(t, h.accounts.Join(ctx, nas, member.Address, "CQC01"))
	_, err = h.accounts.CanOpenShared(ctx, h.session(member.Address), box.Address)
	refused(t, "mail.shared.member", err)

	move(first.Address, "VLX12")
	b := mailpolicy.BreakGlass{ODS: "CQC01", LocationID: "1-2345", ManagerID: "CON1-77", Proof: mailpolicy.ManagerEmail, From: "manager@limes.example", NewOwner: second.Address}
	bad := b
	bad.ManagerID = "CON1-78"
	refused(t, "mail.breakglass.proof", h.accounts.BreakGlass(ctx, nas, bad))
	require.Equal(t, 1, h.audited("mail.breakglass.refused", "CQC01"))
	require.NoError(t, h.accounts.Disable(ctx, local, second.Address))
	refused(t, "mail.account.disabled", h.accounts.BreakGlass(ctx, nas, b))
	require.NoError(t, h.accounts.Enable(ctx, local, second.Address))
	require.NoError(t, h.accounts.BreakGlass(ctx, nas, b))
	move(first.Address, "CQC01")
	_, err = h.accounts.CanOpenShared(ctx, h.session(first.Address), box.Address)
	refused(t, "mail.shared.member", err)
}

// Letters that fold onto others are others.
func TestNoLetterFoldsOntoAnother(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for _, postcode := range []string{"\u017fW1A 1AA", "AB1 2C\u017f", "\u0131P1 1AA"} {
		_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "AB123", Postcode: postcode})
		refused(t, "mail.site.form", err)
	}
	a := h.active(1)
	err := h.accounts.MarkLeaverByTicket(ctx, nas, mailpolicy.TransferTicket{
		Address: a.Address, Reference: "INC1", RaisedWith: []string{"careadmin@nhs.net", "feedbac\u212a@nhs.net"},
	})
	refused(t, "mail.transfer.ticket", err)
}

// An organisation's own, tighter rules are those of its accounts.
func TestAccountsUnderAnOverlay(t *testing.T) {
	h := newHome(t)
	book, err := mailpolicy.Rules().Overlay([]byte(`{"sources":{"O":{"document":"Trust policy 7"}},"rules":[
		{"id":"mail.site.accounts","value":1,"unit":"count","from":"2020-04-01","zone":"Europe/London","source":"O","tighter":"lower"},
		{"id":"mail.life.inactive","value":7,"unit":"days","from":"2022-12-01","zone":"Europe/London","source":"O","tighter":"lower"}],"refusals":[]}`))
	require.NoError(t, err)
	h.rules = book
	h.start()
	a := h.active(1)
	_, err = h.open(2)
	refused(t, "mail.quota.accounts", err)
	policy, err := h.accounts.Policy()
	require.NoError(t, err)
	require.Equal(t, 1, policy.AccountsPerSite, "a page says what will happen")
	h.forward(7*day - time.Second)
	require.Equal(t, mailpolicy.Active, h.state(a.Address))
	h.forward(time.Second)
	_, err = h.accounts.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, h.audited("mail.account.inactive", a.Address))
}
