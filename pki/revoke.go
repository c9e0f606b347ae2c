// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// Revoke records that a certificate is not to be relied on, from at onwards,
// which is not after Now; the zero time means Now, and a time before the
// certificate's notBefore means notBefore. The next OCSP answer of every server
// on this ledger says so, and the next CRL that is fetched or published. It is
// durable when Revoke returns nil. Other certificates of the pair are not
// touched.
//
// reason is one of the constants from Unspecified to AACompromise; CardEvent says
// which one a lost card or a leaver has. CertificateHold puts on hold and
// RemoveFromCRL releases. Doing the same again changes nothing and returns nil. A
// held certificate can be revoked, from the earlier of both dates. A revoked one
// stays revoked: RemoveFromCRL is ErrRevoked, KeyCompromise replaces a weaker
// reason, and the others, CertificateHold included, change nothing. An expired
// certificate is recorded too, and appears on one more CRL.
//
// Errors: ErrReason, ErrUnknownCertificate, ErrRevoked, or the ledger's.
func (ca *CA) Revoke(ctx context.Context, cert *x509.Certificate, reason int, at time.Time) error {
	now := second(ca.now())
	if at.IsZero() {
		at = now
	}
	at = second(at)
	switch {
	case !validReason(reason):
		return fmt.Errorf("%w: %d is not a reason", ErrReason, reason)
	case at.After(now):
		return fmt.Errorf("%w: the date is in the future", ErrReason)
	}
	before, err := ca.find(ctx, cert)
	if err != nil {
		return err
	}
	if at.Before(before.NotBefore) {
		at = before.NotBefore
	}
	changed := false
	_, err = ca.ledger.Revise(ctx, cert.SerialNumber, now, func(r Record) (Record, error) {
		to, err := r.revised(reason, at)
		changed = to.State != r.State || to.Reason != r.Reason || !to.RevokedAt.Equal(r.RevokedAt)
		return to, err
	})
	if err != nil || !changed {
		return err
	}
	ca.log.InfoContext(ctx, "revoked", "serial", cert.SerialNumber.Text(16), "reason", reason)
	ca.observe(ctx, Event{Name: EventRevoked, Serial: cert.SerialNumber})
	return nil
}

// revised returns the record after a revocation, hold or release.
func (r Record) revised(reason int, at time.Time) (Record, error) {
	switch r.State {
	case Good:
		if reason == RemoveFromCRL {
			return r, nil
		}
		r.State, r.Reason, r.RevokedAt = Revoked, reason, at
		if reason == CertificateHold {
			r.State = Held
		}
	case Held:
		switch reason {
		case CertificateHold:
		case RemoveFromCRL:
			r.State, r.Reason, r.RevokedAt = Good, 0, time.Time{}
		default:
			r.State, r.Reason, r.RevokedAt = Revoked, reason, earlier(r.RevokedAt, at)
		}
	case Revoked:
		switch {
		case reason == RemoveFromCRL:
			return r, ErrRevoked
		case reason == KeyCompromise && r.Reason != KeyCompromise:
			r.Reason, r.RevokedAt = reason, earlier(r.RevokedAt, at)
		}
	default:
		return r, ErrUnknownCertificate
	}
	return r, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
