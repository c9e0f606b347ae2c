// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func rules(missing wardkey.Refusals) []string {
	var ids []string
	for _, no := range missing {
		ids = append(ids, no.Rule)
	}
	return ids
}

func TestLink(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := actor(t, h, h.Nurse, careid.Holder)
	const address = "asha.patel@nhs.net"
	good := careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}
	preflight := func(w careid.Workstation) []string {
		missing, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: address, Workstation: w})
		require.NoError(t, err)
		for _, no := range missing {
			refused(t, no, no.Rule)
		}
		return rules(missing)
	}
	ready := careidtest.Mailbox{Active: true, PolicyAccepted: true}

	t.Run("row078", func(t *testing.T) {
		require.Equal(t, []string{"mail.inactive"}, preflight(good), "one that nobody knows")
		h.Mail.Set(address, careidtest.Mailbox{})
		require.Equal(t, []string{"mail.inactive", "mail.aup"}, preflight(good))
		h.Mail.Set(address, careidtest.Mailbox{PolicyAccepted: true})
		require.Equal(t, []string{"mail.inactive"}, preflight(good))
		_, err := h.Service.Link(ctx, nurse, careid.LinkRequest{Address: address, Workstation: good})
		refused(t, err, "mail.inactive")
		require.Equal(t, []string{"mail.inactive"}, preflight(good), "and nothing was linked")
	})
	t.Run("row081", func(t *testing.T) {
		h.Mail.Set(address, careidtest.Mailbox{Locked: true})
		skew := 10 * time.Minute
		all := []string{"mail.inactive", "mail.locked", "mail.aup", "device.credmgmt", "browser.unsupported", "browser.private", "device.clock"}
		for range 3 {
			require.Equal(t, all, preflight(careid.Workstation{Private: careid.Yes, ClockSkew: &skew}))
		}
		_, err := h.Service.Link(ctx, nurse, careid.LinkRequest{Address: address})
		var missing wardkey.Refusals
		require.ErrorAs(t, err, &missing)
		require.Equal(t, []string{"mail.inactive", "mail.locked", "mail.aup", "device.credmgmt", "browser.unsupported"}, rules(missing))
	})
	t.Run("row085", func(t *testing.T) {
		h.Mail.Set(address, careidtest.Mailbox{Active: true, Locked: true, PolicyAccepted: true})
		missing, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: address, Workstation: good})
		require.NoError(t, err)
		require.Equal(t, []string{"mail.locked"}, rules(missing))
		require.Equal(t, "local-administrator", missing[0].Fixer)
		t.Run("row084", func(t *testing.T) {
			require.Equal(t, h.Clock.Now().Add(5*time.Minute), missing[0].RetryAt)
			h.Mail.Set(address, careidtest.Mailbox{Active: true})
			lasting, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: address, Workstation: good})
			require.NoError(t, err)
			require.True(t, lasting[0].RetryAt.IsZero())
		})
	})
	t.Run("row079", func(t *testing.T) {
		h.Mail.Set(address, careidtest.Mailbox{Active: true})
		missing, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: address, Workstation: good})
		require.NoError(t, err)
		require.Equal(t, []string{"mail.aup"}, rules(missing))
		require.Equal(t, "holder", missing[0].Fixer)
	})
	t.Run("row089", func(t *testing.T) {
		h.Mail.Set(address, ready)
		for _, without := range []careid.Known{careid.No, careid.Unknown} {
			missing, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: address, Workstation: careid.Workstation{Browser: "chrome", CredentialManagement: without}})
			require.NoError(t, err)
			require.Equal(t, []string{"device.credmgmt"}, rules(missing))
			require.Equal(t, "local-administrator", missing[0].Fixer)
		}
	})
	t.Run("row050", func(t *testing.T) {
		require.Equal(t, []string{"browser.private"}, preflight(careid.Workstation{Browser: "chrome", CredentialManagement: careid.Yes, Private: careid.Yes}))
	})
	t.Run("row082", func(t *testing.T) {
		require.Empty(t, preflight(good))
		_, err := h.Service.Link(ctx, nurse, careid.LinkRequest{Address: address, Workstation: good})
		require.NoError(t, err)
		h.Mail.Set("second@nhs.net", ready)
		_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: "second@nhs.net", Workstation: good})
		require.Equal(t, "this card", refused(t, err, "link.taken").Facts["what"])
		_, err = h.Service.Link(ctx, actor(t, h, h.Sponsor, careid.Holder), careid.LinkRequest{Address: address, Workstation: good})
		require.Equal(t, "this mail account", refused(t, err, "link.taken").Facts["what"])
		refused(t, h.Service.Unlink(ctx, actor(t, h, h.Sponsor, careid.Holder), address), "link.none")
		require.NoError(t, h.Service.Unlink(ctx, nurse, address))
		_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: "second@nhs.net", Workstation: good})
		require.NoError(t, err)
		require.NoError(t, h.Service.Unlink(ctx, nurse, "second@nhs.net"))
		_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: address, Workstation: good})
		require.NoError(t, err)
	})
	t.Run("row136", func(t *testing.T) {
		_, err := h.Service.ReportLost(ctx, actor(t, h, h.RAAgent, careid.RAAgent), h.Nurse.Card.Serial)
		require.NoError(t, err)
		links, err := h.Service.Links(ctx, careid.Operator("test"), h.Nurse.Profile.ID)
		require.NoError(t, err)
		states := map[careid.LinkState]int{}
		for _, l := range links {
			states[l.State]++
		}
		require.Equal(t, map[careid.LinkState]int{careid.LinkEnded: 2, careid.LinkSuspended: 1}, states)
		t.Run("row080", func(t *testing.T) {
			require.Equal(t, []string{"careid.inactive"}, preflight(good)[:1])
			gone, err := h.Admit(ctx, "Clo", "Sed")
			require.NoError(t, err)
			self := actor(t, h, gone, careid.Holder)
			ask := careid.LinkRequest{Address: "clo.sed@nhs.net", Workstation: good}
			h.Mail.Set(ask.Address, ready)
			missing, err := h.Service.LinkPreflight(ctx, self, ask)
			require.NoError(t, err)
			require.Empty(t, missing)
			require.NoError(t, h.Service.CloseProfile(ctx, actor(t, h, h.RAManager, careid.RAManager), gone.Profile.ID))
			missing, err = h.Service.LinkPreflight(ctx, self, ask)
			require.NoError(t, err)
			require.Equal(t, []string{"careid.inactive"}, rules(missing))
			_, err = h.Service.Link(ctx, self, ask)
			refused(t, err, "careid.inactive")
		})
		card, err := h.Issue(ctx, h.Nurse.Profile.ID, "")
		require.NoError(t, err)
		again := actor(t, h, careidtest.Person{Profile: h.Nurse.Profile, Card: card}, careid.Holder)
		links, err = h.Service.Links(ctx, again, h.Nurse.Profile.ID)
		require.NoError(t, err)
		for _, l := range links {
			require.NotEqual(t, card.Serial, l.Card, "a new card is linked by nobody but its holder")
		}
		link, err := h.Service.Link(ctx, again, careid.LinkRequest{Address: address, Workstation: good})
		require.NoError(t, err)
		require.Equal(t, card.Serial, link.Card)
	})
}

