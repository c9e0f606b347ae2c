// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func TestContacts(t *testing.T) {
	p := policyAt(t, today)
	t.Run("no two are swapped", func(t *testing.T) {
		require.Equal(t, "0333 200 1133", p.Contacts.NAS.Phone)
		require.Equal(t, "careadmin@nhs.net", p.Contacts.NAS.Email)
		require.Equal(t, "feedback@nhs.net", p.Contacts.Feedback.Email)
		require.Equal(t, "0300 303 4034", p.Contacts.ODSCodes.Phone)
		require.Equal(t, "exeter.helpdesk@nhs.net", p.Contacts.ODSCodes.Email)
		for _, c := range []mailpolicy.Contact{p.Contacts.NAS, p.Contacts.Feedback, p.Contacts.ODSCodes} {
			require.NotEmpty(t, c.Source.Document)
		}
	})
	t.Run("row158", func(t *testing.T) {
		for _, q := range []mailpolicy.Query{{}, {Ticket: "INC1"}, {Called: today}} {
			steps := p.Escalation(q)
			require.Equal(t, p.Contacts.NAS, steps[0].Contact)
			require.True(t, steps[0].Open)
		}
	})
	t.Run("row159", func(t *testing.T) {
		for _, q := range []mailpolicy.Query{{}, {Ticket: " "}} {
			_, err := p.Escalate(q)
			refused(t, "mail.escalation", err)
			last := p.Escalation(q)[2]
			require.False(t, last.Open)
			require.Contains(t, last.Needs, "reference")
		}
		for _, q := range []mailpolicy.Query{{Ticket: "INC1"}, {Called: today}} {
			to, err := p.Escalate(q)
			require.NoError(t, err)
			require.Equal(t, "feedback@nhs.net", to.Email)
			require.True(t, p.Escalation(q)[2].Open)
		}
	})
	t.Run("row160", func(t *testing.T) {
		_, err := p.AskExpert(mailpolicy.Query{Ticket: "INC1"})
		refused(t, "mail.escalation.expert", err)
		require.False(t, p.Escalation(mailpolicy.Query{Ticket: "INC1"})[1].Open)
		to, err := p.AskExpert(mailpolicy.Query{Called: today})
		require.NoError(t, err)
		require.Equal(t, p.Contacts.NAS, to)
		require.Contains(t, p.Escalation(mailpolicy.Query{Called: today})[1].Do, "Subject Matter Expert")
	})
	t.Run("the phone menu", func(t *testing.T) {
		var pressed []string
		for _, step := range p.HelpdeskMenu() {
			if step.Press != "" {
				pressed = append(pressed, step.Press)
			}
		}
		require.Equal(t, "1,1", strings.Join(pressed, ","))
		require.Contains(t, p.HelpdeskMenu()[0].Says, "0333 200 1133")
	})
}

func TestCodes(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	p := policyAt(t, today)
	t.Run("row167", func(t *testing.T) {
		desk, ok := p.CodeDesk(mailpolicy.Site{Name: "A lunch club"})
		require.True(t, ok)
		require.Equal(t, p.Contacts.ODSCodes, desk)
		_, ok = p.CodeDesk(mailpolicy.Site{CQCLocation: "1-101"})
		require.False(t, ok)
		_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{Name: "A lunch club"})
		refused(t, "mail.site.nocode", err)
		require.Contains(t, next(t, err)[0], "exeter.helpdesk@nhs.net or 0300 303 4034")
		_, err = h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{Name: "A home", CQCLocation: "1-102"})
		refused(t, "mail.site.ods", err)
		require.NotContains(t, next(t, err)[0], "xeter")
	})
	t.Run("row169", func(t *testing.T) {
		for _, s := range []mailpolicy.Site{{ODS: "PC001", Postcode: "ab1 2cd"}, {ODS: "PC002", Postcode: "EC1A1BB"}, {ODS: "PC003", Postcode: "AB12CD"}} {
			_, err := h.accounts.OpenSite(ctx, applicant, s)
			require.NoError(t, err)
		}
		one, err := h.accounts.SitesAt(ctx, "ec1a 1bb")
		require.NoError(t, err)
		require.Len(t, one, 1)
		require.Equal(t, "EC1A 1BB", one[0].Postcode)
		several, err := h.accounts.SitesAt(ctx, "AB1 2CD")
		refused(t, "mail.site.ambiguous", err)
		require.Contains(t, next(t, err)[0], p.Contacts.ODSCodes.Phone)
		require.Len(t, several, 2)
		_, err = h.accounts.SitesAt(ctx, "ZZ9 9ZZ")
		refused(t, "mail.site.nopostcode", err)
		for _, bad := range []string{"", "AB1", "AB1 2C", "1AB 2CD", "AB1 CD2", "AB1-2CD", "ABCDE 1AA", "AB1 2C\u0662"} {
			_, err := h.accounts.SitesAt(ctx, bad)
			refused(t, "mail.site.form", err)
		}
	})
	for _, bad := range []mailpolicy.Site{{Postcode: "x"}, {ManagerID: "a\r\nb"}, {Landline: "07700 900001"}, {Landline: "0800 1111"}} {
		bad.ODS = "BAD01"
		_, err := h.accounts.OpenSite(ctx, applicant, bad)
		refused(t, "mail.site.form", err)
	}
	_, err := h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "BAD01", ManagerEmail: "no address"})
	refused(t, "mail.recipient.address", err)
}

func next(t *testing.T, err error) []string {
	t.Helper()
	var no *wardkey.Refusal
	require.ErrorAs(t, err, &no)
	return no.Next
}

func TestClients(t *testing.T) {
	p := policyAt(t, today)
	t.Run("row176", func(t *testing.T) {
		require.Equal(t, mailpolicy.Outlook, p.PreferredClient())
		require.Equal(t, []mailpolicy.Method{mailpolicy.Password}, p.Methods(mailpolicy.Outlook))
	})
	t.Run("row177", func(t *testing.T) {
		require.Equal(t, []mailpolicy.Method{mailpolicy.Password}, p.Methods(mailpolicy.Mobile))
		require.NotContains(t, p.Methods(mailpolicy.Mobile), mailpolicy.CareIdentity)
		require.Contains(t, p.Methods(mailpolicy.Web), mailpolicy.CareIdentity)
		require.Empty(t, p.Methods("fax"))
	})
	t.Run("row123", func(t *testing.T) {
		require.True(t, p.PrivateTicked(mailpolicy.UnknownDevice))
		require.True(t, p.PrivateTicked(mailpolicy.OwnDevice))
		require.False(t, p.PrivateTicked(mailpolicy.SharedDevice))
	})
	t.Run("row122", func(t *testing.T) {
		h := newHome(t)
		ctx := t.Context()
		a := h.active(1)
		token := h.session(a.Address)
		refused(t, "mail.device.public", h.accounts.CanOpenAttachments(ctx, token))
		require.NoError(t, h.accounts.DeclareComputer(ctx, token, true))
		require.NoError(t, h.accounts.CanOpenAttachments(ctx, token))
		refused(t, "mail.device.public", h.accounts.CanOpenAttachments(ctx, h.session(a.Address)))
		require.NoError(t, h.accounts.DeclareComputer(ctx, token, false))
		refused(t, "mail.device.public", h.accounts.CanOpenAttachments(ctx, token))
		refused(t, "mail.session", h.accounts.DeclareComputer(ctx, "none", true))
		refused(t, "mail.session", h.accounts.CanOpenAttachments(ctx, ""))
	})
}
