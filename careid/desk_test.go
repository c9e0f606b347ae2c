// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func desksOfRBA() careid.Desks {
	return careid.Desks{careidtest.Organisation: {
		HumanResources:        careid.Desk{Name: "HR of RBA", Phone: "020 7946 0100"},
		RegistrationAuthority: careid.Desk{Name: "Smartcard team of RBA", Email: "smartcards@rba.example"},
		LocalAdministrator:    careid.Desk{Name: "IT desk of RBA", Phone: "020 7946 0155"},
	}}
}

func names(desks []careid.Desk) string {
	var all []string
	for _, d := range desks {
		all = append(all, d.Name)
	}
	return strings.Join(all, ", ")
}

func TestDesks(t *testing.T) {
	book, desks := builtIn(t), desksOfRBA()
	internet := careid.Workstation{Network: careid.NetworkInternet}

	t.Run("row024", func(t *testing.T) {
		chain, err := desks.FindRA(book, careidtest.Organisation, asOf)
		require.NoError(t, err)
		require.Equal(t, "HR of RBA, Smartcard team of RBA", names(chain))
		require.Contains(t, chain[0].Ground.Note, "quickest way")

		h := careidtest.New(t, careidtest.Config{})
		h.Clock.Set(h.Nurse.Card.Certificates[0].NotAfter.Add(1e9))
		_, err = h.SignIn(t.Context(), h.Nurse.Card)
		no := refused(t, err, "cert.expired")
		require.Empty(t, no.Contact)
		reached := desks.Resolve(book, no, h.Nurse.Profile.Organisation, internet, asOf)
		require.Equal(t, "HR of RBA: 020 7946 0100; then Smartcard team of RBA: smartcards@rba.example", reached.Contact)
		require.Equal(t, no.Rule, reached.Rule)

		onlyHR := careid.Desks{"A9A5A": {HumanResources: careid.Desk{Name: "HR", Phone: "020 7946 0199"}, RegistrationAuthority: careid.Desk{Name: "no way given"}}}
		chain, err = onlyHR.FindRA(book, "A9A5A", asOf)
		require.NoError(t, err)
		require.Equal(t, "HR", names(chain), "a desk that nobody can reach is none")
		for _, organisation := range []string{"", "RZZ", "rba"} {
			_, err = desks.FindRA(book, organisation, asOf)
			require.Contains(t, refused(t, err, "desk.unknown").Next[0], "HR team")
			require.Empty(t, desks.Resolve(book, no, organisation, internet, asOf).Contact)
		}
	})
	t.Run("row090", func(t *testing.T) {
		for _, rule := range []string{"mail.locked", "mail.disabled", "device.clock", "device.credmgmt", "device.changed"} {
			who, err := desks.Escalation(book, book.Refuse(rule), careidtest.Organisation, internet, asOf)
			require.NoError(t, err)
			require.Equal(t, "IT desk of RBA, NHSmail Helpdesk, the National Administration Service", names(who), rule)
		}
		who, err := desks.Escalation(book, book.Refuse("mail.locked"), "RZZ", internet, asOf)
		require.NoError(t, err)
		require.Equal(t, "NHSmail Helpdesk, the National Administration Service", names(who))
		who, err = desks.Escalation(book, book.Refuse("mail.aup"), careidtest.Organisation, internet, asOf)
		require.NoError(t, err)
		require.Empty(t, who, "the holder does it alone")
	})
	t.Run("row109", func(t *testing.T) {
		at := func(network string) careid.Desk {
			desk, err := careid.PublishedDesk(book, careid.DeskCompatibility, careid.Workstation{Network: network}, asOf)
			require.NoError(t, err)
			require.Equal(t, "0300 3035035", desk.Phone)
			require.Equal(t, "Compatibility Matrix", desk.Ground.Source.Clause)
			return desk
		}
		require.Equal(t, "National Service Desk tool", at(careid.NetworkHSCN).Tool)
		for _, network := range []string{careid.NetworkInternet, "", "lan"} {
			require.Empty(t, at(network).Tool)
		}
		_, err := careid.Compat(book, careid.Workstation{System: careid.Linux, Browser: careid.Firefox}, asOf)
		no := desks.Resolve(book, refused(t, err, "system.unsupported"), careidtest.Organisation, careid.Workstation{Network: careid.NetworkHSCN}, asOf)
		require.Equal(t, "National Service Desk: 0300 3035035 or National Service Desk tool", no.Contact)
	})
	t.Run("no two purposes are swapped", func(t *testing.T) {
		seen := map[string]careid.DeskPurpose{}
		for purpose, want := range map[careid.DeskPurpose]string{
			careid.DeskMail: "0333 200 1133", careid.DeskCompatibility: "0300 3035035", careid.DeskODS: "0300 303 4034",
		} {
			desk, err := careid.PublishedDesk(book, purpose, internet, asOf)
			require.NoError(t, err)
			require.Equal(t, want, desk.Phone)
			require.Empty(t, seen[desk.Phone])
			seen[desk.Phone] = purpose
		}
		for _, purpose := range []careid.DeskPurpose{"", "nobody", careid.DeskHR} {
			_, err := careid.PublishedDesk(book, purpose, internet, asOf)
			refused(t, err, "desk.unknown")
		}
	})
	t.Run("each fixer but the holder leads to somebody", func(t *testing.T) {
		for _, id := range book.IDs() {
			no := book.Refuse(id)
			who, err := desks.Escalation(book, no, careidtest.Organisation, internet, asOf)
			require.NoError(t, err, id)
			require.Equal(t, no.Fixer != "holder" && no.Fixer != "sender" || strings.HasPrefix(id, "system.") || id == "browser.unsupported" || id == "button.hidden", len(who) > 0, id)
		}
		var none *wardkey.Refusal = book.Refuse("no.such.rule")
		require.NotEmpty(t, desks.Resolve(book, none, "", internet, asOf).Contact)
	})
}

