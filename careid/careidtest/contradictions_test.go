// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Where the documents contradict one another, or seem to, one of them wins and the other stays listed. The numbers are
// those of the list that settles them. C21 and C26 are mailpolicy's and wait for their rules.
func TestContradictions(t *testing.T) {
	book, err := careid.Rules()
	require.NoError(t, err)
	mail := mailpolicy.Rules()
	zone, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, zone)
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, zone) }

	// settled shows the value in force, and that each of the others is told with its source.
	settled := func(t *testing.T, book *wardkey.Rulebook, id, winner string, losers ...string) {
		t.Helper()
		rule, ok := book.At(id, now)
		require.True(t, ok, id)
		require.JSONEq(t, winner, string(rule.Value), id)
		history := book.History(id)
		for _, loser := range losers {
			found := false
			for _, r := range history {
				if r.From == rule.From {
					continue
				}
				require.NotEmpty(t, book.Source(r.Source).Document)
				found = found || string(r.Value) == loser
			}
			require.True(t, found, "%s is not listed for %s: %v", loser, id, history)
		}
	}
	usable := func(client string) []careid.Method {
		methods, err := careid.Methods(book, client, now)
		require.NoError(t, err)
		var list []careid.Method
		for _, m := range methods {
			if m.No == nil {
				list = append(list, m.Method)
			}
		}
		return list
	}

	t.Run("C1", func(t *testing.T) {
		require.Equal(t, []careid.Method{careid.MethodPassword}, usable(careid.ClientOutlook))
		history := book.History("client.outlook.methods")
		require.Equal(t, []string{"S2", "S0.trouble"}, []string{history[0].Source, history[1].Source})
	})
	t.Run("C2", func(t *testing.T) {
		require.Equal(t, []careid.Method{careid.MethodPassword}, usable(careid.ClientMobile))
		require.Len(t, book.History("client.mobile.methods"), 2)
	})
	t.Run("C3", func(t *testing.T) {
		_, err := careid.ShowSignInButton(book, careid.Workstation{System: careid.IPadOS, Browser: careid.Safari, Client: careid.ClientBrowser}, careid.Yes, now)
		require.NoError(t, err)
		settled(t, book, "button.hidden", `["phone", "tablet"]`)
	})
	t.Run("C4", func(t *testing.T) {
		settled(t, mail, "mail.secure.under", `["gov.uk"]`)
		require.Equal(t, "DCB1596", mail.History("mail.secure.accredited")[0].Source)
	})
	t.Run("C5", func(t *testing.T) { settled(t, book, "unlock.channels", `["email", "text"]`, `["email"]`) })
	t.Run("C6", func(t *testing.T) { settled(t, book, "passcode.change.email", `true`, `false`) })
	t.Run("C7", func(t *testing.T) {
		steps, g, err := careid.Route(book, careid.AddEmail, now)
		require.NoError(t, err)
		require.Equal(t, "2025-04-02", g.From)
		require.Len(t, steps, 3)
		old, ok := book.At("route.add-email", day(2025, time.April, 1))
		require.True(t, ok)
		require.Equal(t, "S3.email", old.Source)
		g, err = careid.CapabilityAt(book, careid.CIS, careid.ActionContact, careid.Holder, now)
		require.NoError(t, err)
		require.Empty(t, g.Until, "no end is published")
	})
	t.Run("C8", func(t *testing.T) {
		settled(t, book, "leaving.organisation.card", `"keep it: it moves with you"`, `"return it as instructed"`)
		settled(t, book, "leaving.care.card", `"return it to your line manager"`, `"return it as instructed"`)
	})
	t.Run("C9", func(t *testing.T) {
		settled(t, book, "lost.desks", `["human-resources", "registration-authority", "mail-helpdesk"]`, `["registration-authority", "mail-helpdesk"]`)
		who, err := careid.Desks{"RBA": {HumanResources: careid.Desk{Name: "HR", Phone: "1"}, RegistrationAuthority: careid.Desk{Name: "RA", Phone: "2"}}}.AfterLoss(book, "RBA", now)
		require.NoError(t, err)
		require.Len(t, who, 3)
		require.Equal(t, careid.DeskMail, who[2].Purpose)
	})
	t.Run("C10", func(t *testing.T) { settled(t, book, "terms.modes", `["implied", "explicit"]`, `["explicit"]`) })
	t.Run("C11", func(t *testing.T) {
		settled(t, book, "card.binding", `"close"`)
		settled(t, book, "card.binding.choices", `["close", "end", "keep"]`)
		require.Equal(t, "E8", book.History("card.binding.choices")[0].Source)
	})
	t.Run("C12", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		long, err := h.SignIn(t.Context(), h.Nurse.Card)
		require.NoError(t, err)
		pulled, err := h.SignIn(t.Context(), h.Sponsor.Card)
		require.NoError(t, err)
		require.NoError(t, h.Service.Removed(t.Context(), pulled.Presence))
		_, err = h.Service.Session(t.Context(), pulled.Token)
		require.Equal(t, "session.ended", wardkey.RuleOf(err), "pulled before the eight hours")
		h.Clock.Add(8*time.Hour - time.Second)
		_, err = h.Service.Session(t.Context(), long.Token)
		require.NoError(t, err)
		h.Clock.Add(time.Second)
		_, err = h.Service.Session(t.Context(), long.Token)
		require.Equal(t, "session.ended", wardkey.RuleOf(err), "eight hours, though the card stays in")
	})
	t.Run("C13", func(t *testing.T) {
		settled(t, book, "mfa.card.demanded", `false`)
		settled(t, book, "mfa.advised", `true`)
		after, err := careid.SecondFactorAfter(book, careid.KindCard, careid.Yes, now)
		require.NoError(t, err)
		require.Equal(t, []bool{false, true}, []bool{after.Demanded, after.Advised})
	})
	t.Run("C14", func(t *testing.T) {
		require.Equal(t, "Your password has expired: an activation password works once.", mail.Refuse("mail.activation.used").Public)
	})
	t.Run("C15", func(t *testing.T) {
		_, ok := book.At("signin.page", now)
		require.False(t, ok)
		require.Len(t, book.History("signin.page"), 1)
	})
	t.Run("C16", func(t *testing.T) {
		settled(t, book, "cis.can.create-profile", `[]`, `["ra-manager", "advanced-ra-agent", "ra-agent", "id-checker", "local-smartcard-administrator"]`)
		for _, role := range []careid.Role{careid.RAAgent, careid.AdvancedRAAgent, careid.IDChecker, careid.LocalSmartcardAdministrator, careid.Sponsor} {
			_, err := careid.CapabilityAt(book, careid.CIS, careid.ActionCreateProfile, role, day(2024, time.May, 1))
			require.Error(t, err, role)
		}
	})
	t.Run("C17", func(t *testing.T) {
		settled(t, book, "cis.can.assign-workgroups", `[]`)
		settled(t, book, "cis.can.change-workgroups", `[]`)
		for at, open := range map[time.Time]bool{day(2024, time.May, 30): true, day(2024, time.May, 31): false} {
			_, err := careid.CapabilityAt(book, careid.CIS, careid.ActionChangeWorkgroups, careid.RAAgent, at)
			require.Equal(t, open, err == nil)
		}
		require.Contains(t, book.History("cis.can.change-workgroups")[0].Note, "29 May")
	})
	t.Run("C18", func(t *testing.T) {
		settled(t, book, "cim.can.unlock-card", `["ra-manager", "advanced-ra-agent", "ra-agent", "sponsor", "local-smartcard-administrator"]`, `["ra-manager", "advanced-ra-agent", "ra-agent", "sponsor"]`)
		rule, _ := book.At("cim.can.unlock-card", now)
		require.Contains(t, rule.Note, "second to the page")
	})
	t.Run("C19", func(t *testing.T) {
		settled(t, book, "service.mail.names", `["NHS.net Connect", "NHSmail"]`, `["NHSmail"]`)
		for _, name := range []string{"NHSmail", "NHS.net Connect"} {
			service, _, err := careid.FindService(book, name, now)
			require.NoError(t, err)
			require.Equal(t, careid.MailService, service)
		}
		require.Equal(t, "link.circular", wardkey.RuleOf(careid.ProvesLink(book, careid.KindMailAccount, now)))
	})
	t.Run("C20", func(t *testing.T) {
		settled(t, book, "network.card", `"hscn"`)
		for service, reached := range map[careid.NationalService]bool{careid.CIM: false, careid.SpinePortal: false, careid.SelfServiceUnlock: true, careid.MailService: true} {
			_, err := careid.Reach(book, careid.Visit{Service: service}, careid.Workstation{Network: careid.NetworkInternet}, now)
			require.Equal(t, reached, err == nil, service)
		}
	})
	t.Run("C22", func(t *testing.T) { settled(t, book, "lock.hours", `10000`, `16000`) })
	t.Run("C23", func(t *testing.T) {
		for id, number := range map[string]string{"desk.mail-helpdesk.phone": `"0333 200 1133"`, "desk.compatibility.phone": `"0300 3035035"`, "desk.ods.phone": `"0300 303 4034"`} {
			settled(t, book, id, number)
		}
	})
	t.Run("C24", func(t *testing.T) { settled(t, book, "cert.validity", `3`, `2`) })
	t.Run("C25", func(t *testing.T) {
		settled(t, book, "cim.can.create-profile", `[]`, `["ra-manager", "advanced-ra-agent", "ra-agent", "id-checker"]`)
		require.Equal(t, "E1", book.History("cim.can.create-profile")[0].Source)
	})
	t.Run("C27", func(t *testing.T) {
		settled(t, book, "unlock.life.start", `15`)
		settled(t, book, "unlock.life.sent", `10`)
	})
}

