// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// TestDeskHelp is a nurse at the desk whose card is locked, and who then wants
// another passcode: the RA agent opens the work, and the nurse alone types.
func TestDeskHelp(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	ctx, state := t.Context(), client(t, e).state()
	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	staff, staffPasscode := state.card("Tomasz Lis")
	card, passcode := state.card("Amara Bell")
	require.NoError(t, h.Insert(ctx, 1, staff))
	agent := h.Browser()
	_, err = agent.SignIn(ctx, 1, staffPasscode)
	require.NoError(t, err)

	require.NoError(t, h.Insert(ctx, 3, card))
	task, err := h.Browser().StartSignIn(ctx, 3)
	require.NoError(t, err)
	for range 3 {
		require.Error(t, task.Answer(ctx, map[string]string{"passcode": "000000"}))
	}
	require.NoError(t, h.Pull(ctx, 3))
	require.NoError(t, h.Insert(ctx, 2, card))
	slot, err := h.Slot(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, "locked", slot.State)
	require.NoError(t, agent.UnlockFor(ctx, card, 2, "passport 925665416", "53589793"))
	require.NoError(t, agent.ChangePasscodeFor(ctx, card, 2, "53589793", "23846264"))
	err = agent.ChangePasscodeFor(ctx, card, 2, passcode, "11223344")
	require.Equal(t, "passcode.wrong", wardkey.RuleOf(err), "the old one is dead")

	require.NoError(t, h.Pull(ctx, 2))
	require.NoError(t, h.Insert(ctx, 3, card))
	_, err = h.Browser().SignIn(ctx, 3, "23846264")
	require.NoError(t, err)
	_, err = agent.Session(ctx)
	require.NoError(t, err, "the agent's own session goes on")
}

// TestReminder moves the calendar to where the first reminder falls due.
func TestReminder(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	to := "amara.bell@nhs.net"
	before := len(e.rooms.Inbox.Messages(to))
	status, body := p.call("POST", "/clock", map[string]string{"to": e.rooms.Clock.Now().AddDate(3, 0, -29).UTC().Format(time.RFC3339)})
	require.Equal(t, 200, status, string(body))
	var reminder string
	require.Eventually(t, func() bool {
		for _, m := range e.rooms.Inbox.Messages(to)[before:] {
			if m.Subject == "The certificates on your smartcard end within 30 days" {
				reminder = m.Body
			}
		}
		return reminder != ""
	}, time.Minute, 100*time.Millisecond)
	require.Contains(t, reminder, e.addresses.Web+"/my")
}
