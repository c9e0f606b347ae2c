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

func TestRename(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse, old := h.Nurse.Profile.ID, h.Nurse.Card
	agent := func() careid.Actor { return actor(t, h, h.RAAgent, careid.RAAgent) }
	name := careid.NewName{Given: "Asha", Family: "Patel-Shah", Evidence: careid.Evidence{Kind: careid.Attested, Document: "marriage certificate"}}

	t.Run("refused", func(t *testing.T) {
		for rule, try := range map[string]func() error{
			"evidence.missing": func() error {
				return second(h.Service.Rename(ctx, agent(), nurse, careid.NewName{Given: "Asha", Family: "Shah"}))
			},
			"name.same": func() error {
				return second(h.Service.Rename(ctx, agent(), nurse, careid.NewName{Given: "Asha", Family: "Patel", Evidence: name.Evidence}))
			},
			"name.invalid": func() error {
				return second(h.Service.Rename(ctx, agent(), nurse, careid.NewName{Given: "Asha", Family: "Patel, Director", Evidence: name.Evidence}))
			},
			"own.record": func() error { return second(h.Service.Rename(ctx, agent(), h.RAAgent.Profile.ID, name)) },
			"org.scope":  func() error { return second(h.Service.Rename(ctx, agent(), "000000000000", name)) },
			"role.action": func() error {
				return second(h.Service.Rename(ctx, actor(t, h, h.Nurse, careid.Holder), nurse, name))
			},
		} {
			refused(t, try(), rule)
		}
		p, err := h.Service.Profile(ctx, agent(), nurse)
		require.NoError(t, err)
		require.Equal(t, "Asha Patel", p.Name())
	})
	t.Run("not while a card is made in the old name", func(t *testing.T) {
		act, err := h.Service.OpenAct(ctx, agent(), careid.ActRequest{Kind: careid.Repair, Card: old.Serial, Evidence: attested})
		require.NoError(t, err)
		require.Equal(t, "repair", refused(t, second(h.Service.Rename(ctx, agent(), nurse, name)), "act.open").Facts["kind"])
		require.NoError(t, h.Service.AbandonAct(ctx, agent(), act.ID))
	})
	t.Run("row004", func(t *testing.T) {
		var order *careid.Order
		rows := audited(t, h, func() {
			var err error
			order, err = h.Service.Rename(ctx, agent(), nurse, name)
			require.NoError(t, err)
		})
		last := rows[len(rows)-1]
		require.Equal(t, []string{"change name", nurse}, []string{last.Action, last.Subject})
		require.Equal(t, "document marriage certificate, order "+order.ID+" replaces card "+old.Serial, last.Detail)
		message, err := h.Inbox.Last(ctx, h.Service, h.Nurse.Profile.Email)
		require.NoError(t, err)
		require.Equal(t, "Your name was changed", message.Subject)

		// The old card works until the new one is there, in the old name: neither a renewal nor a repair changes it.
		h.Clock.Set(old.Certificates[0].NotAfter.Add(-24 * time.Hour))
		require.NoError(t, h.Renew(ctx, old))
		for _, c := range old.Certificates {
			require.Equal(t, nurse+" Asha Patel", c.Subject.CommonName)
		}
		manager := h.RAManager
		_, err = h.Service.OpenAct(ctx, actor(t, h, manager, careid.RAManager), careid.ActRequest{Kind: careid.Repair, Card: old.Serial, Evidence: attested})
		refused(t, err, "name.card")

		var card *careidtest.Card
		rows = audited(t, h, func() {
			card, err = h.Issue(ctx, nurse, order.Replaces)
			require.NoError(t, err)
		})
		require.Equal(t, nurse+" Asha Patel-Shah", card.Certificates[0].Subject.CommonName)
		require.Equal(t, nurse+" Asha Patel-Shah", card.Certificates[1].Subject.CommonName)
		linked := 0
		for _, row := range rows {
			if row.Action == "confirm act" && row.Subject == card.Serial {
				require.Contains(t, row.Detail, "replaces card "+old.Serial)
				linked++
			}
		}
		require.Equal(t, 1, linked, "one row names both cards")
		for _, c := range old.Certificates {
			status, err := h.CA.Status(ctx, c.SerialNumber)
			require.NoError(t, err)
			require.Equal(t, 4, status.Reason, "superseded")
		}
		_, err = h.SignIn(ctx, old)
		refused(t, err, "card.replaced")
		require.Equal(t, "Asha Patel-Shah", signIn(t, h, card).Session.Name)
		orders, err := h.Service.Orders(ctx, careid.Operator("test"))
		require.NoError(t, err)
		require.Empty(t, orders)
	})
	t.Run("an order that is open already serves", func(t *testing.T) {
		p, err := h.Admit(ctx, "Lou", "Lost")
		require.NoError(t, err)
		lost, err := h.Service.ReportLost(ctx, actor(t, h, h.RAManager, careid.RAManager), p.Card.Serial)
		require.NoError(t, err)
		order, err := h.Service.Rename(ctx, actor(t, h, h.RAManager, careid.RAManager), p.Profile.ID, name)
		require.NoError(t, err)
		require.Equal(t, lost.ID, order.ID)
	})
}