func TestExpiredCardEverywhere(t *testing.T) {
	t.Run("row067", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		ends := h.Nurse.Card.Certificates[0].NotAfter
		h.Clock.Set(ends.Add(-time.Hour))
		holder, err := h.Actor(t.Context(), h.Nurse, careid.Holder)
		require.NoError(t, err)
		h.Clock.Set(ends.Add(time.Second))

		said := map[string]error{}
		_, said["sign-in"] = h.SignIn(t.Context(), h.Nurse.Card)
		handle, err := h.Service.OpenUnlock(t.Context(), []byte("kiosk"))
		require.NoError(t, err)
		_, said["unlock"] = h.Service.StartUnlock(t.Context(), careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByEmail})
		workstation, err := agent.Rulebook()
		require.NoError(t, err)
		said["at the card"] = workstation.Refuse("cert.expired", "notAfter", "then")
		for where, err := range said {
			var no *wardkey.Refusal
			require.ErrorAs(t, err, &no, where)
			require.Equal(t, "cert.expired", no.Rule, where)
			require.Equal(t, "ra-agent", no.Fixer, where)
			require.True(t, no.InPerson, where)
			require.Contains(t, no.Next[0], "Registration Authority", where)
		}
		_, err = h.Service.OpenAct(t.Context(), holder, careid.ActRequest{Kind: careid.Renew, Card: h.Nurse.Card.Serial, Profile: h.Nurse.Profile.ID, Evidence: careid.Evidence{Kind: careid.ByCard}})
		var no *wardkey.Refusal
		require.ErrorAs(t, err, &no)
		require.Equal(t, []any{"renewal.late", "ra-agent", true}, []any{no.Rule, no.Fixer, no.InPerson}, "what the holder may not do, the same people do")
	})
}
