// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Renew makes the next pair of a lineage, with the same subject, fresh keys and
// the profile of today. old and csrs are in the order authentication, signing.
// The old pair is not revoked: which pair a card signs in with is its owner's
// matter.
//
// The old pair must be byte-equal to the ledger, one act's pair, neither revoked
// nor on hold, the newest of its lineage, and Now in its window, which is closed
// at both ends. A later pair that was revoked as a whole no longer counts, so
// that an unfinished renewal can be given up. A renewal that is unfinished when
// the old pair is revoked is closed, whoever comes to finish it (ErrRevoked); one
// whose old pair is put on hold waits until that is released (ErrHeld).
// Of many renewals at once one happens. act is the idempotency key as with Issue,
// and a repeated act is answered before any of this is looked at.
//
// Errors: *RenewalError (ErrTooEarly, ErrTooLate), ErrUnknownCertificate,
// ErrRevoked, ErrHeld, ErrSuperseded, and those of Issue.
func (ca *CA) Renew(ctx context.Context, act string, old []*x509.Certificate, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	certs, err := ca.renew(ctx, act, old, csrs)
	if err != nil {
		ca.refused(ctx, act, err)
	}
	return certs, err
}

func (ca *CA) renew(ctx context.Context, id string, old []*x509.Certificate, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	requests, err := ca.readPair(id, csrs)
	if err != nil {
		return nil, err
	}
	if len(old) != 2 || old[0] == nil || old[1] == nil {
		return nil, fmt.Errorf("%w: two certificates are needed, authentication and signing", ErrUnknownCertificate)
	}
	asked := fingerprint([]byte(ActRenew), old[0].Raw, old[1].Raw, requests[0].der, requests[1].der)
	defer ca.acts.lock(id)()
	if act, found, err := ca.repeated(ctx, id, asked); found || err != nil {
		return ca.answer(ctx, act, err)
	}
	former, err := ca.renewable(ctx, old)
	if err != nil {
		return nil, err
	}
	act := Act{
		ID: id, Kind: ActRenew, Issuer: ca.keyID, Fingerprint: asked, Subject: former.Subject,
		UserID: former.UserID, Lineage: former.Lineage, Generation: former.Generation + 1,
	}
	opened, err := ca.open(ctx, act, requests, []*big.Int{old[0].SerialNumber, old[1].SerialNumber})
	return ca.answer(ctx, opened, err)
}

// renewable returns the act that made a pair, if the pair's dates and state let
// it be renewed. That it is the newest is decided by the ledger, in the
// transaction that opens the new act.
func (ca *CA) renewable(ctx context.Context, old []*x509.Certificate) (Act, error) {
	var records []Record
	for _, cert := range old {
		r, err := ca.find(ctx, cert)
		if err != nil {
			return Act{}, err
		}
		records = append(records, r)
	}
	if records[0].Act != records[1].Act || records[0].Use != Authentication || records[1].Use != Signing {
		return Act{}, fmt.Errorf("%w: the certificates are not a pair", ErrUnknownCertificate)
	}
	for _, r := range records {
		if err := r.refusal(); err != nil {
			return Act{}, err
		}
	}
	if err := ca.checkWindow(records[0].NotAfter); err != nil {
		return Act{}, err
	}
	act, err := ca.ledger.Act(ctx, records[0].Act)
	if errors.Is(err, ErrUnknownAct) {
		return Act{}, ErrUnknownCertificate
	}
	return act, err
}

func (ca *CA) checkWindow(notAfter time.Time) error {
	opens, closes := ca.profile.Window(notAfter)
	now := second(ca.now())
	switch {
	case now.Before(opens):
		return &RenewalError{Err: ErrTooEarly, Opens: opens, Closes: closes}
	case now.After(closes):
		return &RenewalError{Err: ErrTooLate, Opens: opens, Closes: closes}
	}
	return nil
}

// renewsHeld reports whether an act renews a pair that is on hold now. The ledger
// decides again in the transaction that commits; this keeps the key from signing
// in vain each time the act is looked at.
func (ca *CA) renewsHeld(ctx context.Context, act Act) (bool, error) {
	if act.Kind != ActRenew {
		return false, nil
	}
	all, err := ca.ledger.Lineage(ctx, act.Lineage)
	for _, r := range all {
		if r.Generation == act.Generation-1 && r.State == Held {
			return true, err
		}
	}
	return false, err
}
