// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// unavailable is a CA that does its work and loses the answer, or can't be reached.
type unavailable struct {
	careid.CA
	revoke, renew bool
	says          error // to every Renew, without asking
}

var errLost = errors.New("the answer is lost")

func (u *unavailable) Revoke(ctx context.Context, c *x509.Certificate, reason int, at time.Time) error {
	if u.revoke {
		return errLost
	}
	return u.CA.Revoke(ctx, c, reason, at)
}

func (u *unavailable) Renew(ctx context.Context, act string, old []*x509.Certificate, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	if u.says != nil {
		return nil, u.says
	}
	certs, err := u.CA.Renew(ctx, act, old, csrs)
	if u.renew && err == nil {
		return nil, errLost
	}
	return certs, err
}

// ruled is a "no" of a CA.
type ruled string

func (r ruled) Error() string { return string(r) }
func (r ruled) Rule() string  { return string(r) }

// unanswered is the nurse's renewal, a day before the end, whose requests are stored and whose certificates the CA
// made and careid never got.
func unanswered(t *testing.T, h *careidtest.Hospital, ca *unavailable) (careid.Actor, *careid.Act) {
	t.Helper()
	ctx := context.Background()
	c := h.Config
	c.CA = ca
	flaky, err := careid.New(c)
	require.NoError(t, err)
	h.Clock.Set(h.Nurse.Card.Certificates[0].NotAfter.Add(-24 * time.Hour))
	in := signIn(t, h, h.Nurse.Card)
	holder, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: h.Nurse.Card.Serial})
	require.NoError(t, err)
	_, err = h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
	require.NoError(t, err)
	_, requests, err := pkitest.Requests()
	require.NoError(t, err)
	was := *ca
	ca.renew, ca.says = true, nil
	_, err = flaky.Requests(ctx, act.Handle, [][]byte{requests[0].Raw, requests[1].Raw})
	require.ErrorIs(t, err, errLost)
	*ca = was
	h.Service = flaky
	return holder, act
}

func states(t *testing.T, h *careidtest.Hospital, serial string) map[careid.CertificateState]int {
	t.Helper()
	certs, err := h.Service.Certificates(context.Background(), careid.Operator("test"), serial)
	require.NoError(t, err)
	found := map[careid.CertificateState]int{}
	for _, c := range certs {
		found[c.State]++
	}
	return found
}

func TestResume(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	ca := &unavailable{CA: h.CA}
	_, act := unanswered(t, h, ca)

	t.Run("certificates that careid never stored are fetched at start", func(t *testing.T) {
		require.NoError(t, h.Service.Resume(ctx))
		view, err := h.Service.OpenHandle(ctx, act.Handle, nil)
		require.NoError(t, err)
		require.Len(t, view.Certificates, 2)
	})
	t.Run("a lost card is lost at once, and the CA hears of it when it can", func(t *testing.T) {
		ca.revoke = true
		_, err := h.Service.ReportLost(ctx, actor(t, h, h.RAAgent, careid.RAAgent), nurse.Card.Serial)
		require.ErrorIs(t, err, errLost)
		_, err = h.SignIn(ctx, nurse.Card)
		refused(t, err, "card.lost")
		require.NoError(t, h.CA.Verify(ctx, nurse.Card.Certificates[0]))
	})
	t.Run("what the CA won't hear of one card keeps nobody else from work", func(t *testing.T) {
		_, err := h.Admit(ctx, "New", "Starter")
		require.NoError(t, err)
		_, err = h.Service.Due(ctx)
		require.ErrorIs(t, err, errLost, "whoever runs the service is told")
	})
	t.Run("all of it is revoked in the end", func(t *testing.T) {
		ca.revoke = false
		_, err := h.Service.Due(ctx)
		require.NoError(t, err)
		certs, err := h.Service.Certificates(ctx, careid.Operator("test"), nurse.Card.Serial)
		require.NoError(t, err)
		require.Len(t, certs, 4)
		for _, c := range certs {
			require.Equal(t, careid.CertificateRevoked, c.State)
			cert, err := c.Parse()
			require.NoError(t, err)
			require.Error(t, h.CA.Verify(ctx, cert))
		}
	})
}

