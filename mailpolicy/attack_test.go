// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Tries that were given up in the queue for a hash lock nobody out.
func TestBusyIsNoTry(t *testing.T) {
	h := newHome(t)
	a := h.active(1)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for range 10 {
				_, _ = h.accounts.SignIn(ctx, "nobody@nhs.net", []byte(lasting))
			}
		})
	}
	for range 12 {
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _ = h.accounts.SignIn(short, a.Address, []byte(lasting))
		cancel()
	}
	wg.Wait()
	_, err := h.signIn(a.Address, []byte(lasting))
	require.NoError(t, err)
}

// What was texted to a wrong number opens nothing once the number is corrected.
func TestCorrectedNumberKillsWhatWasSent(t *testing.T) {
	h := newHome(t)
	a, password := h.opened(1)
	s, err := h.signIn(a.Address, password)
	require.NoError(t, err)
	b, unused := h.opened(2)
	for _, address := range []string{a.Address, b.Address} {
		require.NoError(t, h.accounts.CorrectRegistration(t.Context(), nas, address, "07700 900777"))
	}
	_, err = h.accounts.Session(t.Context(), s.Token)
	refused(t, "mail.session", err)
	_, err = h.signIn(b.Address, unused)
	refused(t, "mail.password.wrong", err)
	_, err = h.signIn(b.Address, nil)
	refused(t, "mail.password.wrong", err)
	require.NoError(t, h.accounts.ResendActivation(t.Context(), nas, b.Address))
	texts := h.texts()
	require.Equal(t, "+447700900777", texts[len(texts)-1].To)
	_, err = h.signIn(b.Address, []byte(texts[len(texts)-1].LastLine()))
	require.NoError(t, err)
}

func TestNobodyOpensNothing(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, err := h.open(1)
	require.NoError(t, err)
	for _, by := range []mailpolicy.Actor{{}, {ID: "x"}, {Role: mailpolicy.AdministrationService}, {ID: " ", Role: mailpolicy.SiteApplicant}, {ID: "x", Role: "root"}, {ID: "a\nb", Role: mailpolicy.SiteApplicant}} {
		_, err := h.accounts.OpenSite(ctx, by, mailpolicy.Site{ODS: "AB123"})
		refused(t, "mail.role", err)
		_, err = h.accounts.Open(ctx, by, mailpolicy.NewAccount{Site: "VLX12", Address: "b@nhs.net", Name: "B", Mobile: "07700900001"})
		refused(t, "mail.role", err)
		_, err = h.accounts.OpenShared(ctx, by, "VLX12", a.Address)
		refused(t, "mail.role", err)
		refused(t, "mail.role", h.accounts.Disable(ctx, by, a.Address))
		refused(t, "mail.role", h.accounts.ResendActivation(ctx, by, a.Address))
	}
	none, err := h.accounts.Account(ctx, "none@nhs.net")
	require.Error(t, err)
	require.Equal(t, mailpolicy.Account{}, none, "no state is told of what is not there")
	none, err = h.accounts.Session(ctx, "")
	require.Error(t, err)
	require.Equal(t, mailpolicy.Account{}, none)
}

func TestThreat017(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, password := h.opened(1)
	s, err := h.signIn(a.Address, password)
	require.NoError(t, err)
	t.Run("threat017", func(t *testing.T) {
		for _, bad := range []string{"A\r\nBcc: x@y.example", "A\nB", "A\x00B", "A\u2028B", "A\u202eB", "A\xff", "A\x1b[31m", strings.Repeat("a", 201)} {
			_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "b@nhs.net", Name: bad, Mobile: "07700900001"})
			refused(t, "mail.account.form", err)
			_, err = h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "b@nhs.net", Name: "B", Purpose: bad, Mobile: "07700900001"})
			refused(t, "mail.account.form", err)
			_, err = h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "AB123", Name: bad})
			refused(t, "mail.site.form", err)
			refused(t, "mail.questions.form", h.accounts.SetQuestions(ctx, s.Token, []mailpolicy.Question{questions[0], questions[1], {Question: bad, Answer: "Biscuit"}}))
		}
		for _, bad := range []string{"b\r\nRCPT TO:<c@nhs.net>@nhs.net", "b@nhs.net\r\n", "b\x00@nhs.net"} {
			_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: bad, Name: "B", Mobile: "07700900001"})
			refused(t, "mail.recipient.address", err)
		}
		require.Len(t, h.texts(), 1)
		_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "b@nhs.net", Name: "Zoë Ní Bhriain-O'Neill 李", Mobile: "07700900001"})
		require.NoError(t, err)
	})
}

