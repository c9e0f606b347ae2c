// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// What lists and OCSP responses have in common, read strictly: DER to the last
// byte.

// maxExtensions is more than any profile of a list, an entry or a response has.
const maxExtensions = 16

// eachExtension reads an Extensions element that fills the input. id is the
// content of the OBJECT IDENTIFIER. It allocates nothing: lists have millions.
func eachExtension(input cryptobyte.String, visit func(id cryptobyte.String, critical bool, value cryptobyte.String) error) error {
	var list, one, id, value cryptobyte.String
	if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() || list.Empty() {
		return errMalformed
	}
	var seen [maxExtensions]cryptobyte.String
	for n := 0; !list.Empty(); n++ {
		critical := false
		if n == maxExtensions || !list.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) ||
			one.PeekASN1Tag(cbasn1.BOOLEAN) && !one.ReadASN1Boolean(&critical) ||
			!one.ReadASN1(&value, cbasn1.OCTET_STRING) || !one.Empty() {
			return errMalformed
		}
		for _, before := range seen[:n] {
			if bytes.Equal(before, id) {
				return errors.New("an extension comes twice")
			}
		}
		seen[n] = id
		if err := visit(id, critical, value); err != nil {
			return err
		}
	}
	return nil
}

func readTime(input *cryptobyte.String, out *time.Time) bool {
	if input.PeekASN1Tag(cbasn1.UTCTime) {
		return input.ReadASN1UTCTime(out)
	}
	return input.ReadASN1GeneralizedTime(out)
}

func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

func primitive(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

// signatureAlgorithms are those that lists and responses may be signed with.
var signatureAlgorithms = []struct {
	id        asn1.ObjectIdentifier
	algorithm x509.SignatureAlgorithm
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, x509.SHA256WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA},
	{oidECDSAWithSHA256, x509.ECDSAWithSHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512},
	{asn1.ObjectIdentifier{1, 3, 101, 112}, x509.PureEd25519},
}

// signatureAlgorithm reads an AlgorithmIdentifier element. The parameters are
// NULL or absent for RSA, those of pssHash for RSASSA-PSS, and absent for the
// others. RFC 4055 §3.1, §5, RFC 5758 §3.2, RFC 8410 §3.
func signatureAlgorithm(element cryptobyte.String) (x509.SignatureAlgorithm, error) {
	var body cryptobyte.String
	var id asn1.ObjectIdentifier
	if !element.ReadASN1(&body, cbasn1.SEQUENCE) || !element.Empty() || !body.ReadASN1ObjectIdentifier(&id) {
		return 0, errMalformed
	}
	if id.Equal(oidPSS) {
		return pssHash(body)
	}
	for _, known := range signatureAlgorithms {
		if !known.id.Equal(id) {
			continue
		}
		rsa := known.algorithm == x509.SHA256WithRSA || known.algorithm == x509.SHA384WithRSA || known.algorithm == x509.SHA512WithRSA
		if body.Empty() || rsa && string(body) == string(asn1.NullBytes) {
			return known.algorithm, nil
		}
		return 0, errMalformed
	}
	return 0, errors.New("signed with an algorithm that is not accepted")
}

// pssParameters: each field is there, since its default is SHA-1. The trailer
// field has a default that is the only value.
type pssParameters struct {
	Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	Mask pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	Salt int                      `asn1:"explicit,tag:2"`
}

var (
	oidPSS  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

// pssHash accepts the parameters that crypto/x509 verifies by: SHA-256, SHA-384
// or SHA-512, the same for the mask, and a salt as long as it. RFC 4055 §3.1.
func pssHash(parameters cryptobyte.String) (x509.SignatureAlgorithm, error) {
	for _, known := range []struct {
		hash      asn1.ObjectIdentifier
		salt      int
		algorithm x509.SignatureAlgorithm
	}{{oidSHA256, 32, x509.SHA256WithRSAPSS}, {oidSHA384, 48, x509.SHA384WithRSAPSS}, {oidSHA512, 64, x509.SHA512WithRSAPSS}} {
		hash := pkix.AlgorithmIdentifier{Algorithm: known.hash, Parameters: asn1.NullRawValue}
		mask, err := asn1.Marshal(hash)
		if err != nil {
			return 0, err
		}
		whole, err := asn1.Marshal(pssParameters{hash, pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: mask}}, known.salt})
		if err != nil {
			return 0, err
		}
		if bytes.Equal(parameters, whole) {
			return known.algorithm, nil
		}
	}
	return 0, errors.New("signed with RSASSA-PSS in a way that is not accepted")
}
