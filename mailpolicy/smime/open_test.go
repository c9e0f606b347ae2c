// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// people are a reader and a sender under one root.
type people struct {
	ca             *mailtest.CA
	roots          *x509.CertPool
	reader, sender mailtest.Identity
}

func newPeople(t testing.TB) people {
	t.Helper()
	ca := newCA(t)
	return people{ca, ca.Roots(), issue(t, ca, mailtest.Spec{Email: gp}), issue(t, ca, mailtest.Spec{Email: home, KeyUsage: digitalSignature})}
}

func (p people) signer() *smime.Signer {
	return &smime.Signer{Certificate: p.sender.Certificate, Key: p.sender.Key}
}

func (p people) decrypter(t testing.TB) *smime.Decrypter {
	t.Helper()
	return newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}, Roots: p.roots})
}

// send encrypts a message for the reader.
func (p people) send(t testing.TB, c smime.Config, m string) []byte {
	t.Helper()
	c.Roots = p.roots
	var b bytes.Buffer
	require.NoError(t, newEncrypter(t, c).Encrypt(t.Context(), &b, strings.NewReader(m), []smime.Recipient{{Address: gp, Certificate: p.reader.Certificate}}))
	return b.Bytes()
}

// sealed encrypts a content as it is, with AES-GCM, and puts it into a message.
func (p people) sealed(t testing.TB, content string) []byte {
	t.Helper()
	e := newEncrypter(t, smime.Config{Roots: p.roots, GCM: true})
	return inMail(seal(t, e, []byte(content), smime.Recipient{Address: gp, Certificate: p.reader.Certificate}))
}

func TestOpen(t *testing.T) {
	p := newPeople(t)
	d := p.decrypter(t)
	_, sent, _ := strings.Cut(message, "\r\n\r\n")
	for name, c := range map[string]smime.Config{"GCM": {GCM: true}, "CBC signed": {Signer: p.signer()}, "GCM signed": {GCM: true, Signer: p.signer()}} {
		mail := p.send(t, c, message)
		m, err := d.Open(t.Context(), bytes.NewReader(mail))
		require.NoError(t, err, name)
		require.Equal(t, sent, string(m.Body), name)
		require.True(t, m.Encrypted && m.Authenticated && m.Protected && !m.FromMismatch, name)
		require.Equal(t, c.Signer != nil, m.Signed(), name)
		require.Contains(t, string(m.Header), "Subject: [secure] "+patient+"\r\n")
		require.NotContains(t, string(m.Header), "HP-Outer")
		require.NotContains(t, string(m.Header), "[...]")
		require.Contains(t, string(m.Outer), "Subject: [secure] [...]\r\n")
		require.True(t, bytes.HasSuffix(m.Header, []byte("\r\n\r\n")))
		require.NotContains(t, string(mail), patient)
		require.NotContains(t, strings.ToLower(string(m.Outer)), "signed", "who reads the outside does not learn that it is signed")
		for seed := range uint64(20) {
			again, err := d.Open(t.Context(), bytes.NewReader(inMail(asBER(mathrand.New(mathrand.NewPCG(seed, 2)), toDER(derOf(t, mail))))))
			require.NoError(t, err, name)
			require.Equal(t, m.Body, again.Body)
		}
	}
	m, err := d.Open(t.Context(), bytes.NewReader(p.sealed(t, "Content-Type: text/plain\r\nSubject: not protected\r\n\r\nhello\r\n")))
	require.NoError(t, err)
	require.False(t, m.Protected || m.FromMismatch || m.Signed())
	require.Equal(t, "From: "+home+"\r\nSubject: [secure] [...]\r\nContent-Type: text/plain\r\n\r\n", string(m.Header), "without hp, the outer header counts")
	m, err = d.Open(t.Context(), bytes.NewReader(p.sealed(t, "Content-Type: text/plain; hp=\"cipher\"\r\nFrom: boss@nhs.net\r\nSubject: pay\r\n\r\nhello\r\n")))
	require.NoError(t, err)
	require.True(t, m.Protected && m.FromMismatch && !m.Signed())
}

// toDER makes DER of what this package writes: the same reader that is tested,
// so it may only serve to make other forms of it.
func toDER(ber []byte) []byte {
	der, rest := definite(ber)
	if len(rest) > 0 {
		panic("more than one element")
	}
	return der
}

