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
	"time"
)

// responderLife is how long an OCSP signing certificate lives. It can't be
// revoked (RFC 6960 §4.2.2.2.1), so it is short, and replaced after half of it.
const responderLife = 30 * 24 * time.Hour

// identity is the key that signs OCSP responses, in this process's memory only.
type identity struct {
	key      *ecdsa.PrivateKey
	cert     *x509.Certificate
	nameHash []byte // SHA-1 of the key bits: the responder's id
	renewAt  time.Time
}

func (id *identity) serves(now time.Time) bool {
	return id != nil && now.Before(id.renewAt) && !now.Before(id.cert.NotBefore)
}

type identitySlot struct {
	mu      sync.Mutex
	current *identity
}

// identity returns the signing identity for this instant and makes one when
// there is none. When that fails, an older one serves to the end of its
// certificate.
func (rs *responder) identity(ctx context.Context, now time.Time) (*identity, error) {
	rs.slot.mu.Lock()
	defer rs.slot.mu.Unlock()
	current := rs.slot.current
	if current.serves(now) {
		return current, nil
	}
	fresh, err := rs.ca.newIdentity(ctx, now)
	if err != nil {
		if current != nil && !now.Before(current.cert.NotBefore) && !now.Add(rs.life).After(current.cert.NotAfter) {
			return current, nil
		}
		return nil, err
	}
	rs.slot.current = fresh
	return fresh, nil
}

// newIdentity issues an OCSP signing certificate: recorded, signed and committed
// as any other. RFC 6960 §4.2.2.2.
func (ca *CA) newIdentity(ctx context.Context, now time.Time) (*identity, error) {
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
	defer ca.acts.lock(id)()
	name, err := asn1.Marshal(pkix.Name{
		Organization: []string{ca.profile.organization}, CommonName: "OCSP responder " + serial.Text(16)[:8],
	}.ToRDNSequence())
	if err != nil {
		return nil, err
	}
	notAfter := earlier(now.Add(responderLife-time.Second), ca.issuer.NotAfter)
	act, err := ca.openOnce(ctx, Act{
		ID: id, Kind: ActResponder, Issuer: ca.keyID, Fingerprint: fingerprint([]byte(ActResponder), spki),
		Subject: name, Lineage: id, Generation: 1, Opened: now,
		Records: []Record{{
			Serial: serial, Use: Responder, Shard: ca.shardOf(serial), PublicKey: spki,
			NotBefore: now, NotAfter: notAfter, State: Pending,
		}},
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("pki: OCSP responder: %w", err)
	}
	certs, err := ca.answer(ctx, act, nil)
	if err != nil {
		return nil, fmt.Errorf("pki: OCSP responder: %w", err)
	}
	hash, err := keyID(spki)
	if err != nil {
		return nil, err
	}
	if !notAfter.After(now) {
		return nil, errors.New("pki: OCSP responder: the issuing CA has expired")
	}
	ca.observe(ctx, Event{Name: EventResponder})
	return &identity{key: key, cert: certs[0], nameHash: hash, renewAt: now.Add(notAfter.Sub(now) / 2)}, nil
}
