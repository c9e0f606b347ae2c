// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// absent is a signer that can go away, and counts who asks.
type absent struct {
	pki.Signer
	away  atomic.Bool
	asked atomic.Int64
}

func (a *absent) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	a.asked.Add(1)
	if a.away.Load() {
		return nil, errors.New("CKR_DEVICE_REMOVED")
	}
	return a.Signer.SignCertificate(ctx, template, public)
}

// While the HSM is away everyone is told at once, it is asked once in ten seconds,
// and what was asked for is there afterwards.
func TestSignerAway(t *testing.T) {
	signer := &absent{}
	wall := pkitest.NewClock(start)
	h := newHouse(t, func(c *pki.Config) {
		signer.Signer, c.Signer, c.Wall = c.Signer, signer, wall.Now
	})
	signer.away.Store(true)
	acts := map[string][]*x509.CertificateRequest{}
	for i := range 40 {
		acts[fmt.Sprint("act-", i)] = requests(t)
	}
	var wg sync.WaitGroup
	for act, csrs := range acts {
		wg.Go(func() {
			_, err := h.Issue(t.Context(), act, person(), csrs)
			if !errors.Is(err, pki.ErrSignerUnavailable) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	asked := signer.asked.Load()
	require.LessOrEqual(t, asked, int64(40))
	ask := func() error {
		_, err := h.Issue(t.Context(), "act-0", person(), acts["act-0"])
		return err
	}
	for range 20 {
		require.ErrorIs(t, ask(), pki.ErrSignerUnavailable)
	}
	require.Equal(t, asked, signer.asked.Load(), "it is left alone")
	wall.Add(10 * time.Second)
	for range 20 {
		require.ErrorIs(t, ask(), pki.ErrSignerUnavailable)
	}
	require.Equal(t, asked+1, signer.asked.Load(), "one tries")

	signer.away.Store(false)
	require.ErrorIs(t, ask(), pki.ErrSignerUnavailable, "not before the pause is over")
	wall.Add(10 * time.Second)
	require.NoError(t, ask())
	h.clock.Add(time.Minute)
	_, err := h.Due(t.Context())
	require.NoError(t, err)
	for act, csrs := range acts {
		require.Equal(t, pki.Good, h.act(act).State)
		certs, err := h.Issue(t.Context(), act, person(), csrs)
		require.NoError(t, err)
		require.NoError(t, h.Verify(t.Context(), certs[0]))
	}
}

// Who gives up waiting says nothing about the signer.
func TestGivingUpIsNoFailure(t *testing.T) {
	signer := &absent{}
	h := newHouse(t, func(c *pki.Config) { signer.Signer, c.Signer = c.Signer, signer })
	signer.away.Store(true)
	csrs := requests(t)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := h.Issue(ctx, "act", person(), csrs)
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	}
	signer.away.Store(false)
	_, err := h.Issue(t.Context(), "act", person(), csrs)
	require.NoError(t, err)
}

// hung is a signer that answers when it is let go.
type hung struct {
	pki.Signer
	asked atomic.Int64
	let   chan struct{}
}

func (h *hung) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	h.asked.Add(1)
	<-h.let
	return h.Signer.SignCertificate(ctx, template, public)
}

// An HSM that doesn't answer holds nobody longer than they want to wait, no calls once
// that is known, and works again when it is back.
func TestSignerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := &hung{let: make(chan struct{})}
		h := newHouse(t, func(c *pki.Config) { signer.Signer, c.Signer = c.Signer, signer })
		csrs := requests(t)
		ask := func(patience time.Duration) (took time.Duration, err error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			_, err = h.Issue(ctx, "act", person(), csrs)
			return time.Since(began), err
		}
		for range 3 {
			took, err := ask(5 * time.Second)
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 5*time.Second, took)
		}
		time.Sleep(time.Minute) // they are failures by now, though nobody waits for them
		for range 20 {
			took, err := ask(time.Hour)
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.Zero(t, took, "everybody is told at once")
			time.Sleep(30 * time.Second)
		}
		require.EqualValues(t, 3, signer.asked.Load(), "no more calls than before it was known")

		close(signer.let)
		synctest.Wait()
		_, err := ask(time.Hour)
		require.NoError(t, err)
		require.Equal(t, pki.Good, h.act("act").State)
	})
	t.Run("and nobody gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			signer := &hung{let: make(chan struct{})}
			h := newHouse(t, func(c *pki.Config) { signer.Signer, c.Signer = c.Signer, signer })
			began := time.Now()
			_, err := h.Issue(t.Context(), "act", person(), requests(t))
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.Equal(t, 30*time.Second, time.Since(began))
			close(signer.let)
		})
	})
}

// A device that fails after those who asked have gone is a failed one.
func TestSlowFailuresCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := &absent{}
		h := newHouse(t, func(c *pki.Config) { signer.Signer, c.Signer = c.Signer, slowly{signer} })
		signer.away.Store(true)
		csrs := requests(t)
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := h.Issue(ctx, "act", person(), csrs)
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			cancel()
			time.Sleep(2 * time.Second)
		}
		require.LessOrEqual(t, signer.asked.Load(), int64(5), "three failures, and one try each ten seconds")
	})
}

// slowly fails after two seconds.
type slowly struct{ pki.Signer }

func (s slowly) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	time.Sleep(2 * time.Second)
	return s.Signer.SignCertificate(ctx, template, public)
}
