// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"crypto/x509"
	"time"
)

// CardState is where a card is in its life.
type CardState string

// The states of a card. Expired is never stored: it is an active or locked card whose newest certificates have ended.
const (
	CardOrdered   CardState = "ordered"   // an issue act is open, nothing on it counts yet
	CardActive    CardState = "active"    // signs in
	CardLocked    CardState = "locked"    // issued locked, or an unlock of it has begun and is not confirmed
	CardExpired   CardState = "expired"   // its certificates have ended
	CardCancelled CardState = "cancelled" // for good
	CardLost      CardState = "lost"
	CardReturned  CardState = "returned"
	CardReplaced  CardState = "replaced" // another card took its place
	CardCleared   CardState = "cleared"  // emptied: may be issued again, to anybody
)

// Card is one smartcard, known by the serial that its token reports.
type Card struct {
	Serial   string
	Profile  string // user id of the holder
	State    CardState
	IssuedAt time.Time
	NotAfter time.Time // inclusive end of its newest confirmed certificates; zero before the first
	OpenAct  string    // id of the act that is open on it, or ""
}

// CertificateState is what careid makes of a certificate. Revocation itself is the CA's word; Revoking and Revoked
// say how far careid's own request has come.
type CertificateState string

// A pair is pending until the card proves the new key, then current, then replaced by the next confirmed pair.
const (
	CertificatePending  CertificateState = "pending"
	CertificateCurrent  CertificateState = "current"
	CertificateReplaced CertificateState = "replaced"
	CertificateRevoking CertificateState = "revoking" // decided here, not yet told to the CA
	CertificateRevoked  CertificateState = "revoked"
)

// KeyUse is what a key of the pair is for.
type KeyUse string

// A card carries a pair. Only the authentication key signs in.
const (
	Authentication KeyUse = "authentication"
	Signing        KeyUse = "signing"
)

// Certificate is one certificate as careid keeps it.
type Certificate struct {
	Fingerprint [32]byte // SHA-256 of DER
	Card        string
	Act         string
	Use         KeyUse
	State       CertificateState
	Reason      int       // RFC 5280 §5.3.1 code, when Revoking or Revoked
	RevokeAt    time.Time // the time given to the CA, when Revoking or Revoked
	NotAfter    time.Time
	DER         []byte
}

// Parse reads the DER.
func (c Certificate) Parse() (*x509.Certificate, error) { return x509.ParseCertificate(c.DER) }

// Order asks the Registration Authority for a card.
type Order struct {
	ID       string
	Profile  string
	Replaces string // serial of the lost card, or ""
	At       time.Time
	Card     string // serial that filled it, or "" while open
}
