// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// managerAt admits an RA manager and puts them into another organisation, where the service itself has none yet.
func managerAt(t *testing.T, h *careidtest.Hospital, organisation string) careid.Actor {
	t.Helper()
	ctx := context.Background()
	p, err := h.Admit(ctx, "Mary", "Elsewhere")
	require.NoError(t, err)
	require.NoError(t, h.Store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		p.Profile.Organisation = organisation
		if err := tx.People.UpdateProfile(ctx, p.Profile); err != nil {
			return err
		}
		return tx.People.AddGrant(ctx, careid.Grant{Profile: p.Profile.ID, Role: careid.RAManager, Organisation: organisation, From: tx.Now, By: "test"})
	}))
	in := signIn(t, h, p.Card)
	a, err := h.Service.Actor(ctx, in.Token, careid.RAManager, organisation)
	require.NoError(t, err)
	return a
}

func TestTransfer(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse, card := h.Nurse.Profile.ID, h.Nurse.Card
	agent, there := actor(t, h, h.RAAgent, careid.RAAgent), managerAt(t, h, "RXX")
	old, err := h.Service.CreatePosition(ctx, agent, nursing("Staff nurse"))
	require.NoError(t, err)
	next, err := h.Service.CreatePosition(ctx, there, nursing("Practice nurse"))
	require.NoError(t, err)
	_, err = h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: nurse, Position: old.ID})
	require.NoError(t, err)
	require.NoError(t, h.Service.GrantRole(ctx, actor(t, h, h.RAManager, careid.RAManager), nurse, careid.IDChecker))
	in := signIn(t, h, card)

	t.Run("neither moves anybody alone", func(t *testing.T) {
		refused(t, second(h.Service.TakeOver(ctx, there, nurse, nil)), "org.scope")
		refused(t, h.Service.Release(ctx, there, nurse, "RXX"), "org.scope")
		refused(t, h.Service.Release(ctx, agent, nurse, careidtest.Organisation), "transfer.same")
		refused(t, h.Service.Release(ctx, agent, nurse, "rxx"), "organisation.invalid")
		refused(t, h.Service.Release(ctx, agent, nurse, ""), "transfer.none")
		refused(t, h.Service.Release(ctx, agent, h.RAAgent.Profile.ID, "RXX"), "own.record")
		require.NoError(t, h.Service.Release(ctx, agent, nurse, "RYY"))
		refused(t, second(h.Service.TakeOver(ctx, there, nurse, nil)), "org.scope")
		require.NoError(t, h.Service.Release(ctx, agent, nurse, ""))
		require.NoError(t, h.Service.Release(ctx, agent, nurse, "RXX"))
		releases, err := h.Service.Releases(ctx, there)
		require.NoError(t, err)
		require.Len(t, releases, 1)
		require.Equal(t, nurse, releases[0].Profile)
	})
	t.Run("all or nothing", func(t *testing.T) {
		// The second position is another organisation's: nothing has moved.
		_, err := h.Service.TakeOver(ctx, there, nurse, []careid.Assign{{Position: next.ID}, {Position: old.ID}})
		refused(t, err, "org.scope")
		held, err := h.Service.Assignments(ctx, agent, nurse)
		require.NoError(t, err)
		require.Len(t, held, 1)
		require.True(t, held[0].In(h.Clock.Now()))
		act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: card.Serial, Evidence: attested})
		require.NoError(t, err)
		refused(t, second(h.Service.TakeOver(ctx, there, nurse, nil)), "act.open")
		require.NoError(t, h.Service.AbandonAct(ctx, agent, act.ID))
	})
	t.Run("row130", func(t *testing.T) {
		rows := audited(t, h, func() {
			p, err := h.Service.TakeOver(ctx, there, nurse, []careid.Assign{{Position: next.ID}})
			require.NoError(t, err)
			require.Equal(t, "RXX", p.Organisation)
		})
		require.Len(t, rows, 1, "one act")
		held, err := h.Service.Assignments(ctx, there, nurse)
		require.NoError(t, err)
		require.Len(t, held, 2)
		for _, v := range held {
			require.Equal(t, v.Position.ID == next.ID, v.In(h.Clock.Now()))
			require.Contains(t, rows[0].Detail, v.ID)
		}
		refused(t, second(h.Service.Assignments(ctx, agent, nurse)), "org.scope")
		refused(t, second(h.Service.TakeOver(ctx, there, nurse, nil)), "org.scope")
		t.Run("row044", func(t *testing.T) {
			_, err := h.Service.Session(ctx, in.Token)
			refused(t, err, "session.ended")
			again := signIn(t, h, card)
			require.Equal(t, card.Serial, again.Session.Card)
			cards, err := h.Service.Cards(ctx, there, nurse)
			require.NoError(t, err)
			require.Len(t, cards, 1)
			require.Equal(t, careid.CardActive, cards[0].State)
			for _, c := range card.Certificates {
				require.NoError(t, h.CA.Verify(ctx, c))
			}
			grants, err := h.Service.Grants(ctx, again.Token)
			require.NoError(t, err)
			require.Empty(t, grants, "roles at the old organisation do not come along")
		})
	})
}

