// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// newcomer has a profile, no card of this service, and one of an outside issuer, which is bound.
func newcomer(t *testing.T, h *careidtest.Hospital, o *careidtest.Outside, family string) careidtest.Person {
	t.Helper()
	ctx := context.Background()
	p, err := h.Enrol(ctx, "Nia", family)
	require.NoError(t, err)
	c, err := o.Card(ctx, p.ID, "Nia "+family)
	require.NoError(t, err)
	require.NoError(t, h.Bind(ctx, p.ID, c))
	return careidtest.Person{Profile: p, Card: c}
}

func revoke(t *testing.T, h *careidtest.Hospital, o *careidtest.Outside, c *careidtest.Card, reason int) {
	t.Helper()
	require.NoError(t, o.CA.Revoke(context.Background(), c.Certificates[0], reason, h.Clock.Now()))
}

func TestOutsideCard(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North", "South"}})
	north := h.Outside[0]
	nia := newcomer(t, h, north, "Byrne")

	t.Run("signs in like any other", func(t *testing.T) {
		in := signIn(t, h, nia.Card)
		require.Equal(t, nia.Profile.ID, in.Session.Profile)
		require.Equal(t, nia.Card.Serial, in.Session.Card)
		require.Equal(t, "AAL3_ANY", in.Session.ACR)
		require.Empty(t, in.Alerts)
		session, err := h.Service.Session(ctx, in.Token)
		require.NoError(t, err)
		require.Equal(t, in.Session, *session)
		cards, err := h.Service.Cards(ctx, holder(t, h, in.Token), nia.Profile.ID)
		require.NoError(t, err)
		require.Equal(t, "North", cards[0].Issuer)
		require.NoError(t, h.Service.Removed(ctx, in.Presence))
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
	})
	t.Run("the audit says whose card", func(t *testing.T) {
		rows := audited(t, h, func() { newcomer(t, h, north, "Audited") })
		var details []string
		for _, row := range rows {
			if row.Action == "open act bind" || row.Action == "answer presence" {
				details = append(details, row.Detail)
			}
		}
		require.Len(t, details, 2)
		require.Contains(t, details[0], "evidence presence passport")
		require.Contains(t, details[1], "a card of North")
	})
	t.Run("only the issuer renews, repairs and clears", func(t *testing.T) {
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		self := holder(t, h, signIn(t, h, nia.Card).Token)
		for _, ask := range []struct {
			by careid.Actor
			r  careid.ActRequest
		}{
			{self, careid.ActRequest{Kind: careid.Renew}},
			{agent, careid.ActRequest{Kind: careid.Renew, Evidence: careid.Evidence{Kind: careid.ByCard}}},
			{agent, careid.ActRequest{Kind: careid.Repair, Evidence: careid.Evidence{Kind: careid.ByCard}}},
			{agent, careid.ActRequest{Kind: careid.Clear}},
			{agent, careid.ActRequest{Kind: careid.Unlock, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}}},
		} {
			ask.r.Card = nia.Card.Serial
			_, err := h.Service.OpenAct(ctx, ask.by, ask.r)
			no := refused(t, err, "card.outside")
			require.Equal(t, "North: the card office of North, 01632 960000", no.Contact)
			require.Equal(t, "This card was issued by North, and only they can do that.", no.Public)
		}
		handle, err := h.Service.OpenUnlock(ctx, []byte("cookie"))
		require.NoError(t, err)
		_, err = h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: nia.Card.Serial, Channel: careid.ByEmail})
		require.NotEmpty(t, refused(t, err, "card.outside").Contact)
	})
	t.Run("what its issuer has renewed is bound again", func(t *testing.T) {
		old := *nia.Card
		require.NoError(t, north.Renew(ctx, nia.Card))
		_, err := h.SignIn(ctx, nia.Card)
		refused(t, err, "cert.unknown")
		require.NoError(t, h.Bind(ctx, nia.Profile.ID, nia.Card))
		signIn(t, h, nia.Card)
		_, err = h.SignIn(ctx, &old)
		refused(t, err, "cert.superseded")
	})
	t.Run("taken out of use, and bound again", func(t *testing.T) {
		tom := newcomer(t, h, north, "Leaver")
		in := signIn(t, h, tom.Card)
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		require.NoError(t, h.Service.CancelCard(ctx, agent, tom.Card.Serial))
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.SignIn(ctx, tom.Card)
		refused(t, err, "card.cancelled")
		certs, err := h.Service.Certificates(ctx, careid.Operator("test"), tom.Card.Serial)
		require.NoError(t, err)
		require.Equal(t, careid.CertificateUnbound, certs[0].State)
		_, err = h.Service.Due(ctx) // nothing is asked of a CA that doesn't know the certificate
		require.NoError(t, err)
		require.NoError(t, h.Bind(ctx, tom.Profile.ID, tom.Card))
		signIn(t, h, tom.Card)
	})
	t.Run("a lost one stays lost", func(t *testing.T) {
		ann := newcomer(t, h, north, "Lost")
		_, err := h.Service.ReportLoss(ctx, actor(t, h, h.RAAgent, careid.RAAgent), careid.LossReport{Profile: ann.Profile.ID})
		require.NoError(t, err)
		refused(t, h.Bind(ctx, ann.Profile.ID, ann.Card), "card.lost")
		card, err := h.Issue(ctx, ann.Profile.ID, "")
		require.NoError(t, err)
		signIn(t, h, card)
	})
	t.Run("one card in use", func(t *testing.T) {
		c, err := north.Card(ctx, h.Nurse.Profile.ID, "Asha Patel")
		require.NoError(t, err)
		refused(t, h.Bind(ctx, h.Nurse.Profile.ID, c), "card.exists")
		_, err = h.Issue(ctx, nia.Profile.ID, "")
		refused(t, err, "card.exists")
	})
}

