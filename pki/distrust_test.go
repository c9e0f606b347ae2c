// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// mixing is a signer that answers with what it signed for another.
type mixing struct {
	pki.Signer
	answer func(own []byte) []byte
}

func (s mixing) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	der, err := s.Signer.SignCertificate(ctx, template, public)
	if err != nil {
		return nil, err
	}
	return s.answer(der), nil
}

// A certificate that is good by itself and isn't the one that was asked for.
func TestSignerAnswersWithAnothers(t *testing.T) {
	h := newHouse(t)
	other := h.issue("other")
	var last []byte
	for name, answer := range map[string]func([]byte) []byte{
		"of another act":   func([]byte) []byte { return other[0].Raw },
		"the issuing CA's": func([]byte) []byte { return h.Chain()[0].Raw },
		"the partner's": func(own []byte) []byte {
			before := last
			if last = own; before == nil {
				return own
			}
			return before
		},
		"with a byte behind":       func(own []byte) []byte { return append(own, 0) },
		"cut short":                func(own []byte) []byte { return own[:len(own)-1] },
		"nothing":                  func([]byte) []byte { return nil },
		"with another's signature": func(own []byte) []byte { return append(own[:len(own)-8], other[0].Raw[len(other[0].Raw)-8:]...) },
		"with a serial number of 8": func(own []byte) []byte {
			version3 := []byte{0xa0, 3, 2, 1, 2} // comes before the serial number, of 16 octets or 17
			own = bytes.Clone(own)
			own[bytes.Index(own, version3)+len(version3)+1] = 8
			return own
		},
	} {
		t.Run(name, func(t *testing.T) {
			last = nil
			again := h.reopen(func(c *pki.Config) { c.Signer = mixing{h.authority, answer} })
			act := strings.ReplaceAll(name, " ", "-")
			_, err := again.Issue(t.Context(), act, person(), requests(t))
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.Equal(t, pki.Pending, h.act(act).State)
		})
	}
}

// away is a ledger that can't be reached when somebody asks about a certificate.
type away struct {
	pki.Ledger
	gone bool
}

var errAway = errors.New("the database is gone")

func (a *away) Record(ctx context.Context, serial *big.Int) (pki.Record, error) {
	if a.gone {
		return pki.Record{}, errAway
	}
	return a.Ledger.Record(ctx, serial)
}

// Nothing is good because nobody could ask: not by the CA, not by a Verifier, not
// by OCSP.
func TestLedgerAway(t *testing.T) {
	ledger := &away{}
	h := newHouse(t, func(c *pki.Config) { ledger.Ledger = c.Ledger; c.Ledger = ledger })
	pair := h.issue("first")
	require.Equal(t, ocsp.Good, h.ocspStatus(pair[0]))
	verifier := func(sources ...pki.StatusSource) *pki.Verifier {
		v, err := pki.NewVerifier(pki.VerifierConfig{Roots: h.Chain()[1:], Intermediates: h.Chain()[:1], Sources: sources, Now: h.clock.Now})
		require.NoError(t, err)
		return v
	}
	verify := func(v *pki.Verifier) error {
		_, err := v.Verify(t.Context(), pair[:1], pki.PurposeAuthentication, time.Time{})
		return err
	}
	alone, warm := verifier(h.CA), verifier(h.CA)
	require.NoError(t, verify(warm))
	require.NoError(t, h.Revoke(t.Context(), h.issue("second")[0], pki.KeyCompromise, time.Time{})) // what was kept is of an older revision
	ledger.gone = true

	for name, err := range map[string]error{
		"a new verifier": verify(alone), "one that remembers the issuer": verify(warm), "twice the same": verify(verifier(h.CA, h.CA)),
	} {
		require.ErrorIs(t, err, pki.ErrStatus, name)
		require.ErrorIs(t, err, errAway, name)
	}
	require.ErrorIs(t, h.Verify(t.Context(), pair[0]), errAway)
	_, err := h.Status(t.Context(), pair[0].SerialNumber)
	require.ErrorIs(t, err, errAway)
	require.ErrorIs(t, h.Revoke(t.Context(), pair[0], 1, time.Time{}), errAway)
	request, err := ocsp.CreateRequest(pair[0], h.Chain()[0], nil)
	require.NoError(t, err)
	require.Equal(t, ocsp.TryLaterErrorResponse, h.ask(request))

	// A list that is current answers in the ledger's place, if it is named as a
	// source.
	ledger.gone = false
	s, err := h.Status(t.Context(), pair[0].SerialNumber)
	require.NoError(t, err)
	list := h.list(s.Shard).Raw
	ledger.gone = true
	checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{list}})
	require.NoError(t, err)
	require.NoError(t, verify(verifier(h.CA, checker)))
	h.clock.Add(24*time.Hour + time.Second)
	require.ErrorIs(t, verify(verifier(h.CA, checker)), pki.ErrStatus)
}

