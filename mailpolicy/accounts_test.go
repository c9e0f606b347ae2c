// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

func TestSites(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	t.Run("row166", func(t *testing.T) {
		_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "VLX12", Name: "Another"})
		refused(t, "mail.site.exists", err)
	})
	t.Run("row168", func(t *testing.T) {
		_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "NONE9", Address: "a@nhs.net", Name: "A", Mobile: "07700900001"})
		refused(t, "mail.site.unknown", err)
		require.ErrorContains(t, err, "needs its ODS code")
	})
	t.Run("row137", func(t *testing.T) {
		_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "NONE9", Address: "a@nhs.net", Name: "A", Mobile: "07700900001"})
		var no *wardkey.Refusal
		require.True(t, errors.As(err, &no))
		require.Contains(t, no.Next[0], "portal.nhs.net/Registration#/careprovider")
	})
	t.Run("row161", func(t *testing.T) {
		address, err := mailpolicy.SharedAddress("vlx12")
		require.NoError(t, err)
		require.Equal(t, "care.VLX12@nhs.net", address)
		for _, bad := range []string{"", "V1", "VLX12345678", "VL X12", "VLX1\u0662", "VLX-12", "a@b"} {
			_, err := mailpolicy.SharedAddress(bad)
			refused(t, "mail.site.ods", err)
		}
	})
	for _, bad := range []mailpolicy.NewAccount{
		{Address: "a@gmail.com"},
		{Address: "care.x@nhs.net"},
		{Address: "a@nhs.net", Mobile: "+1 212 555 0100"},
		{Address: "a@nhs.net", Mobile: "0770090000\u0661"},
		{Address: "a@nhs.net", Mobile: "02079460000"},
		{Address: "a@nhs.net", Mobile: "07700900001\r\n"},
		{Address: "a@nhs.net", Name: " "},
	} {
		bad.Site = "VLX12"
		if bad.Mobile == "" {
			bad.Mobile = "07700900001"
		}
		if bad.Name == "" {
			bad.Name = "A"
		}
		_, err := h.accounts.Open(ctx, applicant, bad)
		refused(t, "mail.account.form", err)
	}
	require.Empty(t, h.texts())
}

func TestQuota(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	var owner mailpolicy.Account
	for n := range 9 {
		var err error
		owner, err = h.open(n)
		require.NoError(t, err)
	}
	t.Run("threat053", func(t *testing.T) {
		require.Equal(t, 1, fiftyAtOnce(t, "mail.quota.accounts", func(i int) error { _, err := h.open(100 + i); return err }))
		// The count is the database's and not the process's.
		require.NoError(t, h.store.Close())
		var err error
		h.store, err = sqlstore.Open(ctx, sqlstore.Config{DB: h.db, Now: h.now})
		require.NoError(t, err)
		h.start()
		_, err = h.open(200)
		refused(t, "mail.quota.accounts", err)
		var n int
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT count(*) FROM mail_account").Scan(&n))
		require.Equal(t, 10, n)
	})
	t.Run("row138", func(t *testing.T) {
		_, err := h.open(300)
		refused(t, "mail.quota.accounts", err)
		var no *wardkey.Refusal
		require.True(t, errors.As(err, &no))
		require.Contains(t, no.Next[0], "how to give more staff NHSmail accounts")
		require.Equal(t, "10", no.Facts["limit"])
		shared, err := h.accounts.OpenShared(ctx, applicant, "VLX12", owner.Address)
		require.NoError(t, err)
		require.Equal(t, "care.VLX12@nhs.net", shared.Address)
		_, err = h.accounts.OpenShared(ctx, applicant, "vlx12", owner.Address)
		refused(t, "mail.quota.shared", err)
		// More come by application, and from nobody else.
		require.NoError(t, h.accounts.GrantAccounts(ctx, nas, "vlx12", 1, "application of 3 November"))
		_, err = h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "eleventh@nhs.net", Name: "E", Mobile: "07700900500"})
		require.NoError(t, err)
		require.NoError(t, h.accounts.Delete(ctx, nas, "eleventh@nhs.net"))
		require.NoError(t, h.accounts.GrantAccounts(ctx, nas, "vlx12", 0, "taken back"))
		_, err = h.open(300)
		refused(t, "mail.quota.accounts", err)
		// Another site has its own.
		_, err = h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "AB123"})
		require.NoError(t, err)
		_, err = h.accounts.OpenShared(ctx, applicant, "AB123", owner.Address)
		refused(t, "mail.account.unknown", err)
		_, err = h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "AB123", Address: owner.Address, Name: "B", Mobile: "07700900001"})
		refused(t, "mail.account.exists", err)
	})
	t.Run("row162", func(t *testing.T) {
		_, err := h.signIn("care.vlx12@nhs.net", []byte("anything"))
		refused(t, "mail.shared.password", err)
		require.NoError(t, h.accounts.CanSend(ctx, "care.VLX12@nhs.net"))
	})
	t.Run("row142", func(t *testing.T) {
		texts := h.texts()
		seen, to := map[string]bool{}, map[string]bool{}
		for _, text := range texts {
			seen[text.LastLine()], to[text.To] = true, true
			require.Len(t, text.LastLine(), 12)
		}
		require.Len(t, seen, 11, "one each, all different")
		require.Len(t, to, 11)
		require.NotContains(t, h.log.String(), texts[0].LastLine())
	})
}

