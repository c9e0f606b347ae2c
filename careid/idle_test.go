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

// strict is a second service of the same hospital, whose organisation locks idle sessions after a quarter of an hour.
func strict(t *testing.T, h *careidtest.Hospital, events *[]careid.Event) *careid.Service {
	t.Helper()
	book, err := builtIn(t).Overlay([]byte(`{"sources": {"Trust": {"document": "Trust policy", "date": "2026-01-01"}}, "rules": [
		{"id": "session.idle", "value": 15, "unit": "minutes", "from": "2026-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}], "refusals": []}`))
	require.NoError(t, err)
	c := h.Config
	c.Rules = book
	c.Observe = func(_ context.Context, e careid.Event) { *events = append(*events, e) }
	service, err := careid.New(c)
	require.NoError(t, err)
	return service
}

func TestIdle(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{Binding: careid.BindingKeep})
	var events []careid.Event
	service := strict(t, h, &events)
	limit := 15 * time.Minute
	alive := func(token string) error { return second(service.Session(ctx, token)) }

	t.Run("row038", func(t *testing.T) {
		in := signIn(t, h, h.Nurse.Card)
		nurse, err := service.Actor(ctx, in.Token, careid.Holder, "")
		require.NoError(t, err)
		for range 4 { // who works is not locked, for an hour
			h.Clock.Add(limit - 15*time.Second)
			require.NoError(t, alive(in.Token))
		}
		h.Clock.Add(limit - time.Second)
		_, err = service.Due(ctx)
		require.NoError(t, err)
		require.NoError(t, alive(in.Token))
		h.Clock.Add(limit)
		refused(t, alive(in.Token), "session.locked")
		require.NoError(t, h.Service.SignOut(ctx, "another"))
		_, err = service.Profile(ctx, nurse, h.Nurse.Profile.ID)
		refused(t, err, "session.locked")

		events = nil
		_, err = service.Due(ctx)
		require.NoError(t, err)
		require.Equal(t, []careid.Event{{Name: careid.EventSessionLocked, Card: h.Nurse.Card.Serial, Session: in.Session.ID}}, events)
		_, err = service.Due(ctx)
		require.NoError(t, err)
		require.Len(t, events, 1, "made known once")
		refused(t, alive(in.Token), "session.locked")
		refused(t, second(h.Service.Session(ctx, in.Token)), "session.locked")

		// It goes on by its own card, under a new id, and no longer than before.
		answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: in.Token})
		require.NoError(t, err)
		_, err = h.Answer(ctx, h.Sponsor.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: in.Token})
		refused(t, err, "proof.purpose")
		again, err := service.Redeem(ctx, answer.Result, []byte(in.Token))
		require.NoError(t, err)
		require.Equal(t, in.Session.ExpiresAt, again.Session.ExpiresAt)
		require.NoError(t, alive(again.Token))
		refused(t, alive(in.Token), "session.ended")
	})
	t.Run("without a limit there is none, and nothing is written", func(t *testing.T) {
		in := signIn(t, h, h.Nurse.Card)
		h.Clock.Add(7 * time.Hour)
		require.NoError(t, second(h.Service.Session(ctx, in.Token)))
		var seen int64
		require.NoError(t, h.DB.QueryRow("SELECT MAX(seen_at) FROM careid_session").Scan(&seen))
		require.Equal(t, in.Session.AuthTime.Unix(), seen)
	})
}

func TestFresh(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{Binding: careid.BindingKeep})
	t.Run("threat061", func(t *testing.T) {
		// Unlock codes go to the contact: who finds a workstation open enters none of their own, without the same card
		// and its passcode. The roles of other people can't either, and a weaker way to a session there is not.
		in := signIn(t, h, h.Nurse.Card)
		holder := func(token string) careid.Actor {
			a, err := h.Service.Actor(ctx, token, careid.Holder, "")
			require.NoError(t, err)
			return a
		}
		change := func(a careid.Actor, to string) error {
			return h.Service.SetContact(ctx, a, h.Nurse.Profile.ID, careid.Contact{Email: to})
		}
		h.Clock.Add(5 * time.Minute)
		require.NoError(t, change(holder(in.Token), "asha@nhs.net"))
		h.Clock.Add(time.Second)
		rows := audited(t, h, func() { refused(t, change(holder(in.Token), "thief@nhs.net"), "session.stale") })
		require.Equal(t, "refused session.stale", rows[0].Detail)
		_, err := h.Answer(ctx, h.Sponsor.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: in.Token})
		refused(t, err, "proof.purpose")
		answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: in.Token})
		require.NoError(t, err)
		again, err := h.Service.Redeem(ctx, answer.Result, []byte(in.Token))
		require.NoError(t, err)
		require.NoError(t, change(holder(again.Token), "asha.patel@nhs.net"))
	})
}
