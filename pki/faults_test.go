// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// faulty signs so many times, then fails.
type faulty struct {
	pki.Signer
	left int
}

func (h *house) failing(after int) *faulty { return &faulty{h.authority, after} }

func (f *faulty) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	if f.left--; f.left < 0 {
		return nil, errors.New("the token was pulled")
	}
	return f.Signer.SignCertificate(ctx, template, public)
}

func (f *faulty) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	if f.left--; f.left < 0 {
		return nil, errors.New("the token was pulled")
	}
	return f.Signer.SignCRL(ctx, template)
}

// reopen is another server on the same ledger.
func (h *house) reopen(edit ...func(*pki.Config)) *house {
	h.t.Helper()
	again := *h
	for _, e := range edit {
		e(&again.config)
	}
	var err error
	again.CA, err = pki.New(again.config)
	require.NoError(h.t, err)
	return &again
}

func (h *house) act(id string) pki.Act {
	h.t.Helper()
	act, err := h.ledger.Act(h.t.Context(), id)
	require.NoError(h.t, err)
	return act
}

// bent changes what is asked before it is signed.
type bent struct {
	pki.Signer
	bend func(*x509.Certificate)
	list func(*x509.RevocationList)
}

func (b bent) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	if b.bend != nil {
		b.bend(template)
	}
	return b.Signer.SignCertificate(ctx, template, public)
}

func (b bent) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	if b.list != nil {
		b.list(template)
	}
	return b.Signer.SignCRL(ctx, template)
}

func TestSignerIsNotTrusted(t *testing.T) {
	h := newHouse(t)
	for name, bend := range map[string]func(*x509.Certificate){
		"serial":    func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) },
		"subject":   func(c *x509.Certificate) { c.RawSubject = nil; c.Subject = pkix.Name{CommonName: "Root"} },
		"notBefore": func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Second) },
		"notAfter":  func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) },
		"less":      func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[1:] },
		"more": func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}})
		},
		"critical": func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = !c.ExtraExtensions[0].Critical },
		"value":    func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{0x30, 3, 1, 1, 0xff} }, // cA TRUE
	} {
		t.Run(name, func(t *testing.T) {
			again := h.reopen(func(c *pki.Config) { c.Signer = bent{Signer: h.authority, bend: bend} })
			csrs := requests(t)
			_, err := again.Issue(t.Context(), name, person(), csrs)
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			require.Equal(t, pki.Pending, h.act(name).State)
			certs, err := h.Issue(t.Context(), name, person(), csrs)
			require.NoError(t, err)
			require.NoError(t, h.Verify(t.Context(), certs[0]))
		})
	}
	t.Run("another issuer's key", func(t *testing.T) {
		stranger := newHouse(t)
		again := h.reopen(func(c *pki.Config) { c.Signer = stranger.authority })
		_, err := again.Issue(t.Context(), "stranger", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	})
	t.Run("one that says it verifies", func(t *testing.T) {
		stranger := newHouse(t)
		again := h.reopen(func(c *pki.Config) { c.Signer, c.SignerVerifies = stranger.authority, true })
		for _, id := range []string{"another-1", "another-2"} {
			_, err := again.Issue(t.Context(), id, person(), requests(t))
			require.ErrorIs(t, err, pki.ErrSignerUnavailable, "no signature of it was ever right")
		}
		signer := &bent{Signer: h.authority}
		again = h.reopen(func(c *pki.Config) { c.Signer, c.SignerVerifies = signer, true })
		certs, err := again.Issue(t.Context(), "right", person(), requests(t))
		require.NoError(t, err)
		require.NoError(t, h.Verify(t.Context(), certs[0]))
		signer.bend = func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }
		_, err = again.Issue(t.Context(), "bent", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrSignerUnavailable, "what was signed is compared each time")
	})
	for name, bend := range map[string]func(*x509.RevocationList){
		"nextUpdate": func(l *x509.RevocationList) { l.NextUpdate = l.NextUpdate.Add(time.Hour) },
		"thisUpdate": func(l *x509.RevocationList) { l.ThisUpdate = l.ThisUpdate.Add(-time.Hour) },
		"number":     func(l *x509.RevocationList) { l.Number = big.NewInt(1 << 40) },
		"scope":      func(l *x509.RevocationList) { l.ExtraExtensions = nil },
		"delta": func(l *x509.RevocationList) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}})
		},
		"entries": func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: start}}
		},
	} {
		t.Run("list "+name, func(t *testing.T) {
			again := h.reopen(func(c *pki.Config) { c.Signer = bent{Signer: h.authority, list: bend} })
			_, err := again.Due(t.Context())
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		})
	}
}

