// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestReport(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	register(t, h, h.Nurse, careid.KindSecurityKey, "key")
	amina, err := h.Add(ctx, careidtest.Persona{Given: "Amina", Family: "Osei", Position: "Staff nurse"})
	require.NoError(t, err)
	bare, err := h.Enrol(ctx, "No", "Card")
	require.NoError(t, err)
	require.NoError(t, h.Service.CloseProfile(ctx, actor(t, h, h.RAAgent, careid.RAAgent), bare.ID))
	key := register(t, h, h.Sponsor, careid.KindSecurityKey, "sponsor's key") // cards end in this test
	report := func() func(string) careid.ReportLine {
		t.Helper()
		in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes})
		require.NoError(t, err)
		sponsor, err := h.Service.Actor(ctx, in.Token, careid.Sponsor, careidtest.Organisation)
		require.NoError(t, err)
		lines, err := h.Service.Report(ctx, sponsor, "", 200)
		require.NoError(t, err)
		var paged []careid.ReportLine
		for after := ""; ; after = paged[len(paged)-1].Profile.ID {
			page, err := h.Service.Report(ctx, sponsor, after, 2)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), 2)
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
		}
		require.Equal(t, lines, paged)
		require.True(t, slices.IsSortedFunc(lines, func(a, b careid.ReportLine) int { return strings.Compare(a.Profile.ID, b.Profile.ID) }))
		return func(id string) careid.ReportLine {
			t.Helper()
			i := slices.IndexFunc(lines, func(l careid.ReportLine) bool { return l.Profile.ID == id })
			require.GreaterOrEqual(t, i, 0)
			return lines[i]
		}
	}
	of := report()
	require.Equal(t, []careid.Role{careid.RAAgent}, of(h.RAAgent.Profile.ID).Roles)
	require.Equal(t, 1, of(h.Nurse.Profile.ID).Authenticators)
	require.Len(t, of(amina.Profile.ID).Positions, 1)
	require.Equal(t, careid.ProfileClosed, of(bare.ID).Profile.State)
	require.Empty(t, of(bare.ID).Cards)
	card := of(amina.Profile.ID).Cards[0].Card
	require.Equal(t, amina.Card.Serial, card.Serial)

	for left, want := range map[time.Duration]careid.ReportCard{
		90*24*time.Hour + time.Second: {Term: careid.Early, DaysLeft: 91},
		90 * 24 * time.Hour:           {Term: careid.InTime, DaysLeft: 90},
		time.Second:                   {Term: careid.InTime, DaysLeft: 1},
		0:                             {Term: careid.InTime},
		-time.Second:                  {Term: careid.Ended},
		-24 * time.Hour:               {Term: careid.Ended, DaysLeft: -1},
	} {
		h.Clock.Set(card.NotAfter.Add(-left))
		want.Card = card
		require.Equal(t, []careid.ReportCard{want}, report()(amina.Profile.ID).Cards, left)
	}
}