func definite(ber []byte) (der, rest []byte) {
	tag := ber[0]
	if ber[1] != 0x80 {
		n, head := int(ber[1]), 2
		if n > 0x80 {
			n, head = 0, 2+n&0x7f
			for _, c := range ber[2:head] {
				n = n<<8 | int(c)
			}
		}
		return ber[:head+n], ber[head+n:]
	}
	rest = ber[2:]
	var parts []byte
	for rest[0] != 0 || rest[1] != 0 {
		var one []byte
		one, rest = definite(rest)
		if tag == 0xa0 && one[0] == 4 { // the content: [0] over pieces
			inner, _ := contentOf(one)
			one = inner
		}
		parts = append(parts, one...)
	}
	if tag == 0xa0 && len(parts) > 0 && parts[0] != 0x30 {
		tag = 0x80
	}
	return el(tag, parts), rest[2:]
}

func contentOf(der []byte) (content, rest []byte) {
	n, head := int(der[1]), 2
	if n > 0x80 {
		n, head = 0, 2+n&0x7f
		for _, c := range der[2:head] {
			n = n<<8 | int(c)
		}
	}
	return der[head : head+n], der[head+n:]
}

// Nobody learns why a message is not opened: the error is one, and comes at one
// place.
func TestOneError(t *testing.T) {
	ca := newCA(t)
	to := issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	other := issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	public := to.Certificate.PublicKey.(*rsa.PublicKey)
	key, iv := content(32), content(48)[32:]
	wrap := func(secret []byte) []byte {
		out, err := rsa.EncryptPKCS1v15(rand.Reader, public, secret)
		require.NoError(t, err)
		return out
	}
	hello := "Content-Type: text/plain\r\n\r\nhello.\r\n" // 36 octets
	cbc, encrypted := cbcOf(key, iv, append([]byte(hello), bytes.Repeat([]byte{12}, 12)...))
	_, badPadding := cbcOf(key, iv, append([]byte(hello), bytes.Repeat([]byte{13}, 12)...))
	_, noPadding := cbcOf(key, iv, append([]byte(hello), bytes.Repeat([]byte{0}, 12)...))
	_, longPadding := cbcOf(key, iv, bytes.Repeat([]byte{17}, 48))
	good := crafted{kind: envelopedData, cipher: cbc, transport: rsa15, secret: wrap(key), content: encrypted}
	d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(to)}, AcceptUnauthenticated: true})
	read := func(d *smime.Decrypter, der []byte) (early, late error, got string) {
		r, _, err := d.Unseal(bytes.NewReader(der))
		if err != nil {
			return err, nil, ""
		}
		all, err := io.ReadAll(r)
		return nil, err, string(all)
	}
	_, err, got := read(d, good.der(t, to))
	require.NoError(t, err)
	require.Equal(t, hello, got)

	token := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{{Certificate: to.Certificate, Private: failingToken{public}}}, AcceptUnauthenticated: true})
	with := func(change func(*crafted)) []byte {
		c := good
		change(&c)
		return c.der(t, to)
	}
	for name, c := range map[string]struct {
		d   *smime.Decrypter
		der []byte
	}{
		"no PKCS #1 padding":      {d, with(func(c *crafted) { c.secret = bytes.Repeat([]byte{1}, 256) })},
		"a key too short":         {d, with(func(c *crafted) { c.secret = wrap(key[:16]) })},
		"a key too long":          {d, with(func(c *crafted) { c.secret = wrap(append(key, 1)) })},
		"another key":             {d, with(func(c *crafted) { c.secret = wrap(content(64)[32:]) })},
		"a number above the key":  {d, with(func(c *crafted) { c.secret = bytes.Repeat([]byte{0xff}, 256) })},
		"no OAEP padding":         {d, with(func(c *crafted) { c.transport = oaep })},
		"an unknown transport":    {d, with(func(c *crafted) { c.transport = el(0x30, oidOf("1.2.3")) })},
		"a token that fails":      {token, good.der(t, to)},
		"padding of other octets": {d, with(func(c *crafted) { c.content = badPadding })},
		"padding of none":         {d, with(func(c *crafted) { c.content = noPadding })},
		"padding of too many":     {d, with(func(c *crafted) { c.content = longPadding })},
		"half a block":            {d, with(func(c *crafted) { c.content = encrypted[:40] })},
		"no content":              {d, with(func(c *crafted) { c.content = nil })},
		"octets behind it":        {d, with(func(c *crafted) { c.behind = []byte{0} })},
	} {
		early, late, _ := read(c.d, c.der)
		require.NoError(t, early, "%s: the error comes with the content, not before", name)
		require.Equal(t, smime.ErrUnreadable, late, name)
		_, err := c.d.Open(t.Context(), bytes.NewReader(inMail(c.der)))
		require.Equal(t, smime.ErrUnreadable, err, name)
	}
	stranger := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(other)}})
	early, _, _ := read(stranger, good.der(t, to))
	require.Equal(t, smime.ErrUnreadable, early, "for nobody here")
	for _, der := range [][]byte{good.der(t, to), crafted{kind: authEnvelopedData, cipher: cbc, transport: rsa15, secret: wrap(key), content: encrypted, tag: iv}.der(t, to)} {
		for n := range der {
			early, late, _ := read(d, der[:n])
			require.Equal(t, smime.ErrUnreadable, errors.Join(early, late).(interface{ Unwrap() []error }).Unwrap()[0], "cut to %d", n)
		}
	}
	broken := errors.New("broken")
	_, _, err = d.Unseal(failing{broken})
	require.Equal(t, broken, err, "the reader's own error is no secret")
	_, err = d.Open(t.Context(), io.MultiReader(bytes.NewReader(inMail(good.der(t, to))[:600]), failing{broken}))
	require.Equal(t, broken, err)
}