func TestThreat018(t *testing.T) {
	t.Run("threat018", func(t *testing.T) {
		h := newHome(t)
		a, err := h.open(1)
		require.NoError(t, err)
		for _, bad := range []string{
			"07012345678", "07600123456", "09098790000", "00 1 212 555 0100", "+4407700900123", "000447700900123", "٠٧٧٠٠٩٠٠١٢٣", "07700\u00a0900123", "7700900123;ext=1", "+447700900123,+449098790000", "", "0", "07700 90012", "07700 9001234",
			"０７７００９００１２３", "\uff0b447700900123", "\u202e07700900123", "0\u200b7700900123", "+44\t7700900123", "tel:+447700900123", "44 7700 900123",
			"+44 (0)7700 900123", "+44 07700 900123", "0044007700900123", "+", "+44", "--", "0x7700900123", "07700900123#31#", "*#31#07700900123",
		} {
			refused(t, "mail.account.form", h.accounts.CorrectRegistration(t.Context(), nas, a.Address, bad))
		}
		for _, same := range []string{"07700 900123", "+44 7700-900123", "0044 7700 900123", "7700900123"} {
			require.NoError(t, h.accounts.CorrectRegistration(t.Context(), nas, a.Address, same))
			got, err := h.accounts.Account(t.Context(), a.Address)
			require.NoError(t, err)
			require.Equal(t, "+447700900123", got.RegisteredMobile)
		}
		require.NoError(t, h.accounts.CorrectRegistration(t.Context(), nas, a.Address, "07624 123456"), "the Isle of Man")
	})
}

// quoting is a text service whose errors quote what it was to send.
type quoting struct{}

func (quoting) Send(_ context.Context, _, to, _, body string) error {
	return errors.New("Post https://sms.example/?to=" + to + "&text=" + body + ": timeout")
}

func TestSenderThatQuotes(t *testing.T) {
	h := newHome(t)
	var log strings.Builder
	accounts, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: h.store, Sender: quoting{}, Now: h.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	a, err := accounts.Open(t.Context(), applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "b@nhs.net", Name: "B", Mobile: "07700900001"})
	require.NoError(t, err)
	require.NoError(t, accounts.Close(t.Context()))
	_, after, ok := strings.Cut(log.String(), "as it appears.\\n")
	require.True(t, ok, log.String())
	require.True(t, strings.HasPrefix(after, "***: timeout"), "the log holds the activation password")
	require.Equal(t, "mail.aup.pending", wardkey.RuleOf(accounts.CanSend(t.Context(), a.Address)))
}

// An address is one address only: what another reader would take for it is
// nobody's, and what a database can't hold is no failure.
func TestAddressesThatAreNobodys(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: "kevin@nhs.net", Name: "K", Mobile: "07700900001"})
	require.NoError(t, err)
	password := []byte(h.texts()[0].LastLine())
	for _, other := range []string{"\u212aevin@nhs.net", "kevin@nhs.net ", "kevin@nhs.net.", "kevin@nhs.net\x00", "kevin\xff@nhs.net", "<kevin@nhs.net>", ""} {
		_, err := h.accounts.Account(ctx, other)
		refused(t, "mail.account.unknown", err)
		refused(t, "mail.account.unknown", h.accounts.CanSend(ctx, other))
		refused(t, "mail.account.unknown", h.accounts.Disable(ctx, nas, other))
		_, err = h.signIn(other, password)
		refused(t, "mail.password.wrong", err)
		_, err = h.accounts.OpenShared(ctx, applicant, "VLX12", other)
		refused(t, "mail.account.unknown", err)
	}
	_, err = h.signIn("Kevin@NHS.net", password)
	require.NoError(t, err, a.Address)
}
