// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"math/big"
	"time"
)

// Use is what a certificate is for.
type Use string

// The uses. The zero value is refused.
const (
	Authentication Use = "authentication"
	Signing        Use = "signing"
	Responder      Use = "responder" // signs OCSP responses; not on a card
)

// State is what the ledger holds about a certificate. That one has expired is a
// date, not a state.
type State string

// The states. The zero value means that the ledger has no such certificate.
const (
	Unknown State = ""
	Pending State = "pending" // recorded, perhaps signed, never handed out
	Good    State = "good"
	Held    State = "held"
	Revoked State = "revoked" // for good
)

// Act is one issuance as the ledger keeps it. Its certificates are issued all
// or none.
type Act struct {
	ID          string
	Kind        string // ActIssue, ActRenew or ActResponder
	Issuer      string // key id of the issuing CA, hex
	Fingerprint []byte // SHA-256 of everything that was asked
	Subject     []byte // DER of the name
	UserID      string // 12 digits; "" for a responder
	Lineage     string // id of the act that began the lineage
	Generation  int64  // 1 for the first pair of a lineage
	Opened      time.Time
	State       State // Pending, Good (committed), Revoked (closed unfinished)
	Records     []Record
}

// The kinds of act.
const (
	ActIssue     = "issue"
	ActRenew     = "renew"
	ActResponder = "responder"
)

// Record is one certificate as the ledger keeps it. Times are whole seconds,
// UTC.
type Record struct {
	Serial    *big.Int
	Use       Use
	Shard     int    // of the CRL that can list it, fixed at issuance
	PublicKey []byte // DER SubjectPublicKeyInfo in Go's canonical encoding
	NotBefore time.Time
	NotAfter  time.Time // inclusive
	State     State
	Reason    int       // RFC 5280 §5.3.1; only when Held or Revoked
	RevokedAt time.Time // only when Held or Revoked
	DER       []byte    // nil while Pending, and for ever if its act was closed

	// RemindAt is when the holder is next to be reminded of NotAfter; zero when
	// that is done. See Config.Remind.
	RemindAt time.Time

	// Filled from the act when a ledger returns a record.
	Act, Issuer, UserID, Lineage string
	Generation                   int64
	Opened                       time.Time // of the act: when it was issued
}

// RevokedEntry is one line of a CRL.
type RevokedEntry struct {
	Serial    *big.Int
	RevokedAt time.Time
	Reason    int
}

// CRLPlan is what a CRL has to say, read in the transaction that took its
// number.
type CRLPlan struct {
	Number  int64
	Covers  int64 // the shard's count of changes that Entries includes
	Entries []RevokedEntry
}

// CRL is a signed list as the ledger keeps it.
type CRL struct {
	Issuer                 string
	Shard                  int
	Number                 int64
	Covers                 int64
	ThisUpdate, NextUpdate time.Time
	DER                    []byte
}

// Shard says how a shard stands: its list is behind when Covers < Changed.
type Shard struct {
	Changed                int64 // status changes so far
	Number, Covers         int64 // of the newest list; 0 when there is none
	ThisUpdate, NextUpdate time.Time
}

// Ledger is where the authority keeps what it did. Every method is one
// transaction and durable when it returns; each change of an act, a certificate
// or a kept list also appends to a hash-chained audit in that transaction. All
// times come from the caller. pkitest.TestLedger is the conformance suite.
//
// A ledger returns the errors named here, wrapped or not; any other error means
// that nothing is known about the outcome, and the caller must ask again.
type Ledger interface {
	ActLedger
	CertificateLedger
	ReminderLedger
	ListLedger

	// Register makes an issuing CA known with its number of CRL shards. Again
	// with the same number: no change. With another: an error, since the shard
	// stands in certificates that were issued.
	Register(ctx context.Context, issuer string, shards int, at time.Time) error

	// Revision returns a number that grows with every change in the ledger.
	// Whoever reads a record after reading revision r knows the record holds
	// for as long as Revision returns r.
	Revision(ctx context.Context) (int64, error)

	// VerifyAudit checks the audit chain, and that everything else that is kept
	// is what it says, and returns the number of its rows. The error names the
	// first bad row.
	VerifyAudit(ctx context.Context) (int64, error)
}