func TestLeavers(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse, card := h.Nurse.Profile.ID, h.Nurse.Card
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	const address = "asha.patel@nhs.net"
	h.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	_, err := h.Service.Link(ctx, actor(t, h, h.Nurse, careid.Holder), careid.LinkRequest{Address: address, Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}})
	require.NoError(t, err)
	position, err := h.Service.CreatePosition(ctx, agent, nursing("Staff nurse"))
	require.NoError(t, err)
	_, err = h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: nurse, Position: position.ID})
	require.NoError(t, err)
	list := func(kind careid.Leaving) map[string]careid.Known {
		steps, err := h.Service.LeaverChecklist(ctx, agent, nurse, kind)
		require.NoError(t, err)
		done := map[string]careid.Known{}
		for _, s := range steps {
			require.NotEmpty(t, s.What)
			require.NotEmpty(t, s.Ground.Source.Document)
			done[s.Step] = s.Done
		}
		return done
	}

	t.Run("row131", func(t *testing.T) {
		require.Equal(t, map[string]careid.Known{
			"unlink-mail-account": careid.No, "local-process": careid.Unknown, "end-positions": careid.No, "keep-card": careid.Yes,
		}, list(careid.LeavingOrganisation))
		require.Equal(t, map[string]careid.Known{
			"unlink-mail-account": careid.No, "local-process": careid.Unknown, "end-positions": careid.No, "return-card": careid.No, "close-profile": careid.No,
		}, list(careid.LeavingCare))
		_, err := h.Service.LeaverChecklist(ctx, agent, nurse, "holiday")
		refused(t, err, "leaving.unknown")
		then, err := careid.LeaverSteps(builtIn(t), careid.LeavingOrganisation, london(t, "2025-04-01"))
		require.NoError(t, err)
		require.Equal(t, "return-card", then[len(then)-1].Step, "what the older page said")
	})
	t.Run("row132", func(t *testing.T) {
		refused(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: nurse}), "leaving.card")
		refused(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: nurse, Card: h.Sponsor.Card.Serial}), "leaving.card")
		refused(t, h.Service.LeaveCare(ctx, actor(t, h, h.Sponsor, careid.Sponsor), careid.Leaver{Profile: nurse, Card: card.Serial}), "role.action")
		refused(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: h.RAAgent.Profile.ID, Card: h.RAAgent.Card.Serial}), "own.record")
		in := signIn(t, h, card)
		require.NoError(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: nurse, Card: card.Serial}))
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.SignIn(ctx, card)
		refused(t, err, "card.returned")
		for _, c := range card.Certificates {
			status, err := h.CA.Status(ctx, c.SerialNumber)
			require.NoError(t, err)
			require.Equal(t, 5, status.Reason)
		}
		p, err := h.Service.Profile(ctx, agent, nurse)
		require.NoError(t, err)
		require.Equal(t, careid.ProfileClosed, p.State)
		for step, done := range list(careid.LeavingCare) {
			require.Equal(t, step != "local-process", done == careid.Yes, step)
		}
		refused(t, second(h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: nurse, Position: position.ID})), "profile.closed")
		_, err = h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Issue, Card: "9", Profile: nurse, Evidence: attested})
		refused(t, err, "profile.closed")
	})
	t.Run("a card that was lost is not handed in", func(t *testing.T) {
		person, err := h.Admit(ctx, "Lou", "Lost")
		require.NoError(t, err)
		refused(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: person.Profile.ID}), "leaving.card")
		_, err = h.Service.ReportLost(ctx, agent, person.Card.Serial)
		require.NoError(t, err)
		refused(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: person.Profile.ID, Card: person.Card.Serial}), "leaving.card")
		require.NoError(t, h.Service.LeaveCare(ctx, agent, careid.Leaver{Profile: person.Profile.ID}))
	})
}
