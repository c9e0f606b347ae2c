// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// A card in memory and a virtual one do the same at a reader.
func TestReader(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { testReader(t, careidtest.Config{}) })
	t.Run("virtual", func(t *testing.T) {
		need.Tool(t, "softhsm")
		testReader(t, careidtest.Config{Tray: cardtest.New(t, cardtest.Config{})})
	})
}

func testReader(t *testing.T, c careidtest.Config) {
	ctx := t.Context()
	c.People = []careidtest.Persona{careidtest.Expired()}
	h := careidtest.New(t, c)
	ward, card := h.Reader("ward 3"), h.Nurse.Card
	signIn := func(passcode, rule string) *careidtest.SignedIn {
		t.Helper()
		in, err := ward.SignIn(ctx, passcode)
		require.Equal(t, rule, wardkey.RuleOf(err), "%v", err)
		require.Equal(t, rule == "", err == nil, "%v", err)
		return in
	}
	session := func(in *careidtest.SignedIn) string {
		_, err := h.Service.Session(ctx, in.Token)
		return wardkey.RuleOf(err)
	}
	require.Same(t, ward, h.Reader("ward 3"))
	signIn(careidtest.Passcode, "card.absent")
	require.NoError(t, ward.Insert(card))
	require.Error(t, ward.Insert(h.Sponsor.Card), "the reader is taken")

	in := signIn(careidtest.Passcode, "")
	h.Wall.Add(20 * time.Second)
	require.NoError(t, ward.Lease(ctx))
	h.Wall.Add(20 * time.Second)
	require.Empty(t, session(in), "the agent keeps it")
	require.NoError(t, ward.Remove(ctx))
	require.Equal(t, "session.ended", session(in))
	require.NoError(t, ward.Remove(ctx), "an empty reader stays so")

	require.NoError(t, ward.Insert(card))
	signIn("000000", "passcode.wrong")
	signIn(careidtest.Passcode, "")
	signIn("000000", "passcode.wrong")
	signIn("000000", "passcode.wrong")
	signIn("000000", "card.locked")
	signIn(careidtest.Passcode, "card.locked")

	u, err := ward.StartUnlock(ctx, careid.ByEmail)
	require.NoError(t, err)
	message, err := h.Inbox.Last(ctx, h.Service, h.Nurse.Profile.Email)
	require.NoError(t, err)
	wrong := []byte(message.Code())
	wrong[0] = '0' + (wrong[0]-'0'+1)%10
	require.Equal(t, "unlock.code", wardkey.RuleOf(ward.FinishUnlock(ctx, u, string(wrong), "975310")))
	signIn(careidtest.Passcode, "card.locked")
	require.NoError(t, ward.FinishUnlock(ctx, u, message.Code(), "975310"))
	signIn(careidtest.Passcode, "passcode.wrong")
	in = signIn("975310", "")
	require.Empty(t, session(in))

	if c.Tray != nil {
		require.ErrorContains(t, h.Reader("ward 4").Insert(h.Sponsor.Card), "no reader for ward 4")
	}
	expired := h.People[0].Card
	require.Equal(t, "role.action", wardkey.RuleOf(h.RenewAtDesk(ctx, h.Sponsor, careid.Sponsor, expired)))
	require.NoError(t, h.RenewAtDesk(ctx, h.RAAgent, careid.RAAgent, expired))
	_, err = h.SignIn(ctx, expired)
	require.NoError(t, err)
}
