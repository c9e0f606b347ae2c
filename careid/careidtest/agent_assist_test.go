// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
)

// Help at a desk, with a real server and a real agent: the RA manager is signed in
// with the card in reader 0, the holder's card is in reader 1, and only the holder
// types its passcodes.
func TestAgentAssists(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.issued()
	b := d.browser()
	b.signIn(passcode)
	ben := careid.Profile{ID: "555000000002", Given: "Ben", Family: "Ward", Organisation: "RBA", State: careid.ProfileOpen, OpenedAt: d.clock.Now()}
	require.NoError(t, d.store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error { return tx.People.AddProfile(ctx, ben) }))
	serial := d.blank(1)
	attested := careid.Evidence{Kind: careid.Attested, Document: "passport"}
	run := func(r agent.Request, forms ...map[string]string) agent.Task {
		t.Helper()
		task, err := d.Run(ctx, r, forms...)
		require.NoError(t, err)
		return task
	}
	const bens = "31415926"
	act := b.open(careid.ActRequest{Kind: careid.Issue, Card: serial, Profile: ben.ID, Evidence: attested})
	d.done(run(asAgent(t, d.cards.ActTicket(b.request(), act)), chosen(bens)))

	unlock := func() agent.Request {
		act := b.open(careid.ActRequest{Kind: careid.Unlock, Card: serial, Evidence: attested})
		return asAgent(t, d.cards.ActTicket(b.request(), act))
	}
	lock := func() {
		opened, err := d.Start(ctx, agent.Request{Kind: agent.Presence, Server: d.web.URL, Bind: d.cards.PresenceTicket(b.request(), act).Bind, Act: act.ID})
		require.NoError(t, err)
		for range 3 {
			_, err := d.Type(ctx, opened, typed("000000"))
			require.NoError(t, err)
		}
		pin, _ := d.states(serial)
		require.Equal(t, card.PINLocked, pin)
	}

	t.Run("row056", func(t *testing.T) {
		lock() // and Ben has no address that a code could go to
		d.done(run(unlock(), chosen("27182818")))
		pin, soPIN := d.states(serial)
		require.Equal(t, card.PINReady, pin)
		require.Equal(t, card.PINReady, soPIN)
		require.True(t, b.in(), "the desk's own session goes on")
		for _, secret := range append(d.soPINs(serial, 6), "27182818", bens) {
			require.NotContains(t, d.wired(), secret)
			require.NotContains(t, d.log.String(), secret)
		}
	})
	t.Run("cut short, and resumed", func(t *testing.T) {
		lock()
		d.setGate(func(path string, before bool) bool {
			if path == "reset/opened" && !before {
				d.setGate(nil)
				require.NoError(t, d.tray.Remove(1))
			}
			return true
		})
		opened, err := d.Start(ctx, unlock())
		require.NoError(t, err)
		task, err := d.Type(ctx, opened, chosen("16180339"))
		require.NoError(t, err)
		require.Equal(t, "resume", task.Step)
		require.NoError(t, d.tray.Insert(1, serial))
		task, err = d.Type(ctx, opened, chosen("16180339"))
		require.NoError(t, err)
		d.done(task)
	})
	t.Run("the holder changes it", func(t *testing.T) {
		act := b.open(careid.ActRequest{Kind: careid.Passcode, Card: serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
		ticket := d.cards.ActTicket(b.request(), act)
		change := with(chosen("14142135"), "passcode", "99999999")
		opened, err := d.Start(ctx, asAgent(t, ticket))
		require.NoError(t, err)
		task, err := d.Type(ctx, opened, change)
		require.NoError(t, err)
		require.Equal(t, "passcode.wrong", rule(task))
		task, err = d.Type(ctx, opened, with(chosen("14142135"), "passcode", "16180339"))
		require.NoError(t, err)
		d.done(task)
		require.Equal(t, "act.unknown", rule(run(asAgent(t, ticket), with(chosen("17320508"), "passcode", "14142135"))), "once")
		require.NoError(t, d.tray.Remove(0))
		require.Eventually(t, func() bool { return !b.in() }, patience, 20*time.Millisecond)
		d.done(run(d.browser().ticket("/signin"), typed("14142135")))
	})
}
