// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestContact(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	id := h.Nurse.Profile.ID
	set := func(c careid.Contact) error { return h.Service.SetContact(ctx, agent, id, c) }
	read := func() careid.Profile {
		p, err := h.Service.Profile(ctx, careid.Operator("test"), id)
		require.NoError(t, err)
		return *p
	}

	t.Run("row057", func(t *testing.T) {
		for _, bad := range []string{"x@gmail.com", "x@nhs.net.evil.com", "x@evilnhs.net", "x@net", "x@nhs-net", "x@NHS.NET.", "x@.nhs.net", "x@gov.uk.com"} {
			err := set(careid.Contact{Email: bad})
			require.Contains(t, []string{"contact.domain", "contact.email"}, refusalRule(t, err), bad)
		}
		for _, good := range []string{"a.b@nhs.net", "a@trust.nhs.uk", "a@leeds.gov.uk", "o'neil@mod.uk"} {
			require.NoError(t, set(careid.Contact{Email: good}))
			require.Equal(t, good, read().Email)
		}
		require.NoError(t, set(careid.Contact{Email: "First.Last@NHS.net"}))
		require.Equal(t, "First.Last@nhs.net", read().Email)
	})
	t.Run("threat016", func(t *testing.T) {
		for _, bad := range []string{"a@nhs.net@gmail.com", "a@nhs。net", "a@ｎhs.net", "a@nhs.net,b@gmail.com", "a@[1.2.3.4]", "a@nhs..net", "@nhs.net", "a@", "nhs.net", "a@-nhs.net", "a@xn--nhs.net"} {
			require.Contains(t, []string{"contact.domain", "contact.email"}, refusalRule(t, set(careid.Contact{Email: bad})), bad)
		}
	})
	t.Run("threat017", func(t *testing.T) {
		before := read()
		for _, bad := range []string{"a@nhs.net\r\nBcc: b@nhs.net", "a\x00@nhs.net", "a b@nhs.net", "<a@nhs.net>", "\"a\"@nhs.net", "a@nhs.net ", "a%b@nhs.net", "a\n@nhs.net"} {
			refused(t, set(careid.Contact{Email: bad}), "contact.email")
		}
		for _, name := range []string{"Ada\r\nBcc: x", "Ada\x00", "Ada\u202elove", "Ada,CN=root", "Ada ", "", "Ada\u200b"} {
			_, err := h.Service.Invite(ctx, agent, careid.Invitation{Given: name, Family: "Test", Email: "ada@nhs.net"})
			refused(t, err, "name.invalid")
		}
		require.Equal(t, before, read())
	})
	t.Run("threat018", func(t *testing.T) {
		for _, good := range []string{"07700900123", "07700 900 123", "+447700900123", "+44 7700 900123"} {
			require.NoError(t, set(careid.Contact{Mobile: good}))
			require.Equal(t, "+447700900123", read().Mobile)
		}
		for _, bad := range []string{"00447700900123", "+4407700900123", "07000900123", "07600900123", "0770090012", "077009001234", "+33612345678", "٠٧٧٠٠٩٠٠١٢٣", "07700-900123", "07700900123;ext=1", "09001234567", "447700900123", "+44+447700900123"} {
			refused(t, set(careid.Contact{Mobile: bad}), "contact.mobile")
		}
	})
	t.Run("row003", func(t *testing.T) {
		in := signIn(t, h, h.Nurse.Card)
		self, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
		require.NoError(t, err)
		before := read()
		require.NoError(t, h.Service.SetContact(ctx, self, id, careid.Contact{Email: "asha@nhs.net", Mobile: "07700900123"}))
		require.Equal(t, []string{"asha@nhs.net", "+447700900123"}, []string{read().Email, read().Mobile})
		_, err = h.Service.Rename(ctx, self, id, careid.NewName{Given: "Asha", Family: "Iyer", Evidence: attested})
		refused(t, err, "role.action")
		_, err = h.Service.AssignPosition(ctx, self, careid.Assign{Profile: id, Position: "000000000001"})
		refused(t, err, "role.action")
		after := read()
		after.Email, after.Mobile = before.Email, before.Mobile
		require.Equal(t, before, after, "and nothing else of the profile")
		refused(t, h.Service.SetContact(ctx, self, h.Sponsor.Profile.ID, careid.Contact{Email: "asha@nhs.net"}), "org.scope")
	})
	t.Run("threat010", func(t *testing.T) {
		// The old address is told of a change; the new one, set by the RA, may be used at once.
		require.NoError(t, set(careid.Contact{Email: "new.address@nhs.net"}))
		require.NoError(t, h.Service.Drain(ctx))
		told := map[string]bool{}
		for _, m := range h.Inbox.All() {
			told[m.To] = told[m.To] || m.Subject == "Your contact details were changed"
		}
		require.True(t, told["asha@nhs.net"])
		require.True(t, told["+447700900123"])
		nurse := h.Nurse
		nurse.Profile = read()
		u := start(t, h, nurse)
		require.NoError(t, redeem(h, nurse.Card.Serial, u, u.Code))
	})
	t.Run("row049", func(t *testing.T) {
		// From here the card is held as locked, by the unlock begun above.
		person, err := h.Admit(ctx, "Petra", "Locked")
		require.NoError(t, err)
		in := signIn(t, h, person.Card)
		self, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
		require.NoError(t, err)
		u := start(t, h, person)
		require.NoError(t, redeem(h, person.Card.Serial, u, u.Code))
		no := refused(t, h.Service.SetContact(ctx, self, person.Profile.ID, careid.Contact{Email: "petra@nhs.net"}), "contact.session")
		require.Equal(t, "ra-agent", no.Fixer)
		t.Run("row028", func(t *testing.T) {
			require.NoError(t, h.Service.SetContact(ctx, agent, person.Profile.ID, careid.Contact{Email: "petra@nhs.net"}))
			_, err := h.SignIn(ctx, person.Card)
			refused(t, err, "unlock.unfinished") // it is locked all the while
			h.Clock.Add(time.Hour)
			person.Profile.Email = "petra@nhs.net"
			u := start(t, h, person)
			require.NoError(t, redeem(h, person.Card.Serial, u, u.Code))
		})
		h.Clock.Add(time.Hour)
	})
}
