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

const window = 90 * 24 * time.Hour

func TestRenewal(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	ends := nurse.Card.Certificates[0].NotAfter

	t.Run("row064", func(t *testing.T) {
		h.Clock.Set(ends.Add(-window - time.Second))
		no := refused(t, h.Renew(ctx, nurse.Card), "renewal.early")
		require.Equal(t, ends.Add(-window), no.RetryAt)
		require.Equal(t, ends.Add(-window).Format(time.DateOnly), no.Facts["opens"])
	})
	t.Run("row063", func(t *testing.T) {
		require.Empty(t, signIn(t, h, nurse.Card).Alerts)
		h.Clock.Add(time.Second)
		for range 2 {
			alerts := signIn(t, h, nurse.Card).Alerts
			require.Len(t, alerts, 1)
			require.Equal(t, 90, alerts[0].DaysLeft)
			require.Equal(t, ends, alerts[0].NotAfter)
		}
		t.Run("row069", func(t *testing.T) {
			// Across the end of summer time and to the last second; the days are of 24 hours.
			for _, c := range []struct {
				before time.Duration
				days   int
			}{{window - time.Second, 90}, {window - 24*time.Hour, 89}, {24*time.Hour + time.Second, 2}, {24 * time.Hour, 1}, {time.Second, 1}, {0, 0}} {
				h.Clock.Set(ends.Add(-c.before))
				require.Equal(t, c.days, signIn(t, h, nurse.Card).Alerts[0].DaysLeft, c.before.String())
			}
			h.Clock.Set(ends.Add(-window))
		})
		old := nurse.Card.Certificates
		require.NoError(t, h.Renew(ctx, nurse.Card))
		require.Empty(t, signIn(t, h, nurse.Card).Alerts)
		require.NotEqual(t, old[0].PublicKey, nurse.Card.Certificates[0].PublicKey)
		require.NotEqual(t, old[1].PublicKey, nurse.Card.Certificates[1].PublicKey)
		require.Equal(t, old[0].Subject.String(), nurse.Card.Certificates[0].Subject.String())
	})
	t.Run("the old pair is replaced, not revoked", func(t *testing.T) {
		certs, err := h.Service.Certificates(ctx, careid.Operator("test"), nurse.Card.Serial)
		require.NoError(t, err)
		require.Len(t, certs, 4)
		require.Equal(t, careid.CertificateReplaced, certs[0].State)
		old, err := certs[0].Parse()
		require.NoError(t, err)
		require.NoError(t, h.CA.Verify(ctx, old))
	})
	t.Run("row065", func(t *testing.T) {
		person := h.Sponsor
		helped := careid.ActRequest{Kind: careid.Renew, Card: person.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}}
		agent := func() careidtest.Person {
			card, err := h.Issue(ctx, h.RAAgent.Profile.ID, h.RAAgent.Card.Serial)
			require.NoError(t, err)
			h.RAAgent.Card = card
			return h.RAAgent
		}()
		sponsor := func() careidtest.Person {
			p, err := h.Admit(ctx, "Second", "Sponsor")
			require.NoError(t, err)
			for _, role := range []careid.Role{careid.Sponsor, careid.LocalSmartcardAdministrator} {
				require.NoError(t, h.Service.GrantRole(ctx, actor(t, h, h.RAManager, careid.RAManager), p.Profile.ID, role))
				by := actor(t, h, p, role) // who helps with a renewal while there is time
				act, err := h.Service.OpenAct(ctx, by, helped)
				require.NoError(t, err)
				require.NoError(t, h.Service.AbandonAct(ctx, by, act.ID))
			}
			return p
		}()
		h.Clock.Set(person.Card.Certificates[0].NotAfter.Add(time.Second))
		_, err := h.SignIn(ctx, person.Card)
		refused(t, err, "cert.expired")
		t.Run("row025", func(t *testing.T) {
			no := refused(t, second(h.Service.OpenAct(ctx, actor(t, h, sponsor, careid.Sponsor), helped)), "role.action")
			require.Equal(t, "ra-manager, advanced-ra-agent, ra-agent", no.Facts["who"])
			refused(t, second(h.Service.OpenAct(ctx, actor(t, h, sponsor, careid.LocalSmartcardAdministrator), helped)), "role.action")
		})
		in := signIn(t, h, agent.Card)
		ra, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
		require.NoError(t, err)
		_, err = h.Service.OpenAct(ctx, ra, careid.ActRequest{Kind: careid.Renew, Card: person.Card.Serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		require.True(t, refused(t, err, "evidence.missing").InPerson, "an expired card can still show that it is there")
		act, err := h.Service.OpenAct(ctx, ra, careid.ActRequest{Kind: careid.Renew, Card: person.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
		require.NoError(t, err)
		t.Run("row010", func(t *testing.T) {
			_, err := h.Service.OpenHandle(ctx, act.Handle, nil)
			refused(t, err, "evidence.missing")
			// Bound to another desk, by another card, or for another act: no evidence.
			_, err = h.Answer(ctx, person.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: "another session"})
			refused(t, err, "proof.purpose")
			_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
			refused(t, err, "act.unknown")
			_, err = h.Answer(ctx, person.Card, careidtest.Claims{Purpose: careid.Presence, Act: "0", Bind: in.Token})
			refused(t, err, "act.unknown")
			_, err = h.Answer(ctx, person.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
			refused(t, err, "cert.expired")
			_, err = h.Answer(ctx, person.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
			require.NoError(t, err)
			for range 3 { // a minute and a second, in which the agent's card stays where it is
				h.Wall.Add(61 * time.Second / 3)
				require.NoError(t, h.Service.Lease(ctx, in.Presence))
			}
			h.Wall.Add(time.Second)
			_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
			refused(t, err, "evidence.missing")
			h.Wall.Add(30 * time.Second)
			in = signIn(t, h, agent.Card) // the lease ran out meanwhile, and with it the session and the handle
			ra, err = h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
			require.NoError(t, err)
			again, err := h.Service.OpenAct(ctx, ra, careid.ActRequest{Kind: careid.Renew, Card: person.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
			require.NoError(t, err)
			require.Equal(t, act.ID, again.ID, "one card has one open act")
			act = again
			_, err = h.Answer(ctx, person.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
			require.NoError(t, err)
		})
		require.NoError(t, h.Personalise(ctx, person.Card, act.Handle))
		signIn(t, h, person.Card)
	})
}

func TestCardLife(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	agent := func() careid.Actor { return actor(t, h, h.RAAgent, careid.RAAgent) }

	t.Run("row037", func(t *testing.T) {
		_, err := h.Service.OpenAct(ctx, agent(), careid.ActRequest{Kind: careid.Issue, Card: h.Nurse.Card.Serial, Profile: h.Sponsor.Profile.ID, Replaces: h.Sponsor.Card.Serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		refused(t, err, "card.taken")
		_, err = h.Service.OpenAct(ctx, agent(), careid.ActRequest{Kind: careid.Issue, Card: "123", Profile: h.Nurse.Profile.ID, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		require.Equal(t, h.Nurse.Card.Serial, refused(t, err, "card.exists").Facts["card"])
		_, err = h.Service.OpenAct(ctx, agent(), careid.ActRequest{Kind: careid.Issue, Card: "a b", Profile: h.Nurse.Profile.ID, Replaces: h.Nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		refused(t, err, "card.serial")
	})
	t.Run("lost", func(t *testing.T) {
		old := h.Nurse.Card
		in := signIn(t, h, old)
		order, err := h.Service.ReportLost(ctx, agent(), old.Serial)
		require.NoError(t, err)
		require.Equal(t, h.Nurse.Profile.ID, order.Profile)
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.SignIn(ctx, old)
		refused(t, err, "card.lost")
		for _, c := range old.Certificates {
			require.ErrorContains(t, h.CA.Verify(ctx, c), "revoked")
			status, err := h.CA.Status(ctx, c.SerialNumber)
			require.NoError(t, err)
			require.Equal(t, 1, status.Reason)
		}
		refused(t, second(h.Service.ReportLost(ctx, agent(), old.Serial)), "card.notlive")
		orders, err := h.Service.Orders(ctx, agent())
		require.NoError(t, err)
		require.Len(t, orders, 1)
		h.Nurse.Card, err = h.Issue(ctx, h.Nurse.Profile.ID, "")
		require.NoError(t, err)
		orders, err = h.Service.Orders(ctx, agent())
		require.NoError(t, err)
		require.Empty(t, orders)
	})
	t.Run("row045", func(t *testing.T) {
		require.NoError(t, h.Service.ReturnCard(ctx, actor(t, h, h.Sponsor, careid.Sponsor), h.Nurse.Card.Serial))
		_, err := h.SignIn(ctx, h.Nurse.Card)
		refused(t, err, "card.returned")
		for _, cert := range h.Nurse.Card.Certificates {
			require.Equal(t, "cert.revoked", wardkey.RuleOf(h.CA.Verify(ctx, cert)))
		}
	})
	t.Run("clear and issue again", func(t *testing.T) {
		act, err := h.Service.OpenAct(ctx, agent(), careid.ActRequest{Kind: careid.Clear, Card: h.Nurse.Card.Serial})
		require.NoError(t, err)
		key := small(t)
		view, err := h.Service.OpenHandle(ctx, act.Handle, key.PublicKey().Bytes())
		require.NoError(t, err)
		require.Len(t, view.SOPINs, 1)
		require.NoError(t, h.Service.Confirm(ctx, act.Handle, ""))
		agentNow := agent()
		act, err = h.Service.OpenAct(ctx, agentNow, careid.ActRequest{Kind: careid.Issue, Card: h.Nurse.Card.Serial, Profile: h.Sponsor.Profile.ID, Replaces: h.Sponsor.Card.Serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		require.NoError(t, err)
		require.NoError(t, h.Personalise(ctx, h.Nurse.Card, act.Handle))
		require.Equal(t, h.Sponsor.Profile.ID, signIn(t, h, h.Nurse.Card).Session.Profile)
		_, err = h.SignIn(ctx, h.Sponsor.Card)
		refused(t, err, "card.replaced")
	})
	t.Run("row035", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Lou", "Later")
		require.NoError(t, err)
		card := h.Blank()
		act, err := h.Service.OpenAct(ctx, agent(), careid.ActRequest{Kind: careid.Issue, Card: card.Serial, Profile: p.ID, Locked: true, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		require.NoError(t, err)
		require.NoError(t, h.Personalise(ctx, card, act.Handle))
		_, err = h.SignIn(ctx, card)
		refused(t, err, "unlock.unfinished")
		person := careidtest.Person{Profile: p, Card: card}
		u := start(t, h, person)
		reset, err := h.Redeem(ctx, person, u)
		require.NoError(t, err)
		require.NoError(t, h.Reset(ctx, person, u, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		signIn(t, h, card)
	})
	t.Run("closed", func(t *testing.T) {
		person, err := h.Admit(ctx, "Gus", "Leaving")
		require.NoError(t, err)
		in := signIn(t, h, person.Card)
		require.NoError(t, h.Service.CloseProfile(ctx, agent(), person.Profile.ID))
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.SignIn(ctx, person.Card)
		refused(t, err, "card.cancelled")
	})
}
