// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// listScope is the issuingDistributionPoint of a list; the zero value, all that
// the issuer issued. RFC 5280 §5.2.5.
type listScope struct {
	raw                         []byte // as encoded, names the series of lists
	named                       bool
	names                       []string // GeneralName elements
	onlyUsers, onlyCAs          bool
	onlyAttributes, someReasons bool
	indirect                    bool
}

func readScope(value cryptobyte.String) (listScope, error) {
	s := listScope{raw: value}
	var body, name, reasons cryptobyte.String
	if !value.ReadASN1(&body, cbasn1.SEQUENCE) || !value.Empty() ||
		!body.ReadOptionalASN1(&name, &s.named, explicit(0)) {
		return s, errMalformed
	}
	if s.named {
		var err error
		if s.names, err = readPointName(name); err != nil {
			return s, err
		}
	}
	if !readFlag(&body, 1, &s.onlyUsers) || !readFlag(&body, 2, &s.onlyCAs) ||
		!body.ReadOptionalASN1(&reasons, &s.someReasons, primitive(3)) ||
		!readFlag(&body, 4, &s.indirect) || !readFlag(&body, 5, &s.onlyAttributes) || !body.Empty() {
		return s, errMalformed
	}
	return s, nil
}

// readFlag reads a BOOLEAN DEFAULT FALSE with an implicit tag.
func readFlag(body *cryptobyte.String, tag uint8, out *bool) bool {
	var content cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&content, &present, primitive(tag)) {
		return false
	}
	*out = present && len(content) == 1 && content[0] == 0xff
	return !present || *out || len(content) == 1 && content[0] == 0
}

// readPointName reads a DistributionPointName. A name relative to the issuer
// gives none: RFC 5280 §4.2.1.13 advises against it, and it isn't matched here.
func readPointName(input cryptobyte.String) ([]string, error) {
	var full, name cryptobyte.String
	var present bool
	if !input.ReadOptionalASN1(&full, &present, explicit(0)) || present != input.Empty() {
		return nil, errMalformed
	}
	var names []string
	for !full.Empty() {
		if !full.ReadAnyASN1Element(&name, new(cbasn1.Tag)) {
			return nil, errMalformed
		}
		names = append(names, string(name))
	}
	return names, nil
}

// covers says whether silence of a list means anything about a certificate.
func (s listScope) covers(cert *x509.Certificate) error {
	switch {
	case s.indirect:
		return errors.New("pki: list: indirect")
	case s.onlyAttributes:
		return errors.New("pki: list: for attribute certificates only")
	case s.someReasons:
		return errors.New("pki: list: for some reasons only")
	case s.onlyUsers && cert.IsCA:
		return errors.New("pki: list: for user certificates only")
	case s.onlyCAs && !cert.IsCA:
		return errors.New("pki: list: for CA certificates only")
	case !s.named:
		return nil
	}
	points, err := distributionPoints(cert)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.names, func(name string) bool { return slices.Contains(points, name) }) {
		return errors.New("pki: list: of another distribution point")
	}
	return nil
}

// distributionPoints returns the names, as GeneralName elements, of the points
// at which the certificate's own issuer lists it for all reasons.
func distributionPoints(cert *x509.Certificate) ([]string, error) {
	var out []string
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidCRLDistPoints) {
			continue
		}
		var list, point, name, rest cryptobyte.String
		value := cryptobyte.String(e.Value)
		if !value.ReadASN1(&list, cbasn1.SEQUENCE) || !value.Empty() {
			return nil, errors.New("pki: cRLDistributionPoints: malformed")
		}
		for !list.Empty() {
			var named, some, other bool
			if !list.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &named, explicit(0)) ||
				!point.ReadOptionalASN1(&rest, &some, primitive(1)) || !point.ReadOptionalASN1(&rest, &other, explicit(2)) || !point.Empty() {
				return nil, errors.New("pki: cRLDistributionPoints: malformed")
			}
			if !named || some || other {
				continue
			}
			names, err := readPointName(name)
			if err != nil {
				return nil, err
			}
			out = append(out, names...)
		}
	}
	return out, nil
}
