// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/wardkey-sdk/wardkey/pki"
)

// outside is a hierarchy that isn't this package's: every certificate, list and
// response of it can be as wrong as a test wants.
type outside struct {
	t             testing.TB
	now           time.Time
	serials       int64
	root, issuing *party
}

// party is a certificate with its key.
type party struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newOutside(t testing.TB) *outside {
	o := &outside{t: t, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
	o.root = o.certify(nil, "Root", asCA)
	o.issuing = o.certify(o.root, "Issuing", asCA)
	return o
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = nil
	c.NotBefore, c.NotAfter = c.NotBefore.AddDate(-5, 0, 0), c.NotAfter.AddDate(5, 0, 0)
}

func asResponder(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: asn1.NullBytes}}
}

// certify makes a certificate for client authentication, changed by the edits;
// by is nil for a self-signed one.
func (o *outside) certify(by *party, name string, edits ...func(*x509.Certificate)) *party {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(o.t, err)
	o.serials++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + o.serials), Subject: pkix.Name{Organization: []string{"Outside"}, CommonName: name},
		NotBefore: o.now.AddDate(0, -6, 0), NotAfter: o.now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, edit := range edits {
		edit(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(o.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(o.t, err)
	return &party{cert, key}
}

// verifier trusts the root, takes the issuing CA for good and asks the source
// about the rest.
func (o *outside) verifier(source pki.StatusSource) *pki.Verifier {
	o.t.Helper()
	return o.configured(pki.VerifierConfig{Intermediates: []*x509.Certificate{o.issuing.cert}, Sources: []pki.StatusSource{source}})
}

func (o *outside) configured(c pki.VerifierConfig) *pki.Verifier {
	o.t.Helper()
	if c.Roots == nil {
		c.Roots = []*x509.Certificate{o.root.cert}
	}
	c.Now = func() time.Time { return o.now }
	v, err := pki.NewVerifier(c)
	require.NoError(o.t, err)
	return v
}

// says is a source for what a table says, by serial number; what isn't in it is
// good.
type says map[string]pki.Evidence

func (s says) Evidence(_ context.Context, cert, _ *x509.Certificate, _ time.Time) (pki.Evidence, error) {
	if e, ok := s[cert.SerialNumber.String()]; ok {
		return e, nil
	}
	return pki.Evidence{State: pki.Good}, nil
}

func (s says) revoke(cert *x509.Certificate, reason int, from time.Time) {
	s[cert.SerialNumber.String()] = pki.Evidence{State: pki.Revoked, Reason: reason, From: from}
}

// lists is a source that has the same lists for everybody.
type lists [][]byte

func (l lists) Lists(context.Context, *x509.Certificate, *x509.Certificate) ([][]byte, error) {
	return l, nil
}

// madeList is a certificate revocation list, made field by field. What is nil
// or zero is left out, except where make says otherwise.
type madeList struct {
	issuer                 []byte
	thisUpdate, nextUpdate time.Time
	number                 *big.Int
	scope                  []byte // issuingDistributionPoint
	entries                []madeEntry
	extensions             []pkix.Extension
	version                int64
	algorithm, inner       asn1.ObjectIdentifier
	key                    *ecdsa.PrivateKey
}

type madeEntry struct {
	serial     *big.Int
	at         time.Time
	extensions []pkix.Extension
	raw        []byte // instead of the serial number's element
}

var (
	oidNumber      = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidScope       = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidECDSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSASHA1   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	oidNobodyKnows = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

// list is one that a checker accepts.
func (o *outside) list(by *party, revoked ...*x509.Certificate) *madeList {
	l := &madeList{
		issuer: by.cert.RawSubject, thisUpdate: o.now.Add(-time.Hour), nextUpdate: o.now.Add(23 * time.Hour),
		number: big.NewInt(7), version: 1, algorithm: oidECDSASHA256, inner: oidECDSASHA256, key: by.key,
	}
	for _, cert := range revoked {
		l.entries = append(l.entries, madeEntry{serial: cert.SerialNumber, at: o.now.Add(-2 * time.Hour)})
	}
	return l
}

func (l *madeList) make(t testing.TB) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if l.version >= 0 {
			b.AddASN1Int64(l.version)
		}
		addAlgorithm(b, l.inner)
		b.AddBytes(l.issuer)
		addTime(b, l.thisUpdate)
		if !l.nextUpdate.IsZero() {
			addTime(b, l.nextUpdate)
		}
		if len(l.entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range l.entries {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						if e.raw != nil {
							b.AddBytes(e.raw)
						} else {
							b.AddASN1BigInt(e.serial)
						}
						addTime(b, e.at)
						addExtensions(b, e.extensions)
					})
				}
			})
		}
		extensions := l.extensions
		if l.number != nil {
			extensions = append(extensions, pkix.Extension{Id: oidNumber, Value: derOf(t, l.number)})
		}
		if l.scope != nil {
			extensions = append(extensions, pkix.Extension{Id: oidScope, Critical: true, Value: l.scope})
		}
		if len(extensions) > 0 {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addExtensions(b, extensions) })
		}
	})
	return sealed(t, b.BytesOrPanic(), l.algorithm, l.key)
}

// sealed wraps and signs what is to be signed, as lists and responses are.
func sealed(t testing.TB, tbs []byte, algorithm asn1.ObjectIdentifier, key *ecdsa.PrivateKey, more ...[]byte) []byte {
	t.Helper()
	sum := sha256.Sum256(tbs)
	signature, err := key.Sign(rand.Reader, sum[:], nil)
	require.NoError(t, err)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		addAlgorithm(b, algorithm)
		b.AddASN1BitString(signature)
		for _, m := range more {
			b.AddBytes(m)
		}
	})
	return b.BytesOrPanic()
}

func addAlgorithm(b *cryptobyte.Builder, id asn1.ObjectIdentifier) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(id) })
}

func addTime(b *cryptobyte.Builder, at time.Time) {
	if at.Year() < 2050 {
		b.AddASN1UTCTime(at)
	} else {
		b.AddASN1GeneralizedTime(at)
	}
}

func addExtensions(b *cryptobyte.Builder, extensions []pkix.Extension) {
	if len(extensions) == 0 {
		return
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range extensions {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.Id)
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
}

func derOf(t testing.TB, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	require.NoError(t, err)
	return der
}