// disabled is a directory whose accounts are all disabled, or all missing, and says so by a Refusal.
type disabled struct{ no *wardkey.Refusal }

func (d disabled) LinkState(context.Context, string) (active, locked, policyAccepted bool, err error) {
	return false, false, false, d.no
}

func TestLinkDirectory(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	book, err := careid.Rules()
	require.NoError(t, err)
	nurse := actor(t, h, h.Nurse, careid.Holder)
	ask := func(no *wardkey.Refusal) (wardkey.Refusals, error) {
		c := h.Config
		c.Mail = disabled{no}
		service, err := careid.New(c)
		require.NoError(t, err)
		return service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: "a@nhs.net", Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}})
	}
	t.Run("row086", func(t *testing.T) {
		missing, err := ask(book.Refuse("mail.disabled"))
		require.NoError(t, err)
		require.Equal(t, []string{"mail.disabled"}, rules(missing))
		require.Equal(t, "local-administrator", missing[0].Fixer)
	})
	t.Run("no such account", func(t *testing.T) {
		missing, err := ask(&wardkey.Refusal{Rule: "mail.account.unknown", Status: 404, Public: "None."})
		require.NoError(t, err)
		require.Equal(t, []string{"mail.inactive"}, rules(missing))
	})
	t.Run("a failure is no condition", func(t *testing.T) {
		_, err := ask(&wardkey.Refusal{Rule: "internal", Status: 500, Public: "Down."})
		require.Error(t, err)
	})
	t.Run("only nhs.net", func(t *testing.T) {
		missing, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: "a@evilnhs.net"})
		require.NoError(t, err)
		require.Equal(t, "mail.address", missing[0].Rule)
	})
}
