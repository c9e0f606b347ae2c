// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"time"
)

// The lives of the certificates above a card's, in calendar years. A leaf never
// outlives its issuer, so the issuing CA can issue for three years less than its
// own life.
const (
	rootYears    = 30
	issuingYears = 20
)

// RootTemplate is what a root of this SDK says: O and CN, its own key, certSign
// and cRLSign, thirty calendar years from the second of at. RFC 5280 §4.2.1.9.
func RootTemplate(organization, commonName string, serial *big.Int, at time.Time) (*x509.Certificate, error) {
	return authorityTemplate(organization, commonName, serial, at, rootYears)
}

// IssuingTemplate is what an issuing CA says: as a root, with a path length of
// 0, twenty calendar years, and never beyond its root.
func IssuingTemplate(root *x509.Certificate, commonName string, serial *big.Int, at time.Time) (*x509.Certificate, error) {
	if len(root.Subject.Organization) != 1 {
		return nil, errors.New("pki: the root has no organization")
	}
	t, err := authorityTemplate(root.Subject.Organization[0], commonName, serial, at, issuingYears)
	if err != nil {
		return nil, err
	}
	if t.NotAfter.After(root.NotAfter) {
		return nil, ErrIssuerExpiring
	}
	t.MaxPathLenZero = true
	return t, nil
}

func authorityTemplate(organization, commonName string, serial *big.Int, at time.Time, years int) (*x509.Certificate, error) {
	for _, text := range []string{organization, commonName} {
		if err := checkNameText(text, maxNameRunes); err != nil {
			return nil, err
		}
	}
	if !validSerial(serial) {
		return nil, errors.New("pki: a serial number is positive and below 2^159")
	}
	notBefore := second(at)
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{organization}, CommonName: commonName},
		NotBefore:    notBefore, NotAfter: addYears(notBefore, years).Add(-time.Second),
		BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil
}
