// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/sha1" // #nosec G505 -- names in OCSP, RFC 6960 §4.1.1
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// answer is a source that always answers the same.
type answer []byte

func (a answer) Ask(context.Context, *x509.Certificate, []byte) ([]byte, error) { return a, nil }

// madeAnswer is an OCSP response, made field by field.
type madeAnswer struct {
	status     int64
	noBytes    bool
	kind       asn1.ObjectIdentifier
	version    []byte // its element, usually none
	byKey      []byte // responder's id, or
	byName     []byte
	producedAt time.Time
	singles    []madeSingle
	extensions []pkix.Extension
	algorithm  asn1.ObjectIdentifier
	signer     *party
	certs      []*x509.Certificate
}

type madeSingle struct {
	hash                   asn1.ObjectIdentifier
	name, key              []byte
	serial                 *big.Int
	status                 []byte
	thisUpdate, nextUpdate time.Time
	extensions             []pkix.Extension
}

var (
	oidBasic       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidNonce       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidHashSHA1    = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidHashSHA256  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	statusGood     = []byte{0x80, 0}
	statusUnknown  = []byte{0x82, 0}
	statusNotThere = []byte{0x83, 0}
)

// keyBits are what the hash of an issuer's key is made of.
func keyBits(t testing.TB, cert *x509.Certificate) []byte {
	t.Helper()
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &info)
	require.NoError(t, err)
	return info.Key.RightAlign()
}

func summed(h hash.Hash, data []byte) []byte {
	h.Write(data)
	return h.Sum(nil)
}

func (o *outside) single(cert *x509.Certificate, by *party) madeSingle {
	return madeSingle{
		hash: oidHashSHA1, name: summed(sha1.New(), by.cert.RawSubject), key: summed(sha1.New(), keyBits(o.t, by.cert)),
		serial: cert.SerialNumber, status: statusGood, thisUpdate: o.now.Add(-time.Hour), nextUpdate: o.now.Add(11 * time.Hour),
	}
}

func (o *outside) single256(cert *x509.Certificate, by *party) madeSingle {
	s := o.single(cert, by)
	s.hash, s.name, s.key = oidHashSHA256, summed(sha256.New(), by.cert.RawSubject), summed(sha256.New(), keyBits(o.t, by.cert))
	return s
}

// good is a response that a checker accepts, by a delegated responder.
func (o *outside) good(cert *x509.Certificate, responder *party) *madeAnswer {
	return &madeAnswer{
		kind: oidBasic, byKey: summed(sha1.New(), keyBits(o.t, responder.cert)), producedAt: o.now.Add(-time.Hour),
		singles: []madeSingle{o.single(cert, o.issuing)}, algorithm: oidECDSASHA256, signer: responder,
		certs: []*x509.Certificate{responder.cert},
	}
}

// by changes who signs, and names and sends the signer's certificate.
func (a *madeAnswer) by(t testing.TB, p *party) {
	a.signer, a.certs, a.byKey = p, []*x509.Certificate{p.cert}, summed(sha1.New(), keyBits(t, p.cert))
}

func revokedAt(at time.Time, code int64) []byte {
	if code < 0 {
		return revokedWith(at)
	}
	var b cryptobyte.Builder
	b.AddASN1Enum(code)
	return revokedWith(at, b.BytesOrPanic()...)
}

// revokedWith has these bytes where the reason stands.
func revokedWith(at time.Time, reason ...byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1GeneralizedTime(at)
		if len(reason) > 0 {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(reason) })
		}
	})
	return b.BytesOrPanic()
}

// data is what is signed.
func (a *madeAnswer) data() []byte {
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	var data cryptobyte.Builder
	data.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(a.version)
		if a.byName != nil {
			b.AddASN1(context(1), func(b *cryptobyte.Builder) { b.AddBytes(a.byName) })
		} else {
			b.AddASN1(context(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(a.byKey) })
		}
		b.AddASN1GeneralizedTime(a.producedAt)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, s := range a.singles {
				s.add(b)
			}
		})
		if len(a.extensions) > 0 {
			b.AddASN1(context(1), func(b *cryptobyte.Builder) { addExtensions(b, a.extensions) })
		}
	})
	return data.BytesOrPanic()
}

func (a *madeAnswer) make(t testing.TB) []byte {
	t.Helper()
	var certs []byte
	if len(a.certs) > 0 {
		var list []byte
		for _, c := range a.certs {
			list = append(list, c.Raw...)
		}
		certs = tlv(0xa0, tlv(0x30, list))
	}
	return wrapped(t, a.status, a.noBytes, a.kind, sealed(t, a.data(), a.algorithm, a.signer.key, certs))
}

// wrapped is a whole response around a basic one.
func wrapped(t testing.TB, status int64, noBytes bool, kind asn1.ObjectIdentifier, basic []byte) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(status)
		if noBytes {
			return
		}
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(kind)
				b.AddASN1OctetString(basic)
			})
		})
	})
	return b.BytesOrPanic()
}

func (s madeSingle) add(b *cryptobyte.Builder) {
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addAlgorithm(b, s.hash)
			b.AddASN1OctetString(s.name)
			b.AddASN1OctetString(s.key)
			b.AddASN1BigInt(s.serial)
		})
		b.AddBytes(s.status)
		b.AddASN1GeneralizedTime(s.thisUpdate)
		if !s.nextUpdate.IsZero() {
			b.AddASN1(context(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.nextUpdate) })
		}
		if len(s.extensions) > 0 {
			b.AddASN1(context(1), func(b *cryptobyte.Builder) { addExtensions(b, s.extensions) })
		}
	})
}
