// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// renew asks with fresh keys under an act that nobody used.
func (h *house) renew(old []*x509.Certificate) ([]*x509.Certificate, error) {
	h.t.Helper()
	h.acts++
	return h.Renew(h.t.Context(), fmt.Sprint("renew-", h.acts), old, requests(h.t))
}

func TestRenewalEdges(t *testing.T) {
	for _, row := range []string{"threat019", "row064"} {
		t.Run(row, func(t *testing.T) {
			h := newHouse(t)
			old := h.issue("first")
			end := old[0].NotAfter
			opens := end.Add(-90 * 24 * time.Hour)
			for _, c := range []struct {
				at   time.Time
				want error
			}{
				{start, pki.ErrTooEarly},
				{end.Add(-91 * 24 * time.Hour), pki.ErrTooEarly},
				{opens.Add(-time.Second), pki.ErrTooEarly},
				{opens.Add(-time.Nanosecond), pki.ErrTooEarly}, // still the second before
				{end.Add(time.Second), pki.ErrTooLate},
				{end.Add(24 * time.Hour), pki.ErrTooLate},
			} {
				h.clock.Set(c.at)
				_, err := h.renew(old)
				require.ErrorIs(t, err, c.want, c.at)
				var window interface {
					Window() (opens, closes time.Time)
				}
				require.True(t, errors.As(err, &window))
				gotOpens, gotCloses := window.Window()
				require.Equal(t, opens, gotOpens)
				require.Equal(t, end, gotCloses)
			}
			for _, at := range []time.Time{opens, opens.Add(time.Second), end.Add(-time.Second), end, end.Add(999 * time.Millisecond)} {
				fresh := newHouse(t)
				pair := fresh.issue("first")
				fresh.clock.Set(at)
				renewed, err := fresh.renew(pair)
				require.NoError(t, err, at)
				require.Equal(t, pair[0].RawSubject, renewed[0].RawSubject)
				require.Equal(t, at.Truncate(time.Second), renewed[0].NotBefore)
				require.NoError(t, fresh.Verify(t.Context(), pair[0])) // the old pair stays good to its end
			}
		})
	}
}

func TestWindowIsTold(t *testing.T) {
	t.Run("row063", func(t *testing.T) { // the part of the alert that is pki's: from when on
		h := newHouse(t)
		old := h.issue("first")
		s, err := h.Status(t.Context(), old[0].SerialNumber)
		require.NoError(t, err)
		require.Equal(t, old[0].NotAfter.Add(-90*24*time.Hour), s.Opens)
		require.Equal(t, old[0].NotAfter, s.Closes)
		require.False(t, s.Expired)
		h.clock.Set(s.Closes.Add(time.Second))
		s, err = h.Status(t.Context(), old[0].SerialNumber)
		require.NoError(t, err)
		require.True(t, s.Expired)
		require.Equal(t, pki.Good, s.State)
	})
}

func TestRenewalOfWhat(t *testing.T) {
	h := newHouse(t)
	revoked, held, halfHeld, used := h.issue("revoked"), h.issue("held"), h.issue("half"), h.issue("used")
	h.clock.Set(used[0].NotAfter)
	for _, c := range revoked {
		require.NoError(t, h.Revoke(t.Context(), c, 1, time.Time{}))
	}
	for _, c := range append(held, halfHeld[1]) {
		require.NoError(t, h.Revoke(t.Context(), c, 6, time.Time{}))
	}
	t.Run("threat020", func(t *testing.T) {
		_, err := h.renew(revoked)
		require.ErrorIs(t, err, pki.ErrRevoked)
		_, err = h.renew(held)
		require.ErrorIs(t, err, pki.ErrHeld)
		_, err = h.renew(halfHeld)
		require.ErrorIs(t, err, pki.ErrHeld)
		next, err := h.renew(used)
		require.NoError(t, err)
		_, err = h.renew(used)
		require.ErrorIs(t, err, pki.ErrSuperseded)
		require.NotErrorIs(t, err, pki.ErrTooEarly)

		for _, c := range next { // given up: the old pair counts again
			require.NoError(t, h.Revoke(t.Context(), c, 5, time.Time{}))
		}
		_, err = h.renew(used)
		require.NoError(t, err)
	})
	t.Run("revoked before it is finished", renewalOfTheRevoked)
	t.Run("held before it is finished", renewalOfTheHeld)
	t.Run("hold and release at the window's edges", renewalAfterAHold)
	t.Run("given up and renewed again", renewalGivenUp)
	t.Run("not a pair of ours", func(t *testing.T) {
		a, b := h.issue("a"), h.issue("b")
		stranger := newHouse(t).issue("x")
		h.clock.Set(a[0].NotAfter)
		changed := *a[0]
		changed.Raw = append([]byte(nil), a[0].Raw...)
		changed.Raw[len(changed.Raw)-1] ^= 1
		for _, old := range [][]*x509.Certificate{
			{a[0], b[1]},
			{a[1], a[0]},
			{a[0], a[0]},
			{a[0]},
			nil,
			{a[0], nil},
			stranger,
			{&changed, a[1]},
			{h.Chain()[0], h.Chain()[1]},
		} {
			_, err := h.renew(old)
			require.ErrorIs(t, err, pki.ErrUnknownCertificate)
		}
	})
}

