// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
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

// broken is a signer that doesn't return.
type broken struct {
	pki.Signer
	leave func()
}

func (b *broken) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	b.leave()
	return b.Signer.SignCertificate(ctx, template, public)
}

func (b *broken) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	b.leave()
	return b.Signer.SignCRL(ctx, template)
}

// A panic of the signer's costs one request and no process. The act is finished once
// it works again.
func TestSignerPanics(t *testing.T) {
	for name, leave := range map[string]func(){
		"panic":  func() { panic("a nil session") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			signer := &broken{leave: leave}
			wall := pkitest.NewClock(start)
			h := newHouse(t, func(c *pki.Config) {
				signer.Signer, c.Signer, c.Wall = c.Signer, signer, wall.Now
				c.Log = slog.New(slog.NewTextHandler(&log, nil))
			})
			csrs := requests(t)
			_, err := h.Issue(t.Context(), "act", person(), csrs)
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.NotContains(t, err.Error(), "session", "who asks needn't know")
			require.Equal(t, pki.Pending, h.act("act").State)
			if name == "panic" {
				require.Contains(t, log.String(), "a nil session")
				require.Contains(t, log.String(), "breaker_test.go", "where it came from")
			}
			w := httptest.NewRecorder()
			h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/0.crl", nil))
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			_, err = h.Due(t.Context())
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.Contains(t, log.String(), "the signer is away", "it counts as a failure")

			signer.leave = func() {}
			wall.Add(10 * time.Second)
			certs, err := h.Issue(t.Context(), "act", person(), csrs)
			require.NoError(t, err)
			require.NoError(t, h.Verify(t.Context(), certs[0]))
			require.NotNil(t, h.list(0))
		})
	}
}

// An outage is logged when it begins and when it ends, and each act that waits for
// the end once, however often Due tries.
func TestOutageIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	signer := &absent{}
	wall := pkitest.NewClock(start)
	h := newHouse(t, func(c *pki.Config) {
		signer.Signer, c.Signer, c.Wall = c.Signer, signer, wall.Now
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	_, err := h.Due(t.Context())
	require.NoError(t, err)
	signer.away.Store(true)
	for i := range 3 {
		_, err := h.Issue(t.Context(), fmt.Sprint("act-", i), person(), requests(t))
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	}
	said := func(what string) int { return strings.Count(log.String(), what) }
	require.Equal(t, 1, said("the signer is away"))
	run := func(seconds int) {
		for range seconds {
			h.clock.Add(time.Second)
			wall.Add(time.Second)
			_, err := h.Due(t.Context())
			require.NoError(t, err, "what waits for the signer is no failure of Due's")
		}
	}
	run(120)
	require.Equal(t, 3, said("act stays open"))
	require.Equal(t, 1, said("the signer is away"))
	require.Zero(t, said("the signer is back"))
	log.Reset()
	run(120)
	require.Empty(t, log.String(), "nothing new")

	signer.away.Store(false)
	run(20)
	require.Equal(t, 1, said("the signer is back"))
	require.Equal(t, 3, said("issued"))
	_, err = h.Issue(t.Context(), "later", person(), requests(t))
	require.NoError(t, err)
	signer.away.Store(true)
	csrs := requests(t)
	for range 3 {
		_, err = h.Issue(t.Context(), "again", person(), csrs)
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	}
	run(120)
	require.Equal(t, 1, said("the signer is away"), "another outage")
	require.Equal(t, 1, said("act stays open"))
}
