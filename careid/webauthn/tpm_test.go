// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

// tpm is the part of a TPM 2.0 that Windows Hello attests by: an attestation key with
// the certificate of WebAuthn Level 2 §8.3.1, below the root of the model. The
// structures are those of TPM 2.0 Library, Part 2: §10.12.8 TPMS_ATTEST, §10.12.3
// TPMS_CERTIFY_INFO, §12.2.4 TPMT_PUBLIC.
type tpm struct {
	key  *ecdsa.PrivateKey
	cert []byte

	// What goes wrong, where something does.
	public  func(area []byte) []byte // another key's public area
	certify func(info []byte)        // an attestation that says something else
}

// newTPM makes one below a root. usages are the extended key usages of its
// certificate.
func newTPM(rootKey *ecdsa.PrivateKey, root *x509.Certificate, usages ...asn1.ObjectIdentifier) *tpm {
	d := &tpm{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	name := func(last int, value string) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 23, 133, 2, last}, Value: value}}
	}
	device := must(asn1.Marshal(pkix.RDNSequence{name(1, "id:4D534654"), name(2, "A TPM of a test"), name(3, "id:13")}))
	directory := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: device}))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: root.NotBefore, NotAfter: root.NotAfter, BasicConstraintsValid: true, UnknownExtKeyUsage: usages,
		ExtraExtensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true,
			Value: must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: directory})),
		}},
	}
	d.cert = must(x509.CreateCertificate(rand.Reader, template, root, d.key.Public(), rootKey))
	return d
}

// sized is a TPM2B: two bytes of length, then the bytes.
func sized(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

func numbers(all ...uint16) []byte {
	var b []byte
	for _, n := range all {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

const (
	ecc, sha, null, p256 = 0x0023, 0x000b, 0x0010, 0x0003 // TPM_ALG_ECC, _SHA256, _NULL; TPM_ECC_NIST_P256
	attestCertify        = 0x8017                         // TPM_ST_ATTEST_CERTIFY
)

func (d *tpm) attest(data, clientHash []byte) (string, map[string]any) {
	var key struct {
		X []byte `cbor:"-2,keyasint"`
		Y []byte `cbor:"-3,keyasint"`
	}
	if err := webauthncbor.Unmarshal(data[len(data)-77:], &key); err != nil {
		panic(err)
	}
	area := append(numbers(ecc, sha, 0, 0x0072), sized(nil)...) // fixedTPM, fixedParent, …, sign; no policy
	area = append(area, numbers(null, null, p256, null)...)
	area = append(append(area, sized(key.X)...), sized(key.Y)...)
	if d.public != nil {
		area = d.public(area)
	}
	digest := sha256.Sum256(append(append([]byte(nil), data...), clientHash...))
	named := sha256.Sum256(area)
	info := append([]byte{0xff, 'T', 'C', 'G'}, numbers(attestCertify)...)
	info = append(append(info, sized(nil)...), sized(digest[:])...)
	info = append(info, make([]byte, 8+4+4+1+8)...) // clock and firmware
	info = append(append(info, sized(append(numbers(sha), named[:]...))...), sized(nil)...)
	if d.certify != nil {
		d.certify(info)
	}
	sum := sha256.Sum256(info)
	return "tpm", map[string]any{
		"ver": "2.0", "alg": -7, "x5c": []any{d.cert}, "sig": must(ecdsa.SignASN1(rand.Reader, d.key, sum[:])), "certInfo": info, "pubArea": area,
	}
}

// Windows Hello on a TPM: registered by what the TPM certifies, and not by less.
func TestTPM(t *testing.T) {
	p := newPlace(t)
	rootKey, root := selfSigned("TPM maker")
	p.config.Models[1].Roots, p.hello.model.Roots = []*x509.Certificate{root}, []*x509.Certificate{root}
	p.servers = nil
	p.serve(t, p.config)
	aik := asn1.ObjectIdentifier{2, 23, 133, 8, 3} // tcg-kp-AIKCertificate

	t.Run("row112", func(t *testing.T) {
		d := p.hello.device()
		d.attest = newTPM(rootKey, root, aik).attest
		_, no := p.with(t, p.Nurse).registers(d, "Laptop")
		require.Nil(t, no, "%v %s", no, p.log.String())
		b := p.visitor(t)
		require.Nil(t, b.signsIn(d))
		require.Equal(t, careid.KindWindowsHello, b.session().Used[0].Kind)
		require.Equal(t, "AAL3_ANY", b.session().ACR)
	})
	t.Run("threat060", func(t *testing.T) {
		strangerKey, stranger := selfSigned("TPM maker")
		for name, make := range map[string]func() *tpm{
			"of a maker that nobody approved": func() *tpm { return newTPM(strangerKey, stranger, aik) },
			"a certificate for another use":   func() *tpm { return newTPM(rootKey, root, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}) },
			"no use at all":                   func() *tpm { return newTPM(rootKey, root) },
			"another key than the TPM's": func() *tpm {
				d := newTPM(rootKey, root, aik)
				d.public = func(area []byte) []byte { area[len(area)-1] ^= 1; return area }
				return d
			},
			"not made by a TPM": func() *tpm { return certifying(newTPM(rootKey, root, aik), 0) },
			"a quote":           func() *tpm { return certifying(newTPM(rootKey, root, aik), 5) },
			"of another day":    func() *tpm { return certifying(newTPM(rootKey, root, aik), 12) },
			"of another key":    func() *tpm { return certifying(newTPM(rootKey, root, aik), -10) },
		} {
			t.Run(name, func(t *testing.T) {
				d := p.hello.device()
				d.attest = make().attest
				_, no := p.with(t, p.Sponsor).registers(d, "")
				ruled(t, no, "webauthn.attestation")
			})
		}
	})
}

// certifying changes one byte of what is certified, from the end where at is
// negative, before the TPM signs it.
func certifying(d *tpm, at int) *tpm {
	d.certify = func(info []byte) {
		if at < 0 {
			at += len(info)
		}
		info[at] ^= 1
	}
	return d
}
