// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// What a signer returns is compared with what it was asked to sign byte for
// byte, since one certificate can be written in several ways. Only the signature
// algorithm, which the key decides, and the order of the extensions are its own.

var errAlgorithm = errors.New("the signature algorithm is weak")

// checkSigned reads a signed certificate and refuses anything that isn't exactly
// what was asked. RFC 5280 §4.1.2.
func (ca *CA) checkSigned(der []byte, act Act, r Record, exts []pkix.Extension) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	switch {
	case !bytes.Equal(cert.Raw, der):
		return nil, errors.New("something follows the certificate")
	case !strongSignature(cert.SignatureAlgorithm):
		return nil, errAlgorithm
	}
	if err := sameExtensions(cert.Extensions, exts); err != nil {
		return nil, err
	}
	algorithm, err := innerAlgorithm(cert.RawTBSCertificate, true)
	if err != nil {
		return nil, err
	}
	want, err := asn1.Marshal(tbsCertificate{
		Version: 2, Serial: r.Serial, Algorithm: algorithm, Issuer: asn1.RawValue{FullBytes: ca.issuer.RawSubject},
		Validity: validity{r.NotBefore.UTC(), r.NotAfter.UTC()},
		Subject:  asn1.RawValue{FullBytes: act.Subject}, PublicKey: asn1.RawValue{FullBytes: r.PublicKey}, Extensions: cert.Extensions,
	})
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(cert.RawTBSCertificate, want) {
		return nil, errors.New("the serial number, a name, a date or the key differs, or there is more")
	}
	return cert, cert.CheckSignatureFrom(ca.issuer)
}

type tbsCertificate struct {
	Version   int `asn1:"explicit,tag:0"`
	Serial    *big.Int
	Algorithm asn1.RawValue
	Issuer    asn1.RawValue
	Validity  validity
	Subject   asn1.RawValue
	PublicKey asn1.RawValue

	Extensions []pkix.Extension `asn1:"explicit,tag:3"`
}

// validity is encoded as UTCTime through 2049. RFC 5280 §4.1.2.5.
type validity struct{ NotBefore, NotAfter time.Time }

// innerAlgorithm reads the signature algorithm inside what was signed.
func innerAlgorithm(tbs cryptobyte.String, certificate bool) (asn1.RawValue, error) {
	var inner, algorithm cryptobyte.String
	ok := tbs.ReadASN1(&inner, cbasn1.SEQUENCE)
	if certificate {
		ok = ok && inner.SkipASN1(cbasn1.Tag(0).Constructed().ContextSpecific())
	}
	if !ok || !inner.SkipASN1(cbasn1.INTEGER) || !inner.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) {
		return asn1.RawValue{}, errors.New("the signature algorithm can't be read")
	}
	return asn1.RawValue{FullBytes: algorithm}, nil
}

func sameExtensions(got, want []pkix.Extension) error {
	if len(got) != len(want) {
		return errors.New("there are other extensions")
	}
	for _, w := range want {
		if !hasExtension(got, w) {
			return fmt.Errorf("extension %v differs", w.Id)
		}
	}
	return nil
}

func hasExtension(list []pkix.Extension, want pkix.Extension) bool {
	return slices.ContainsFunc(list, func(e pkix.Extension) bool {
		return e.Id.Equal(want.Id) && e.Critical == want.Critical && bytes.Equal(e.Value, want.Value)
	})
}

// checkList refuses a list that isn't exactly what was asked. RFC 5280 §5.1.2.
func (ca *CA) checkList(asked CRL, entries []RevokedEntry, scope []byte) error {
	list, err := x509.ParseRevocationList(asked.DER)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(list.Raw, asked.DER):
		return errors.New("something follows the list")
	case !strongSignature(list.SignatureAlgorithm):
		return errAlgorithm
	}
	want, err := encode([]extension{
		{oid: oidAuthorityKeyID, value: authorityKeyID{ca.issuer.SubjectKeyId}},
		{oid: oidCRLNumber, value: asked.Number},
		{oid: oidIssuingDistPoint, critical: true, raw: scope},
	})
	if err != nil {
		return err
	}
	if err := sameExtensions(list.Extensions, want); err != nil {
		return err
	}
	tbs, err := ca.listTBS(asked, entries, list)
	if err != nil {
		return err
	}
	if !bytes.Equal(list.RawTBSRevocationList, tbs) {
		return errors.New("the issuer, a date or an entry of the list differs, or there is more")
	}
	return list.CheckSignatureFrom(ca.issuer)
}

// listTBS encodes what was to be signed, with the algorithm and the order of
// extensions of the list that came back.
func (ca *CA) listTBS(asked CRL, entries []RevokedEntry, got *x509.RevocationList) ([]byte, error) {
	algorithm, err := innerAlgorithm(got.RawTBSRevocationList, false)
	if err != nil {
		return nil, err
	}
	exts, err := asn1.MarshalWithParams(got.Extensions, "explicit,tag:0")
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // version 2
		b.AddBytes(algorithm.FullBytes)
		b.AddBytes(ca.issuer.RawSubject)
		addTime(b, asked.ThisUpdate)
		addTime(b, asked.NextUpdate)
		if len(entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range entries {
					e.add(b)
				}
			})
		}
		b.AddBytes(exts)
	})
	return b.Bytes()
}

// add encodes one line of a list, with its reason unless that is unspecified.
// RFC 5280 §5.3.1.
func (e RevokedEntry) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(e.Serial)
		addTime(b, e.RevokedAt)
		if e.Reason == 0 {
			return
		}
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidReasonCode)
				b.AddASN1OctetString([]byte{byte(cbasn1.ENUM), 1, byte(e.Reason)})
			})
		})
	})
}

// addTime writes UTCTime through 2049 and GeneralizedTime from then on.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}
