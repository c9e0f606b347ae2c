// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// CRLSource is where a CRLChecker takes lists from. *Fetcher is one.
type CRLSource interface {
	// Lists returns the lists, DER, that may tell about a certificate. Nothing
	// about them needs to have been checked.
	Lists(ctx context.Context, cert, issuer *x509.Certificate) ([][]byte, error)
}

// CRLNumbers remembers the highest number seen of each series of lists, so that
// an older list is refused although its nextUpdate hasn't come. *FileNumbers
// remembers across restarts, *MemoryNumbers until then.
type CRLNumbers interface {
	// Raise remembers number if it is the highest of its series and returns the
	// highest, durably where it is durable at all. A series is a lower-case hex
	// string of 64 digits.
	Raise(ctx context.Context, series string, number *big.Int) (highest *big.Int, err error)
}

// CRLCheckerConfig is what a CRLChecker relies on.
type CRLCheckerConfig struct {
	Source CRLSource // Required
	// Numbers, default a new *MemoryNumbers: after a restart, a list that is
	// current but not the newest is then taken once more.
	Numbers CRLNumbers
	// MaxBytes of one list, default 64 MiB: a million entries are 49 MB.
	MaxBytes int
}

func (c CRLCheckerConfig) withDefaults() CRLCheckerConfig {
	if c.Numbers == nil {
		c.Numbers = &MemoryNumbers{}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	return c
}

// CRLChecker is a StatusSource that reads certificate revocation lists.
//
// A list is used only if all of this holds:
//   - it is version 2, well formed to the last byte (the dates of other
//     certificates' entries aside), at most MaxBytes long;
//   - its issuer is the certificate's, byte for byte, and it is signed, with
//     SHA-256 or stronger, by the very key that signed the certificate; where
//     that issuer has a keyUsage it has cRLSign (RFC 5280 §6.3.3 f);
//   - thisUpdate is not more than EvidenceSkew ahead, nextUpdate is there, and
//     has not passed (§5.1.2.5);
//   - it has a number, and no list of this series (issuer's key and scope) with
//     a higher one was used before (§5.2.3);
//   - its issuingDistributionPoint, if any, covers the certificate: user or CA
//     certificates, all reasons, not indirect, and a name that is one of the
//     certificate's distribution points, byte for byte; points that have
//     reasons or a cRLIssuer don't count (§5.2.5, §6.3.3 b);
//   - it is not a delta list, and no other extension of it or of any entry is
//     critical; critical or not, none comes twice (§5.2, §5.3);
//   - it has at most one entry for the certificate, with any reason but
//     removeFromCRL, which belongs to delta lists.
//
// A list without an issuingDistributionPoint covers all that its issuer issued.
// A list that was made after the certificate's end proves nothing by being
// silent. Any usable list that has the certificate outweighs those that don't.
// What no list answers is an error, and so is a source that fails.
//
// Each check reads the whole list, about 0.2 s for a million entries: lists are
// to be partitioned, as those of a CA here are.
type CRLChecker struct {
	source   CRLSource
	numbers  CRLNumbers
	maxBytes int
}

// NewCRLChecker checks a configuration.
func NewCRLChecker(c CRLCheckerConfig) (*CRLChecker, error) {
	c = c.withDefaults()
	if c.Source == nil || c.MaxBytes < 0 {
		return nil, errors.New("pki: CRLCheckerConfig needs a Source and no negative MaxBytes")
	}
	return &CRLChecker{source: c.Source, numbers: c.Numbers, maxBytes: c.MaxBytes}, nil
}

// maxLists bounds how many lists are looked at for one certificate.
const maxLists = 16

// Evidence implements StatusSource. RFC 5280 §6.3.
func (c *CRLChecker) Evidence(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (Evidence, error) {
	ders, err := c.source.Lists(ctx, cert, issuer)
	if err != nil {
		return Evidence{}, fmt.Errorf("pki: list: %w", err)
	}
	if len(ders) == 0 || len(ders) > maxLists {
		return Evidence{}, fmt.Errorf("pki: list: the source has %d, not 1 to %d", len(ders), maxLists)
	}
	var errs []error
	var lists []*scannedList
	for _, der := range ders {
		list, err := c.usable(der, cert, issuer, now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		lists = append(lists, list)
	}
	// The highest number first, so that a lower one of the same series is
	// recognised among what one source returned, too.
	slices.SortStableFunc(lists, func(a, b *scannedList) int { return b.number.Cmp(a.number) })
	answer, answered := Evidence{}, false
	for _, list := range lists {
		e, err := c.read(ctx, list, cert, issuer)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !answered || answer.State == Good || (answer.State == Held && e.State == Revoked):
			answer, answered = e, true
		}
	}
	if !answered {
		return Evidence{}, errors.Join(errs...)
	}
	return answer, nil
}

// usable checks all about a list but its number.
func (c *CRLChecker) usable(der []byte, cert, issuer *x509.Certificate, now time.Time) (*scannedList, error) {
	if len(der) > c.maxBytes {
		return nil, fmt.Errorf("pki: list: longer than %d bytes", c.maxBytes)
	}
	list, err := scanList(der, cert.SerialNumber)
	if err != nil {
		return nil, fmt.Errorf("pki: list: %w", err)
	}
	switch {
	case !bytes.Equal(list.issuer, cert.RawIssuer) || !bytes.Equal(list.issuer, issuer.RawSubject):
		return nil, errors.New("pki: list: of another issuer")
	case list.thisUpdate.After(now.Add(EvidenceSkew)):
		return nil, errors.New("pki: list: from the future")
	case list.nextUpdate.IsZero():
		return nil, errors.New("pki: list: without nextUpdate")
	case now.After(list.nextUpdate) || list.nextUpdate.Before(list.thisUpdate):
		return nil, errors.New("pki: list: past its nextUpdate")
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return nil, errors.New("pki: list: its issuer may not sign lists")
	}
	if err := list.scope.covers(cert); err != nil {
		return nil, err
	}
	if err := issuer.CheckSignature(list.algorithm, list.tbs, list.signature); err != nil {
		return nil, fmt.Errorf("pki: list: signature: %w", err)
	}
	return list, nil
}

// read compares a list's number with those seen before, and finds the entry.
func (c *CRLChecker) read(ctx context.Context, list *scannedList, cert, issuer *x509.Certificate) (Evidence, error) {
	sum := sha256.Sum256(slices.Concat(issuer.RawSubjectPublicKeyInfo, list.issuer, list.scope.raw))
	highest, err := c.numbers.Raise(ctx, hex.EncodeToString(sum[:]), list.number)
	switch {
	case err != nil:
		return Evidence{}, fmt.Errorf("pki: list: numbers: %w", err)
	case highest == nil || highest.Cmp(list.number) != 0:
		return Evidence{}, fmt.Errorf("pki: list: number %s is rolled back from %s", list.number, highest)
	case list.entry != nil:
		return revokedEvidence(list.entry.reason, list.entry.from, list.thisUpdate), nil
	case mayHaveBeenDropped(cert, list.thisUpdate):
		return Evidence{}, errors.New("pki: list: made after the certificate's end")
	}
	return Evidence{State: Good}, nil
}