func TestRecovery(t *testing.T) {
	h := newHouse(t)
	csrs := requests(t)
	dead := h.reopen(func(c *pki.Config) { c.Signer = h.failing(0) })
	_, err := dead.Issue(t.Context(), "left", person(), csrs)
	require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	before := h.act("left")
	require.Equal(t, pki.Pending, before.State)
	s, err := h.Status(t.Context(), before.Records[0].Serial)
	require.NoError(t, err)
	require.Equal(t, pki.Pending, s.State)

	t.Run("a dead signer leaves it", func(t *testing.T) {
		dead.reopen()
		require.Equal(t, pki.Pending, h.act("left").State)
	})
	t.Run("Due leaves what may be under way", func(t *testing.T) {
		_, err := h.Due(t.Context())
		require.NoError(t, err)
		require.Equal(t, pki.Pending, h.act("left").State)
	})
	t.Run("Due finishes it a minute later", func(t *testing.T) {
		h.clock.Add(time.Minute)
		_, err := h.Due(t.Context())
		require.NoError(t, err)
		after := h.act("left")
		require.Equal(t, pki.Good, after.State)
		require.Equal(t, before.Records[0].Serial, after.Records[0].Serial)
		certs, err := h.Issue(t.Context(), "left", person(), csrs)
		require.NoError(t, err)
		require.Equal(t, after.Records[1].DER, certs[1].Raw)
	})
	t.Run("New finishes it", func(t *testing.T) {
		csrs := requests(t)
		_, err := dead.Issue(t.Context(), "second", person(), csrs)
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		h.reopen()
		require.Equal(t, pki.Good, h.act("second").State)
	})
}

func TestClockGoesBack(t *testing.T) {
	t.Run("threat029", func(t *testing.T) {
		h := newHouse(t)
		h.clock.Set(start.AddDate(0, 1, 0))
		_, err := h.Due(t.Context())
		require.NoError(t, err)
		list := h.list(3)
		h.issue("now")
		for _, back := range []time.Duration{61 * time.Second, 24 * time.Hour, 3 * 365 * 24 * time.Hour} {
			h.clock.Set(start.AddDate(0, 1, 0).Add(-back))
			_, err := h.Issue(t.Context(), "back", person(), requests(t))
			require.ErrorIs(t, err, pki.ErrClock)
			_, _ = h.Due(t.Context())
			again := h.list(3)
			require.Equal(t, list.Number, again.Number)
			require.Equal(t, list.ThisUpdate, again.ThisUpdate)
		}
		h.clock.Set(start.AddDate(20, 0, 0)) // far ahead: nothing outlives the issuer
		_, err = h.Issue(t.Context(), "ahead", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrIssuerExpiring)
		h.clock.Set(start.AddDate(0, 1, 1))
		h.issue("right-again")

		h.clock.Set(start.AddDate(3, 0, 0)) // three years ahead for one act
		h.issue("ahead-once")
		h.clock.Set(start.AddDate(0, 1, 2))
		_, err = h.Issue(t.Context(), "back-again", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrClock)
	})
}

// stepping moves the calendar back while a list is being signed.
type stepping struct {
	pki.Signer
	before func()
}

func (s stepping) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	s.before()
	return s.Signer.SignCRL(ctx, template)
}

func TestClockStepsInsideAList(t *testing.T) {
	t.Run("threat029", func(t *testing.T) {
		h := newHouse(t)
		before := h.list(3)
		h.clock.Add(17 * time.Hour) // it is due again
		stepped := h.reopen(func(c *pki.Config) {
			c.Signer = stepping{h.authority, func() { h.clock.Add(-24 * time.Hour) }}
		})
		during := stepped.list(3)
		require.Greater(t, during.Number.Int64(), before.Number.Int64())
		require.True(t, during.ThisUpdate.After(before.ThisUpdate))
		after := h.list(3)
		require.Equal(t, during.Number, after.Number)
		require.Equal(t, during.ThisUpdate, after.ThisUpdate)
	})
}

