// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// atDesk opens an unlock at the desk and takes it up as the agent there does.
func atDesk(t *testing.T, h *careidtest.Hospital, helper careid.Actor, p careidtest.Person) (*careid.Act, *careidtest.Unlocking, *careid.Reset) {
	t.Helper()
	ctx := context.Background()
	act, err := h.Service.OpenAct(ctx, helper, careid.ActRequest{Kind: careid.Unlock, Card: p.Card.Serial, Evidence: attested})
	require.NoError(t, err)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	reset, err := h.Service.TakeUnlock(ctx, act.Handle, key.PublicKey().Bytes())
	require.NoError(t, err)
	return act, &careidtest.Unlocking{Key: key}, reset
}

// far puts a person with an active card into another organisation.
func far(t *testing.T, h *careidtest.Hospital, p careidtest.Person) {
	t.Helper()
	require.NoError(t, h.Store.Write(context.Background(), func(ctx context.Context, tx *careid.Tx) error {
		profile, err := tx.People.Profile(ctx, p.Profile.ID)
		if err != nil {
			return err
		}
		profile.Organisation = "RXX"
		return tx.People.UpdateProfile(ctx, profile)
	}))
}

func TestAssistedUnlock(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	sponsor := func() careid.Actor { return actor(t, h, h.Sponsor, careid.Sponsor) }
	open := func(a careid.Actor, card string) error {
		return second(h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Unlock, Card: card, Evidence: attested}))
	}

	t.Run("row007", func(t *testing.T) {
		other, err := h.Admit(ctx, "Far", "Away")
		require.NoError(t, err)
		far(t, h, other)
		refused(t, open(sponsor(), other.Card.Serial), "org.scope")
		refused(t, open(sponsor(), "no such card"), "org.scope")
		_, unlocking, reset := atDesk(t, h, sponsor(), nurse)
		_, err = h.SignIn(ctx, nurse.Card)
		refused(t, err, "unlock.unfinished")
		require.NoError(t, h.Reset(ctx, nurse, unlocking, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		signIn(t, h, nurse.Card)
	})
	t.Run("row056", func(t *testing.T) {
		// Without any contact, where no code could be sent.
		require.NoError(t, h.Service.SetContact(ctx, actor(t, h, h.RAAgent, careid.RAAgent), nurse.Profile.ID, careid.Contact{}))
		rows := audited(t, h, func() {
			_, unlocking, reset := atDesk(t, h, sponsor(), nurse)
			require.NoError(t, h.Reset(ctx, nurse, unlocking, reset))
			require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
			require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		})
		named := map[string]bool{}
		for _, row := range rows {
			if row.Actor == nurse.Profile.ID && row.Subject == nurse.Card.Serial && strings.Contains(row.Detail, "helped by "+h.Sponsor.Profile.ID+" sponsor RBA, seen passport") {
				named[row.Action] = true
			}
		}
		require.Equal(t, map[string]bool{"unlock at the desk": true, "unlock confirmed": true}, named)
		card, err := h.Service.Card(ctx, sponsor(), nurse.Card.Serial)
		require.NoError(t, err)
		require.Equal(t, []string{string(careid.CardActive), ""}, []string{string(card.State), card.OpenAct})
	})
	t.Run("threat015", func(t *testing.T) {
		refused(t, open(sponsor(), h.Sponsor.Card.Serial), "own.record")
		refused(t, open(actor(t, h, h.RAManager, careid.RAManager), h.RAManager.Card.Serial), "own.record")
		for _, e := range []careid.Evidence{{}, {Kind: careid.Attested}, {Kind: careid.ByCard}} {
			_, err := h.Service.OpenAct(ctx, sponsor(), careid.ActRequest{Kind: careid.Unlock, Card: nurse.Card.Serial, Evidence: e})
			require.True(t, refused(t, err, "evidence.missing").InPerson)
		}
		refused(t, open(actor(t, h, h.RAAgent, careid.Holder), h.RAAgent.Card.Serial), "role.action")
	})
	t.Run("the handle is for this alone", func(t *testing.T) {
		key := small(t).PublicKey().Bytes()
		act, err := h.Service.OpenAct(ctx, sponsor(), careid.ActRequest{Kind: careid.Unlock, Card: nurse.Card.Serial, Evidence: attested})
		require.NoError(t, err)
		view, err := h.Service.OpenHandle(ctx, act.Handle, key)
		require.NoError(t, err)
		require.Equal(t, careid.Unlock, view.Kind)
		require.Empty(t, view.Keys)
		require.Empty(t, view.SOPINs)
		_, err = h.Service.Requests(ctx, act.Handle, requestsOf(t))
		refused(t, err, "act.unknown")
		refused(t, h.Service.Confirm(ctx, act.Handle, ""), "act.state")
		_, err = h.Service.TakeUnlock(ctx, act.Handle, []byte("short"))
		refused(t, err, "agent.key")
		_, err = h.Service.TakeUnlock(ctx, "no handle", key)
		refused(t, err, "act.unknown")
		require.NoError(t, h.Service.AbandonAct(ctx, sponsor(), act.ID))
		_, err = h.Service.TakeUnlock(ctx, act.Handle, key)
		refused(t, err, "act.unknown")
		other, err := h.Service.OpenAct(ctx, actor(t, h, h.RAAgent, careid.RAAgent), careid.ActRequest{Kind: careid.Repair, Card: nurse.Card.Serial, Evidence: attested})
		require.NoError(t, err)
		_, err = h.Service.TakeUnlock(ctx, other.Handle, key)
		refused(t, err, "act.unknown")
		require.NoError(t, h.Service.AbandonAct(ctx, actor(t, h, h.RAAgent, careid.RAAgent), other.ID))
	})
	t.Run("an agent that died", func(t *testing.T) {
		act, _, lost := atDesk(t, h, sponsor(), nurse)
		key := small(t)
		reset, err := h.Service.TakeUnlock(ctx, act.Handle, key.PublicKey().Bytes())
		require.NoError(t, err)
		_, err = h.Service.ResetOpened(ctx, lost.Token, lost.Candidates[0].Generation)
		refused(t, err, "reset.unknown")
		require.NoError(t, h.Reset(ctx, nurse, &careidtest.Unlocking{Key: key}, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		_, err = h.Service.TakeUnlock(ctx, act.Handle, key.PublicKey().Bytes())
		refused(t, err, "act.unknown")
		signIn(t, h, nurse.Card)
	})
	t.Run("the holder's own code was faster", func(t *testing.T) {
		require.NoError(t, h.Service.SetContact(ctx, actor(t, h, h.RAAgent, careid.RAAgent), nurse.Profile.ID, careid.Contact{Email: "asha.patel@nhs.net"}))
		nurse.Profile.Email = "asha.patel@nhs.net"
		require.NoError(t, open(sponsor(), nurse.Card.Serial))
		u := start(t, h, nurse)
		reset, err := h.Redeem(ctx, nurse, u)
		require.NoError(t, err)
		require.NoError(t, h.Reset(ctx, nurse, u, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		require.Empty(t, signIn(t, h, nurse.Card).Session.OpenAct)
	})
	t.Run("an expired card is renewed first", func(t *testing.T) {
		ends := nurse.Card.Certificates[0].NotAfter
		h.Clock.Set(ends.Add(-24 * time.Hour))
		fresh, err := h.Issue(ctx, h.Sponsor.Profile.ID, h.Sponsor.Card.Serial)
		require.NoError(t, err)
		h.Sponsor.Card = fresh
		h.Clock.Set(ends.Add(time.Second))
		refused(t, open(sponsor(), nurse.Card.Serial), "cert.expired")
	})
}

func TestAssistedPasscode(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	in := signIn(t, h, h.RAAgent.Card)
	ra, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
	require.NoError(t, err)
	require.NoError(t, h.Service.SetContact(ctx, ra, nurse.Profile.ID, careid.Contact{}))
	nurse.Profile.Email, nurse.Profile.Mobile = "", ""
	ask := careid.ActRequest{Kind: careid.Passcode, Card: nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}}

	t.Run("row029", func(t *testing.T) {
		refused(t, careid.MayChangePasscode(builtIn(t), nurse.Profile, h.Clock.Now()), "passcode.contact")
		act, err := h.Service.OpenAct(ctx, ra, ask)
		require.NoError(t, err)
		_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
		refused(t, err, "evidence.missing")
		// The helper's own card is nobody's consent.
		_, err = h.Answer(ctx, h.RAAgent.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		refused(t, err, "act.unknown")
		rows := audited(t, h, func() {
			_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
			require.NoError(t, err)
		})
		require.Equal(t, nurse.Profile.ID, rows[0].Actor)
		require.Contains(t, rows[0].Detail, "change of passcode helped by "+h.RAAgent.Profile.ID+" ra-agent RBA")
		_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		refused(t, err, "act.unknown")
	})
	t.Run("no call takes a passcode", func(t *testing.T) {
		service := reflect.TypeFor[*careid.Service]()
		for i := range service.NumMethod() {
			m := service.Method(i)
			for j := 1; j < m.Type.NumIn(); j++ {
				in := m.Type.In(j)
				for f := 0; in.Kind() == reflect.Struct && f < in.NumField(); f++ {
					require.NotContains(t, strings.ToLower(in.Field(f).Name), "passcode", m.Name)
				}
			}
		}
	})
	t.Run("not on one's own card, without the card, or while it is locked", func(t *testing.T) {
		own := ask
		own.Card = h.RAAgent.Card.Serial
		_, err := h.Service.OpenAct(ctx, ra, own)
		refused(t, err, "own.record")
		told := ask
		told.Evidence = attested
		_, err = h.Service.OpenAct(ctx, ra, told)
		refused(t, err, "evidence.missing")
		_, err = h.Service.OpenAct(ctx, actor(t, h, h.Sponsor, careid.Sponsor), ask)
		refused(t, err, "role.action")
		atDesk(t, h, actor(t, h, h.RAManager, careid.RAManager), nurse)
		_, err = h.Service.OpenAct(ctx, ra, ask)
		refused(t, err, "unlock.unfinished")
	})
}

// requestsOf are two good certificate requests.
func requestsOf(t *testing.T) [][]byte {
	t.Helper()
	_, requests, err := pkitest.Requests()
	require.NoError(t, err)
	return [][]byte{requests[0].Raw, requests[1].Raw}
}
