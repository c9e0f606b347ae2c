// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// Whoever has a certificate without an address (a smartcard's, say) signs for
// nobody by it: only a directory says whose it is.
func TestCertificateWithoutAddress(t *testing.T) {
	p := newPeople(t)
	card := issue(t, p.ca, mailtest.Spec{KeyUsage: digitalSignature})
	signed := p.send(t, smime.Config{GCM: true, Signer: &smime.Signer{Certificate: card.Certificate, Key: card.Key}}, "From: boss@nhs.net\r\n\r\npay\r\n")
	open := func(addresses func(*x509.Certificate) []string) *smime.Message {
		m, err := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}, Roots: p.roots, AddressesOf: addresses}).Open(t.Context(), bytes.NewReader(signed))
		require.NoError(t, err)
		return m
	}
	unknown := open(nil)
	require.False(t, unknown.Signed(), "nothing ties the signer to the sender")
	require.ErrorIs(t, unknown.Signatures[0].Distrust, smime.ErrSigner)
	require.Equal(t, "mail.signature", wardkey.RuleOf(unknown.Signatures[0].Distrust))
	require.False(t, open(func(*x509.Certificate) []string { return []string{home} }).Signed())
	require.False(t, open(func(*x509.Certificate) []string { return []string{""} }).Signed())
	require.True(t, open(func(c *x509.Certificate) []string {
		require.True(t, c.Equal(card.Certificate))
		return []string{home, "Boss@NHS.net"}
	}).Signed())

	// The directory is not asked about what nobody vouches for, nor where the certificate says it.
	stranger := issue(t, newCA(t), mailtest.Spec{KeyUsage: digitalSignature})
	for _, id := range []mailtest.Identity{stranger, p.sender} {
		signed = p.send(t, smime.Config{GCM: true, Signer: &smime.Signer{Certificate: id.Certificate, Key: id.Key}}, "From: "+home+"\r\n\r\npay\r\n")
		m := open(func(*x509.Certificate) []string { t.Error("asked"); return []string{home} })
		require.Equal(t, id.Certificate == p.sender.Certificate, m.Signed())
	}
}

// A letter that folds onto another in Unicode makes another address.
func TestFromThatLooksAlike(t *testing.T) {
	p := newPeople(t)
	for outer, mismatch := range map[string]bool{"boss@nhs.net": false, "BOSS@nhs.NET": false, "bo\u017fs@nhs.net": true, "b\u00f6ss@nhs.net": true} {
		mail := p.send(t, smime.Config{GCM: true}, "From: boss@nhs.net\r\n\r\npay\r\n")
		mail = bytes.Replace(mail, []byte("From: boss@nhs.net"), []byte("From: "+outer), 1)
		m, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(mail))
		require.NoError(t, err)
		require.Equal(t, mismatch, m.FromMismatch, outer)
	}
}

// What the systems on the way write stands outside; a sender who writes it
// inside does not speak for them.
func TestInsideDoesNotSpeakForTheWay(t *testing.T) {
	p := newPeople(t)
	for _, name := range []string{
		"Authentication-Results", "ARC-Authentication-Results", "ARC-Seal", "ARC-Message-Signature", "Received", "Received-SPF", "Return-Path",
		"Delivered-To", "DKIM-Signature", "HP-Outer",
	} {
		forged := "Content-Type: text/plain; hp=\"cipher\"\r\nFrom: " + home + "\r\n" + name + ": mx.nhs.net;\r\n dkim=pass\r\nSubject: pay\r\n\r\nhello\r\n"
		m, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(p.sealed(t, forged)))
		require.NoError(t, err)
		require.True(t, m.Protected)
		require.Equal(t, "Content-Type: text/plain; hp=\"cipher\"\r\nFrom: "+home+"\r\nSubject: pay\r\n\r\n", string(m.Header), name)
	}
}