func TestActivation(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, password := h.opened(1)
	t.Run("row144", func(t *testing.T) {
		for _, wrong := range []string{string(password) + " ", " " + string(password), swapCase(string(password))} {
			_, err := h.signIn(a.Address, []byte(wrong))
			refused(t, "mail.password.wrong", err)
		}
	})
	t.Run("row143", func(t *testing.T) {
		// Not used for 30 days, the account is inactive, and its password works.
		h.forward(30*24*time.Hour - time.Second)
		state := func() mailpolicy.State {
			now, err := h.accounts.Account(ctx, a.Address)
			require.NoError(t, err)
			return now.State
		}
		require.Equal(t, mailpolicy.Applied, state())
		h.forward(time.Second)
		require.Equal(t, mailpolicy.Inactive, state())
		err := h.accounts.CanSend(ctx, a.Address)
		refused(t, "mail.account.inactive", err)
		require.ErrorContains(t, err, a.Address)
		// After 30 more the account is gone, and the refusal names it and not the
		// password.
		h.forward(30*24*time.Hour - time.Second)
		require.Equal(t, mailpolicy.Inactive, state())
		h.forward(time.Second)
		_, err = h.signIn(a.Address, password)
		refused(t, "mail.account.deleted", err)
		require.ErrorContains(t, err, a.Address)
		require.NoError(t, h.accounts.Restore(ctx, nas, a.Address))
		// Kept alive for three years, the account's password is as good as new.
		for range 38 {
			h.forward(29 * 24 * time.Hour)
			require.NoError(t, h.accounts.Reactivate(ctx, local, a.Address))
		}
		s, err := h.signIn("ASHA.patel1@NHS.net", password)
		require.NoError(t, err, "years later, after three wrong tries")
		require.Equal(t, mailpolicy.Activated, s.Account.State)
	})
	t.Run("row145", func(t *testing.T) {
		_, err := h.signIn(a.Address, password)
		refused(t, "mail.activation.used", err)
		require.ErrorContains(t, err, "Your password has expired")
	})
	t.Run("row146", func(t *testing.T) {
		refused(t, "mail.role", h.accounts.ResendActivation(ctx, applicant, a.Address))
		require.NoError(t, h.accounts.ResendActivation(ctx, nas, a.Address))
		texts := h.texts()
		require.Len(t, texts, 2)
		require.Equal(t, texts[0].To, texts[1].To, "to the number first given")
		_, err := h.signIn(a.Address, password)
		refused(t, "mail.password.wrong", err)
		s, err := h.signIn(a.Address, []byte(texts[1].LastLine()))
		require.NoError(t, err)
		require.NoError(t, h.accounts.ChangePassword(ctx, s.Token, []byte(lasting)))
		require.NoError(t, h.accounts.ChangeMobile(ctx, s.Token, "+44 7700 900999"))
		refused(t, "mail.account.activated", h.accounts.ResendActivation(ctx, nas, a.Address))
		after, err := h.accounts.Account(ctx, a.Address)
		require.NoError(t, err)
		require.Equal(t, "+447700900999", after.Mobile)
		require.Equal(t, texts[0].To, after.RegisteredMobile)
	})
	t.Run("row141", func(t *testing.T) {
		b, password := h.opened(2)
		s, err := h.signIn(b.Address, password)
		require.NoError(t, err)
		refused(t, "mail.account.mobile", h.accounts.ChangeMobile(ctx, s.Token, "07700900777"))
		refused(t, "mail.account.mobile", h.accounts.CorrectRegistration(ctx, local, b.Address, "07700900777"))
		require.NoError(t, h.accounts.CorrectRegistration(ctx, nas, b.Address, "0044 7700 900777"))
		require.NoError(t, h.accounts.ResendActivation(ctx, nas, b.Address))
		texts := h.texts()
		require.Equal(t, "+447700900777", texts[len(texts)-1].To)
		_, err = h.accounts.Session(ctx, s.Token)
		refused(t, "mail.session", err)
	})
}