// Who helps, and where are they?
func ExampleDesks_Resolve() {
	book, err := careid.Rules()
	if err != nil {
		fmt.Println(err)
		return
	}
	desks := careid.Desks{"RBA": {LocalAdministrator: careid.Desk{Name: "IT desk of RBA", Phone: "020 7946 0155"}}}
	no := desks.Resolve(book, book.Refuse("mail.locked"), "RBA", careid.Workstation{}, asOf)
	fmt.Println(no.Fixer)
	fmt.Println(no.Contact)
	// Output:
	// local-administrator
	// IT desk of RBA: 020 7946 0155; then NHSmail Helpdesk, the National Administration Service: 0333 200 1133 or careadmin@nhs.net
}

// What the Service refuses says who can be reached about it: the desks of the organisation that the person is of.
func TestRefusalsLeadToDesks(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	c := h.Config
	c.Desks = desksOfRBA()
	service, err := careid.New(c)
	require.NoError(t, err)
	h.Service = service
	const desks = "HR of RBA: 020 7946 0100; then Smartcard team of RBA: smartcards@rba.example"

	t.Run("to a person whose card speaks", func(t *testing.T) {
		manager := actor(t, h, h.RAManager, careid.RAManager)
		require.NoError(t, service.CancelCard(ctx, manager, h.Nurse.Card.Serial))
		_, err := h.SignIn(ctx, h.Nurse.Card)
		require.Equal(t, desks, refused(t, err, "card.cancelled").Contact)
	})
	t.Run("to staff, in a change and in a look", func(t *testing.T) {
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		_, err := service.OpenAct(ctx, agent, careid.ActRequest{
			Kind: careid.Issue, Card: h.Sponsor.Card.Serial, Profile: h.Nurse.Profile.ID, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"},
		})
		require.Equal(t, desks, refused(t, err, "card.taken").Contact)
		_, err = service.Profile(ctx, agent, "000000000000")
		require.Equal(t, desks, refused(t, err, "org.scope").Contact)
	})
	t.Run("in a preflight", func(t *testing.T) {
		missing, err := service.LinkPreflight(ctx, actor(t, h, h.Sponsor, careid.Holder), careid.LinkRequest{Address: "maya@nhs.net", Workstation: careid.Workstation{}})
		require.NoError(t, err)
		for _, no := range missing {
			if no.Fixer == "ra-agent" {
				require.Equal(t, desks, no.Contact, no.Rule)
			}
		}
		require.NotEmpty(t, missing)
	})
	t.Run("to nobody whom it doesn't know", func(t *testing.T) {
		handle, err := service.OpenUnlock(ctx, []byte("cookie"))
		require.NoError(t, err)
		_, err = service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByEmail})
		require.Empty(t, refused(t, err, "card.cancelled").Contact)
	})
	t.Run("what the holder mends alone", func(t *testing.T) {
		_, err := service.Session(ctx, "nobody's")
		require.Empty(t, refused(t, err, "session.none").Contact)
	})
}
