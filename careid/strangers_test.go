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

// counted is a store that counts its write transactions.
type counted struct {
	careid.Store
	writes int
}

func (c *counted) Write(ctx context.Context, fn func(context.Context, *careid.Tx) error) error {
	c.writes++
	return c.Store.Write(ctx, fn)
}

func TestStrangers(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	store := &counted{Store: h.Store}
	c := h.Config
	c.Store = store
	service, err := careid.New(c)
	require.NoError(t, err)
	handle, err := service.OpenUnlock(ctx, []byte("c"))
	require.NoError(t, err)

	t.Run("threat008", func(t *testing.T) {
		// A commit takes the longest: a card that is there and one that is not cost the same number of them.
		try := func(serial string) int {
			before := store.writes
			_, _ = service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: serial, Channel: careid.ByEmail})
			return store.writes - before
		}
		require.Equal(t, 1, try(h.Nurse.Card.Serial))
		require.Equal(t, 1, try("0000"))
		rows := audit(t, h)
		require.Equal(t, "refused unlock.card", rows[len(rows)-1].Detail)
		require.Equal(t, "0000", rows[len(rows)-1].Subject)

		// So do a try of a code that was sent and of one that was not: both write before the code is looked at.
		require.False(t, spent(t, h))
		refused(t, redeem(h, "0000", &careidtest.Unlocking{Request: "0123", Key: small(t)}, "12345678"), "unlock.code")
		require.True(t, spent(t, h))
	})
	t.Run("threat009", func(t *testing.T) {
		// What strangers leave behind is gone when it can't be used any more.
		handles := func() (n int) {
			require.NoError(t, h.DB.QueryRow("SELECT COUNT(*) FROM careid_handle").Scan(&n))
			return n
		}
		for range 20 {
			_, err := service.OpenUnlock(ctx, []byte("c"))
			require.NoError(t, err)
		}
		h.Clock.Add(time.Hour - time.Second)
		_, err := service.Due(ctx)
		require.NoError(t, err)
		require.Greater(t, handles(), 20)
		h.Clock.Add(time.Second)
		_, err = service.Nonce(ctx, careid.SignIn)
		require.NoError(t, err)
		h.Wall.Add(time.Minute)
		_, err = service.Due(ctx)
		require.NoError(t, err)
		require.Zero(t, handles())
	})
}

func spent(t *testing.T, h *careidtest.Hospital) (is bool) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) (err error) {
		is, err = tx.Proofs.Spent(ctx, tx.Wall)
		return err
	}))
	return is
}

func TestExhausted(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	serial := h.Nurse.Card.Serial
	t.Run("threat001", func(t *testing.T) {
		// A hundred tries in a row, ten a day: from then on only the Registration Authority opens this card.
		for i := range 95 {
			h.Clock.Add(3 * time.Hour)
			_, err := h.DB.Exec("INSERT INTO careid_try (card, at) VALUES (?, ?)", serial, h.Clock.Now().Unix())
			require.NoError(t, err, i)
		}
		h.Clock.Add(24 * time.Hour)
		u := start(t, h, h.Nurse)
		h.Clock.Add(time.Second)
		for range 4 {
			refused(t, redeem(h, serial, u, wrong(u.Code)), "unlock.code")
		}
		h.Clock.Add(time.Minute)
		last := start(t, h, h.Nurse)
		h.Clock.Add(time.Second)
		refused(t, redeem(h, serial, last, wrong(last.Code)), "unlock.code")
		rows := audited(t, h, func() { refused(t, redeem(h, serial, last, last.Code), "unlock.code") })
		require.Equal(t, "refused unlock.code: too many tries since the last unlock", rows[0].Detail)
		h.Clock.Add(48 * time.Hour)
		handle, err := h.Service.OpenUnlock(ctx, []byte("c"))
		require.NoError(t, err)
		_, err = h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: serial, Channel: careid.ByEmail})
		no := refused(t, err, "unlock.exhausted")
		require.Equal(t, "ra-agent", no.Fixer)
		signIn(t, h, h.Nurse.Card) // the passcode is not concerned
	})
	t.Run("the Registration Authority ends it by issuing the card anew", func(t *testing.T) {
		nurse := reissue(t, h, h.Nurse, h.Nurse.Profile, false)
		h.Clock.Add(time.Second)
		u := start(t, h, nurse)
		require.NoError(t, redeem(h, serial, u, u.Code))
	})
	t.Run("an unlock ends it too", func(t *testing.T) {
		for range 99 {
			h.Clock.Add(3 * time.Hour)
			_, err := h.DB.Exec("INSERT INTO careid_try (card, at) VALUES (?, ?)", h.Sponsor.Card.Serial, h.Clock.Now().Unix())
			require.NoError(t, err)
		}
		h.Clock.Add(24 * time.Hour)
		for range 2 {
			h.Clock.Add(time.Hour)
			u := start(t, h, h.Sponsor)
			h.Clock.Add(time.Second)
			reset, err := h.Redeem(ctx, h.Sponsor, u)
			require.NoError(t, err)
			require.NoError(t, h.Reset(ctx, h.Sponsor, u, reset))
			require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		}
	})
	t.Run("an unlock at the desk ends it", func(t *testing.T) {
		ask := func() error {
			handle, err := h.Service.OpenUnlock(ctx, []byte("c"))
			require.NoError(t, err)
			return second(h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.RAAgent.Card.Serial, Channel: careid.ByEmail}))
		}
		for range 100 {
			h.Clock.Add(3 * time.Hour)
			_, err := h.DB.Exec("INSERT INTO careid_try (card, at) VALUES (?, ?)", h.RAAgent.Card.Serial, h.Clock.Now().Unix())
			require.NoError(t, err)
		}
		h.Clock.Add(24 * time.Hour)
		refused(t, ask(), "unlock.exhausted")
		_, u, reset := atDesk(t, h, actor(t, h, h.RAManager, careid.RAManager), h.RAAgent)
		require.NoError(t, h.Reset(ctx, h.RAAgent, u, reset))
		refused(t, ask(), "unlock.exhausted") // not before it is confirmed
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		require.NoError(t, ask())
	})
}
