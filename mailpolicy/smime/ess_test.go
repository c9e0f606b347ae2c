// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const (
	signingCertificate   = "1.2.840.113549.1.9.16.2.12"
	signingCertificateV2 = "1.2.840.113549.1.9.16.2.47"
)

// ess is the value of SigningCertificate or its second version, of one
// certificate.
func ess(parts ...[]byte) []byte { return el(0x30, el(0x30, el(0x30, parts...))) }

// A signature names its certificate: that one and no other is the signer's. RFC
// 5035.
func TestSigningCertificate(t *testing.T) {
	p := newPeople(t)
	d := newDecrypter(t, smime.DecryptConfig{Roots: p.roots})
	cert, other := p.sender.Certificate, p.reader.Certificate
	const sha256ID, sha512ID = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3"
	good := craftedSignature{content: []byte("Content-Type: text/plain\r\n\r\nhello\r\n"), hash: crypto.SHA256, digestID: sha256ID, how: el(0x30, oidOf("1.2.840.10045.4.3.2"))}
	open := func(attributes ...[]byte) error {
		c := good
		c.attributes = append(c.inOrder(), attributes...)
		m, err := d.Open(t.Context(), bytes.NewReader(inMail(c.der(t, cert, p.sender.Key))))
		if err == nil {
			require.True(t, m.Signed())
		}
		return err
	}
	one, long, old := sha256.Sum256(cert.Raw), sha512.Sum512(cert.Raw), sha1.Sum(cert.Raw)
	theirs, theirsOld := sha256.Sum256(other.Raw), sha1.Sum(other.Raw)
	serial, err := asn1.Marshal(cert.SerialNumber)
	require.NoError(t, err)
	issuer := el(0x30, el(0xa4, cert.RawIssuer))
	hash := el(4, one[:])
	for name, value := range map[string][]byte{
		"by default":           ess(hash),
		"its hash named":       ess(el(0x30, oidOf(sha256ID)), hash),
		"another hash":         ess(el(0x30, oidOf(sha512ID), []byte{5, 0}), el(4, long[:])),
		"issuer and serial":    ess(hash, el(0x30, issuer, serial)),
		"and another behind":   el(0x30, el(0x30, el(0x30, hash), el(0x30, el(4, theirs[:])))),
		"and a policy":         el(0x30, el(0x30, el(0x30, hash)), el(0x30, el(0x30, oidOf("1.2.3")))),
		"of the SHA-1 by name": ess(el(0x30, oidOf("1.3.14.3.2.26")), el(4, old[:])),
	} {
		require.NoError(t, open(attribute(signingCertificateV2, value)), name)
	}
	require.NoError(t, open(attribute(signingCertificate, ess(el(4, old[:])))))
	require.NoError(t, open(attribute(signingCertificate, ess(el(4, old[:]), el(0x30, issuer, serial))), attribute(signingCertificateV2, ess(hash))))
	for name, value := range map[string][]byte{
		"another's":              ess(el(4, theirs[:])),
		"another's first":        el(0x30, el(0x30, el(0x30, el(4, theirs[:])), el(0x30, hash))),
		"cut off":                ess(el(4, one[:31])),
		"empty":                  ess(el(4)),
		"another hash's name":    ess(el(0x30, oidOf(sha512ID)), hash),
		"a hash that nobody has": ess(el(0x30, oidOf("1.2.3")), hash),
		"another serial number":  ess(hash, el(0x30, issuer, []byte{2, 1, 1})),
		"another issuer":         ess(hash, el(0x30, el(0x30, el(0xa4, cert.RawSubject)), serial)),
		"two issuers":            ess(hash, el(0x30, el(0x30, el(0xa4, cert.RawIssuer), el(0xa4, cert.RawIssuer)), serial)),
		"no issuer's name":       ess(hash, el(0x30, el(0x30, el(0x82, []byte("x"))), serial)),
		"more behind":            ess(hash, el(0x30, issuer, serial), []byte{5, 0}),
		"no certificate":         el(0x30, el(0x30)),
		"nothing":                el(0x30),
		"no sequence":            hash,
	} {
		requireUnreadable(t, open(attribute(signingCertificateV2, value)), name)
	}
	requireUnreadable(t, open(attribute(signingCertificate, ess(el(4, theirsOld[:])))), "the first version, another's")
	requireUnreadable(t, open(attribute(signingCertificate, ess(hash))), "the first version has SHA-1")
	requireUnreadable(t, open(attribute(signingCertificateV2, ess(hash)), attribute(signingCertificateV2, ess(hash))), "twice")
	requireUnreadable(t, open(attribute(signingCertificate, ess(el(4, theirsOld[:]))), attribute(signingCertificateV2, ess(hash))), "the two differ")
	requireUnreadable(t, open(el(0x30, oidOf(signingCertificateV2), el(0x31, ess(hash), ess(hash)))), "two values")
	requireUnreadable(t, open(el(0x30, oidOf(signingCertificateV2), el(0x31))), "no value")
}

// The certificates beside a signature are not signed. Whoever carries it puts in
// another one of the same key, in which a trusted authority says another address.
func TestCertificateSubstituted(t *testing.T) {
	p := newPeople(t)
	template := *p.sender.Certificate // its serial number too, so that the signer's name fits both
	template.EmailAddresses = []string{"boss@nhs.net"}
	own, boss := p.sender.Certificate, reissued(t, template, p.sender.Key, p.ca.Identity())
	d := newDecrypter(t, smime.DecryptConfig{Roots: p.roots})
	good := craftedSignature{content: []byte("Content-Type: text/plain\r\n\r\nhello\r\n"), hash: crypto.SHA256, digestID: "2.16.840.1.101.3.4.2.1", how: el(0x30, oidOf("1.2.840.10045.4.3.2"))}
	open := func(named bool, bag ...*x509.Certificate) (*smime.Message, error) {
		c := good
		c.bag = bag
		if sum := sha256.Sum256(own.Raw); named {
			c.attributes = append(c.inOrder(), attribute(signingCertificateV2, ess(el(4, sum[:]))))
		}
		mail := bytes.Replace(inMail(c.der(t, own, p.sender.Key)), []byte("From: "+home), []byte("From: boss@nhs.net"), 1)
		return d.Open(t.Context(), bytes.NewReader(mail))
	}
	m, err := open(false, boss)
	require.NoError(t, err)
	require.True(t, m.Signed(), "a signature that names no certificate is whoever's has the key: the authority says the boss")
	_, err = open(true, boss)
	requireUnreadable(t, err, "the one that it names is not there")
	for _, bag := range [][]*x509.Certificate{{boss, own}, {own, boss}} {
		m, err := open(true, bag...)
		require.NoError(t, err)
		require.False(t, m.Signed())
		require.True(t, m.Signatures[0].Certificate.Equal(own))
		require.ErrorIs(t, m.Signatures[0].Distrust, smime.ErrSigner)
	}
}