func swapCase(s string) string {
	if strings.ToUpper(s) != s {
		return strings.ToUpper(s)
	}
	return strings.ToLower(s)
}

func TestThreat055(t *testing.T) {
	t.Run("threat055", func(t *testing.T) {
		h := newHome(t)
		a, password := h.opened(1)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		sessions := make([]*mailpolicy.PortalSession, len(errs))
		for i := range errs {
			wg.Go(func() { sessions[i], errs[i] = h.signIn(a.Address, password) })
		}
		wg.Wait()
		var s *mailpolicy.PortalSession
		for i, err := range errs {
			if err == nil {
				require.Nil(t, s, "twice")
				s = sessions[i]
				continue
			}
			require.Contains(t, []string{"mail.activation.used", "mail.account.locked"}, wardkey.RuleOf(err))
		}
		require.NotNil(t, s)
		// It never becomes the lasting one.
		refused(t, "mail.password.form", h.accounts.ChangePassword(t.Context(), s.Token, password))
		_, err := h.signIn(a.Address, password)
		refused(t, "mail.activation.used", err)
		// Nothing of it is stored, logged or audited.
		var found int
		for _, table := range []string{"mail_account", "mail_audit", "mail_session"} {
			rows, err := h.db.QueryContext(t.Context(), "SELECT * FROM "+table)
			require.NoError(t, err)
			columns, err := rows.Columns()
			require.NoError(t, err)
			for rows.Next() {
				values := make([]any, len(columns))
				for i := range values {
					values[i] = new(any)
				}
				require.NoError(t, rows.Scan(values...))
				for _, v := range values {
					text := fmt.Sprint(*v.(*any))
					require.NotContains(t, text, string(password))
					require.NotContains(t, text, s.Token)
					found++
				}
			}
			require.NoError(t, rows.Close())
		}
		require.NotZero(t, found)
		require.NotContains(t, h.log.String(), string(password))
	})
}

