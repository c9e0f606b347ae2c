// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// responderLife is how long an OCSP signing certificate lives. It can't be
// revoked (RFC 6960 §4.2.2.2.1), so it is short, and replaced after half of it.
const responderLife = 30 * 24 * time.Hour

// signerPause is how long, by the machine's clock, a signer that failed is left
// alone before it is asked for an OCSP signing certificate again.
const signerPause = 10 * time.Second

// identity is the key that signs OCSP responses, in this process's memory only.
type identity struct {
	key      *ecdsa.PrivateKey
	cert     *x509.Certificate
	nameHash []byte // SHA-1 of the key bits: the responder's id
	renewAt  time.Time
}

// serves is true in the part of its life in which it isn't replaced.
func (id *identity) serves(now time.Time) bool {
	return id != nil && now.Before(id.renewAt) && !now.Before(id.cert.NotBefore)
}

// holds is true to the end of its certificate.
func (id *identity) holds(now time.Time) bool {
	return id != nil && now.Before(id.cert.NotAfter) && !now.Before(id.cert.NotBefore)
}

type identitySlot struct {
	current atomic.Pointer[identity]

	mu      sync.Mutex // one renewal at a time
	draft   *draft
	failed  error // why the draft isn't signed
	retryAt time.Time
}

// draft is an identity that is recorded and not signed yet. The signer may be
// away for long and requests many: they must not leave an act each.
type draft struct {
	key  *ecdsa.PrivateKey
	act  Act
	drop func() // lets Due close the act
}

// identity returns the signing identity for this instant and makes one when
// there is none. When that fails, an older one serves to the end of its
// certificate. A request that is given up doesn't interrupt it.
func (rs *responder) identity(ctx context.Context, now time.Time) (*identity, error) {
	s := &rs.slot
	if current := s.current.Load(); current.serves(now) {
		return current, nil
	} else if !s.mu.TryLock() {
		if current.holds(now) {
			return current, nil // nobody waits for a slow signer without need
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	current := s.current.Load()
	if current.serves(now) {
		return current, nil
	}
	fresh, err := s.renew(context.WithoutCancel(ctx), rs.ca, now)
	switch {
	case err == nil:
		s.current.Store(fresh)
		return fresh, nil
	case current.holds(now):
		return current, nil
	}
	return nil, err
}

// renew has a draft signed, a new one if there is none for this time.
func (s *identitySlot) renew(ctx context.Context, ca *CA, now time.Time) (*identity, error) {
	if s.draft != nil && (now.Before(s.draft.act.Opened) || !now.Before(ca.renewAt(s.draft.act))) {
		s.discard()
	}
	if s.draft != nil && ca.wall().Before(s.retryAt) {
		return nil, s.failed
	}
	if s.draft == nil {
		d, err := ca.draftIdentity(ctx, now)
		if err != nil {
			return nil, fmt.Errorf("pki: OCSP responder: %w", err)
		}
		s.draft = d
	}
	id, err := ca.signIdentity(ctx, s.draft)
	if errors.Is(err, ErrSignerUnavailable) {
		s.failed, s.retryAt = err, ca.wall().Add(signerPause)
		return nil, err
	}
	s.discard() // signed, or closed by another server
	return id, err
}

func (s *identitySlot) discard() {
	s.draft.drop()
	s.draft = nil
}

// renewAt is when an OCSP signing certificate is replaced: after half of its
// life, or at its end if nothing can outlive that.
func (ca *CA) renewAt(act Act) time.Time {
	r := act.Records[0]
	if r.NotAfter.Equal(ca.ends) {
		return r.NotAfter
	}
	return r.NotBefore.Add(r.NotAfter.Sub(r.NotBefore) / 2)
}

// draftIdentity records an OCSP signing certificate as any other is recorded,
// and keeps its act from being closed by this process.
func (ca *CA) draftIdentity(ctx context.Context, now time.Time) (*draft, error) {
	notAfter := earlier(now.Add(responderLife-time.Second), ca.ends)
	if !notAfter.After(now) {
		return nil, ErrIssuerExpiring
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	serial, err := ca.drawSerial()
	if err != nil {
		return nil, err
	}
	id := "ocsp-" + serial.Text(16)
	name, err := asn1.Marshal(pkix.Name{
		Organization: []string{ca.profile.organization}, CommonName: fmt.Sprintf("OCSP responder %.8x", serial.Bytes()),
	}.ToRDNSequence())
	if err != nil {
		return nil, err
	}
	drop := ca.acts.lock(id)
	act, err := ca.openOnce(ctx, Act{
		ID: id, Kind: ActResponder, Issuer: ca.keyID, Fingerprint: fingerprint([]byte(ActResponder), spki),
		Subject: name, Lineage: id, Generation: 1, Opened: now,
		Records: []Record{{
			Serial: serial, Use: Responder, Shard: ca.shardOf(serial), PublicKey: spki,
			NotBefore: now, NotAfter: notAfter, State: Pending,
		}},
	}, nil)
	if err != nil {
		drop()
		return nil, err
	}
	return &draft{key, act, drop}, nil
}

// signIdentity has a draft signed and committed. RFC 6960 §4.2.2.2.
func (ca *CA) signIdentity(ctx context.Context, d *draft) (*identity, error) {
	certs, err := ca.answer(ctx, d.act, nil)
	if err != nil {
		return nil, fmt.Errorf("pki: OCSP responder: %w", err)
	}
	hash, err := keyID(d.act.Records[0].PublicKey)
	if err != nil {
		return nil, err
	}
	ca.observe(ctx, Event{Name: EventResponder})
	return &identity{key: d.key, cert: certs[0], nameHash: hash, renewAt: ca.renewAt(d.act)}, nil
}
