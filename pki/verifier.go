// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Purpose is what a certificate is to be relied on for. The zero value is
// refused.
type Purpose int

// The purposes.
const (
	// PurposeAuthentication: keyUsage has digitalSignature, extendedKeyUsage
	// names clientAuth itself, and the certificate is no CA's. RFC 5280
	// §4.2.1.3, §4.2.1.12.
	PurposeAuthentication Purpose = iota + 1
	// PurposeSigning: keyUsage has nonRepudiation, the certificate is no CA's,
	// and extendedKeyUsage, where there is one, has emailProtection or
	// anyExtendedKeyUsage.
	PurposeSigning
	// PurposeAny: nothing is asked of keyUsage and extendedKeyUsage of the
	// certificate.
	PurposeAny
)

// maxChain bounds what a peer may present: a leaf and nine others.
const maxChain = 10

// StatusSource is where a Verifier learns how a certificate stands. *CA,
// *CRLChecker and *OCSPChecker are sources.
type StatusSource interface {
	// Evidence tells how cert stands with issuer, whose signature on it has
	// been verified, by what is current at now. An error means that the source
	// has nothing to say, and the next one is asked. Evidence of the state
	// Unknown is an answer: the issuer doesn't know the certificate.
	Evidence(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (Evidence, error)
}

// VerifierConfig is what a Verifier relies on.
type VerifierConfig struct {
	// Roots are trusted outright: their own signature, purpose and status are
	// not looked at, their dates are. One need not be self-signed: an issuing
	// CA about which its root publishes nothing can be a root here. Required.
	Roots []*x509.Certificate
	// Intermediates may be used to find a path, and are checked like all
	// others.
	Intermediates []*x509.Certificate
	// Sources are asked in this order about each certificate of a path but the
	// root; the first answer counts. Required: nothing is verified without
	// its status.
	Sources []StatusSource

	Now func() time.Time // the calendar; default time.Now
}

func (c VerifierConfig) withDefaults() VerifierConfig {
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Verifier decides whether a certificate can be relied on: of this hierarchy,
// with a *CA as its source, or of an outside one, with its root, its lists and
// its OCSP responders. Its methods may be called at the same time.
//
// # What is checked, in this order
//
//  1. The path: signatures, names, dates, basicConstraints, keyCertSign,
//     path length, name constraints, the nesting of extendedKeyUsage,
//     certificate policies, and critical extensions that nobody knows, as
//     crypto/x509 does it (RFC 5280 §6.1). See below for what that isn't.
//  2. The purpose of the certificate.
//  3. From the root down, the status of each certificate but the root, from
//     the first source that answers. No answer is a refusal.
//  4. The dates of the certificate. They come last, so that an expired
//     certificate is known to be otherwise good when ErrExpired says so.
//
// Where several paths exist, one that holds is enough; otherwise the error is
// that of the first.
//
// # As of a time
//
// Verify answers for an instant that is not after Now. Dates are those of that
// instant. Evidence must be current Now, because only that knows what became
// known since; what it says is then read as of the instant:
//   - a revocation or hold from before it, or of that very second, refuses;
//   - a later one doesn't, unless its reason is keyCompromise, cACompromise,
//     aACompromise or not one that RFC 5280 §5.3.1 knows: whoever has the key
//     can write any date. The invalidityDate of a list's entry counts where it
//     is earlier than its revocation date (§5.3.2);
//   - a list or OCSP response that was made after the certificate's end can
//     prove a revocation but not its absence, because entries may be dropped
//     then (§3.3). The ledger of a *CA has no such end.
//
// To judge by evidence of the past, as it was current then, set Now to then.
//
// # What is remembered
//
// Issuing certificates whose path was verified, so that each further
// certificate costs one signature and not one for each level. No verdict is
// remembered, nor any status, of an issuer neither.
//
// # What is not done
//
//   - Names are compared byte for byte, and not by the string preparation of
//     RFC 5280 §7.1; a pathLenConstraint counts self-issued certificates too;
//     name constraints on directory names, and all others than DNS, IP, URI and
//     e-mail, refuse where they are critical; an excluded e-mail or URI host
//     excludes the hosts below it; DSA and SHA-1 are refused. Each of these
//     refuses more than RFC 5280 asks, never less.
//   - Policies are processed with anyPolicy as the initial set and none of the
//     three initial flags: what the certificates of the path themselves require
//     is enforced, a caller can't require a policy.
//   - Indirect and delta lists, lists for some reasons only, and lists that
//     another key than the one that signed the certificate has signed, are not
//     used. What stands in a delta list alone is seen when the next complete
//     list comes. See CRLChecker and OCSPChecker.
//   - The strength of keys is not judged, beyond what crypto/rsa refuses: less
//     than 1024 bits.
//   - That the peer holds the key isn't proven by Verify.
type Verifier struct {
	roots         *x509.CertPool
	rootSet       map[string]bool // by Raw
	intermediates []*x509.Certificate
	sources       []StatusSource
	issuers       issuerMemory
	now           func() time.Time
}

// NewVerifier checks a configuration.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	c = c.withDefaults()
	switch {
	case len(c.Roots) == 0 || slices.ContainsFunc(c.Roots, unparsed):
		return nil, errors.New("pki: VerifierConfig needs Roots, each one parsed")
	case slices.ContainsFunc(c.Intermediates, unparsed):
		return nil, errors.New("pki: VerifierConfig: an intermediate is not parsed")
	case len(c.Sources) == 0 || slices.Contains(c.Sources, nil):
		return nil, errors.New("pki: VerifierConfig needs Sources, none of them nil")
	}
	v := &Verifier{
		roots: x509.NewCertPool(), rootSet: map[string]bool{}, intermediates: slices.Clone(c.Intermediates),
		sources: slices.Clone(c.Sources), now: c.Now,
	}
	for _, root := range c.Roots {
		v.roots.AddCert(root)
		v.rootSet[string(root.Raw)] = true
	}
	return v, nil
}

func unparsed(c *x509.Certificate) bool {
	return c == nil || len(c.Raw) == 0 || c.SerialNumber == nil || c.PublicKey == nil
}

// Verify decides about chain[0]; the others, in any order, may help to find its
// path. at is the instant the answer is for, the zero time means Now; parts of
// a second are dropped. It returns the path that holds, the certificate first
// and the root last.
//
// Errors: ErrUntrusted, ErrPurpose, ErrRevoked, ErrHeld, ErrUnknownCertificate,
// ErrStatus, ErrExpired, ErrNotYetValid, or that of the context. RFC 5280 §6.
func (v *Verifier) Verify(ctx context.Context, chain []*x509.Certificate, purpose Purpose, at time.Time) ([]*x509.Certificate, error) {
	now := second(v.now())
	if at.IsZero() {
		at = now
	}
	at = second(at)
	switch {
	case len(chain) == 0 || len(chain) > maxChain || slices.ContainsFunc(chain, unparsed):
		return nil, fmt.Errorf("%w: a chain is 1 to %d parsed certificates", ErrUntrusted, maxChain)
	case purpose < PurposeAuthentication || purpose > PurposeAny:
		return nil, fmt.Errorf("%w: %d is no purpose", ErrPurpose, purpose)
	case at.After(now):
		return nil, fmt.Errorf("%w: nothing is known of the future", ErrStatus)
	}
	q := enquiry{chain: chain, purpose: purpose, at: at, now: now}
	known := v.rememberedPath(q)
	var first error
	if known != nil {
		if first = v.judge(ctx, q, known); first == nil {
			return known, nil
		}
	}
	paths, err := v.paths(q)
	if first == nil && err != nil {
		return nil, err
	}
	for _, path := range paths {
		if slices.EqualFunc(path, known, (*x509.Certificate).Equal) {
			continue
		}
		err := v.judge(ctx, q, path)
		if err == nil {
			v.issuers.remember(path)
			return path, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// enquiry is one call of Verify.
type enquiry struct {
	chain   []*x509.Certificate
	purpose Purpose
	at, now time.Time
}

// judge decides about a path that crypto/x509 found: purpose, status, dates.
func (v *Verifier) judge(ctx context.Context, q enquiry, path []*x509.Certificate) error {
	if err := q.purpose.check(path[0]); err != nil {
		return err
	}
	for i := len(path) - 2; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := v.evidence(ctx, path[i], path[i+1], q.now)
		if err != nil {
			return err
		}
		if err := e.refusal(q.at); err != nil {
			return fmt.Errorf("%w: %s", err, path[i].Subject)
		}
	}
	for _, c := range path {
		if err := within(q.at, c.NotBefore, c.NotAfter); err != nil {
			return err
		}
	}
	return nil
}

// evidence asks the sources in their order.
func (v *Verifier) evidence(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (Evidence, error) {
	var errs []error
	for _, s := range v.sources {
		e, err := s.Evidence(ctx, cert, issuer, now)
		if err == nil {
			return e, nil
		}
		errs = append(errs, err)
	}
	return Evidence{}, fmt.Errorf("%w: %s: %w", ErrStatus, cert.Subject, errors.Join(errs...))
}

func (p Purpose) check(cert *x509.Certificate) error {
	switch {
	case p == PurposeAny:
		return nil
	case cert.IsCA:
		return fmt.Errorf("%w: it is a CA's", ErrPurpose)
	case p == PurposeAuthentication && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%w: keyUsage lacks digitalSignature", ErrPurpose)
	case p == PurposeAuthentication && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return fmt.Errorf("%w: extendedKeyUsage doesn't name clientAuth", ErrPurpose)
	case p == PurposeSigning && cert.KeyUsage&x509.KeyUsageContentCommitment == 0:
		return fmt.Errorf("%w: keyUsage lacks nonRepudiation", ErrPurpose)
	}
	return nil
}

// extKeyUsages is what each certificate of a path must allow, if it says
// anything about it.
func (p Purpose) extKeyUsages() []x509.ExtKeyUsage {
	switch p {
	case PurposeAuthentication:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case PurposeSigning:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	default:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
}