// unfinishedRenewal is of a pair whose new one got no second signature.
func unfinishedRenewal(t *testing.T, act string) (*house, []*x509.Certificate, []*x509.CertificateRequest) {
	t.Helper()
	h := newHouse(t)
	pair, csrs := h.issue("first"), requests(t)
	h.clock.Set(pair[0].NotAfter.Add(-time.Hour))
	away := h.reopen(func(c *pki.Config) { c.Signer = h.failing(1) })
	_, err := away.Renew(t.Context(), act, pair, csrs)
	require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	return h, pair, csrs
}

// A renewal whose old pair is revoked meanwhile is closed, whoever finishes it.
func renewalOfTheRevoked(t *testing.T) {
	for name, finish := range map[string]func(h *house, pair []*x509.Certificate, csrs []*x509.CertificateRequest){
		"by Due": func(h *house, _ []*x509.Certificate, _ []*x509.CertificateRequest) {
			h.clock.Add(time.Minute)
			_, err := h.Due(t.Context())
			require.NoError(t, err)
		},
		"by the same call": func(h *house, pair []*x509.Certificate, csrs []*x509.CertificateRequest) {
			for range 2 {
				_, err := h.Renew(t.Context(), "late", pair, csrs)
				require.ErrorIs(t, err, pki.ErrRevoked)
			}
		},
		"by another server": func(h *house, _ []*x509.Certificate, _ []*x509.CertificateRequest) { h.reopen() },
	} {
		t.Run(name, func(t *testing.T) {
			h, pair, csrs := unfinishedRenewal(t, "late")
			require.NoError(t, h.Revoke(t.Context(), pair[1], 1, time.Time{})) // the card was lost
			finish(h, pair, csrs)
			act := h.act("late")
			require.Equal(t, pki.Revoked, act.State)
			for _, r := range act.Records {
				require.Equal(t, ocsp.Revoked, h.answer(r.Serial, crypto.SHA1).Status)
			}
		})
	}
}

// A renewal whose old pair is put on hold meanwhile waits.
func renewalOfTheHeld(t *testing.T) {
	h, pair, csrs := unfinishedRenewal(t, "waits")
	require.NoError(t, h.Revoke(t.Context(), pair[1], pki.CertificateHold, time.Time{})) // the card is mislaid
	asked := 0
	h = h.reopen(func(c *pki.Config) {
		c.Signer = &hooked{Signer: h.authority, before: func(template *x509.Certificate) {
			for _, r := range h.act("waits").Records {
				if r.Serial.Cmp(template.SerialNumber) == 0 {
					asked++
				}
			}
		}}
	})
	_, err := h.Renew(t.Context(), "waits", pair, csrs) // by who found it
	require.ErrorIs(t, err, pki.ErrHeld)
	h.clock.Add(2 * time.Minute)
	_, err = h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, pki.Pending, h.act("waits").State)
	require.Zero(t, asked, "the key signs nothing meanwhile")
	require.NoError(t, h.Revoke(t.Context(), pair[1], pki.RemoveFromCRL, time.Time{}))
	h.clock.Set(pair[0].NotAfter.Add(time.Hour)) // the act was opened in the window
	renewed, err := h.Renew(t.Context(), "waits", pair, csrs)
	require.NoError(t, err)
	require.NoError(t, h.Verify(t.Context(), renewed[0]))
}

