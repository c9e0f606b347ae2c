// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

func TestAct(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	h.Clock.Set(nurse.Card.Certificates[0].NotAfter.Add(-24 * time.Hour))
	in := signIn(t, h, nurse.Card)
	holder, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: nurse.Card.Serial})
	require.NoError(t, err)

	_, err = h.Service.OpenAct(ctx, actor(t, h, h.RAAgent, careid.RAAgent), careid.ActRequest{Kind: careid.Repair, Card: nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
	require.Equal(t, "renew", refused(t, err, "act.open").Facts["kind"])

	keys, requests, err := pkitest.Requests()
	require.NoError(t, err)
	csrs := [][]byte{requests[0].Raw, requests[1].Raw}
	_, err = h.Service.Requests(ctx, "no such handle", csrs)
	refused(t, err, "act.unknown")
	_, err = h.Service.Requests(ctx, act.Handle, csrs)
	refused(t, err, "act.proof") // a stolen handle alone makes no certificate
	_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
	require.NoError(t, err)

	view, err := h.Service.OpenHandle(ctx, act.Handle, nil)
	require.NoError(t, err)
	require.Equal(t, careid.Authentication, view.Keys[0].Use)
	require.Len(t, view.Keys[0].ID, 16)
	require.NotEqual(t, view.Keys[0].ID, view.Keys[1].ID)
	require.Empty(t, view.SOPINs)

	t.Run("threat023", func(t *testing.T) {
		_, err := h.Service.Requests(ctx, act.Handle, csrs[:1])
		refused(t, err, "request.invalid")
		_, err = h.Service.Requests(ctx, act.Handle, [][]byte{csrs[0], []byte("no request")})
		refused(t, err, "request.invalid")
		flipped := append([]byte(nil), csrs[1]...)
		flipped[len(flipped)-1] ^= 1
		_, err = h.Service.Requests(ctx, act.Handle, [][]byte{csrs[0], flipped})
		require.Contains(t, []string{"key.proof", "request.invalid"}, refusalRule(t, err))
	})
	t.Run("threat022", func(t *testing.T) {
		_, err := h.Service.Requests(ctx, act.Handle, [][]byte{csrs[0], csrs[0]})
		refused(t, err, "key.reused")
	})
	certs, err := h.Service.Requests(ctx, act.Handle, csrs)
	require.NoError(t, err)
	again, err := h.Service.Requests(ctx, act.Handle, csrs)
	require.NoError(t, err)
	require.Equal(t, certs[0].Raw, again[0].Raw)
	require.Equal(t, certs[1].Raw, again[1].Raw)
	// An agent that crashed has its keys on the card and signs anew: the same keys are the same requests.
	anew := [][]byte{signedAnew(t, keys[0]), signedAnew(t, keys[1])}
	require.NotEqual(t, csrs, anew)
	again, err = h.Service.Requests(ctx, act.Handle, anew)
	require.NoError(t, err)
	require.Equal(t, []string{string(certs[0].Raw), string(certs[1].Raw)}, []string{string(again[0].Raw), string(again[1].Raw)})
	otherKeys, others, err := pkitest.Requests()
	require.NoError(t, err)
	for _, wrong := range [][][]byte{
		{others[0].Raw, others[1].Raw}, {anew[0], signedAnew(t, otherKeys[1])}, {signedAnew(t, otherKeys[0]), anew[1]}, {anew[1], anew[0]},
	} {
		_, err = h.Service.Requests(ctx, act.Handle, wrong)
		refused(t, err, "act.requests")
	}

	// Until the confirmation both pairs sign in, and the answer lets any agent go on.
	signIn(t, h, nurse.Card)
	pending := &careidtest.Card{Serial: nurse.Card.Serial, Keys: keys, Certificates: certs}
	signIn(t, h, pending)
	answer, err := h.Answer(ctx, nurse.Card, careidtest.Claims{Bind: "c"})
	require.NoError(t, err)
	resumed, err := h.Service.OpenHandle(ctx, answer.OpenAct, nil)
	require.NoError(t, err)
	require.Equal(t, act.ID, resumed.Act)
	require.Len(t, resumed.Certificates, 2)
	require.Equal(t, certs[0].Raw, resumed.Certificates[0].Raw)

	// The confirmation is the new authentication key's, for this act.
	for name, confirm := range map[string]func() (string, error){
		"proof.purpose": func() (string, error) {
			return h.ProofBy(ctx, keys[0], certs[0], careidtest.Claims{Purpose: careid.Renew, Act: "another"})
		},
		"cert.unknown": func() (string, error) {
			return h.Proof(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID})
		},
		"cert.usage": func() (string, error) {
			return h.ProofBy(ctx, keys[1], certs[1], careidtest.Claims{Purpose: careid.Renew, Act: act.ID})
		},
	} {
		jws, err := confirm()
		require.NoError(t, err)
		refused(t, h.Service.Confirm(ctx, act.Handle, jws), name)
	}
	jws, err := h.ProofBy(ctx, keys[0], certs[0], careidtest.Claims{Purpose: careid.Renew, Act: act.ID})
	require.NoError(t, err)
	require.NoError(t, h.Service.Confirm(ctx, act.Handle, jws))
	require.NoError(t, h.Service.Confirm(ctx, act.Handle, jws), "an agent that lost the answer asks again")
	_, err = h.SignIn(ctx, nurse.Card)
	refused(t, err, "cert.superseded")
	signIn(t, h, pending)
	_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
	refused(t, err, "act.unknown")
}

