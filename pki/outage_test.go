// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// responders counts the acts that were opened for OCSP signing certificates.
type responders struct {
	pki.Ledger
	opened int
}

func (r *responders) OpenAct(ctx context.Context, act pki.Act, renews []*big.Int) (pki.Act, error) {
	if act.Kind == pki.ActResponder {
		r.opened++
	}
	return r.Ledger.OpenAct(ctx, act, renews)
}

// A signer that is away for long, and many who ask meanwhile.
func TestOCSPOutage(t *testing.T) {
	h := newHouse(t)
	cert := h.issue("first")[0]
	request, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
	require.NoError(t, err)
	server := func(signer pki.Signer, wall *pkitest.Clock) (*house, *responders) {
		counted := &responders{Ledger: h.ledger}
		return h.reopen(func(c *pki.Config) { c.Signer, c.Ledger, c.Wall = signer, counted, wall.Now }), counted
	}
	t.Run("threat064", func(t *testing.T) {
		wall := pkitest.NewClock(start)
		signer := h.failing(0)
		away, counted := server(signer, wall)
		for range 50 {
			require.Equal(t, ocsp.TryLaterErrorResponse, away.ask(request))
			wall.Add(time.Second)
			_, err := away.Due(t.Context())
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		}
		require.Equal(t, 1, counted.opened, "acts left by those who asked")
		require.GreaterOrEqual(t, signer.left, -6-16*50, "the signer is asked each ten seconds")
		h.clock.Add(2 * time.Minute)
		_, err := away.Due(t.Context())
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		require.Equal(t, 1, counted.opened, "Due leaves this process's own act")
		signer.left = 1 << 30
		require.Equal(t, ocsp.TryLaterErrorResponse, away.ask(request), "not before the pause is over")
		wall.Add(10 * time.Second)
		require.Equal(t, ocsp.Good, away.ocspStatus(cert))
		require.Equal(t, 1, counted.opened)
	})
	t.Run("closed by another server", func(t *testing.T) {
		wall := pkitest.NewClock(start)
		signer := h.failing(0)
		away, counted := server(signer, wall)
		require.Equal(t, ocsp.TryLaterErrorResponse, away.ask(request))
		h.reopen() // may be under way: left
		h.clock.Add(time.Minute)
		_, err := h.Due(t.Context())
		require.NoError(t, err)
		signer.left = 1 << 30
		wall.Add(10 * time.Second)
		require.Equal(t, ocsp.TryLaterErrorResponse, away.ask(request))
		require.Equal(t, ocsp.Good, away.ocspStatus(cert))
		require.Equal(t, 2, counted.opened)
	})
	t.Run("a server that starts closes nothing under way", func(t *testing.T) {
		var id string
		starting := &hooked{Signer: h.authority, before: func(template *x509.Certificate) {
			id = "ocsp-" + template.SerialNumber.Text(16)
			h.reopen()
		}}
		other := h.reopen(func(c *pki.Config) { c.Signer = starting })
		require.Equal(t, ocsp.Good, other.ocspStatus(cert))
		require.Equal(t, pki.Good, h.act(id).State)
	})
	t.Run("given up by who asked", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var id string
		other := h.reopen(func(c *pki.Config) {
			c.Signer = &hooked{Signer: h.authority, before: func(template *x509.Certificate) {
				id = "ocsp-" + template.SerialNumber.Text(16)
				cancel()
			}}
			c.Ledger = mindful{h.ledger}
		})
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(request))).WithContext(ctx)
		other.OCSPHandler().ServeHTTP(w, r)
		require.Error(t, ctx.Err(), "the signer was not asked")
		require.Equal(t, pki.Good, h.act(id).State)
		acts, err := h.ledger.PendingActs(t.Context(), h.KeyID(), h.clock.Now())
		require.NoError(t, err)
		require.Empty(t, acts)
	})
	t.Run("a slow signer holds up nobody", func(t *testing.T) {
		slow := &hooked{Signer: h.authority, before: func(*x509.Certificate) {}}
		other := h.reopen(func(c *pki.Config) { c.Signer = slow })
		require.Equal(t, ocsp.Good, other.ocspStatus(cert))
		began, release := make(chan struct{}), make(chan struct{})
		slow.before = func(*x509.Certificate) {
			close(began)
			<-release
		}
		h.clock.Add(16 * 24 * time.Hour) // past half of the responder's life
		done := make(chan error)
		go func() {
			_, err := other.Due(t.Context())
			done <- err
		}()
		<-began
		answered := make(chan int)
		go func() { answered <- other.ocspStatus(cert) }()
		select {
		case status := <-answered:
			require.Equal(t, ocsp.Good, status)
		case <-time.After(10 * time.Second):
			t.Error("waits for the signer")
		}
		close(release)
		require.NoError(t, <-done)
	})
	t.Run("the last certificate serves to its end", func(t *testing.T) {
		signer := h.failing(1 << 30)
		other := h.reopen(func(c *pki.Config) { c.Signer = signer })
		ends := other.answer(cert.SerialNumber, crypto.SHA1).Certificate.NotAfter
		signer.left = 0
		h.clock.Set(ends.Add(-time.Second))
		answer := other.answer(cert.SerialNumber, crypto.SHA1)
		require.Equal(t, ends, answer.NextUpdate)
		h.clock.Set(ends)
		require.Equal(t, ocsp.TryLaterErrorResponse, other.ask(request))
	})
}

