// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

func TestWhoSigned(t *testing.T) {
	p := newPeople(t)
	d := p.decrypter(t)
	mail := p.send(t, smime.Config{GCM: true, Signer: p.signer()}, message)
	before := time.Now().Add(-time.Minute)
	m, err := d.Open(t.Context(), bytes.NewReader(mail))
	require.NoError(t, err)
	require.Len(t, m.Signatures, 1)
	require.True(t, m.Signatures[0].SignedAt.After(before))
	keys := []smime.Key{keyOf(p.reader)}
	revoked := errors.New("revoked")
	for why, c := range map[string]smime.DecryptConfig{
		"no roots":              {Keys: keys},
		"revoked":               {Keys: keys, Roots: p.roots, Revoked: func(context.Context, *x509.Certificate) error { return revoked }},
		"it is on hold":         {Keys: keys, Roots: p.roots, Revoked: func(context.Context, *x509.Certificate) error { return says("cert.held") }},
		"found out now":         {Keys: keys, Roots: p.roots, Revoked: func(context.Context, *x509.Certificate) error { return says("cert.status") }},
		"expired":               {Keys: keys, Roots: p.roots, Now: func() time.Time { return time.Now().AddDate(4, 0, 0) }},
		"issuer is not trusted": {Keys: keys, Roots: newCA(t).Roots()},
	} {
		m, err := newDecrypter(t, c).Open(t.Context(), bytes.NewReader(mail))
		require.NoError(t, err, why)
		require.False(t, m.Signed(), why)
		require.ErrorContains(t, m.Signatures[0].Distrust, why)
		_, err = newDecrypter(t, c).Open(t.Context(), bytes.NewReader(p.send(t, smime.Config{Signer: p.signer()}, message)))
		requireUnreadable(t, err, "and so it does not mend CBC: %s", why)
	}
	boss := issue(t, p.ca, mailtest.Spec{Email: "boss@nhs.net", KeyUsage: digitalSignature})
	mail = p.send(t, smime.Config{GCM: true, Signer: &smime.Signer{Certificate: boss.Certificate, Key: boss.Key}}, "From: boss@nhs.net\r\n\r\npay\r\n")
	m, err = d.Open(t.Context(), bytes.NewReader(inMail(derOf(t, mail))))
	require.NoError(t, err)
	require.True(t, m.Signed() && m.FromMismatch, "the signature vouches for the inner From")
}