// A hold says nothing about the window.
func renewalAfterAHold(t *testing.T) {
	for name, c := range map[string]struct {
		before time.Duration // of notAfter
		want   error
	}{
		"a second early": {90*24*time.Hour + time.Second, pki.ErrTooEarly}, "first": {90 * 24 * time.Hour, nil},
		"last": {0, nil}, "a second late": {-time.Second, pki.ErrTooLate},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			pair := h.issue("first")
			h.clock.Set(pair[0].NotAfter.Add(-c.before))
			for i, cert := range pair {
				require.NoError(t, h.Revoke(t.Context(), cert, 6, time.Time{}))
				_, err := h.Renew(t.Context(), fmt.Sprint("held", i), pair, requests(t))
				require.ErrorIs(t, err, pki.ErrHeld, "a hold is told before the window")
				require.NoError(t, h.Revoke(t.Context(), cert, 8, time.Time{}))
			}
			_, err := h.Renew(t.Context(), "released", pair, requests(t))
			require.ErrorIs(t, err, c.want)
		})
	}
}

// A pair that was revoked as a whole doesn't count, and half a pair does.
func renewalGivenUp(t *testing.T) {
	h := newHouse(t)
	first := h.issue("first")
	h.clock.Set(first[0].NotAfter.Add(-time.Hour))
	second, err := h.Renew(t.Context(), "second", first, requests(t))
	require.NoError(t, err)
	require.NoError(t, h.Revoke(t.Context(), second[0], 5, time.Time{}))
	for name, c := range map[string]struct {
		pair []*x509.Certificate
		want error
	}{
		"old": {first, pki.ErrSuperseded}, "half": {second, pki.ErrRevoked}, "mixed": {[]*x509.Certificate{first[0], second[1]}, pki.ErrUnknownCertificate},
	} {
		_, err := h.Renew(t.Context(), "again-"+name, c.pair, requests(t))
		require.ErrorIs(t, err, c.want, name)
	}
	require.NoError(t, h.Revoke(t.Context(), second[1], 6, time.Time{})) // a hold can be released: it still counts
	_, err = h.Renew(t.Context(), "held", first, requests(t))
	require.ErrorIs(t, err, pki.ErrSuperseded)
	require.NoError(t, h.Revoke(t.Context(), second[1], 5, time.Time{}))
	third, err := h.Renew(t.Context(), "third", first, requests(t))
	require.NoError(t, err)
	again, err := h.Renew(t.Context(), "second", first, requests(t))
	require.Nil(t, again)
	require.ErrorIs(t, err, pki.ErrActConflict, "the act given up can't be asked for with other requests")
	h.clock.Set(third[0].NotAfter)
	_, err = h.Renew(t.Context(), "of-the-second", second, requests(t))
	require.ErrorIs(t, err, pki.ErrRevoked)
	_, err = h.Renew(t.Context(), "fourth", third, requests(t))
	require.NoError(t, err)
}