func TestFirstLogin(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	steps := map[mailpolicy.Step]func(token string) error{
		mailpolicy.ChangePassword: func(token string) error { return h.accounts.ChangePassword(ctx, token, []byte(lasting)) },
		mailpolicy.SetQuestions:   func(token string) error { return h.accounts.SetQuestions(ctx, token, questions) },
		mailpolicy.AcceptPolicy:   func(token string) error { return h.accounts.AcceptPolicy(ctx, token, "2026-1") },
	}
	t.Run("row148", func(t *testing.T) {
		for n, order := range [][]mailpolicy.Step{
			{mailpolicy.ChangePassword, mailpolicy.SetQuestions, mailpolicy.AcceptPolicy},
			{mailpolicy.AcceptPolicy, mailpolicy.SetQuestions, mailpolicy.ChangePassword},
			{mailpolicy.SetQuestions, mailpolicy.AcceptPolicy, mailpolicy.ChangePassword},
			{mailpolicy.ChangePassword, mailpolicy.AcceptPolicy, mailpolicy.SetQuestions},
		} {
			a, password := h.opened(n)
			s, err := h.signIn(a.Address, password)
			require.NoError(t, err)
			require.Len(t, s.Account.Steps, 3)
			for i, step := range order {
				refused(t, "mail.aup.pending", h.accounts.CanSend(ctx, a.Address))
				require.NoError(t, steps[step](s.Token))
				now, err := h.accounts.Session(ctx, s.Token)
				require.NoError(t, err)
				require.Len(t, now.Steps, 2-i)
				require.NotContains(t, now.Steps, step)
			}
			require.NoError(t, h.accounts.CanSend(ctx, a.Address))
		}
	})
	a, password := h.opened(8)
	t.Run("row149", func(t *testing.T) {
		err := h.accounts.CanSend(ctx, a.Address)
		refused(t, "mail.aup.pending", err)
		require.ErrorContains(t, err, "a new password, security questions, the acceptable use policy")
		require.NoError(t, h.accounts.Can(ctx, a.Address, mailpolicy.Receive))
	})
	t.Run("row150", func(t *testing.T) {
		refused(t, "mail.aup.pending", h.accounts.Can(ctx, a.Address, mailpolicy.Teams))
		s, err := h.signIn(a.Address, password)
		require.NoError(t, err)
		refused(t, "mail.aup.version", h.accounts.AcceptPolicy(ctx, s.Token, "2025-1"))
		for _, do := range steps {
			require.NoError(t, do(s.Token))
		}
		require.NoError(t, h.accounts.Can(ctx, a.Address, mailpolicy.Teams))
		_, err = h.signIn(a.Address, []byte(lasting))
		require.NoError(t, err)
	})
	t.Run("row139", func(t *testing.T) {
		for state, want := range map[mailpolicy.State][4]bool{ // sign in, receive, send, Teams
			mailpolicy.Applied: {true, true, false, false}, mailpolicy.Activated: {true, true, false, false}, mailpolicy.Active: {true, true, true, true},
			mailpolicy.Leaver: {true, true, true, true}, mailpolicy.Locked: {false, true, false, false}, mailpolicy.Inactive: {true, true, false, false},
			mailpolicy.Disabled: {false, true, false, false}, mailpolicy.Deleted: {}, mailpolicy.Removed: {}, mailpolicy.State("none"): {},
		} {
			for i, c := range []mailpolicy.Capability{mailpolicy.SignIn, mailpolicy.Receive, mailpolicy.Send, mailpolicy.Teams} {
				require.Equal(t, want[i], state.Can(c), "%s %s", state, c)
			}
		}
	})
	t.Run("row140", func(t *testing.T) {
		var detail string
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT detail FROM mail_audit WHERE action = 'mail.account.opened' LIMIT 1").Scan(&detail))
		require.Contains(t, detail, "residents' direct care")
	})
	n, err := h.accounts.VerifyAudit(ctx)
	require.NoError(t, err)
	require.NotZero(t, n)
}

func TestAuditIsBroken(t *testing.T) {
	h := newHome(t)
	_, err := h.open(1)
	require.NoError(t, err)
	_, err = h.open(2)
	require.NoError(t, err)
	_, err = h.db.ExecContext(t.Context(), "UPDATE mail_audit SET subject = 'someone else' WHERE seq = 2")
	require.NoError(t, err)
	_, err = h.accounts.VerifyAudit(t.Context())
	require.ErrorContains(t, err, "row 2")
}

func TestNewAccountsNeedsItsParts(t *testing.T) {
	_, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{})
	require.Error(t, err)
	h := newHome(t)
	_, err = mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: h.store, Sender: h.phone, Key: []byte("short")})
	require.ErrorContains(t, err, "32 bytes")
}
