// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestTerms(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	operator, nurse := careid.Operator("test"), h.Nurse.Profile.ID

	t.Run("row119", func(t *testing.T) {
		accepted, err := h.Service.Acceptances(ctx, operator, nurse)
		require.NoError(t, err)
		require.Empty(t, accepted, "a card that was never used")
		at := h.Clock.Now()
		rows := audited(t, h, func() {
			require.Equal(t, careid.TermsState{Version: "2025-04-02"}, signIn(t, h, h.Nurse.Card).Terms)
		})
		require.True(t, strings.HasSuffix(rows[len(rows)-1].Detail, ", terms 2025-04-02 accepted by use"))
		h.Clock.Add(time.Hour)
		rows = audited(t, h, func() { signIn(t, h, h.Nurse.Card) })
		require.NotContains(t, rows[len(rows)-1].Detail, "terms")
		accepted, err = h.Service.Acceptances(ctx, operator, nurse)
		require.NoError(t, err)
		require.Equal(t, []careid.Acceptance{{Profile: nurse, Version: "2025-04-02", Mode: careid.TermsImplied, At: at}}, accepted)
	})
	// version swaps the hospital's service for one whose organisation asks.
	version := func(v string) {
		c := h.Config
		c.Terms = careid.Terms{Version: v, URL: "https://trust.example/terms", Explicit: true}
		service, err := careid.New(c)
		require.NoError(t, err)
		h.Service = service
	}
	t.Run("row120", func(t *testing.T) {
		version("trust 1")
		in := signIn(t, h, h.Nurse.Card)
		require.Equal(t, careid.TermsState{Version: "trust 1", URL: "https://trust.example/terms", Ask: true}, in.Terms, "use alone is not a yes here")
		require.True(t, signIn(t, h, h.Nurse.Card).Terms.Ask, "until there is an answer")
		require.Equal(t, "trust 1", refused(t, h.Service.AcceptTerms(ctx, in.Token, "trust 0"), "terms.version").Facts["version"])
		refused(t, h.Service.AcceptTerms(ctx, "no session", "trust 1"), "session.none")
		rows := audited(t, h, func() {
			for range 2 {
				require.NoError(t, h.Service.AcceptTerms(ctx, in.Token, "trust 1"))
			}
		})
		require.Len(t, rows, 1)
		for range 2 {
			require.False(t, signIn(t, h, h.Nurse.Card).Terms.Ask)
		}
		require.True(t, signIn(t, h, h.Sponsor.Card).Terms.Ask, "each for themselves")
		version("trust 2")
		again := signIn(t, h, h.Nurse.Card)
		require.True(t, again.Terms.Ask, "a new version")
		require.NoError(t, h.Service.AcceptTerms(ctx, again.Token, "trust 2"))
		require.False(t, signIn(t, h, h.Nurse.Card).Terms.Ask)
		accepted, err := h.Service.Acceptances(ctx, actor(t, h, h.Nurse, careid.Holder), nurse)
		require.NoError(t, err)
		require.Len(t, accepted, 3, "both modes are kept")
		refused(t, second(h.Service.Acceptances(ctx, actor(t, h, h.Sponsor, careid.Holder), nurse)), "org.scope")
	})
}