func TestRenewalAtOnce(t *testing.T) {
	t.Run("threat021", func(t *testing.T) {
		h := newHouse(t)
		old := h.issue("first")
		h.clock.Set(old[0].NotAfter)
		var mu sync.Mutex
		var won int
		var wg sync.WaitGroup
		for i := range 50 {
			csrs := requests(t)
			wg.Go(func() {
				_, err := h.Renew(t.Context(), fmt.Sprint("act-", i), old, csrs)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, pki.ErrSuperseded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, won)
	})
}

func TestRenewalIsRebuilt(t *testing.T) {
	t.Run("row068", func(t *testing.T) { // a pair is renewed as a whole
		h := newHouse(t)
		old := h.issue("first")
		h.clock.Set(old[0].NotAfter)
		csrs := requests(t)
		signer := h.failing(1) // the second signature fails
		again := h.reopen(func(c *pki.Config) { c.Signer = signer })
		_, err := again.Renew(t.Context(), "swap", old, csrs)
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		for _, r := range again.act("swap").Records {
			require.Equal(t, pki.Pending, r.State)
			require.Empty(t, r.DER)
		}
		signer.left = 2
		renewed, err := again.Renew(t.Context(), "swap", old, csrs)
		require.NoError(t, err)
		for i, r := range again.act("swap").Records {
			require.Equal(t, renewed[i].SerialNumber, r.Serial)
			require.NoError(t, h.Verify(t.Context(), renewed[i]))
		}
	})
	t.Run("row066", func(t *testing.T) { // a new name needs a new card
		h := newHouse(t)
		old := h.issue("first")
		h.clock.Set(old[0].NotAfter)
		var csrs []*x509.CertificateRequest
		for range 2 {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
				Subject: pkix.Name{CommonName: "Amina Newname", SerialNumber: "555000000017"},
			}, key)
			require.NoError(t, err)
			csr, err := x509.ParseCertificateRequest(der)
			require.NoError(t, err)
			csrs = append(csrs, csr)
		}
		renewed, err := h.Renew(t.Context(), "renamed", old, csrs)
		require.NoError(t, err)
		for i := range renewed {
			require.Equal(t, "555000000017 Amina Osei", renewed[i].Subject.CommonName)
			require.Equal(t, old[i].RawSubject, renewed[i].RawSubject)
		}
	})
	t.Run("profile of today", renewalByTodaysProfile)
	t.Run("a repeated act is answered at any time", renewalRepeated)
}

// The new pair is made from the profile of today.
func renewalByTodaysProfile(t *testing.T) {
	h := newHouse(t)
	old := h.issue("first")
	h.clock.Set(old[0].NotAfter)
	h = h.reopen(func(c *pki.Config) {
		c.Profile = profile(t, pki.ProfileConfig{Base: "http://new.example.org", Years: 2})
	})
	renewed, err := h.renew(old)
	require.NoError(t, err)
	require.Equal(t, []string{"http://new.example.org/ocsp"}, renewed[0].OCSPServer)
	require.Equal(t, h.clock.Now().AddDate(2, 0, 0).Add(-time.Second), renewed[0].NotAfter)
}

// What was renewed once is answered as it was.
func renewalRepeated(t *testing.T) {
	h := newHouse(t)
	old := h.issue("first")
	h.clock.Set(old[0].NotAfter)
	csrs := requests(t)
	renewed, err := h.Renew(t.Context(), "renewal", old, csrs)
	require.NoError(t, err)
	h.clock.Add(365 * 24 * time.Hour)
	require.NoError(t, h.Revoke(t.Context(), old[0], 1, time.Time{}))
	again, err := h.Renew(t.Context(), "renewal", old, csrs)
	require.NoError(t, err)
	require.Equal(t, renewed[0].Raw, again[0].Raw)
	require.Equal(t, renewed[1].Raw, again[1].Raw)
}

// An expired pair isn't renewed: it is issued anew, with its subject and fresh keys,
// and begins a lineage of its own.
func TestExpiredIsIssuedAnew(t *testing.T) {
	h := newHouse(t)
	old := h.issue("first")
	h.clock.Set(old[0].NotAfter.Add(time.Second))
	_, err := h.renew(old)
	require.ErrorIs(t, err, pki.ErrTooLate)
	fresh, err := h.Issue(t.Context(), "anew", old[0].Subject, requests(t))
	require.NoError(t, err)
	for i, cert := range fresh {
		require.Equal(t, old[i].RawSubject, cert.RawSubject)
		require.NoError(t, h.Verify(t.Context(), cert))
		s, err := h.Status(t.Context(), cert.SerialNumber)
		require.NoError(t, err)
		require.Equal(t, "anew", s.Lineage)
		require.EqualValues(t, 1, s.Generation)
	}
	require.Len(t, collect(t, h.Lineage(t.Context(), old[0].SerialNumber)), 2)
}
