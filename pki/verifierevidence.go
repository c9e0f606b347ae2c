// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// EvidenceSkew is how far in the future a list or an OCSP response may have been
// made: the clocks of two organisations differ. Its end is not stretched. Five
// minutes is what openssl-ocsp(1) allows.
const EvidenceSkew = 5 * time.Minute

// Evidence is what a source found out about a certificate.
type Evidence struct {
	State  State // Good, Held or Revoked; Unknown: its issuer doesn't know it
	Reason int   // RFC 5280 §5.3.1; only when Held or Revoked
	// From is when the certificate ceased to be good, inclusive: the earlier of
	// the revocation and the invalidity date, and not after the evidence was
	// made. Only when Held or Revoked.
	From time.Time
}

// refusal reads evidence as of an instant.
func (e Evidence) refusal(at time.Time) error {
	later := e.From.After(at)
	switch {
	case e.State == Good:
		return nil
	case e.State == Held && later, e.State == Revoked && later && !retroactive(e.Reason):
		return nil
	case e.State == Held:
		return ErrHeld
	case e.State == Revoked:
		return ErrRevoked
	}
	return ErrUnknownCertificate
}

// retroactive reasons refuse what was before the revocation as well.
func retroactive(reason int) bool {
	switch reason {
	case Unspecified, AffiliationChanged, Superseded, CessationOfOperation, CertificateHold, PrivilegeWithdrawn:
		// no key is in foreign hands
		return false
	}
	return true
}

// revokedEvidence is what a list or a response says about a revoked certificate.
func revokedEvidence(reason int, from, made time.Time) Evidence {
	e := Evidence{State: Revoked, Reason: reason, From: earlier(from, made)}
	if reason == CertificateHold {
		e.State = Held
	}
	return e
}

// Evidence makes a CA a StatusSource: it tells how a certificate stands in the
// ledger, in this very moment. One that the CA's key has signed and that the
// ledger doesn't hold with these bytes is Unknown. The certificates of Chain
// are good: an authority that works is not revoked. About others it has nothing
// to say.
func (ca *CA) Evidence(ctx context.Context, cert, issuer *x509.Certificate, _ time.Time) (Evidence, error) {
	switch {
	case slices.ContainsFunc(ca.chain, cert.Equal):
		return Evidence{State: Good}, nil
	case !bytes.Equal(issuer.RawSubjectPublicKeyInfo, ca.issuer.RawSubjectPublicKeyInfo):
		return Evidence{}, errors.New("pki: ledger: not a certificate of this authority")
	}
	r, err := ca.record(ctx, cert.SerialNumber)
	switch {
	case errors.Is(err, ErrUnknownCertificate):
		return Evidence{State: Unknown}, nil
	case err != nil:
		return Evidence{}, err
	case !bytes.Equal(r.DER, cert.Raw):
		return Evidence{State: Unknown}, nil
	}
	switch r.State {
	case Good:
		return Evidence{State: Good}, nil
	case Held, Revoked:
		return Evidence{State: r.State, Reason: r.Reason, From: r.RevokedAt}, nil
	}
	return Evidence{State: Unknown}, nil
}

// mayHaveBeenDropped: a list or response made after the end of a certificate
// needn't know about it any more. RFC 5280 §3.3, RFC 6960 §4.4.4.
func mayHaveBeenDropped(cert *x509.Certificate, made time.Time) bool {
	return made.After(cert.NotAfter)
}
