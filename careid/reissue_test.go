// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

var attested = careid.Evidence{Kind: careid.Attested, Document: "passport"}

// reissue clears a card and issues it to another person.
func reissue(t *testing.T, h *careidtest.Hospital, from careidtest.Person, to careid.Profile, locked bool) careidtest.Person {
	t.Helper()
	ctx := context.Background()
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Clear, Card: from.Card.Serial})
	require.NoError(t, err)
	_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
	require.NoError(t, err)
	require.NoError(t, h.Service.Confirm(ctx, act.Handle, ""))
	act, err = h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Issue, Card: from.Card.Serial, Profile: to.ID, Locked: locked, Evidence: attested})
	require.NoError(t, err)
	card := &careidtest.Card{Serial: from.Card.Serial}
	require.NoError(t, h.Personalise(ctx, card, act.Handle))
	return careidtest.Person{Profile: to, Card: card}
}

func TestReissue(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	to, err := h.Enrol(ctx, "Lou", "Later")
	require.NoError(t, err)

	t.Run("a code of the former holder opens nothing of the new one", func(t *testing.T) {
		u := start(t, h, h.Nurse)
		person := reissue(t, h, h.Nurse, to, false)
		rows := audited(t, h, func() { refused(t, redeem(h, person.Card.Serial, u, u.Code), "unlock.code") })
		require.Equal(t, "refused unlock.code: another person", rows[0].Detail)
		signIn(t, h, person.Card)
		certs, err := h.Service.Certificates(ctx, actor(t, h, person, careid.Holder), person.Card.Serial)
		require.NoError(t, err)
		require.Len(t, certs, 2, "what the former holder's name stands in is not shown to the new one")
		all, err := h.Service.Certificates(ctx, careid.Operator("test"), person.Card.Serial)
		require.NoError(t, err)
		require.Len(t, all, 4)
	})
	t.Run("nor does a reset of theirs", func(t *testing.T) {
		next, err := h.Enrol(ctx, "Kit", "Next")
		require.NoError(t, err)
		u := start(t, h, h.Sponsor)
		reset, err := h.Redeem(ctx, h.Sponsor, u)
		require.NoError(t, err)
		person := reissue(t, h, h.Sponsor, next, true)
		_, err = h.Service.ResetOpened(ctx, reset.Token, reset.Candidates[0].Generation)
		refused(t, err, "reset.unknown")
		refused(t, h.Service.ResetConfirm(ctx, reset.Token), "reset.unknown")
		_, err = h.SignIn(ctx, person.Card)
		refused(t, err, "unlock.unfinished")
	})
	t.Run("two cards issued to one person at once: one is theirs", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Two", "Desks")
		require.NoError(t, err)
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		var handles []string
		cards := []*careidtest.Card{h.Blank(), h.Blank()}
		for _, c := range cards {
			act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Issue, Card: c.Serial, Profile: p.ID, Evidence: attested})
			require.NoError(t, err)
			handles = append(handles, act.Handle)
		}
		require.NoError(t, h.Personalise(ctx, cards[0], handles[0]))
		require.Equal(t, cards[0].Serial, refused(t, h.Personalise(ctx, cards[1], handles[1]), "card.exists").Facts["card"])
		signIn(t, h, cards[0])
	})
}