// mindful is a ledger that minds its context, as a database does.
type mindful struct{ pki.Ledger }

func (m mindful) CommitAct(ctx context.Context, act pki.Act, at time.Time) (pki.Act, error) {
	if err := ctx.Err(); err != nil {
		return pki.Act{}, err
	}
	return m.Ledger.CommitAct(ctx, act, at)
}

// hooked runs something before each signature of a certificate.
type hooked struct {
	pki.Signer
	before func(*x509.Certificate)
}

func (s *hooked) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	s.before(template)
	return s.Signer.SignCertificate(ctx, template, public)
}

// Near the end of the issuing CA: what is good until then can be revoked, and
// is told of, until then; and nothing is made that outlives it.
func TestIssuerEnds(t *testing.T) {
	h := newHouse(t)
	ends := h.Chain()[0].NotAfter
	h.clock.Set(ends.AddDate(-3, 0, 0))
	cert := h.issue("last")[0]
	require.Equal(t, ends.Add(-time.Second), cert.NotAfter)
	h.clock.Add(time.Second)
	require.Equal(t, ends, h.issue("very-last")[0].NotAfter)
	h.clock.Add(time.Second)
	_, err := h.Issue(t.Context(), "too-late", person(), requests(t))
	require.ErrorIs(t, err, pki.ErrIssuerExpiring)

	h.clock.Set(ends.Add(-time.Hour))
	require.Nil(t, h.listed(cert))
	require.NoError(t, h.Revoke(t.Context(), cert, 1, time.Time{}))
	require.NotNil(t, h.listed(cert), "listed in the issuer's last hour")
	answer := h.answer(cert.SerialNumber, crypto.SHA256)
	require.Equal(t, ocsp.Revoked, answer.Status)
	require.Equal(t, ends, answer.NextUpdate)
	next, err := h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, ends, next, "no list again and again, each for less time")
	require.Equal(t, ends, h.list(0).NextUpdate)

	h.clock.Set(ends.Add(time.Second))
	before, err := h.VerifyAudit(t.Context())
	require.NoError(t, err)
	for range 3 {
		_, err := h.Due(t.Context())
		require.ErrorIs(t, err, pki.ErrIssuerExpiring)
	}
	after, err := h.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after, "Due leaves rows behind after the end")
}

// late lets something happen between a list's signature and its keeping.
type late struct {
	pki.Ledger
	before func()
}

func (l *late) StoreCRL(ctx context.Context, list pki.CRL) error {
	if f := l.before; f != nil {
		l.before = nil
		f()
	}
	return l.Ledger.StoreCRL(ctx, list)
}

// Two servers sign the list of one shard at once.
func TestListNumbersNeverGoBack(t *testing.T) {
	t.Run("threat029", func(t *testing.T) {
		h := newHouse(t)
		slow := &late{Ledger: h.ledger}
		other := h.reopen(func(c *pki.Config) { c.Ledger = slow })
		cert := h.issue("first")[0]
		s, err := h.Status(t.Context(), cert.SerialNumber)
		require.NoError(t, err)
		var published int64
		slow.before = func() {
			require.NoError(t, h.Revoke(t.Context(), cert, 1, time.Time{}))
			published = h.list(s.Shard).Number.Int64()
		}
		got := other.list(s.Shard).Number.Int64()
		require.Positive(t, published, "nothing was signed in between")
		require.GreaterOrEqual(t, got, published)
		require.NotNil(t, other.listed(cert))
	})
}
