// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// elsewhere makes a Service of the hospital with other outside issuers, and puts it in the place of the first.
func elsewhere(t *testing.T, h *careidtest.Hospital, issuers ...careid.OutsideIssuer) {
	t.Helper()
	c := h.Config
	c.Outside = issuers
	service, err := careid.New(c)
	require.NoError(t, err)
	h.Service = service
}

func TestOutsideAttacks(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North", "South"}})
	north, south := h.Outside[0], h.Outside[1]
	first := h.Service
	nia := newcomer(t, h, north, "Byrne")
	mallory, err := h.Enrol(ctx, "Mal", "Lory")
	require.NoError(t, err)

	t.Run("another issuer's card with somebody else's user id", func(t *testing.T) {
		for _, victim := range []careid.Profile{nia.Profile, h.Nurse.Profile} {
			c, err := south.Card(ctx, victim.ID, victim.Name())
			require.NoError(t, err)
			_, err = h.SignIn(ctx, c)
			refused(t, err, "cert.unknown")
			refused(t, h.Bind(ctx, victim.ID, c), "card.exists")
			refused(t, h.Bind(ctx, mallory.ID, c), "card.person")
			_, err = h.SignIn(ctx, c)
			refused(t, err, "cert.unknown")
		}
	})
	t.Run("the same subject under two issuers", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Two", "Cards")
		require.NoError(t, err)
		a, err := north.Card(ctx, p.ID, "Two Cards")
		require.NoError(t, err)
		b, err := south.Card(ctx, p.ID, "Two Cards")
		require.NoError(t, err)
		require.Equal(t, a.Certificates[0].RawSubject, b.Certificates[0].RawSubject)
		require.NoError(t, h.Bind(ctx, p.ID, a))
		_, err = h.SignIn(ctx, b)
		refused(t, err, "cert.unknown")
		b.Serial = a.Serial // and says that it is the same card
		refused(t, h.Bind(ctx, p.ID, b), "card.taken")
		_, err = h.SignIn(ctx, b)
		refused(t, err, "cert.unknown")
		signIn(t, h, a)
	})
	t.Run("another's serial", func(t *testing.T) {
		c, err := north.Card(ctx, mallory.ID, "Mal Lory")
		require.NoError(t, err)
		for serial, rule := range map[string]string{h.Nurse.Card.Serial: "card.ours", nia.Card.Serial: "card.taken", "": "card.serial"} {
			c.Serial = serial
			refused(t, h.Bind(ctx, mallory.ID, c), rule)
		}
	})
	t.Run("without a fresh proof", func(t *testing.T) {
		c, err := north.Card(ctx, mallory.ID, "Mal Lory")
		require.NoError(t, err)
		in := signIn(t, h, h.RAManager.Card)
		manager, err := h.Service.Actor(ctx, in.Token, careid.RAManager, careidtest.Organisation)
		require.NoError(t, err)
		ask := careid.ActRequest{Kind: careid.Bind, Card: c.Serial, Profile: mallory.ID, Evidence: careid.Evidence{Kind: careid.ByCard}}
		_, err = h.Service.OpenAct(ctx, manager, ask)
		refused(t, err, "evidence.missing") // no document
		ask.Evidence = careid.Evidence{Kind: careid.Attested, Document: "passport"}
		_, err = h.Service.OpenAct(ctx, manager, ask)
		refused(t, err, "evidence.missing") // no card
		ask.Evidence.Kind = careid.ByCard
		act, err := h.Service.OpenAct(ctx, manager, ask)
		require.NoError(t, err)
		_, err = h.SignIn(ctx, c)
		refused(t, err, "cert.unknown")

		late, err := h.Service.Nonce(ctx, careid.Presence)
		require.NoError(t, err)
		h.Wall.Add(60 * time.Second)
		require.NoError(t, h.Service.Lease(ctx, signIn(t, h, nia.Card).Presence))
		in = signIn(t, h, h.RAManager.Card) // its lease ran out meanwhile
		manager, err = h.Service.Actor(ctx, in.Token, careid.RAManager, careidtest.Organisation)
		require.NoError(t, err)
		again, err := h.Service.OpenAct(ctx, manager, ask)
		require.NoError(t, err)
		require.Equal(t, act.ID, again.ID)
		other := signIn(t, h, h.RAManager.Card)
		signIns, err := h.Service.Nonce(ctx, careid.SignIn)
		require.NoError(t, err)
		for name, attack := range map[string]struct {
			claims careidtest.Claims
			rule   string
		}{
			"late":                   {careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token, Nonce: late}, "proof.nonce"},
			"a nonce for a sign-in":  {careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token, Nonce: signIns}, "proof.nonce"},
			"another session":        {careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: other.Token}, "proof.purpose"},
			"no session":             {careidtest.Claims{Purpose: careid.Presence, Act: act.ID}, "proof.purpose"},
			"a sign-in for the act":  {careidtest.Claims{Act: act.ID, Bind: in.Token}, "cert.unknown"},
			"a renewal of the act":   {careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token}, "cert.unknown"},
			"an act that is unknown": {careidtest.Claims{Purpose: careid.Presence, Act: "none", Bind: in.Token}, "cert.unknown"},
			"another origin":         {careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token, Origin: "https://evil.example"}, "proof.origin"},
		} {
			_, err := h.Answer(ctx, c, attack.claims)
			refused(t, err, attack.rule)
			_, err = h.SignIn(ctx, c)
			refused(t, err, "cert.unknown")
			require.NotEmpty(t, name)
		}
		// Whoever sits there signs with a key that is not the certificate's.
		jws, err := h.ProofBy(ctx, nia.Card.Keys[0], c.Certificates[0], careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		require.NoError(t, err)
		_, err = h.Service.Answer(ctx, jws)
		refused(t, err, "proof.signature")
		// Nia's own card speaks for Mallory's act.
		_, err = h.Answer(ctx, nia.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		refused(t, err, "card.person")
		// The manager signs out: the act is nobody's.
		require.NoError(t, h.Service.SignOut(ctx, in.Token))
		_, err = h.Answer(ctx, c, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		refused(t, err, "act.unknown")
		// The good one, once.
		require.NoError(t, h.Bind(ctx, mallory.ID, c))
		_, err = h.Answer(ctx, c, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		refused(t, err, "act.unknown")
		signIn(t, h, c)
	})
	t.Run("an act given up", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Given", "Up")
		require.NoError(t, err)
		c, err := north.Card(ctx, p.ID, "Given Up")
		require.NoError(t, err)
		in := signIn(t, h, h.RAManager.Card)
		manager, err := h.Service.Actor(ctx, in.Token, careid.RAManager, careidtest.Organisation)
		require.NoError(t, err)
		act, err := h.Service.OpenAct(ctx, manager, careid.ActRequest{
			Kind: careid.Bind, Card: c.Serial, Profile: p.ID, Evidence: careid.Evidence{Kind: careid.ByCard, Document: "passport"},
		})
		require.NoError(t, err)
		require.NoError(t, h.Service.AbandonAct(ctx, manager, act.ID))
		_, err = h.Answer(ctx, c, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
		refused(t, err, "act.unknown")
		require.NoError(t, h.Bind(ctx, p.ID, c))
	})
	t.Run("what was on the card before it was taken out", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Old", "Key")
		require.NoError(t, err)
		c, err := north.Card(ctx, p.ID, "Old Key")
		require.NoError(t, err)
		require.NoError(t, h.Bind(ctx, p.ID, c))
		old := *c
		require.NoError(t, h.Service.CancelCard(ctx, actor(t, h, h.RAAgent, careid.RAAgent), c.Serial))
		require.NoError(t, north.Renew(ctx, c)) // which its issuer does without revoking the old ones
		require.NoError(t, h.Bind(ctx, p.ID, c))
		signIn(t, h, c)
		_, err = h.SignIn(ctx, &old)
		refused(t, err, "cert.unknown")
	})
	t.Run("a card whose state changed under the act", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Un", "Locking")
		require.NoError(t, err)
		c, err := north.Card(ctx, p.ID, "Un Locking")
		require.NoError(t, err)
		require.NoError(t, h.Bind(ctx, p.ID, c))
		locking := careidtest.Person{Profile: p, Card: c}
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		require.NoError(t, h.Service.ImportSOPIN(ctx, agent, c.Serial, c.SOPIN))
		in := signIn(t, h, h.RAManager.Card)
		manager, err := h.Service.Actor(ctx, in.Token, careid.RAManager, careidtest.Organisation)
		require.NoError(t, err)
		ask := careid.ActRequest{Kind: careid.Bind, Card: c.Serial, Profile: p.ID, Evidence: careid.Evidence{Kind: careid.ByCard, Document: "passport"}}
		act, err := h.Service.OpenAct(ctx, manager, ask)
		require.NoError(t, err)
		u := start(t, h, locking)
		reset, err := h.Redeem(ctx, locking, u)
		require.NoError(t, err)
		claims := careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token}
		_, err = h.Answer(ctx, c, claims)
		refused(t, err, "unlock.unfinished") // which no binding ends
		_, err = h.SignIn(ctx, c)
		refused(t, err, "unlock.unfinished")
		require.NoError(t, h.Reset(ctx, locking, u, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		_, err = h.Service.ReportLoss(ctx, agent, careid.LossReport{Profile: p.ID})
		require.NoError(t, err)
		_, err = h.Answer(ctx, c, claims)
		refused(t, err, "act.unknown") // given up with the card
		_, err = h.SignIn(ctx, c)
		refused(t, err, "card.lost")
	})
	t.Run("an outside root that is also ours", func(t *testing.T) {
		old := *h.Nurse.Card
		next, err := h.Issue(ctx, h.Nurse.Profile.ID, old.Serial)
		require.NoError(t, err)
		h.Nurse.Card = next
		own := north.Issuer
		own.Name, own.Verify = "Ours again", h.Verify
		elsewhere(t, h, north.Issuer, own)
		defer func() { h.Service = first }()
		blank, err := h.Enrol(ctx, "No", "Card")
		require.NoError(t, err)
		for _, c := range []careidtest.Card{old, *h.Nurse.Card, *h.Sponsor.Card} {
			c.Serial = "another-serial"
			refused(t, h.Bind(ctx, blank.ID, &c), "card.ours")
		}
		_, err = h.SignIn(ctx, &old)
		refused(t, err, "card.replaced")
		signIn(t, h, h.Nurse.Card)
	})
	t.Run("one root under two names", func(t *testing.T) {
		twin := north.Issuer
		twin.Name = "North's twin"
		elsewhere(t, h, north.Issuer, twin)
		defer func() { h.Service = first }()
		_, err := h.SignIn(ctx, nia.Card)
		require.ErrorContains(t, err, "both know")
		require.Empty(t, wardkey.RuleOf(err))
		signIn(t, h, h.Nurse.Card)
	})
	t.Run("an issuer that is there no more", func(t *testing.T) {
		in := signIn(t, h, nia.Card)
		elsewhere(t, h, south.Issuer)
		defer func() { h.Service = first }()
		_, err := h.SignIn(ctx, nia.Card)
		refused(t, err, "cert.unknown")
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
	})
	t.Run("threat030", func(t *testing.T) { // nobody tells whether it is revoked: refused, and not ended
		in := signIn(t, h, nia.Card)
		book := builtIn(t)
		silent := north.Issuer
		silent.Verify = func(ctx context.Context, cert *x509.Certificate) error {
			if err := north.Issuer.Verify(ctx, cert); err != nil {
				return err
			}
			return book.Refuse("cert.status")
		}
		elsewhere(t, h, silent)
		_, err := h.SignIn(ctx, nia.Card)
		refused(t, err, "cert.status")
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "cert.status")
		broken := north.Issuer
		broken.Verify = func(context.Context, *x509.Certificate) error { return errors.New("no disk") }
		elsewhere(t, h, broken)
		_, err = h.Service.Session(ctx, in.Token)
		require.ErrorContains(t, err, "North: no disk")
		h.Service = first
		_, err = h.Service.Session(ctx, in.Token)
		require.NoError(t, err)
	})
}
