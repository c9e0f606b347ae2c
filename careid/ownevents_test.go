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

func TestOwnEvents(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	h.Mail.Set("asha.patel@nhs.net", careidtest.Mailbox{Active: true, PolicyAccepted: true})
	before := actor(t, h, h.Nurse, careid.Holder)
	_, err := h.Service.Link(ctx, before, careid.LinkRequest{Address: "asha.patel@nhs.net", Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}})
	require.NoError(t, err)
	u := start(t, h, h.Nurse)
	require.Error(t, redeem(h, h.Nurse.Card.Serial, u, wrong(u.Code)))
	reset, err := h.Redeem(ctx, h.Nurse, u)
	require.NoError(t, err)
	require.NoError(t, h.Reset(ctx, h.Nurse, u, reset))
	require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	contact := careid.Contact{Email: "asha.patel@nhs.net", Mobile: "07700 900321"}
	require.NoError(t, h.Service.SetContact(ctx, agent, h.Nurse.Profile.ID, contact))
	nurse := actor(t, h, h.Nurse, careid.Holder)

	events, err := h.Service.OwnEvents(ctx, nurse, 0, 200)
	require.NoError(t, err)
	var texts []string
	for i, e := range events {
		texts = append(texts, e.Text)
		if i > 0 {
			require.Less(t, e.Seq, events[i-1].Seq, "newest first")
		}
		for _, secret := range []string{u.Code, reset.Token, "900321", "@", h.Nurse.Card.Serial, h.RAAgent.Profile.ID, h.Nurse.Profile.ID, "Patel"} {
			require.NotContains(t, e.Text, secret)
		}
	}
	require.Equal(t, []string{
		"Sign-in with your card.",
		"Your card's word to sign in.",
		"Contact details on your profile changed. Another member of staff did it.",
		"Your card unlocked.",
		"Your card opened, for a new passcode.",
		"A security code for your card typed in.",
		"A security code for your card typed in: refused. Whoever asked had not signed in.",
		"A security code for your card asked for. Whoever asked had not signed in.",
		"Your card linked to a mail account.",
		"Sign-in with your card.",
		"Your card's word to sign in.",
	}, texts[:11])
	require.Equal(t, "unlock.code", events[6].Refused)

	t.Run("page by page it is the same", func(t *testing.T) {
		var paged []careid.OwnEvent
		for last := int64(0); ; last = paged[len(paged)-1].Seq {
			page, err := h.Service.OwnEvents(ctx, nurse, last, 3)
			require.NoError(t, err)
			if paged = append(paged, page...); len(page) < 3 {
				break
			}
		}
		require.Equal(t, events, paged)
	})
	t.Run("threat063", func(t *testing.T) {
		// Everybody reads their own alone: no row of the nurse's is the agent's, who changed her details.
		own := map[int64]bool{}
		for _, e := range events {
			own[e.Seq] = true
		}
		theirs, err := h.Service.OwnEvents(ctx, agent, 0, 200)
		require.NoError(t, err)
		require.NotEmpty(t, theirs)
		for _, e := range theirs {
			require.False(t, own[e.Seq], "%+v", e)
		}
		_, err = h.Service.OwnEvents(ctx, careid.Operator("test"), 0, 9)
		refused(t, err, "session.none")
		_, err = h.Service.OwnEvents(ctx, before, 0, 9)
		refused(t, err, "session.ended")
		// A card that was somebody else's tells its new holder nothing of that time.
		h.Clock.Add(time.Second)
		manager := actor(t, h, h.RAManager, careid.RAManager)
		_, err = h.DB.Exec("UPDATE careid_card SET profile = ?, issued_at = ? WHERE serial = ?", h.RAManager.Profile.ID, h.Clock.Now().Unix(), h.Nurse.Card.Serial)
		require.NoError(t, err)
		none, err := h.Service.OwnEvents(ctx, manager, 0, 200)
		require.NoError(t, err)
		for _, e := range none {
			require.False(t, own[e.Seq], "%+v", e)
		}
		_, err = h.Service.OwnEvents(ctx, nurse, 0, 200)
		refused(t, err, "session.ended")
	})
}

// Who has handed a card in reads what happened until then, and what the service did to take it out of use; not what others
// do with it afterwards.
func TestOwnEventsOfReturnedCard(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	key := register(t, h, h.Nurse, careid.KindSecurityKey, "a key")
	h.Clock.Add(time.Minute)
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	require.NoError(t, h.Service.ReturnCard(ctx, agent, h.Nurse.Card.Serial))
	h.Clock.Add(time.Minute)
	handle, err := h.Service.OpenUnlock(ctx, []byte("cookie"))
	require.NoError(t, err)
	_, err = h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByEmail})
	refused(t, err, "card.returned")
	_, err = h.SignIn(ctx, h.Nurse.Card) // by the former holder
	refused(t, err, "card.returned")
	h.Clock.Add(time.Minute)
	act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Clear, Card: h.Nurse.Card.Serial})
	require.NoError(t, err)
	texts := func() (all []string) {
		in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes})
		require.NoError(t, err)
		events, err := h.Service.OwnEvents(ctx, holder(t, h, in.Token), 0, 200)
		require.NoError(t, err)
		for _, e := range events {
			all = append(all, e.Text)
		}
		return all
	}
	seen := texts()
	require.Contains(t, seen, "Your card taken back. Another member of staff did it.")
	require.Contains(t, seen, "Your card's word to sign in: refused.", "what they did themselves")
	require.Contains(t, seen, "A certificate of your card revoked.")
	require.Contains(t, seen, "Work on your card finished.", "of the time when it was theirs")
	for _, text := range seen {
		require.NotContains(t, text, "Clearing")
		require.NotContains(t, text, "security code")
	}

	_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
	require.NoError(t, err)
	require.NoError(t, h.Service.Confirm(ctx, act.Handle, ""))
	after := texts()
	require.Contains(t, after, "Your card taken back. Another member of staff did it.")
	for _, text := range after {
		require.NotContains(t, text, "Clearing")
	}
}