// Signatures whose parts are said twice, or differently from what they are.
func TestSignatureForms(t *testing.T) {
	ca := newCA(t)
	ec := issue(t, ca, mailtest.Spec{Email: home, KeyUsage: digitalSignature})
	rsaID := issue(t, ca, mailtest.Spec{Email: home, KeyUsage: digitalSignature, RSABits: 2048})
	d := newDecrypter(t, smime.DecryptConfig{Roots: ca.Roots()})
	const sha256ID = "2.16.840.1.101.3.4.2.1"
	sha256, sha512 := el(0x30, oidOf(sha256ID)), el(0x30, oidOf("2.16.840.1.101.3.4.2.3"))
	good := craftedSignature{content: []byte("Content-Type: text/plain\r\n\r\nhello\r\n"), hash: crypto.SHA256, digestID: sha256ID, how: el(0x30, oidOf("1.2.840.10045.4.3.2"))}
	open := func(c craftedSignature, id mailtest.Identity, key crypto.Signer) error {
		m, err := d.Open(t.Context(), bytes.NewReader(inMail(c.der(t, id.Certificate, key))))
		if err == nil {
			require.True(t, m.Signed())
		}
		return err
	}
	require.NoError(t, open(good, ec, ec.Key))
	kind, digest := good.inOrder()[0], good.inOrder()[1]
	for name, attributes := range map[string][][]byte{
		"two types in one":          {el(0x30, oidOf(contentType), el(0x31, oidOf(idData), oidOf(signedData))), digest},
		"octets behind a type":      {el(0x30, oidOf(contentType), el(0x31, oidOf(idData)), el(4)), digest},
		"two digests in one":        {kind, append(digest[:0:0], el(0x30, oidOf(messageDigest), el(0x31, body(digest), body(digest)))...)},
		"two times in one":          {kind, digest, el(0x30, oidOf(signingTime), el(0x31, el(0x17, []byte("261122090000Z")), el(0x17, []byte("261122090000Z"))))},
		"another type, named first": {attribute(contentType, oidOf(signedData)), kind, digest},
	} {
		c := good
		c.attributes = attributes
		requireUnreadable(t, open(c, ec, ec.Key), name)
	}
	mgf := func(hash []byte) []byte { return el(0x30, oidOf("1.2.840.113549.1.1.8"), hash) }
	pss := func(parts ...[]byte) []byte { return el(0x30, oidOf("1.2.840.113549.1.1.10"), el(0x30, parts...)) }
	salt := el(0xa2, []byte{2, 1, 32})
	inPSS := pssKey{rsaID.Key.(*rsa.PrivateKey)}
	withPSS := good
	withPSS.how = pss(el(0xa0, sha256), el(0xa1, mgf(sha256)), salt)
	require.NoError(t, open(withPSS, rsaID, inPSS))
	for name, how := range map[string][]byte{
		"no parameters":     el(0x30, oidOf("1.2.840.113549.1.1.10")),
		"SHA-1 by default":  pss(),
		"another hash":      pss(el(0xa0, sha512), el(0xa1, mgf(sha256)), salt),
		"another mask":      pss(el(0xa0, sha256), el(0xa1, mgf(sha512)), salt),
		"no mask":           pss(el(0xa0, sha256), salt),
		"another salt":      pss(el(0xa0, sha256), el(0xa1, mgf(sha256)), el(0xa2, []byte{2, 1, 20})),
		"a salt below zero": pss(el(0xa0, sha256), el(0xa1, mgf(sha256)), el(0xa2, []byte{2, 1, 0xff})),
		"another trailer":   pss(el(0xa0, sha256), el(0xa1, mgf(sha256)), salt, el(0xa3, []byte{2, 1, 2})),
	} {
		c := good
		c.how = how
		requireUnreadable(t, open(c, rsaID, inPSS), name)
	}
	byECDSA := good // and a PKCS #1 signature
	requireUnreadable(t, open(byECDSA, rsaID, rsaID.Key), "ECDSA by an RSA key")
	byRSA := good
	byRSA.how = el(0x30, oidOf("1.2.840.113549.1.1.11"))
	require.NoError(t, open(byRSA, rsaID, rsaID.Key))
	requireUnreadable(t, open(byRSA, ec, ec.Key), "RSA by an EC key")

	der := good.der(t, ec.Certificate, ec.Key)
	at := bytes.Index(der, el(0x31, sha256))
	der[at] = 0x24 // an OCTET STRING, as digestAlgorithms
	_, err := d.Open(t.Context(), bytes.NewReader(inMail(der)))
	requireUnreadable(t, err, "no SET of algorithms")
}

// pssKey signs with RSASSA-PSS and a salt as long as the hash.
type pssKey struct{ *rsa.PrivateKey }