// signedAnew is another request of the same key.
func signedAnew(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return der
}

// A handle is worth no more than the session that it came from.
func TestHandleEndsWithItsSession(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	p, err := h.Enrol(ctx, "New", "Starter")
	require.NoError(t, err)
	card := h.Blank()
	open := func(by *careidtest.SignedIn) *careid.Act {
		a, err := h.Service.Actor(ctx, by.Token, careid.RAAgent, careidtest.Organisation)
		require.NoError(t, err)
		act, err := h.Service.OpenAct(ctx, a, careid.ActRequest{
			Kind: careid.Issue, Card: card.Serial, Profile: p.ID, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"},
		})
		require.NoError(t, err)
		return act
	}
	keys, requests, err := pkitest.Requests()
	require.NoError(t, err)
	csrs := [][]byte{requests[0].Raw, requests[1].Raw}
	dead := func(handle string) {
		t.Helper()
		_, err := h.Service.OpenHandle(ctx, handle, nil)
		refused(t, err, "act.unknown")
		_, err = h.Service.Requests(ctx, handle, csrs)
		refused(t, err, "act.unknown")
	}
	in := signIn(t, h, h.RAAgent.Card)
	stolen := open(in).Handle
	_, err = h.Service.OpenHandle(ctx, stolen, nil)
	require.NoError(t, err)
	require.NoError(t, h.Service.Removed(ctx, in.Presence)) // the agent takes the card and goes
	rows := audited(t, h, func() { dead(stolen) })
	require.Equal(t, "refused act.unknown: its session or role is over", rows[0].Detail)

	in = signIn(t, h, h.RAAgent.Card)
	act := open(in) // the same act, with a further handle
	dead(stolen)
	second := open(signIn(t, h, h.RAAgent.Card)) // at another desk
	require.Equal(t, act.ID, second.ID)
	rows = audited(t, h, func() { dead(act.Handle) })
	require.Equal(t, "refused act.unknown: somebody else took it up", rows[0].Detail)
	act = open(in)
	dead(second.Handle)
	manager := actor(t, h, h.RAManager, careid.RAManager)
	require.NoError(t, h.Service.EndRole(ctx, manager, h.RAAgent.Profile.ID, careid.RAAgent))
	dead(act.Handle)
	require.NoError(t, h.Service.GrantRole(ctx, manager, h.RAAgent.Profile.ID, careid.RAAgent))
	_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
	require.NoError(t, err)
	certs, err := h.Service.Requests(ctx, act.Handle, csrs)
	require.NoError(t, err)
	jws, err := h.ProofBy(ctx, keys[0], certs[0], careidtest.Claims{Purpose: careid.Renew, Act: act.ID})
	require.NoError(t, err)
	require.NoError(t, h.Service.SignOut(ctx, in.Token))
	refused(t, h.Service.Confirm(ctx, act.Handle, jws), "act.unknown")
	in = signIn(t, h, h.RAAgent.Card)
	act = open(in)
	jws, err = h.ProofBy(ctx, keys[0], certs[0], careidtest.Claims{Purpose: careid.Renew, Act: act.ID})
	require.NoError(t, err)
	require.NoError(t, h.Service.Confirm(ctx, act.Handle, jws))
	require.NoError(t, h.Service.SignOut(ctx, in.Token))
	require.NoError(t, h.Service.Confirm(ctx, act.Handle, ""), "an agent that lost the answer asks again")
	dead(act.Handle)
}