type failingToken struct{ public *rsa.PublicKey }

func (f failingToken) Public() crypto.PublicKey { return f.public }
func (f failingToken) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return nil, errors.New("CKR_ENCRYPTED_DATA_INVALID")
}

// What RFC 5083 and 5084 allow and openssl does not write: attributes beside
// the content, and a shorter tag.
func TestAuthenticatedAttributes(t *testing.T) {
	ca := newCA(t)
	to := issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	key, nonce := content(32), content(44)[32:]
	secret, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to.Certificate.PublicKey.(*rsa.PublicKey), key, nil)
	require.NoError(t, err)
	attribute := el(0x30, oidOf("1.2.840.113549.1.9.3"), el(0x31, oidOf(idData)))
	d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(to)}})
	for _, size := range []int{12, 13, 16} {
		c := crafted{kind: authEnvelopedData, transport: oaep, secret: secret, attributes: el(0xa1, attribute), unprotected: el(0xa2, attribute)}
		c.cipher, c.content, c.tag = gcmOf(key, nonce, []byte("hello"), el(0x31, attribute), size)
		r, authenticated, err := d.Unseal(bytes.NewReader(c.der(t, to)))
		require.NoError(t, err)
		require.True(t, authenticated)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		c.attributes = nil
		_, _, err = d.Unseal(bytes.NewReader(c.der(t, to)))
		require.Equal(t, smime.ErrUnreadable, err, "the attributes count")
		c.attributes, c.tag = el(0xa1, attribute), c.tag[:11]
		_, _, err = d.Unseal(bytes.NewReader(c.der(t, to)))
		require.Equal(t, smime.ErrUnreadable, err, "a tag of another length than its parameters say")
	}
}

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
		"no roots":  {Keys: keys},
		"revoked":   {Keys: keys, Roots: p.roots, Revoked: func(context.Context, *x509.Certificate) error { return revoked }},
		"expired":   {Keys: keys, Roots: p.roots, Now: func() time.Time { return time.Now().AddDate(4, 0, 0) }},
		"authority": {Keys: keys, Roots: newCA(t).Roots()},
	} {
		m, err := newDecrypter(t, c).Open(t.Context(), bytes.NewReader(mail))
		require.NoError(t, err, why)
		require.False(t, m.Signed(), why)
		require.ErrorContains(t, m.Signatures[0].Distrust, why)
		_, err = newDecrypter(t, c).Open(t.Context(), bytes.NewReader(p.send(t, smime.Config{Signer: p.signer()}, message)))
		require.Equal(t, smime.ErrUnreadable, err, "and so it does not mend CBC: %s", why)
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
	require.Equal(t, smime.ErrUnreadable, open(ed, edCert, private))

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
		require.Equal(t, smime.ErrUnreadable, open(c, p.sender.Certificate, p.sender.Key), name)
	}
	good.attributes = [][]byte{kind, digest, late}
	require.NoError(t, open(good, p.sender.Certificate, p.sender.Key))
	require.Equal(t, smime.ErrUnreadable, open(good, p.sender.Certificate, p.reader.Key), "another's key")
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
		require.ErrorIs(t, e.Encrypt(t.Context(), &b, strings.NewReader("From: "+from+"\r\n\r\nx\r\n"), to), smime.ErrSigner)
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

func TestKeysAreRefused(t *testing.T) {
	ca := newCA(t)
	ec, rsaID := issue(t, ca, mailtest.Spec{Email: gp}), issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	for _, k := range []smime.Key{
		{}, {Private: ec.Key}, {Certificate: ec.Certificate}, {Certificate: rsaID.Certificate},
		{Certificate: ec.Certificate, Private: rsaID.Key}, {Certificate: rsaID.Certificate, Private: ec.Key},
		{Certificate: ec.Certificate, Private: issue(t, ca, mailtest.Spec{Email: gp}).Key},
		{Certificate: rsaID.Certificate, Private: issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048}).Key},
	} {
		_, err := smime.NewDecrypter(smime.DecryptConfig{Keys: []smime.Key{k}})
		require.ErrorContains(t, err, "Keys[0]")
	}
}
