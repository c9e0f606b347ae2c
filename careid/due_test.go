// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func count(t *testing.T, h *careidtest.Hospital, table string) (n int) {
	t.Helper()
	require.NoError(t, h.DB.QueryRow("SELECT COUNT(*) FROM careid_"+table).Scan(&n))
	return n
}

// What ended goes after its day, and no limit forgets what it counted.
func TestDueDrops(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	due := func() {
		t.Helper()
		_, err := h.Service.Due(ctx)
		require.NoError(t, err)
	}
	tryAll := func() {
		u := start(t, h, h.Nurse)
		for range 5 {
			refused(t, redeem(h, h.Nurse.Card.Serial, u, wrong(u.Code)), "unlock.code")
		}
	}
	for range 2 {
		h.Clock.Add(20 * time.Minute)
		tryAll()
	}
	for _, later := range []time.Duration{20 * time.Minute, 23*time.Hour - 20*time.Minute} {
		h.Clock.Add(later)
		due()
		u := start(t, h, h.Nurse)
		rows := audited(t, h, func() { refused(t, redeem(h, h.Nurse.Card.Serial, u, u.Code), "unlock.code") })
		require.Equal(t, "refused unlock.code: too many tries of the card", rows[0].Detail, "ten a day, whatever was dropped")
	}
	require.Equal(t, []int{4, 10}, []int{count(t, h, "code"), count(t, h, "try")})

	h.Clock.Add(26 * time.Hour)
	due()
	require.Equal(t, []int{0, 10}, []int{count(t, h, "code"), count(t, h, "try")}, "the hundred in a row count on until an unlock")
	rows := count(t, h, "audit")
	u := start(t, h, h.Nurse)
	h.Clock.Add(time.Second)
	reset, err := h.Redeem(ctx, h.Nurse, u)
	require.NoError(t, err)
	require.NoError(t, h.Reset(ctx, h.Nurse, u, reset))
	require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
	in := signIn(t, h, h.Nurse.Card)
	require.NoError(t, h.Service.SignOut(ctx, in.Token))
	require.Positive(t, count(t, h, "reset"))
	h.Wall.Add(10 * time.Minute)
	h.Clock.Add(25 * time.Hour)
	due()
	require.Equal(t, []int{0, 0, 0}, []int{count(t, h, "code"), count(t, h, "try"), count(t, h, "reset")}, "the unlock ended the row of tries")
	require.Positive(t, count(t, h, "session"))
	_, err = h.Service.Session(ctx, in.Token)
	refused(t, err, "session.ended")
	h.Clock.Add(7 * time.Hour)
	due()
	due() // the first one ends the last of them, by their leases
	require.Zero(t, count(t, h, "session"))
	_, err = h.Service.Session(ctx, in.Token)
	refused(t, err, "session.none")
	require.Greater(t, count(t, h, "audit"), rows)
	n, err := h.Service.VerifyAudit(ctx)
	require.NoError(t, err)
	require.EqualValues(t, count(t, h, "audit"), n, "nothing of the audit is dropped")
}