// Two servers whose clocks differ by some seconds: what one knows is told by the
// other at once, whichever is ahead.
func TestClocksOfTwoServers(t *testing.T) {
	t.Run("threat029", func(t *testing.T) {
		h := newHouse(t)
		behind := pkitest.NewClock(start)
		other := h.reopen(func(c *pki.Config) { c.Now = behind.Now })
		cert := h.issue("first")[0]
		for _, ahead := range []time.Duration{5 * time.Second, pki.ClockTolerance} {
			h.clock.Set(behind.Now().Add(ahead))
			s, err := h.Status(t.Context(), cert.SerialNumber)
			require.NoError(t, err)
			require.NoError(t, h.Revoke(t.Context(), cert, pki.CertificateHold, time.Time{}))
			before := h.list(s.Shard)
			require.NoError(t, other.Revoke(t.Context(), cert, pki.RemoveFromCRL, time.Time{}))
			require.Nil(t, other.listed(cert), "released by the server that is behind")
			after := other.list(s.Shard)
			require.Greater(t, after.Number.Int64(), before.Number.Int64())
			require.Equal(t, before.ThisUpdate, after.ThisUpdate, "never earlier than the list before")
			behind.Set(h.clock.Now())
		}
	})
}

func TestNewRefuses(t *testing.T) {
	h := newHouse(t)
	for name, edit := range map[string]func(*pki.Config){
		"signer":  func(c *pki.Config) { c.Signer = nil },
		"ledger":  func(c *pki.Config) { c.Ledger = nil },
		"profile": func(c *pki.Config) { c.Profile = pki.Profile{} },
		"chain":   func(c *pki.Config) { c.Chain = nil },
		"root":    func(c *pki.Config) { c.Chain = c.Chain[:1] },
		"other":   func(c *pki.Config) { c.Chain = []*x509.Certificate{c.Chain[0], newHouse(t).Chain()[1]} },
		"leaf":    func(c *pki.Config) { c.Chain = append(h.issue("leaf")[:1], c.Chain...) },
		"nil":     func(c *pki.Config) { c.Chain = []*x509.Certificate{nil, c.Chain[1]} },
		"life":    func(c *pki.Config) { c.CRLLife = time.Second },
		"shards":  func(c *pki.Config) { c.Profile = profile(t, pki.ProfileConfig{Shards: 4}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := h.config
			edit(&c)
			_, err := pki.New(c)
			require.Error(t, err)
		})
	}
	for name, c := range map[string]pki.ProfileConfig{
		"no base": {UPNSuffix: "a.b"}, "no suffix": {Base: "http://a"}, "ftp": {Base: "ftp://a", UPNSuffix: "a"},
		"user": {Base: "http://u:p@a", UPNSuffix: "a"}, "suffix": {Base: "http://a", UPNSuffix: "A b"},
		"years": {Base: "http://a", UPNSuffix: "a", Years: 4}, "shards": {Base: "http://a", UPNSuffix: "a", Shards: 3},
		"too many shards": {Base: "http://a", UPNSuffix: "a", Shards: 512}, "fewer than one shard": {Base: "http://a", UPNSuffix: "a", Shards: -1},
		"backdate": {Base: "http://a", UPNSuffix: "a", Backdate: 2 * time.Hour}, "window": {Base: "http://a", UPNSuffix: "a", RenewalWindow: time.Second},
		"no policy":    {Base: "http://a", UPNSuffix: "a", Policies: make([]x509.OID, 1)},
		"policy twice": {Base: "http://a", UPNSuffix: "a", Policies: []x509.OID{oid(t, 1, 2, 3), oid(t, 1, 2, 4), oid(t, 1, 2, 3)}},
		"organization": {Base: "http://a", UPNSuffix: "a", Organization: "a,O=b"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pki.NewProfile(c)
			require.Error(t, err)
		})
	}
}

// A profile is a copy of what made it.
func TestProfileStays(t *testing.T) {
	policies := []x509.OID{oid(t, 1, 2, 3)}
	p := profile(t, pki.ProfileConfig{Policies: policies})
	policies[0] = oid(t, 1, 2, 4)
	h := newHouse(t, func(c *pki.Config) { c.Profile = p })
	require.Equal(t, []x509.OID{oid(t, 1, 2, 3)}, h.issue("first")[0].Policies)
}

func oid(t *testing.T, arcs ...uint64) x509.OID {
	t.Helper()
	o, err := x509.OIDFromInts(arcs)
	require.NoError(t, err)
	return o
}
