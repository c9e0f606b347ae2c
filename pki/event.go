// SPDX-License-Identifier: Apache-2.0

package pki

import "math/big"

// Event is something that happened, for metrics. It carries no secret and no
// name of a person.
type Event struct {
	Name   string
	Act    string   // for certificate.issued, certificate.refused and act.recovered
	Serial *big.Int // for certificate.revoked and certificate.reminded
	Rule   string   // for certificate.refused
	Shard  int      // for crl.signed
}

// The closed list of event names.
const (
	EventIssued    = "certificate.issued"  // a pair was committed
	EventRefused   = "certificate.refused" // Issue or Renew said no
	EventRevoked   = "certificate.revoked" // a status was changed, hold and release included
	EventRecovered = "act.recovered"       // an act left by a crash was finished or closed
	EventReminded  = "certificate.reminded"
	EventCRL       = "crl.signed"
	EventResponder = "ocsp.responder" // a new OCSP signing certificate
)
