// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// The reasons that are treated specially. The others of RFC 5280 §5.3.1 are
// passed through: 0 unspecified, 2 cACompromise, 3 affiliationChanged,
// 4 superseded, 5 cessationOfOperation, 9 privilegeWithdrawn, 10 aACompromise.
const (
	reasonKeyCompromise = 1
	reasonCessation     = 5
	reasonHold          = 6
	reasonUnhold        = 8 // removeFromCRL
)

// Revoke records that a certificate is not to be relied on, from at onwards,
// which is not after Now; the zero time means Now, and a time before the
// certificate's notBefore means notBefore. The next OCSP answer of every server
// on this ledger says so, and the next CRL that is fetched or published. It is
// durable when Revoke returns nil. Other certificates of the pair are not
// touched.
//
// reason is the code of RFC 5280 §5.3.1. 6 puts on hold and 8 releases; 7 is not
// assigned. Doing the same again changes nothing and returns nil. A held
// certificate can be revoked, from the earlier of both dates. A revoked one stays
// revoked: 8 is ErrRevoked, key compromise (1) replaces a weaker reason, and the
// others, 6 included, change nothing. An expired certificate is recorded too, and
// appears on one more CRL.
//
// Errors: ErrReason, ErrUnknownCertificate, ErrRevoked, or the ledger's.
func (ca *CA) Revoke(ctx context.Context, cert *x509.Certificate, reason int, at time.Time) error {
	now := second(ca.now())
	if at.IsZero() {
		at = now
	}
	at = second(at)
	switch {
	case reason < 0 || reason > 10 || reason == 7:
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
		if reason == reasonUnhold {
			return r, nil
		}
		r.State, r.Reason, r.RevokedAt = Revoked, reason, at
		if reason == reasonHold {
			r.State = Held
		}
	case Held:
		switch reason {
		case reasonHold:
		case reasonUnhold:
			r.State, r.Reason, r.RevokedAt = Good, 0, time.Time{}
		default:
			r.State, r.Reason, r.RevokedAt = Revoked, reason, earlier(r.RevokedAt, at)
		}
	case Revoked:
		switch {
		case reason == reasonUnhold:
			return r, ErrRevoked
		case reason == reasonKeyCompromise && r.Reason != reasonKeyCompromise:
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
