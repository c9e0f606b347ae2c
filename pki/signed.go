// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
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
	want, err := ca.certificateTBS(len(cert.RawTBSCertificate), algorithm, act.Subject, r, cert.Extensions)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(cert.RawTBSCertificate, want) {
		return nil, errors.New("the serial number, a name, a date or the key differs, or there is more")
	}
	if ca.signerVerifies && ca.signerMatches.Load() {
		return cert, nil
	}
	if err := cert.CheckSignatureFrom(ca.issuer); err != nil {
		return nil, err
	}
	ca.signerMatches.Store(true)
	return cert, nil
}

// certificateTBS encodes what was to be signed, with the algorithm and the order
// of extensions of what came back, which is size bytes long.
func (ca *CA) certificateTBS(size int, algorithm asn1.RawValue, subject []byte, r Record, exts []pkix.Extension) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, size))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // version 3
		b.AddASN1BigInt(r.Serial)
		b.AddBytes(algorithm.FullBytes)
		b.AddBytes(ca.issuer.RawSubject)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(appendTime(appendTime(nil, r.NotBefore), r.NotAfter))
		})
		b.AddBytes(subject)
		b.AddBytes(r.PublicKey)
		b.AddASN1(explicit(3), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range exts {
					addExtension(b, e)
				}
			})
		})
	})
	return b.Bytes()
}

func addExtension(b *cryptobyte.Builder, e pkix.Extension) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(e.Id)
		if e.Critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1OctetString(e.Value)
	})
}

// innerAlgorithm reads the signature algorithm inside what was signed.
func innerAlgorithm(tbs cryptobyte.String, certificate bool) (asn1.RawValue, error) {
	var inner, algorithm cryptobyte.String
	ok := tbs.ReadASN1(&inner, cbasn1.SEQUENCE)
	if certificate {
		ok = ok && inner.SkipASN1(explicit(0))
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
//
// The lines are compared as bytes and not read: that would take as long as
// signing them. crypto/x509 reads the rest, which is a list without lines.
func (ca *CA) checkList(asked CRL, lines, scope []byte) error {
	der := cryptobyte.String(asked.DER)
	var outer, tbs, content cryptobyte.String
	if !der.ReadASN1(&outer, cbasn1.SEQUENCE) || !der.Empty() || !outer.ReadASN1Element(&tbs, cbasn1.SEQUENCE) {
		return errors.New("the list can't be read")
	}
	algorithm, err := innerAlgorithm(tbs, false)
	if err != nil {
		return err
	}
	head, err := ca.listHead(asked, algorithm)
	if err != nil {
		return err
	}
	whole := tbs
	if !tbs.ReadASN1(&content, cbasn1.SEQUENCE) || !bytes.HasPrefix(content, head) || !bytes.HasPrefix(content[len(head):], lines) {
		return errors.New("the issuer, a date or an entry of the list differs")
	}
	tail := content[len(head)+len(lines):]
	short, err := listWithoutLines(head, tail, outer)
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(short)
	switch {
	case err != nil:
		return err
	case !strongSignature(list.SignatureAlgorithm):
		return errAlgorithm
	}
	if err := ca.checkListExtensions(list, tail, asked, scope); err != nil {
		return err
	}
	return ca.issuer.CheckSignature(list.SignatureAlgorithm, whole, list.Signature)
}

// checkListExtensions compares the extensions of a list, tail, which crypto/x509
// read.
func (ca *CA) checkListExtensions(list *x509.RevocationList, tail []byte, asked CRL, scope []byte) error {
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
	again, err := asn1.MarshalWithParams(list.Extensions, "explicit,tag:0")
	if err != nil {
		return err
	}
	if !bytes.Equal(again, tail) {
		return errors.New("something follows the extensions of the list")
	}
	return nil
}

// listHead encodes what comes before the lines of a list.
func (ca *CA) listHead(asked CRL, algorithm asn1.RawValue) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1Int64(1) // version 2
	b.AddBytes(algorithm.FullBytes)
	b.AddBytes(ca.issuer.RawSubject)
	b.AddBytes(appendTime(nil, asked.ThisUpdate))
	b.AddBytes(appendTime(nil, asked.NextUpdate))
	return b.Bytes()
}

// listLines encodes the lines of a list, which are left out and not empty where
// there are none.
func listLines(entries []RevokedEntry) ([]byte, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	var content []byte
	for _, e := range entries {
		content = e.append(content)
	}
	var l cryptobyte.Builder
	l.AddASN1(cbasn1.SEQUENCE, func(l *cryptobyte.Builder) { l.AddBytes(content) })
	return l.Bytes()
}

// listWithoutLines is a list with another's algorithm and signature, which isn't
// right for it.
func listWithoutLines(head, tail, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(head)
			b.AddBytes(tail)
		})
		b.AddBytes(signature)
	})
	return b.Bytes()
}

// reasonExtension is what stands around a reason code in a line of a list:
// SEQUENCE { SEQUENCE { id-ce-cRLReasons, OCTET STRING { ENUMERATED } } }.
const reasonExtension = "\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01"

// append encodes one line of a list, with its reason unless that is unspecified:
// less than 128 bytes, so that each length has one. RFC 5280 §5.1.2.6, §5.3.1.
func (e RevokedEntry) append(out []byte) []byte {
	begin := len(out)
	out = append(out, byte(cbasn1.SEQUENCE), 0)
	serial := e.Serial.Bytes()
	if serial[0]&0x80 != 0 {
		out = append(out, byte(cbasn1.INTEGER), byte(len(serial)+1), 0)
	} else {
		out = append(out, byte(cbasn1.INTEGER), byte(len(serial)))
	}
	out = appendTime(append(out, serial...), e.RevokedAt)
	if e.Reason != 0 {
		out = append(append(out, reasonExtension...), byte(e.Reason))
	}
	out[begin+1] = byte(len(out) - begin - 2)
	return out
}

// appendTime writes UTCTime through 2049 and GeneralizedTime from then on.
// RFC 5280 §4.1.2.5, §5.1.2.4.
func appendTime(out []byte, t time.Time) []byte {
	if t = t.UTC(); t.Year() < 2050 {
		return t.AppendFormat(append(out, byte(cbasn1.UTCTime), 13), "060102150405Z")
	}
	return t.AppendFormat(append(out, byte(cbasn1.GeneralizedTime), 15), "20060102150405Z")
}