// ActLedger is the part of a Ledger that issues all certificates of an act or
// none.
type ActLedger interface {
	// OpenAct records act and its certificates as Pending. If an act with this
	// id exists it is returned unchanged, whatever its contents or state.
	// Otherwise, in this order:
	//   - ErrClock when an act was opened more than ClockTolerance after
	//     act.Opened;
	//   - for ActRenew: renews names the pair that is renewed. ErrHeld or
	//     ErrRevoked when one of it is; ErrSuperseded when its lineage has a
	//     later generation of which any certificate is not Revoked;
	//   - ErrKeyReused when any act, of any issuer and state, had one of the
	//     keys;
	//   - ErrSerialTaken when a serial exists.
	OpenAct(ctx context.Context, act Act, renews []*big.Int) (Act, error)

	// CommitAct makes the certificates of a Pending act Good, or, for ActRenew
	// when no pair of the generation before is left without a Revoked
	// certificate, closes it as CloseAct does; when one of that pair is Held,
	// ErrHeld and no change. act is as OpenAct or PendingActs
	// returned it, with the DER of each record filled in. If it is not Pending in
	// the ledger any more, it is returned as it stands there: the first commit
	// wins. ErrUnknownAct when there is none, as with CloseAct.
	CommitAct(ctx context.Context, act Act, at time.Time) (Act, error)

	// CloseAct gives up a Pending act: its serials become Revoked with reason 5
	// at this time. If the act is not Pending it is returned unchanged.
	CloseAct(ctx context.Context, id string, at time.Time) (Act, error)

	// Act returns an act, or ErrUnknownAct.
	Act(ctx context.Context, id string) (Act, error)

	// PendingActs returns the issuer's Pending acts opened at or before a time.
	PendingActs(ctx context.Context, issuer string, opened time.Time) ([]Act, error)
}

// CertificateLedger is the part of a Ledger that knows each certificate by
// itself. Pages come in a fixed order, by an index; after is the last record of
// the page before, the zero Record for the first.
type CertificateLedger interface {
	// Record returns a certificate by serial, or ErrUnknownCertificate.
	Record(ctx context.Context, serial *big.Int) (Record, error)

	// Revise changes State, Reason and RevokedAt of one certificate to what
	// revise returns for the record as it stands. An unchanged record writes
	// nothing. revise may be called again and must have no other effect.
	// ErrUnknownCertificate when there is none; an error of revise is returned
	// and changes nothing.
	Revise(ctx context.Context, serial *big.Int, at time.Time, revise func(Record) (Record, error)) (Record, error)

	// Expiring returns the next certificates of an issuer, of cards alone, that
	// are Good or Held and end in [from, to], by NotAfter and serial number, at
	// most limit of them.
	Expiring(ctx context.Context, issuer string, from, to time.Time, after Record, limit int) ([]Record, error)

	// Issued returns the next certificates of an issuer, of cards alone, that
	// were committed, whatever became of them, by Opened, Act and the order in
	// the act, at most limit of them.
	Issued(ctx context.Context, issuer string, after Record, limit int) ([]Record, error)

	// Lineage returns the committed certificates of a lineage, by Generation,
	// Opened, Act and the order in the act.
	Lineage(ctx context.Context, lineage string) ([]Record, error)
}

// ReminderLedger is the part of a Ledger that remembers who was reminded.
type ReminderLedger interface {
	// DueReminders returns at most limit Good certificates of an issuer whose
	// RemindAt is not zero and at or before a time, the earliest first.
	DueReminders(ctx context.Context, issuer string, at time.Time, limit int) ([]Record, error)

	// NextReminder returns the earliest RemindAt of an issuer's Good
	// certificates, zero when there is none.
	NextReminder(ctx context.Context, issuer string) (time.Time, error)

	// MoveReminder changes RemindAt of one certificate if it is still from, and
	// reports whether it was. It writes no audit row.
	MoveReminder(ctx context.Context, serial *big.Int, from, to time.Time) (bool, error)
}

// ListLedger is the part of a Ledger that numbers and keeps the CRLs.
type ListLedger interface {
	// Shard returns how a shard stands.
	Shard(ctx context.Context, issuer string, shard int) (Shard, error)

	// ReserveCRL takes the next number of a shard, which no later call returns
	// again, and reads what the list must say at that time: all Held and
	// Revoked certificates of the shard that have not expired, or that no
	// stored list with a later thisUpdate than their notAfter has listed.
	// ErrClock when the newest list's thisUpdate is later than at. RFC 5280
	// §3.3, §5.2.3.
	ReserveCRL(ctx context.Context, issuer string, shard int, at time.Time) (CRLPlan, error)

	// StoreCRL keeps a list if its number is higher than that of the one kept
	// and its thisUpdate not earlier; otherwise it changes nothing.
	StoreCRL(ctx context.Context, list CRL) error

	// CRL returns the newest list of a shard, or ErrUnknownCertificate.
	CRL(ctx context.Context, issuer string, shard int) (CRL, error)
}

// ClockTolerance is how far the clocks of several servers on one ledger may
// differ. An act that would be opened further in the past is refused with
// ErrClock, and so is a list; within it, a list has the thisUpdate of the one
// before.
const ClockTolerance = time.Minute