func TestOutsideCardEnds(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North"}})
	north := h.Outside[0]
	t.Run("row063", func(t *testing.T) { // alerted in the last ninety days, refused after the end, and by whom it is renewed
		ivy := newcomer(t, h, north, "Ends")
		end := ivy.Card.Certificates[0].NotAfter
		h.Clock.Set(end.Add(-90 * 24 * time.Hour))
		alerts := signIn(t, h, ivy.Card).Alerts
		require.Len(t, alerts, 1)
		require.Equal(t, []any{90, "North"}, []any{alerts[0].DaysLeft, alerts[0].Issuer})
		h.Clock.Set(end)
		require.Equal(t, 0, signIn(t, h, ivy.Card).Alerts[0].DaysLeft)
		h.Clock.Add(time.Second)
		_, err := h.SignIn(ctx, ivy.Card)
		require.Contains(t, refused(t, err, "cert.expired").Contact, "North: ")
	})
}

func TestOutsideRevocation(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North"}})
	north := h.Outside[0]
	t.Run("threat033", func(t *testing.T) { // the session dies with what the issuer publishes
		ned := newcomer(t, h, north, "Revoked")
		in := signIn(t, h, ned.Card)
		revoke(t, h, north, ned.Card, 1)
		h.Clock.Add(25 * time.Hour) // beyond what was fetched before
		h.Wall.Add(25 * time.Hour)
		_, err := h.SignIn(ctx, ned.Card)
		refused(t, err, "cert.revoked")
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
	})
}

