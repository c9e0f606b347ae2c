// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

func personas() []careidtest.Persona {
	return []careidtest.Persona{
		careidtest.LockedNoEmail(), careidtest.ExpiredLocked(), careidtest.LeaverMidMove(), careidtest.RenewalDue(),
		careidtest.Expired(), careidtest.Locked(), careidtest.Starter(),
		careidtest.RAManager(), careidtest.AdvancedRAAgent(), careidtest.IDChecker(), careidtest.LocalSmartcardAdministrator(),
	}
}

// Each persona is what its name says, in memory and on virtual cards.
func TestPersonas(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { testPersonas(t, careidtest.Config{People: personas()}) })
	t.Run("virtual", func(t *testing.T) {
		need.Tool(t, "softhsm")
		testPersonas(t, careidtest.Config{People: personas(), Tray: cardtest.New(t, cardtest.Config{})})
	})
}

func testPersonas(t *testing.T, c careidtest.Config) {
	ctx := t.Context()
	h := careidtest.New(t, c)
	refused := func(p careidtest.Person, rule string) {
		t.Helper()
		_, err := h.SignIn(ctx, p.Card)
		require.Equal(t, rule, wardkey.RuleOf(err), "%v", err)
	}
	unlock := func(p careidtest.Person, channel careid.Channel) error {
		handle, err := h.Service.OpenUnlock(ctx, []byte("a cookie"))
		require.NoError(t, err)
		_, err = h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: p.Card.Serial, Channel: channel})
		return err
	}
	days := func(p careidtest.Person) time.Duration {
		return p.Card.Certificates[0].NotAfter.Sub(h.Clock.Now()) / (24 * time.Hour)
	}
	require.Equal(t, time.Date(2029, 1, 6, 9, 0, 0, 0, time.UTC), h.Clock.Now())

	locked, expired := h.People[0], h.People[1]
	refused(locked, "card.locked")
	require.ErrorIs(t, func() error { _, err := h.SignIn(ctx, locked.Card); return err }(), card.ErrLocked)
	require.Equal(t, "contact.none", wardkey.RuleOf(unlock(locked, careid.ByEmail)))
	require.Equal(t, "contact.none", wardkey.RuleOf(unlock(locked, careid.ByText)))
	refused(expired, "card.locked")
	require.EqualValues(t, -1, days(expired))
	require.Equal(t, "cert.expired", wardkey.RuleOf(unlock(expired, careid.ByEmail)), "expired beats locked")

	manager, err := h.Actor(ctx, h.RAManager, careid.RAManager)
	require.NoError(t, err)
	leaver := h.People[2]
	held, err := h.Service.Assignments(ctx, manager, leaver.Profile.ID)
	require.NoError(t, err)
	require.Len(t, held, 1)
	require.Equal(t, "Ward nurse", held[0].Position.Name)
	require.True(t, held[0].In(h.Clock.Now()), "the move has not happened yet")

	in, err := h.SignIn(ctx, h.People[3].Card)
	require.NoError(t, err)
	require.Equal(t, 30, in.Alerts[0].DaysLeft)
	refused(h.People[4], "cert.expired")

	u, err := h.StartUnlock(ctx, h.People[5])
	require.NoError(t, err)
	reset, err := h.Redeem(ctx, h.People[5], u)
	require.NoError(t, err)
	h.People[5].Card.Passcode = []byte("975310")
	require.NoError(t, h.Reset(ctx, h.People[5], u, reset))
	require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
	_, err = h.SignIn(ctx, h.People[5].Card)
	require.NoError(t, err)
	_, err = h.SignInWith(ctx, h.People[5].Card, []byte(careidtest.Passcode))
	require.Equal(t, "passcode.wrong", wardkey.RuleOf(err))

	require.Nil(t, h.People[6].Card)
	for i, role := range []careid.Role{careid.RAManager, careid.AdvancedRAAgent, careid.IDChecker, careid.LocalSmartcardAdministrator} {
		_, err := h.Actor(ctx, h.People[7+i], role)
		require.NoError(t, err, role)
	}
	for _, p := range []careidtest.Person{h.RAManager, h.RAAgent, h.Sponsor, h.Nurse} {
		require.Greater(t, days(p), time.Duration(90), "the staff's own cards are good")
	}
	require.NoError(t, func() error {
		h.Clock.Add(h.People[3].Card.Certificates[0].NotAfter.Sub(h.Clock.Now()))
		return h.Renew(ctx, h.People[3].Card)
	}())
	require.Greater(t, days(h.People[3]), time.Duration(1000))
}

func TestPersonasArePlainValues(t *testing.T) {
	one := careidtest.Nurse()
	one.Given, one.Passcode = "Bola", "13579135"
	h := careidtest.New(t, careidtest.Config{})
	person, err := h.Add(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, "Bola Patel", person.Profile.Name())
	_, err = h.SignInWith(t.Context(), person.Card, []byte("13579135"))
	require.NoError(t, err)
	require.Equal(t, "Asha", careidtest.Nurse().Given)

	_, err = h.Add(t.Context(), careidtest.Expired())
	require.ErrorContains(t, err, "Config.People")
	one.DaysLeft = 1200
	_, err = careidtest.Open(careidtest.Config{People: []careidtest.Persona{one}})
	require.ErrorContains(t, err, "1200 days")
}