// Signatures that no program writes, and Ed25519, which openssl 3.0 can't.
func TestSignaturesAreRefused(t *testing.T) {
	p := newPeople(t)
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	edCert := reissued(t, *p.sender.Certificate, private, mailtest.Identity{})
	roots := p.ca.Roots()
	roots.AddCert(edCert)
	d := newDecrypter(t, smime.DecryptConfig{Roots: roots})
	const sha256ID, sha512ID = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3"
	ecdsa256 := el(0x30, oidOf("1.2.840.10045.4.3.2"))
	good := craftedSignature{content: []byte("Content-Type: text/plain\r\n\r\nhello\r\n"), hash: crypto.SHA256, digestID: sha256ID, how: ecdsa256}
	open := func(c craftedSignature, cert *x509.Certificate, key crypto.Signer) error {
		m, err := d.Open(t.Context(), bytes.NewReader(inMail(c.der(t, cert, key))))
		if err == nil {
			require.True(t, m.Signed())
			require.Equal(t, "hello\r\n", string(m.Body))
		}
		return err
	}
	require.NoError(t, open(good, p.sender.Certificate, p.sender.Key))
	ed := good
	ed.hash, ed.digestID, ed.how = crypto.SHA512, sha512ID, el(0x30, oidOf("1.3.101.112"))
	require.NoError(t, open(ed, edCert, private))
	ed.how = ecdsa256
	requireUnreadable(t, open(ed, edCert, private))

	digest, kind := good.inOrder()[1], good.inOrder()[0]
	late := attribute(signingTime, el(0x17, []byte("261122090000Z")))
	for name, change := range map[string]func(*craftedSignature){
		"no digest":    func(c *craftedSignature) { c.attributes = [][]byte{kind} },
		"no type":      func(c *craftedSignature) { c.attributes = [][]byte{digest} },
		"another type": func(c *craftedSignature) { c.attributes = [][]byte{attribute(contentType, oidOf(signedData)), digest} },
		"two digests":  func(c *craftedSignature) { c.attributes = [][]byte{kind, digest, digest} },
		"another digest": func(c *craftedSignature) {
			c.attributes = [][]byte{kind, attribute(messageDigest, el(4, make([]byte, 32)))}
		},
		"a digest of no octet": func(c *craftedSignature) { c.attributes = [][]byte{kind, attribute(messageDigest, el(4))} },
		"a time that is none":  func(c *craftedSignature) { c.attributes = [][]byte{kind, digest, attribute(signingTime, el(4))} },
		"another hash":         func(c *craftedSignature) { c.digestID = sha512ID },
		"no hash":              func(c *craftedSignature) { c.digestID = "1.2.3" },
		"hashes that differ":   func(c *craftedSignature) { c.how = el(0x30, oidOf("1.2.840.10045.4.3.4")) },
		"an RSA signature":     func(c *craftedSignature) { c.how = el(0x30, oidOf("1.2.840.113549.1.1.1")) },
	} {
		c := good
		change(&c)
		requireUnreadable(t, open(c, p.sender.Certificate, p.sender.Key), name)
	}
	good.attributes = [][]byte{kind, digest, late}
	require.NoError(t, open(good, p.sender.Certificate, p.sender.Key))
	requireUnreadable(t, open(good, p.sender.Certificate, p.reader.Key), "another's key")
	for why, spec := range map[string]mailtest.Spec{
		"not for signing":     {Email: home},
		"authority":           {Email: home, IsCA: true},
		"the address in From": {Email: "boss@nhs.net", KeyUsage: digitalSignature},
		"not for e-mail":      {Email: home, KeyUsage: digitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		"not valid yet":       {Email: home, KeyUsage: digitalSignature, NotBefore: time.Now().Add(time.Hour)},
		"is not trusted":      {Email: home, KeyUsage: digitalSignature, Curve: elliptic.P224()},
	} {
		signer := issue(t, p.ca, spec)
		m, err := d.Open(t.Context(), bytes.NewReader(inMail(good.der(t, signer.Certificate, signer.Key))))
		require.NoError(t, err, why)
		require.False(t, m.Signed(), why)
		require.ErrorContains(t, m.Signatures[0].Distrust, why)
	}
}

func TestSignerIsRefused(t *testing.T) {
	p := newPeople(t)
	forEncryption := issue(t, p.ca, mailtest.Spec{Email: home})
	for why, s := range map[string]*smime.Signer{
		"needs a certificate":           {Key: p.sender.Key},
		"needs a certificate and a key": {Certificate: p.sender.Certificate},
		"is not the certificate's":      {Certificate: p.sender.Certificate, Key: p.reader.Key},
		"not for signing":               {Certificate: forEncryption.Certificate, Key: forEncryption.Key},
	} {
		_, err := smime.New(smime.Config{Roots: p.roots, Signer: s})
		require.ErrorContains(t, err, why)
	}
	to := []smime.Recipient{{Address: gp, Certificate: p.reader.Certificate}}
	e := newEncrypter(t, smime.Config{Roots: p.roots, Signer: p.signer()})
	var b bytes.Buffer
	for _, from := range []string{"boss@nhs.net", "home@nhs.net, boss@nhs.net", "not an address", "home@nhs.net\r\nFrom: boss@nhs.net"} {
		err := e.Encrypt(t.Context(), &b, strings.NewReader("From: "+from+"\r\n\r\nx\r\n"), to)
		require.ErrorIs(t, err, smime.ErrSigner)
		require.Equal(t, "mail.signer", wardkey.RuleOf(err))
	}
	late := newEncrypter(t, smime.Config{Roots: p.roots, Signer: p.signer(), Now: func() time.Time { return time.Now().AddDate(4, 0, 0) }})
	require.ErrorIs(t, late.Encrypt(t.Context(), &b, strings.NewReader("From: "+home+"\r\n\r\nx\r\n"), to), smime.ErrSigner)
	require.Zero(t, b.Len(), "nothing is written for a signer who does not fit")
	for _, body := range []string{"a\nb\r\n", "a\rb\r\n", "a\r", "\nx", "a\r\r\n"} {
		for cut := range len(body) {
			w, err := e.EncryptTo(t.Context(), io.Discard, []byte("From: "+home+"\r\n\r\n"), to)
			require.NoError(t, err)
			_, err = io.WriteString(w, body[:cut])
			if err == nil {
				_, err = io.WriteString(w, body[cut:])
			}
			if err == nil {
				err = w.Close()
			}
			require.Equal(t, "mail.form", wardkey.RuleOf(err), "%q", body)
		}
	}
	broken := errors.New("the card is gone")
	pulled := newEncrypter(t, smime.Config{Roots: p.roots, Signer: &smime.Signer{Certificate: p.sender.Certificate, Key: brokenKey{p.sender.Key, broken}}})
	require.ErrorIs(t, pulled.Encrypt(t.Context(), io.Discard, strings.NewReader("From: "+home+"\r\n\r\nx\r\n"), to), broken)
}

type brokenKey struct {
	crypto.Signer
	err error
}

func (b brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, b.err }
