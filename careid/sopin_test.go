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

func TestImportedSOPIN(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North"}})
	north := h.Outside[0]
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	nia := newcomer(t, h, north, "Byrne")
	imported := func(t *testing.T) (v careid.ImportedSOPIN, g careid.Generations) {
		t.Helper()
		require.NoError(t, h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) (err error) {
			if v, err = tx.Cards.ImportedSOPIN(ctx, nia.Card.Serial); err != nil {
				return err
			}
			g, err = tx.Cards.Generations(ctx, nia.Card.Serial)
			return err
		}))
		return v, g
	}

	t.Run("who may, and for which cards", func(t *testing.T) {
		pin := nia.Card.SOPIN
		refused(t, h.Service.ImportSOPIN(ctx, actor(t, h, h.Sponsor, careid.Sponsor), nia.Card.Serial, pin), "role.action")
		refused(t, h.Service.ImportSOPIN(ctx, actor(t, h, nia, careid.Holder), nia.Card.Serial, pin), "role.action")
		refused(t, h.Service.ImportSOPIN(ctx, agent, h.Nurse.Card.Serial, pin), "card.ours")
		refused(t, h.Service.ImportSOPIN(ctx, agent, "nobody's", pin), "org.scope")
		refused(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, nil), "sopin.invalid")
		refused(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, make([]byte, 256)), "sopin.invalid")
		c := h.Config
		c.AuthenticatorKey = nil
		keyless, err := careid.New(c)
		require.NoError(t, err)
		refused(t, keyless.ImportSOPIN(ctx, agent, nia.Card.Serial, pin), "sopin.unavailable")
	})
	t.Run("a wrong one, then the right one", func(t *testing.T) {
		require.NoError(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, []byte("not this one")))
		u, err := h.StartUnlock(ctx, nia)
		require.NoError(t, err)
		reset, err := h.Redeem(ctx, nia, u)
		require.NoError(t, err)
		require.Len(t, reset.Candidates, 1)
		require.ErrorIs(t, h.Reset(ctx, nia, u, reset), careidtest.ErrCard)

		rows := audited(t, h, func() { require.NoError(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, nia.Card.SOPIN)) })
		require.Len(t, rows, 1)
		noSecret(t, rows, string(nia.Card.SOPIN))
		kept, _ := imported(t)
		require.NotContains(t, string(kept.Sealed), string(nia.Card.SOPIN))
	})
	t.Run("under a key that is gone", func(t *testing.T) {
		c := h.Config
		c.AuthenticatorKey = []byte("a key that knows of no other one")
		other, err := careid.New(c)
		require.NoError(t, err)
		c.AuthenticatorKey = nil
		keyless, err := careid.New(c)
		require.NoError(t, err)
		h.Clock.Add(time.Hour)
		for _, service := range []*careid.Service{other, keyless} {
			handle, err := service.OpenUnlock(ctx, []byte("cookie"))
			require.NoError(t, err)
			_, err = service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: nia.Card.Serial, Channel: careid.ByEmail})
			require.Contains(t, refused(t, err, "card.outside").Contact, "North: ")
			_, err = service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Unlock, Card: nia.Card.Serial, Evidence: attested})
			refused(t, err, "card.outside") // no code is sent or spent, and nothing is locked
		}
		h.Clock.Add(-time.Hour)
	})
	t.Run("unlocked here, under a key that has changed since", func(t *testing.T) {
		c := h.Config
		c.EarlierAuthenticatorKeys = [][]byte{c.AuthenticatorKey}
		c.AuthenticatorKey = []byte("the next key of 32 bytes, by now")
		service, err := careid.New(c)
		require.NoError(t, err)
		h.Service = service
		h.Clock.Add(time.Minute)
		u, err := h.StartUnlock(ctx, nia)
		require.NoError(t, err)
		reset, err := h.Redeem(ctx, nia, u)
		require.NoError(t, err)
		issuers := string(nia.Card.SOPIN)
		require.NoError(t, h.Reset(ctx, nia, u, reset))
		require.NotEqual(t, issuers, string(nia.Card.SOPIN))
		_, g := imported(t)
		require.NotZero(t, g.Second, "until the confirmation either may be on the card")
		refused(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, []byte("now?")), "card.ours")
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		kept, g := imported(t)
		require.Equal(t, careid.ImportedSOPIN{}, kept)
		require.NotZero(t, g.First)
		require.Zero(t, g.Second)
		refused(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, []byte("now?")), "card.ours")
		signIn(t, h, nia.Card)
	})
	t.Run("and again, by its own", func(t *testing.T) {
		h.Clock.Add(time.Hour)
		u, err := h.StartUnlock(ctx, nia)
		require.NoError(t, err)
		reset, err := h.Redeem(ctx, nia, u)
		require.NoError(t, err)
		require.NoError(t, h.Reset(ctx, nia, u, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		signIn(t, h, nia.Card)
	})
	t.Run("forgotten with the card", func(t *testing.T) {
		nia = newcomer(t, h, north, "Other")
		require.NoError(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, nia.Card.SOPIN))
		require.NoError(t, h.Service.ReturnCard(ctx, agent, nia.Card.Serial))
		kept, g := imported(t)
		require.Equal(t, careid.ImportedSOPIN{}, kept)
		require.Zero(t, g.First)
		refused(t, h.Service.ImportSOPIN(ctx, agent, nia.Card.Serial, nia.Card.SOPIN), "card.returned")
	})
}