func TestTakeUp(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	_, act := unanswered(t, h, &unavailable{CA: h.CA})
	// Another agent can't make the same requests again. It needs none: the stored ones are asked for.
	answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: "c"})
	require.NoError(t, err)
	require.NotEmpty(t, answer.OpenAct, "the sign-in names the act that waits")
	view, err := h.Service.OpenHandle(ctx, answer.OpenAct, nil)
	require.NoError(t, err)
	require.Equal(t, act.ID, view.Act)
	require.Len(t, view.Certificates, 2)
	in, err := h.Service.Redeem(ctx, answer.Result, []byte("c"))
	require.NoError(t, err)
	require.Equal(t, act.ID, in.Session.OpenAct)
}

func TestEndedMeanwhile(t *testing.T) {
	// A renewal begun in time and not finished is no trap: past the end the Registration Authority begins anew, and
	// what the CA had made for it is revoked.
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse
	unanswered(t, h, &unavailable{CA: h.CA})
	var err error
	h.RAAgent.Card, err = h.Issue(ctx, h.RAAgent.Profile.ID, h.RAAgent.Card.Serial)
	require.NoError(t, err)
	h.Clock.Set(nurse.Card.Certificates[0].NotAfter.Add(time.Second))
	in := signIn(t, h, h.RAAgent.Card)
	agent, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Renew, Card: nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
	require.NoError(t, err)
	require.True(t, act.Expired)
	_, err = h.Answer(ctx, nurse.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
	require.NoError(t, err)
	require.NoError(t, h.Personalise(ctx, nurse.Card, act.Handle))
	signIn(t, h, nurse.Card)
	_, err = h.Service.Due(ctx)
	require.NoError(t, err)
	require.Equal(t, map[careid.CertificateState]int{careid.CertificateReplaced: 2, careid.CertificateRevoked: 2, careid.CertificateCurrent: 2},
		states(t, h, nurse.Card.Serial))
}

func TestGivenUp(t *testing.T) {
	// A CA that can't sign at the moment has not said no: what it may have made stays to be asked for.
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	ca := &unavailable{CA: h.CA}
	holder, act := unanswered(t, h, ca)
	ca.says = ruled("signer.unavailable")
	require.Error(t, h.Service.AbandonAct(ctx, holder, act.ID))
	ca.says = nil
	_, err := h.Service.Due(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, states(t, h, h.Nurse.Card.Serial)[careid.CertificateRevoked])
}

// A session by a pair that was given up ends when that is decided, not when the CA has heard of it.
func TestSessionOfAGivenUpPair(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	ca := &unavailable{CA: h.CA}
	c := h.Config
	c.CA = ca
	var err error
	h.Service, err = careid.New(c)
	require.NoError(t, err)
	h.Clock.Set(h.Nurse.Card.Certificates[0].NotAfter.Add(-24 * time.Hour))
	in := signIn(t, h, h.Nurse.Card)
	self := holder(t, h, in.Token)
	act, err := h.Service.OpenAct(ctx, self, careid.ActRequest{Kind: careid.Renew, Card: h.Nurse.Card.Serial})
	require.NoError(t, err)
	_, err = h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token})
	require.NoError(t, err)
	keys, requests, err := pkitest.Requests()
	require.NoError(t, err)
	certs, err := h.Service.Requests(ctx, act.Handle, [][]byte{requests[0].Raw, requests[1].Raw})
	require.NoError(t, err)
	next := &careidtest.Card{Serial: h.Nurse.Card.Serial, Passcode: h.Nurse.Card.Passcode, Keys: keys, Certificates: certs}
	by := signIn(t, h, next) // until the renewal is confirmed both pairs sign in
	_, err = h.Service.Session(ctx, by.Token)
	require.NoError(t, err)

	ca.revoke = true
	require.ErrorIs(t, h.Service.AbandonAct(ctx, self, act.ID), errLost)
	require.NoError(t, h.CA.Verify(ctx, certs[0]))
	_, err = h.Service.Session(ctx, by.Token)
	refused(t, err, "session.ended")
	_, err = h.SignIn(ctx, next)
	refused(t, err, "cert.revoked")
	_, err = h.Service.Session(ctx, in.Token)
	require.NoError(t, err, "the old pair counts again")
	require.Equal(t, map[careid.CertificateState]int{careid.CertificateCurrent: 2, careid.CertificateRevoking: 2}, states(t, h, next.Serial))
}