func (k pssKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return rsa.SignPSS(rand.Reader, k.PrivateKey, opts.HashFunc(), digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
}

// body is the value of an attribute.
func body(attribute []byte) []byte { return attribute[2+11+2:] }

// Boundaries that some programs see and others don't.
func TestBoundariesThatHide(t *testing.T) {
	p := newPeople(t)
	hidden := "Content-Type: text/plain; charset=SCSU\r\n\r\nx\r\n"
	for name, content := range map[string]string{
		"a boundary that is a field":  "Content-Type: multipart/mixed; boundary=\"b:c\"\r\n\r\n--b:c\r\nX: y\r\n--b:c\r\n\r\nx\r\n--b:c--\r\n",
		"a boundary far to the left":  "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" + strings.Repeat(" ", 5000) + "\r\n" + hidden + "--b--\r\n",
		"an end that only LF shows":   "Content-Type: multipart/mixed; boundary=b\r\n\r\nx\n--b--\r\n\r\n--b\r\n" + hidden + "--b--\r\n",
		"an end with LF alone behind": "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\n\r\n--b\r\n" + hidden + "--b--\r\n",
		"in a message of RFC 6532":    "Content-Type: message/global\r\n\r\n" + hidden,
	} {
		_, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(p.sealed(t, content)))
		requireUnreadable(t, err, name)
	}
	const protocol = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n"
	mail := p.send(t, smime.Config{GCM: true, Signer: p.signer()}, message)
	m, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(mail))
	require.NoError(t, err)
	require.True(t, m.Signed())
	_, err = p.decrypter(t).Open(t.Context(), bytes.NewReader(p.sealed(t, protocol+"--b"+strings.Repeat(" ", 998)+"x\r\n\r\n--b--\r\n")))
	requireUnreadable(t, err, "white space and then more is no boundary")
}

// Recipients cost what they weigh and no more: millions of them are no message
// of anybody's, and are refused before they have all been compared with every key.
func TestMillionsOfRecipients(t *testing.T) {
	p := newPeople(t)
	keys := []smime.Key{}
	for range 50 {
		keys = append(keys, keyOf(issue(t, p.ca, mailtest.Spec{Email: gp})))
	}
	d := newDecrypter(t, smime.DecryptConfig{Keys: keys})
	one := el(0x30, []byte{2, 1, 0}, el(0x80, []byte{1}), el(0x30, []byte{6, 1, 1}), el(4))
	agreed := el(0xa1, []byte{2, 1, 3}, el(0xa0, el(0xa1, el(0x30, []byte{6, 1, 1}), el(3, []byte{0}))), el(0x30, []byte{6, 1, 1}),
		el(0x30, bytes.Repeat(el(0x30, el(0xa0, el(4)), el(4)), 20_000)))
	for name, infos := range map[string][]byte{"one by one": bytes.Repeat(one, 1<<20), "in each other": bytes.Repeat(agreed, 50)} {
		c := crafted{kind: envelopedData, infos: infos}
		c.cipher, c.content = cbcOf(content(32), content(16), content(16))
		began := time.Now()
		_, _, err := d.Unseal(bytes.NewReader(c.der(t, p.reader)))
		requireUnreadable(t, err, name)
		t.Log(name, len(infos), time.Since(began))
	}
	few := crafted{kind: envelopedData, infos: bytes.Repeat(one, 10_001)}
	few.cipher, few.content = cbcOf(content(32), content(16), content(16))
	_, _, err := d.Unseal(bytes.NewReader(few.der(t, p.reader)))
	requireUnreadable(t, err, "above the bound")
}

// requireUnreadable wants the one error, which is equal in all that can be seen
// of it whatever was wrong.
func requireUnreadable(t testing.TB, err error, what ...any) {
	t.Helper()
	require.Equal(t, mailpolicy.Rules().Refuse("mail.unreadable").Because(smime.ErrUnreadable), err, what...)
}

// A type that is not in order, as some programs write it, keeps its charset and
// its protection: what one reader can't parse another one does.
func TestTypesOutOfOrder(t *testing.T) {
	p := newPeople(t)
	for _, parameters := range []string{"charset=SCSU; x", "charset=SCSU; charset=SCSU", "charset=utf-8; charset=utf-7", "(x) charset=SCSU; name=a b", "charset*=us-ascii''SCSU; x", "name=\"a; charset=SCSU"} {
		_, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(p.sealed(t, "Content-Type: text/plain; "+parameters+"\r\n\r\nx\r\n")))
		requireUnreadable(t, err, parameters)
	}
	for _, kind := range []string{"(x) multipart/mixed; boundary=b", "(x)message/rfc822"} {
		_, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(p.sealed(t, "Content-Type: "+kind+"\r\n\r\n--b\r\n\r\nx\r\n")))
		requireUnreadable(t, err, kind)
	}
	for _, kind := range []string{"text/plain; charset=utf-8; name=the scan.txt", "text/plain; format=flowed; format=flowed", "text/html; name=\"x", "text/plain; charset=\"utf-8\"; ;x", "application/pdf; name=a b.pdf"} {
		mail := p.send(t, smime.Config{GCM: true}, "From: "+home+"\r\nSubject: "+patient+"\r\nContent-Type: "+kind+"\r\n\r\nx\r\n")
		m, err := p.decrypter(t).Open(t.Context(), bytes.NewReader(mail))
		require.NoError(t, err, kind)
		require.True(t, m.Protected, kind)
		require.Contains(t, string(m.Header), "Subject: "+patient+"\r\n", kind)
	}
}
