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

// Each state in which a card may not be opened, by its holder with a code and by the Registration Authority.
func TestUnlockOfADeadCard(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	card := func(serial string) careid.Card {
		var c careid.Card
		require.NoError(t, h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) (err error) {
			c, err = tx.Cards.Card(ctx, serial)
			return err
		}))
		return c
	}
	t.Run("threat012", func(t *testing.T) {
		for _, state := range []careid.CardState{
			careid.CardOrdered, careid.CardCancelled, careid.CardLost, careid.CardReturned, careid.CardReplaced, careid.CardCleared,
		} {
			person, err := h.Admit(ctx, "Omar", "Gone")
			require.NoError(t, err)
			serial := person.Card.Serial
			sent := start(t, h, person)
			opened := start(t, h, h.Sponsor) // a reset under way when its card dies
			reset, err := h.Redeem(ctx, h.Sponsor, opened)
			require.NoError(t, err)
			for _, dies := range []string{serial, h.Sponsor.Card.Serial} {
				_, err = h.DB.Exec("UPDATE careid_card SET state = ? WHERE serial = ?", string(state), dies)
				require.NoError(t, err)
			}
			before := card(serial)
			handle, err := h.Service.OpenUnlock(ctx, []byte("c"))
			require.NoError(t, err)
			for name, try := range map[string]struct {
				rule string
				do   func() error
			}{
				"ask for a code": {"card." + string(state), func() error {
					return second(h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: serial, Channel: careid.ByEmail}))
				}},
				"redeem one sent before": {"unlock.code", func() error { return redeem(h, serial, sent, sent.Code) }},
				"sign in":                {"card." + string(state), func() error { return second(h.Answer(ctx, person.Card, careidtest.Claims{Bind: "c"})) }},
				"go on with a reset": {"card." + string(state), func() error {
					return second(h.Service.ResetOpened(ctx, reset.Token, reset.Candidates[0].Generation))
				}},
				"repair": {"card." + string(state), func() error {
					return second(h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: serial, Evidence: attested}))
				}},
				"renew": {"card." + string(state), func() error {
					return second(h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Renew, Card: serial, Evidence: careid.Evidence{Kind: careid.ByCard}}))
				}},
			} {
				rows := audited(t, h, func() { refused(t, try.do(), try.rule) })
				require.Len(t, rows, 1, "%s of a card that is %s", name, state)
				require.Contains(t, rows[0].Detail, "refused "+try.rule)
				noSecret(t, rows, sent.Code, reset.Token)
			}
			require.Equal(t, before, card(serial))
			_, err = h.DB.Exec("UPDATE careid_card SET state = 'active' WHERE serial = ?", h.Sponsor.Card.Serial)
			require.NoError(t, err)
			h.Clock.Add(time.Hour)
		}
	})
}

func TestRegistrationAuthorityAbuse(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	t.Run("threat015", func(t *testing.T) {
		t.Run("own record", func(t *testing.T) {
			manager := actor(t, h, h.RAManager, careid.RAManager)
			own, serial := h.RAManager.Profile.ID, h.RAManager.Card.Serial
			act := func(r careid.ActRequest) func() error {
				r.Card = serial
				return func() error { return second(h.Service.OpenAct(ctx, manager, r)) }
			}
			for name, try := range map[string]func() error{
				"grant":      func() error { return h.Service.GrantRole(ctx, manager, own, careid.LocalSmartcardAdministrator) },
				"end a role": func() error { return h.Service.EndRole(ctx, manager, own, careid.RAManager) },
				"contact":    func() error { return h.Service.SetContact(ctx, manager, own, careid.Contact{}) },
				"close":      func() error { return h.Service.CloseProfile(ctx, manager, own) },
				"cancel":     func() error { return h.Service.CancelCard(ctx, manager, serial) },
				"return":     func() error { return h.Service.ReturnCard(ctx, manager, serial) },
				"lost":       func() error { return second(h.Service.ReportLost(ctx, manager, serial)) },
				"issue":      act(careid.ActRequest{Kind: careid.Issue, Profile: own, Replaces: serial, Evidence: attested}),
				"repair":     act(careid.ActRequest{Kind: careid.Repair, Evidence: attested}),
				"clear":      act(careid.ActRequest{Kind: careid.Clear}),
				"bind":       act(careid.ActRequest{Kind: careid.Bind, Profile: own, Evidence: careid.Evidence{Kind: careid.ByCard, Document: "passport"}}),
				"SO PIN":     func() error { return h.Service.ImportSOPIN(ctx, manager, serial, []byte("12345678")) },
			} {
				rows := audited(t, h, func() { refused(t, try(), "own.record") })
				require.Len(t, rows, 1, name)
			}
			signIn(t, h, h.RAManager.Card)
		})
		t.Run("one person in two roles is one person", func(t *testing.T) {
			require.NoError(t, h.Store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
				return tx.People.AddGrant(ctx, careid.Grant{Profile: h.RAManager.Profile.ID, Role: careid.RAAgent, Organisation: careidtest.Organisation, From: tx.Now, By: "test"})
			}))
			manager, asAgent := actor(t, h, h.RAManager, careid.RAManager), actor(t, h, h.RAManager, careid.RAAgent)
			app, err := h.Service.Invite(ctx, asAgent, careid.Invitation{Given: "Straw", Family: "Man", Email: "straw@nhs.net"})
			require.NoError(t, err)
			message, err := h.Inbox.Last(ctx, h.Service, "straw@nhs.net")
			require.NoError(t, err)
			_, err = h.Service.Submit(ctx, message.Token(), careid.Submission{})
			require.NoError(t, err)
			_, err = h.Service.RecordCheck(ctx, asAgent, app.ID, careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()})
			require.NoError(t, err)
			rows := audited(t, h, func() { refused(t, second(h.Service.Approve(ctx, manager, app.ID)), "approval.alone") })
			require.Len(t, rows, 1)
			refused(t, h.Service.CancelCard(ctx, asAgent, h.RAManager.Card.Serial), "own.record")
		})
		t.Run("an agent opens nobody's card without them", func(t *testing.T) {
			in := signIn(t, h, h.RAAgent.Card)
			agent, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
			require.NoError(t, err)
			serial := h.Nurse.Card.Serial
			refused(t, second(h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: serial})), "evidence.missing")
			act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
			require.NoError(t, err)
			// Their own card says that they are there, and that is not what was asked.
			refused(t, second(h.Answer(ctx, h.RAAgent.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})), "act.unknown")
			refused(t, h.Personalise(ctx, h.Blank(), act.Handle), "evidence.missing")

			// Another address on the profile: the person is told at the one that they had, before any code can be used.
			require.NoError(t, h.Service.SetContact(ctx, agent, h.Nurse.Profile.ID, careid.Contact{Email: "accomplice@nhs.net"}))
			told, err := h.Inbox.Last(ctx, h.Service, h.Nurse.Profile.Email)
			require.NoError(t, err)
			require.Equal(t, "Your contact details were changed", told.Subject)
			rows := audit(t, h)
			require.Contains(t, rows[len(rows)-1].Actor, h.RAAgent.Profile.ID, "and the audit names who did it")
		})
	})
}
