// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"fmt"
	"time"
)

// ruled is an error that names the rule which refuses. Rule ids are an
// interface: they are never reused for something else.
type ruled struct{ rule, text string }

func (e *ruled) Error() string { return "pki: " + e.text }

// Rule returns the id of the rule that refuses.
func (e *ruled) Rule() string { return e.rule }

// Conditions to test with errors.Is. Each has a method Rule() string, reached
// by errors.As through an interface, with the id given here.
var (
	// ErrUnknownCertificate: the ledger has no certificate with these bytes, or
	// another authority issued it. Rule cert.unknown.
	ErrUnknownCertificate error = &ruled{"cert.unknown", "this authority did not issue the certificate"}
	// ErrRevoked: revoked for good. Rule cert.revoked.
	ErrRevoked error = &ruled{"cert.revoked", "the certificate is revoked"}
	// ErrHeld: on hold (reason 6); it can be released. Rule cert.held.
	ErrHeld error = &ruled{"cert.held", "the certificate is on hold"}
	// ErrExpired: Now is after notAfter, of the certificate or of a certificate
	// above it. Rule cert.expired.
	ErrExpired error = &ruled{"cert.expired", "the certificate has expired"}
	// ErrNotYetValid: Now is before notBefore: this machine's clock is behind.
	// Rule cert.unknown.
	ErrNotYetValid error = &ruled{"cert.unknown", "the certificate is not valid yet"}
	// ErrSuperseded: not the newest pair of its lineage. Rule cert.superseded.
	ErrSuperseded error = &ruled{"cert.superseded", "a newer certificate of this lineage exists"}
	// ErrTooEarly: before the renewal window; comes inside a *RenewalError. Rule
	// renewal.early.
	ErrTooEarly error = &ruled{"renewal.early", "the renewal window is not open yet"}
	// ErrTooLate: after the renewal window; comes inside a *RenewalError. Only
	// Issue, with a new lineage, helps. Rule renewal.late.
	ErrTooLate error = &ruled{"renewal.late", "the renewal window has closed"}
	// ErrWeakKey: an algorithm, size or value that is not accepted. Rule
	// key.weak.
	ErrWeakKey error = &ruled{"key.weak", "the key is too weak"}
	// ErrKeyReused: the key was asked for before, in whatever certificate, or
	// twice in one act. Rule key.reused.
	ErrKeyReused error = &ruled{"key.reused", "the key has been used before"}
	// ErrProof: the request is not signed by its own key. Rule key.proof.
	ErrProof error = &ruled{"key.proof", "the request does not prove possession of its key"}
	// ErrSubject: a subject that the profile does not allow. Rule
	// subject.invalid.
	ErrSubject error = &ruled{"subject.invalid", "the subject is not allowed"}
	// ErrReason: not a reason code that can be given to Revoke, or a revocation
	// date in the future. Rule reason.invalid.
	ErrReason error = &ruled{"reason.invalid", "the revocation reason or date is not allowed"}
	// ErrActConflict: the act exists with other contents, is malformed, or was
	// closed. Rule act.conflict.
	ErrActConflict error = &ruled{"act.conflict", "the act does not match what was asked before"}
	// ErrUnknownAct: a ledger has no such act; CA never returns it. Rule
	// act.conflict.
	ErrUnknownAct error = &ruled{"act.conflict", "there is no such act"}
	// ErrSignerUnavailable: the signer failed, or returned something other than
	// what it was asked to sign. The act stays open; asking again finishes it.
	// Rule signer.unavailable.
	ErrSignerUnavailable error = &ruled{"signer.unavailable", "the signer is not available"}
	// ErrIssuerExpiring: what is to be signed would outlive the issuing CA or a
	// certificate above it. Rule signer.unavailable.
	ErrIssuerExpiring error = &ruled{"signer.unavailable", "the certificate would outlive its issuer"}
	// ErrClock: the calendar stands before what the ledger already holds. Rule
	// signer.unavailable.
	ErrClock error = &ruled{"signer.unavailable", "the clock stands before what was signed already"}
	// ErrSerialTaken: a ledger has the serial number already. CA draws another
	// and never returns it unless chance itself is broken. Rule
	// signer.unavailable.
	ErrSerialTaken error = &ruled{"signer.unavailable", "the serial number exists"}
)

// RenewalError is a renewal refused for its date. errors.Is finds ErrTooEarly
// or ErrTooLate in it.
type RenewalError struct {
	Err           error     // ErrTooEarly or ErrTooLate
	Opens, Closes time.Time // both inclusive
}

func (e *RenewalError) Error() string {
	return fmt.Sprintf("%v: open from %s to %s", e.Err, e.Opens.Format(time.RFC3339), e.Closes.Format(time.RFC3339))
}

// Unwrap returns ErrTooEarly or ErrTooLate.
func (e *RenewalError) Unwrap() error { return e.Err }

// Window returns the first and the last instant at which the certificate can be
// renewed, both inclusive.
func (e *RenewalError) Window() (opens, closes time.Time) { return e.Opens, e.Closes }
