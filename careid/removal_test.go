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

// The session's side of a false removal: only its own card's, told by its own presence, ends it, and a lease that comes
// late within its bound does not.
func TestFalseRemoval(t *testing.T) {
	ctx := context.Background()
	t.Run("threat035", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{Binding: careid.BindingEnd})
		nurse, sponsor := signIn(t, h, h.Nurse.Card), signIn(t, h, h.Sponsor.Card)
		again := signIn(t, h, h.Nurse.Card) // the same card, at another sign-in
		lives := func(in *careidtest.SignedIn) {
			t.Helper()
			_, err := h.Service.Session(ctx, in.Token)
			require.NoError(t, err)
		}
		refused(t, h.Service.Removed(ctx, "nobody's presence"), "presence.ended")
		refused(t, h.Service.Removed(ctx, nurse.Token), "presence.ended")
		require.NoError(t, h.Service.Removed(ctx, sponsor.Presence))
		require.NoError(t, h.Service.Removed(ctx, again.Presence))
		lives(nurse)
		for range 5 { // a module that hangs for a while, and answers in time
			h.Wall.Add(29 * time.Second)
			lives(nurse)
			require.NoError(t, h.Service.Lease(ctx, nurse.Presence))
			_, err := h.Service.Due(ctx)
			require.NoError(t, err)
		}
		lives(nurse)
		h.Wall.Add(30 * time.Second) // and one that doesn't
		_, err := h.Service.Session(ctx, nurse.Token)
		refused(t, err, "presence.ended")
		refused(t, h.Service.Lease(ctx, nurse.Presence), "presence.ended")
	})
}
