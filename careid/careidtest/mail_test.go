// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	mailstore "github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// A card, its mail account, and both ways into it, with the mail accounts of package mailpolicy in the same database.
func TestMailAccount(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	store, err := mailstore.Open(ctx, mailstore.Config{DB: h.DB, Now: h.Clock.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	phone := new(mailtest.Phone)
	accounts := func() *mailpolicy.Accounts {
		a, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: phone, PolicyVersion: "2026-1", Now: h.Clock.Now})
		require.NoError(t, err)
		return a
	}
	opening := accounts()
	applicant := mailpolicy.Actor{ID: "manager of The Elms", Role: mailpolicy.SiteApplicant}
	_, err = opening.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "VLX12", Name: "The Elms", CQCLocation: "1-101"})
	require.NoError(t, err)
	account, err := opening.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "asha.patel@nhs.net", Name: "Asha Patel", Mobile: "07700900001", Purpose: "residents' direct care"})
	require.NoError(t, err)
	require.NoError(t, opening.Close(ctx)) // waits for the text
	mail := accounts()
	t.Cleanup(func() { require.NoError(t, mail.Close(context.Background())) })

	c := h.Config
	c.Mail = mail
	h.Service, err = careid.New(c)
	require.NoError(t, err)
	request := careid.LinkRequest{Address: account.Address, Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}}
	in, err := h.SignIn(ctx, h.Nurse.Card)
	require.NoError(t, err)
	nurse, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	require.NoError(t, err)

	// The account is new: its owner accepts the policy before a card can open it.
	missing, err := h.Service.LinkPreflight(ctx, nurse, request)
	require.NoError(t, err)
	require.Contains(t, wardkey.RuleOf(missing), "mail.")
	password := []byte("correct-horse-battery")
	texts := phone.Texts()
	portal, err := mail.SignIn(ctx, account.Address, []byte(texts[len(texts)-1].LastLine()))
	require.NoError(t, err)
	require.NoError(t, mail.ChangePassword(ctx, portal.Token, password))
	require.NoError(t, mail.SetQuestions(ctx, portal.Token, []mailpolicy.Question{
		{Question: "First street?", Answer: "Elm Row"}, {Question: "First school?", Answer: "Northgate"}, {Question: "First pet?", Answer: "Biscuit"},
	}))
	require.NoError(t, mail.AcceptPolicy(ctx, portal.Token, "2026-1"))
	_, err = h.Service.Link(ctx, nurse, request)
	require.NoError(t, err)

	t.Run("row091", func(t *testing.T) {
		address, err := h.Service.MailAccount(ctx, in.Token)
		require.NoError(t, err)
		require.Equal(t, account.Address, address)
		agent, err := h.Actor(ctx, h.RAAgent, careid.RAAgent)
		require.NoError(t, err)
		require.NoError(t, h.Service.SuspendLink(ctx, agent, h.Nurse.Profile.ID, account.Address))
		_, err = h.Service.MailAccount(ctx, in.Token)
		require.Equal(t, "link.suspended", wardkey.RuleOf(err))
		_, err = mail.SignIn(ctx, account.Address, password)
		require.NoError(t, err)

		// A lost card opens nothing at all, and the password goes on.
		_, err = h.Service.Link(ctx, nurse, request)
		require.NoError(t, err)
		_, err = h.Service.ReportLoss(ctx, agent, careid.LossReport{Profile: h.Nurse.Profile.ID})
		require.NoError(t, err)
		_, err = h.Service.MailAccount(ctx, in.Token)
		require.Equal(t, "session.ended", wardkey.RuleOf(err))
		_, err = mail.SignIn(ctx, account.Address, password)
		require.NoError(t, err)
	})
}