func TestOutsideCertificates(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North"}})
	north := h.Outside[0]
	t.Run("bound by a good certificate for signing in alone", func(t *testing.T) {
		p, err := h.Enrol(ctx, "Zoe", "Late")
		require.NoError(t, err)
		for state, rule := range map[pkitest.State]string{
			pkitest.Expired: "cert.expired", pkitest.Revoked: "cert.revoked", pkitest.Held: "cert.held",
			pkitest.NotYetValid: "cert.unknown", pkitest.Foreign: "cert.unknown", pkitest.WrongPurpose: "cert.usage",
		} {
			pair := north.CA.Pair(state)
			c := &careidtest.Card{Serial: "zoe's", Keys: pair.Keys, Certificates: pair.Certificates}
			refused(t, h.Bind(ctx, p.ID, c), rule)
			_, err = h.SignIn(ctx, c)
			require.Error(t, err)
		}
		pair := north.CA.Pair(pkitest.Good)
		second := &careidtest.Card{Serial: "zoe's", Keys: pair.Keys[1:], Certificates: pair.Certificates[1:]}
		refused(t, h.Bind(ctx, p.ID, second), "cert.usage")
	})
}

func TestOutsideConfig(t *testing.T) {
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North"}})
	good := h.Outside[0].Issuer
	for name, spoil := range map[string]func(o *careid.OutsideIssuer){
		"a name":        func(o *careid.OutsideIssuer) { o.Name = "" },
		"a name of its": func(o *careid.OutsideIssuer) {},
		"plain":         func(o *careid.OutsideIssuer) { o.Name = "Nord\n" },
		"Verify":        func(o *careid.OutsideIssuer) { o.Name, o.Verify = "East", nil },
		"Contact":       func(o *careid.OutsideIssuer) { o.Name, o.Contact = "East", "" },
	} {
		bad := good
		spoil(&bad)
		c := h.Config
		c.Outside = []careid.OutsideIssuer{good, bad}
		_, err := careid.New(c)
		require.ErrorContains(t, err, name)
	}
	t.Run("threat065", func(t *testing.T) { // where none is configured, nothing is bound
		plain := careidtest.New(t, careidtest.Config{})
		_, err := plain.Service.OpenAct(t.Context(), actor(t, plain, plain.RAAgent, careid.RAAgent), careid.ActRequest{
			Kind: careid.Bind, Card: "c", Profile: plain.Nurse.Profile.ID, Evidence: careid.Evidence{Kind: careid.ByCard, Document: "passport"},
		})
		refused(t, err, "act.kind")
	})
}

func TestSubjectUserID(t *testing.T) {
	serialNumber := func(values ...string) pkix.Name {
		var rdn pkix.RDNSequence
		for _, v := range values {
			rdn = append(rdn, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: v}})
		}
		var name pkix.Name
		name.FillFromRDNSequence(&rdn)
		return name
	}
	id, err := careid.SubjectUserID(serialNumber("123456789012"))
	require.NoError(t, err)
	require.Equal(t, "123456789012", id)
	for _, values := range [][]string{nil, {""}, {"12345678901"}, {"1234567890123"}, {"12345678901x"}, {"１２３４５６７８９０１２"}, {"123456789012", "123456789012"}, {"210987654321", "123456789012"}} {
		_, err := careid.SubjectUserID(serialNumber(values...))
		require.Error(t, err, "%q", values)
	}
}

// An issuer whose cards name their holder in another way, and where its lists and responders are asked: the Verifier of
// package pki, whose roots, intermediates and sources are the issuer's.
func ExampleOutsideIssuer() {
	h, err := careidtest.Open(careidtest.Config{Outside: []string{"North Trust"}})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	ctx := context.Background()
	north := h.Outside[0] // Issuer.Verify is verifier.Verify(ctx, []*x509.Certificate{cert}, pki.PurposeAuthentication, time.Time{})

	nia, err := h.Enrol(ctx, "Nia", "Byrne")
	if err != nil {
		panic(err)
	}
	card, err := north.Card(ctx, nia.ID, "BYRNE Nia")
	if err != nil {
		panic(err)
	}
	_, err = h.SignIn(ctx, card)
	fmt.Println(wardkey.RuleOf(err))
	fmt.Println(h.Bind(ctx, nia.ID, card))
	in, err := h.SignIn(ctx, card)
	if err != nil {
		panic(err)
	}
	fmt.Println(in.Session.Name, in.Session.ACR)
	// Output:
	// cert.unknown
	// <nil>
	// Nia Byrne AAL3_ANY
}