func TestAbandon(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	h.Clock.Set(nurse.Card.Certificates[0].NotAfter.Add(-24 * time.Hour))
	in := signIn(t, h, nurse.Card)
	holder, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: nurse.Card.Serial})
	require.NoError(t, err)
	_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
	require.NoError(t, err)
	_, requests, err := pkitest.Requests()
	require.NoError(t, err)
	certs, err := h.Service.Requests(ctx, act.Handle, [][]byte{requests[0].Raw, requests[1].Raw})
	require.NoError(t, err)
	require.NoError(t, h.Service.AbandonAct(ctx, holder, act.ID))
	for _, c := range certs {
		require.Error(t, h.CA.Verify(ctx, c))
	}
	refused(t, h.Service.AbandonAct(ctx, holder, act.ID), "act.state")
	require.NoError(t, h.Renew(ctx, nurse.Card), "the old pair is the newest again")
}

func TestRenewalRaces(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	h.Clock.Set(nurse.Card.Certificates[0].NotAfter.Add(-24 * time.Hour))
	in := signIn(t, h, nurse.Card)
	holder, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	require.NoError(t, err)
	t.Run("threat021", func(t *testing.T) {
		act, err := h.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: nurse.Card.Serial})
		require.NoError(t, err)
		_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
		require.NoError(t, err)
		var mu sync.Mutex
		answers := map[string]int{}
		var wait sync.WaitGroup
		for i := range 50 {
			if i%10 == 0 {
				continue
			}
			wait.Go(func() {
				_, requests, err := pkitest.Requests()
				if err == nil {
					certs, err := h.Service.Requests(ctx, act.Handle, [][]byte{requests[0].Raw, requests[1].Raw})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						answers[string(certs[0].Raw)]++
					} else {
						refused(t, err, "act.requests")
					}
				}
			})
		}
		wait.Wait()
		require.Len(t, answers, 1, "fifty agents, one pair")
		certs, err := h.Service.Certificates(ctx, careid.Operator("test"), nurse.Card.Serial)
		require.NoError(t, err)
		require.Len(t, certs, 4)
		require.NoError(t, h.Service.AbandonAct(ctx, holder, act.ID))
	})
	t.Run("threat020", func(t *testing.T) {
		act, err := h.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: nurse.Card.Serial})
		require.NoError(t, err)
		require.NoError(t, h.CA.Revoke(ctx, nurse.Card.Certificates[0], 6, h.Clock.Now()))
		_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
		require.Contains(t, refused(t, err, "cert.held").Next[1], "wait for the release and then finish it")
		require.NoError(t, h.CA.Revoke(ctx, nurse.Card.Certificates[0], 8, h.Clock.Now()))
		old := *nurse.Card
		require.NoError(t, h.Renew(ctx, nurse.Card))
		refused(t, h.Renew(ctx, &old), "cert.superseded")
		_, err = h.Service.ReportLost(ctx, actor(t, h, h.RAAgent, careid.RAAgent), nurse.Card.Serial)
		require.NoError(t, err)
		_, err = h.Service.OpenAct(ctx, actor(t, h, h.RAAgent, careid.RAAgent), careid.ActRequest{Kind: careid.Renew, Card: nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
		refused(t, err, "card.lost")
	})
	t.Run("a repair is no way round a renewal", func(t *testing.T) {
		card, err := h.Issue(ctx, h.RAAgent.Profile.ID, h.RAAgent.Card.Serial)
		require.NoError(t, err)
		h.RAAgent.Card = card
		h.Clock.Set(h.Sponsor.Card.Certificates[0].NotAfter.Add(time.Second))
		_, err = h.Service.OpenAct(ctx, actor(t, h, h.RAAgent, careid.RAAgent), careid.ActRequest{Kind: careid.Repair, Card: h.Sponsor.Card.Serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		refused(t, err, "cert.expired")
	})
}

func second[T any](_ T, err error) error { return err }