// tampered is a ledger whose rows somebody has changed behind the CA's back.
type tampered struct {
	pki.Ledger
	forge func(*pki.Record)
}

func (f *tampered) Record(ctx context.Context, serial *big.Int) (pki.Record, error) {
	r, err := f.Ledger.Record(ctx, serial)
	if err == nil && f.forge != nil {
		f.forge(&r)
	}
	return r, err
}

func TestForgedRows(t *testing.T) {
	ledger := &tampered{}
	h := newHouse(t, func(c *pki.Config) { ledger.Ledger = c.Ledger; c.Ledger = ledger })
	pair, other := h.issue("first"), h.issue("second")
	h.clock.Set(pair[0].NotAfter.Add(-time.Hour))
	for name, forge := range map[string]func(*pki.Record){
		"another certificate": func(r *pki.Record) { r.DER = other[0].Raw },
		"one byte":            func(r *pki.Record) { r.DER = append(bytes.Clone(r.DER[:len(r.DER)-1]), r.DER[len(r.DER)-1]^1) },
		"no certificate":      func(r *pki.Record) { r.DER = nil },
		"another issuer":      func(r *pki.Record) { r.Issuer = "0000" },
		"a state of its own":  func(r *pki.Record) { r.State = "golden" },
		"pending":             func(r *pki.Record) { r.State = pki.Pending },
	} {
		t.Run(name, func(t *testing.T) {
			ledger.forge = forge
			defer func() { ledger.forge = nil }()
			require.ErrorIs(t, h.Verify(t.Context(), pair[0]), pki.ErrUnknownCertificate)
			_, err := h.Renew(t.Context(), strings.ReplaceAll(name, " ", "-"), pair, requests(t))
			require.ErrorIs(t, err, pki.ErrUnknownCertificate)
			e, err := h.Evidence(t.Context(), pair[0], h.Chain()[0], h.clock.Now())
			require.True(t, err != nil || e.State == pki.Unknown)
		})
	}
}

// misled is a ledger that panics, or has something on its lists that no certificate
// can be.
type misled struct {
	pki.Ledger
	panics atomic.Bool
	serial *big.Int
}

func (m *misled) Revision(ctx context.Context) (int64, error) {
	if m.panics.Load() {
		panic("a nil map")
	}
	return m.Ledger.Revision(ctx)
}

func (m *misled) ReserveCRL(ctx context.Context, issuer string, shard int, at time.Time) (pki.CRLPlan, error) {
	plan, err := m.Ledger.ReserveCRL(ctx, issuer, shard, at)
	if m.serial != nil {
		plan.Entries = append(plan.Entries, pki.RevokedEntry{Serial: m.serial, RevokedAt: at})
	}
	return plan, err
}

// What a ledger does to a goroutine of the authority's ends no process, and what
// waits for it doesn't wait for ever.
func TestLedgerPanics(t *testing.T) {
	ledger := &misled{}
	h := newHouse(t, func(c *pki.Config) { ledger.Ledger = c.Ledger; c.Ledger = ledger })
	cert := h.issue("first")[0]
	request, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
	require.NoError(t, err)
	ledger.panics.Store(true)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			h.OCSPHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(request)))
			assert.Equal(t, ocsp.TryLaterErrorResponse, w.Body.Bytes())
		})
	}
	wg.Wait()
	ledger.panics.Store(false)
	require.Equal(t, ocsp.Good, h.ocspStatus(cert))

	for _, serial := range []*big.Int{new(big.Int), big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 2000)} {
		ledger.serial = serial
		_, err := h.Due(t.Context())
		require.ErrorContains(t, err, "can't be listed")
	}
	ledger.serial = nil
	_, err = h.Due(t.Context())
	require.NoError(t, err)
}
