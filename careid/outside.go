// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"

	"github.com/wardkey-sdk/wardkey"
)

// OutsideIssuer is a certificate authority of somebody else. Cards of it sign in here once they are bound to a profile
// (an act of the kind Bind), under the same rules as the service's own: to configure one is to trust what it says of
// people as much as one's own CA, and its cards count as cards.
type OutsideIssuer struct {
	// Name is how people call it, 1 to 64 characters. It is kept with each card bound: under another name they are
	// refused as cards of nobody.
	Name string
	// Contact is who unlocks and renews its cards, and how they are reached. Required.
	Contact string
	// Verify tells how a certificate for authentication stands now: path to the issuer's roots, status by its lists or
	// responders, dates; a revocation before an expiry. An error that has a method Rule() string is a "no", and
	// cert.unknown means that no path leads from the certificate to these roots: it is not this issuer's. A
	// *pki.Verifier says so. Of two issuers at most one may know a certificate, or it is refused as a failure: the
	// configuration names one root twice.
	Verify func(ctx context.Context, cert *x509.Certificate) error
	// UserID reads the holder's user id from the subject. An error means that there is none. Default SubjectUserID.
	UserID func(subject pkix.Name) (string, error)
}

// SubjectUserID reads the user id where this service's own certificates have it: one serialNumber of 12 digits.
func SubjectUserID(subject pkix.Name) (string, error) {
	found := 0
	for _, one := range subject.Names {
		if one.Type.Equal(oidSerialNumber) {
			found++
		}
	}
	if found != 1 || !isUserID(subject.SerialNumber) {
		return "", errors.New("careid: the subject has no serialNumber of 12 digits, or several")
	}
	return subject.SerialNumber, nil
}

// oidSerialNumber is id-at-serialNumber. X.520 §6.2.9.
var oidSerialNumber = []int{2, 5, 4, 5}

// checkIssuers refuses issuers that could not be told apart, or that could verify nothing.
func checkIssuers(issuers []OutsideIssuer) ([]OutsideIssuer, error) {
	checked := slices.Clone(issuers)
	names := map[string]bool{}
	for i, one := range checked {
		if one.Name == "" || len(one.Name) > 64 || auditText(one.Name) != one.Name || names[one.Name] {
			return nil, fmt.Errorf("careid: OutsideIssuer %d needs a name of its own, 1 to 64 plain characters", i)
		}
		if one.Verify == nil || one.Contact == "" {
			return nil, fmt.Errorf("careid: OutsideIssuer %s needs Verify and a Contact", one.Name)
		}
		if one.UserID == nil {
			checked[i].UserID = SubjectUserID
		}
		names[one.Name] = true
	}
	return checked, nil
}

// verdict is what a certificate's authority says of it: no by a rule, or nil. Of one that nobody knows it is the own
// CA's, cert.unknown.
type verdict struct {
	issuer string // "" is the service's own CA
	no     error
}

// judge asks the own CA, and about what that does not know the outside issuers. An error is a failure, not a "no".
func (s *Service) judge(ctx context.Context, cert *x509.Certificate) (verdict, error) {
	no := s.ca.Verify(ctx, cert)
	rule := wardkey.RuleOf(no)
	if no != nil && rule == "" {
		return verdict{}, no
	}
	if rule != "cert.unknown" {
		return verdict{no: no}, nil
	}
	knows := verdict{no: no}
	for _, issuer := range s.outside {
		no := issuer.Verify(ctx, cert)
		if wardkey.RuleOf(no) == "cert.status" && s.now().After(cert.NotAfter) { // nobody need tell of one that has ended
			no = s.no("cert.expired").Because(no)
		}
		switch rule := wardkey.RuleOf(no); {
		case no != nil && rule == "":
			return verdict{}, fmt.Errorf("careid: %s: %w", issuer.Name, no)
		case rule == "cert.unknown":
		case knows.issuer != "":
			return verdict{}, fmt.Errorf("careid: outside issuers %s and %s both know a certificate", knows.issuer, issuer.Name)
		default:
			knows = verdict{issuer: issuer.Name, no: no}
		}
	}
	return knows, nil
}

// issuerNamed finds an outside issuer.
func (s *Service) issuerNamed(name string) (OutsideIssuer, bool) {
	i := slices.IndexFunc(s.outside, func(o OutsideIssuer) bool { return o.Name == name })
	if i < 0 {
		return OutsideIssuer{}, false
	}
	return s.outside[i], true
}

// theirs is the refusal of what only the issuer of an outside card can do, and nil for a card of this service.
func (s *Service) theirs(c Card) error {
	if c.Issuer == "" {
		return nil
	}
	return s.helpedByIssuer(s.no("card.outside", "issuer", c.Issuer), c)
}

// ofIssuer is the CA's refusal of a card, which for an outside one names who can mend it.
func (s *Service) ofIssuer(err error, c Card) error {
	var no *wardkey.Refusal
	if c.Issuer == "" || !errors.As(err, &no) {
		return err
	}
	return s.helpedByIssuer(no, c)
}

// helpedByIssuer names who renews and unlocks an outside card in a refusal, whose fixer is a Registration Authority.
func (s *Service) helpedByIssuer(no *wardkey.Refusal, c Card) *wardkey.Refusal {
	if issuer, ok := s.issuerNamed(c.Issuer); ok {
		return no.ResolvedTo(issuer.Name + ": " + issuer.Contact)
	}
	return no
}
