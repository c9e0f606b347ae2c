// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
)

// A card that another authority made, through a real agent: its own proof at the desk binds it, it signs in and is
// alerted, and is unlocked here once its issuer has told its SO PIN.
func TestAgentOutsideCard(t *testing.T) {
	d := newDesk(t, "North")
	ctx := t.Context()
	ada := d.issued()
	ben := careid.Profile{ID: "555000000002", Given: "Ben", Family: "Ward", Organisation: "RBA", Email: "ben.ward@nhs.net", State: careid.ProfileOpen, OpenedAt: d.clock.Now()}
	require.NoError(t, d.store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error { return tx.People.AddProfile(ctx, ben) }))

	const bens, officer = "31415926", "the SO PIN of North"
	var authentication *x509.Certificate
	serial, err := d.tray.Personalised(1, cardtest.Personal{
		Label: "North Trust", PIN: []byte(bens), SOPIN: []byte(officer),
		Certify: func(keys []*card.Key) ([]*x509.Certificate, error) {
			var requests []*x509.CertificateRequest
			for _, key := range keys {
				r, err := key.CertificateRequest(ctx, &x509.CertificateRequest{})
				if err != nil {
					return nil, err
				}
				requests = append(requests, r)
			}
			certificates, err := d.outside[0].Issue(ctx, hex.EncodeToString([]byte("an act at North.")), pkix.Name{CommonName: "WARD Ben", SerialNumber: ben.ID}, requests)
			if err == nil {
				authentication = certificates[0]
			}
			return certificates, err
		},
	})
	require.NoError(t, err)

	signIn := func(passcode string) (*browser, string) {
		t.Helper()
		b := d.browser()
		return b, b.signInAt(1, passcode)
	}
	// adaIn has the RA manager sign in in reader 0, and away pulls her card again.
	adaIn := func() *browser {
		t.Helper()
		b := d.browser()
		b.signInAt(0, passcode)
		return b
	}
	away := func(reader int, b *browser) {
		t.Helper()
		require.NoError(t, d.tray.Remove(reader))
		require.Eventually(t, func() bool { return !b.in() }, patience, 20*time.Millisecond)
	}

	reader := 1
	stranger := d.browser().ticket("/signin")
	stranger.Reader = &reader
	task, err := d.Run(ctx, stranger, typed(bens))
	require.NoError(t, err)
	require.Equal(t, "cert.unknown", rule(task), "nobody's yet")

	b := adaIn()
	act := b.open(careid.ActRequest{Kind: careid.Bind, Card: serial, Profile: ben.ID, Evidence: careid.Evidence{Kind: careid.ByCard, Document: "passport"}})
	presence := asAgent(t, d.cards.PresenceTicket(b.request(), act))
	opened, err := d.Start(ctx, presence)
	require.NoError(t, err)
	task, err = d.Type(ctx, opened, typed("00000000"))
	require.NoError(t, err)
	require.Equal(t, "passcode.wrong", rule(task))
	task, err = d.Type(ctx, opened, typed(bens))
	require.NoError(t, err)
	d.done(task)
	require.Empty(t, task.Result, "it binds the card and signs nobody in")
	require.True(t, b.in(), "the desk's own session goes on")
	task, err = d.Run(ctx, presence, typed(bens))
	require.NoError(t, err)
	require.Equal(t, "act.unknown", rule(task), "once")
	away(0, b)

	t.Run("signs in, and its leaving ends the session", func(t *testing.T) {
		b, said := signIn(bens)
		require.Contains(t, said, `"alerts":[]`)
		_, name := b.get("/ward")
		require.Equal(t, "Ben Ward", name)
		status, body := b.get("/renew")
		require.Equal(t, 403, status)
		require.Contains(t, body, "card.outside")
		away(1, b)
		require.NoError(t, d.tray.Insert(1, serial))
		require.False(t, b.in())
	})
	t.Run("row063", func(t *testing.T) {
		d.clock.Set(authentication.NotAfter.Add(-30 * 24 * time.Hour))
		b, said := signIn(bens)
		require.Contains(t, said, `"daysLeft":30`)
		require.Contains(t, said, `"issuer":"North"`)
		away(1, b)
		require.NoError(t, d.tray.Insert(1, serial))
	})
	t.Run("row055", func(t *testing.T) {
		opened, err := d.Start(ctx, d.browser().ticket("/signin"))
		require.NoError(t, err)
		for range 3 {
			_, err := d.Type(ctx, opened, typed("00000000"))
			require.NoError(t, err)
		}
		pin, _ := d.states(serial)
		require.Equal(t, card.PINLocked, pin)
		opened, err = d.Start(ctx, d.browser().ticket("/unlock"))
		require.NoError(t, err)
		_, err = d.Type(ctx, opened, map[string]string{"channel": "email"})
		require.NoError(t, err)

		require.NoError(t, d.tray.Insert(0, ada))
		b := adaIn()
		manager, err := d.service.Actor(ctx, d.cards.Token(b.request()), careid.RAManager, "RBA")
		require.NoError(t, err)
		require.Empty(t, d.inbox, "nobody here could have opened it")
		require.NoError(t, d.service.ImportSOPIN(ctx, manager, serial, []byte(officer)))
		away(0, b)

		opened, code := d.ask()
		task, err := d.Type(ctx, opened, with(chosen("27182818"), "code", code))
		require.NoError(t, err)
		d.done(task)
		signIn("27182818")
		c, err := d.module.Card(ctx, card.Selector{Serial: serial})
		require.NoError(t, err)
		so, err := c.SO(ctx, []byte(officer), card.LoginOptions{})
		if err == nil {
			so.Close()
		}
		require.ErrorIs(t, err, card.ErrWrongSOPIN, "from now on it has one of this service")
		require.NotContains(t, d.wired(), officer)
		require.NotContains(t, d.log.String(), officer)
	})
}
