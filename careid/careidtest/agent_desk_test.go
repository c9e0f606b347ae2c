// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

// request is one that carries the browser's cookies, for the server's own code.
func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, b.d.web.URL, nil)
	at, err := url.Parse(b.d.web.URL)
	require.NoError(b.d.t, err)
	for _, c := range b.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	return r
}

// open opens an act as the RA manager whose browser this is.
func (b *browser) open(r careid.ActRequest) *careid.Act {
	b.d.t.Helper()
	actor, err := b.d.service.Actor(b.d.t.Context(), b.d.cards.Token(b.request()), careid.RAManager, "RBA")
	require.NoError(b.d.t, err)
	act, err := b.d.service.OpenAct(b.d.t.Context(), actor, r)
	require.NoError(b.d.t, err)
	return act
}

// asAgent is a ticket as a page hands it over.
func asAgent(t *testing.T, ticket cardhttp.Ticket) agent.Request {
	var r agent.Request
	require.NoError(t, json.Unmarshal([]byte(ticket.JSON()), &r))
	return r
}

// Two people at one desk: the RA manager is signed in with the card in reader 0,
// and the card in reader 1 belongs to somebody else.
func TestAgentDesk(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	ada := d.issued()
	b := d.browser()
	b.signIn(passcode)
	ben := careid.Profile{ID: "555000000002", Given: "Ben", Family: "Ward", Organisation: "RBA", Email: "ben.ward@nhs.net", State: careid.ProfileOpen, OpenedAt: d.clock.Now()}
	require.NoError(t, d.store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error { return tx.People.AddProfile(ctx, ben) }))

	serial := d.blank(1)
	const bens = "31415926"
	attested := careid.Evidence{Kind: careid.Attested, Document: "passport"}
	run := func(r agent.Request, forms ...map[string]string) agent.Task {
		t.Helper()
		task, err := d.Run(ctx, r, forms...)
		require.NoError(t, err)
		return task
	}

	status, err := d.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, serial, status.Readers[1].Serial, "a blank card is nobody's yet")

	act := b.open(careid.ActRequest{Kind: careid.Issue, Card: serial, Profile: ben.ID, Evidence: attested})
	d.done(run(asAgent(t, d.cards.ActTicket(b.request(), act)), chosen(bens)))
	c, err := d.module.Card(ctx, card.Selector{Serial: serial})
	require.NoError(t, err)
	first, err := c.Certificates(ctx)
	require.NoError(t, err)

	t.Run("one holder at a time", func(t *testing.T) {
		reader := 1
		ticket := d.browser().ticket("/signin")
		ticket.Reader = &reader
		require.Equal(t, "session.busy", rule(run(ticket, typed(bens))))
		require.True(t, b.in())
	})
	t.Run("the guest's leaving ends nothing", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(1))
		time.Sleep(300 * time.Millisecond)
		require.True(t, b.in())
		require.NoError(t, d.tray.Insert(1, serial))
	})

	// Ada renews in time, Ben does not.
	end := first[0].X509.NotAfter
	d.clock.Set(end.Add(-48 * time.Hour))
	b.signIn(passcode)
	d.done(run(b.ticket("/renew"), typed(passcode)))
	d.clock.Set(end.Add(48 * time.Hour))
	b.signIn(passcode)

	t.Run("row065", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(0))
		require.Eventually(t, func() bool { s, err := d.Status(ctx); return err == nil && !s.Readers[0].SignedIn }, patience, 20*time.Millisecond)
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, "cert.expired", rule(run(d.browser().ticket("/signin"), typed(bens))))
		locked := run(d.browser().ticket("/unlock"), map[string]string{"channel": "text"})
		require.Equal(t, "cert.expired", rule(locked), "told by the agent, from the card")
		require.NoError(t, d.tray.Insert(0, ada))
		b.signIn(passcode)
	})
	t.Run("row010", func(t *testing.T) {
		act := b.open(careid.ActRequest{Kind: careid.Renew, Card: serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
		renew := asAgent(t, d.cards.ActTicket(b.request(), act))
		_, err := d.Start(ctx, renew)
		require.ErrorContains(t, err, "evidence.missing")

		presence := asAgent(t, d.cards.PresenceTicket(b.request(), act))
		d.done(run(presence, typed(bens)))
		d.done(run(renew, typed(bens)))
		now, err := c.Certificates(ctx)
		require.NoError(t, err)
		require.Len(t, now, 2)
		require.True(t, now[0].X509.NotAfter.After(d.clock.Now()))
		require.True(t, b.in())
	})
	t.Run("repair", func(t *testing.T) {
		before, err := c.Certificates(ctx)
		require.NoError(t, err)
		act := b.open(careid.ActRequest{Kind: careid.Repair, Card: serial, Evidence: attested})
		d.done(run(asAgent(t, d.cards.ActTicket(b.request(), act)), typed(bens)))
		after, err := c.Certificates(ctx)
		require.NoError(t, err)
		require.Len(t, after, 2)
		require.False(t, after[0].X509.Equal(before[0].X509))
	})
	t.Run("clear, and issue again", func(t *testing.T) {
		act := b.open(careid.ActRequest{Kind: careid.Clear, Card: serial, Evidence: attested})
		d.done(run(asAgent(t, d.cards.ActTicket(b.request(), act)), map[string]string{}))
		none, err := c.Certificates(ctx)
		require.NoError(t, err)
		require.Empty(t, none)
		act = b.open(careid.ActRequest{Kind: careid.Issue, Card: serial, Profile: ben.ID, Locked: true, Evidence: attested})
		task := run(asAgent(t, d.cards.ActTicket(b.request(), act)), map[string]string{})
		d.done(task)
	})
	t.Run("row035", func(t *testing.T) {
		// Issued locked: the first unlock chooses the passcode.
		require.NoError(t, d.tray.Remove(0))
		time.Sleep(300 * time.Millisecond)
		opened, code := d.ask()
		task, err := d.Type(ctx, opened, with(chosen("27182818"), "code", code))
		require.NoError(t, err)
		d.done(task)
		d.browser().signInAt(1, "27182818")
	})
	t.Run("row121", func(t *testing.T) {
		// The browser that was Ada's: pulled, her session is gone, and what comes
		// next is Ben's own, under another id.
		require.False(t, b.in())
		hers := d.cards.Token(b.request())
		b.signInAt(1, "27182818")
		_, name := b.get("/ward")
		require.Equal(t, "Ben Ward", name)
		require.NotEqual(t, hers, d.cards.Token(b.request()))
	})
}
