// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
	"github.com/stretchr/testify/require"

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

// What its sender signed, with a program that knows of no protected header, and a
// gateway encrypted: its header is around the signature, and is no part of it.
func TestSignedBefore(t *testing.T) {
	p := newPeople(t)
	c := craftedSignature{content: []byte("Content-Type: text/plain\r\n\r\nShe is well.\r\n"), hash: crypto.SHA256, digestID: "2.16.840.1.101.3.4.2.1", how: el(0x30, oidOf("1.2.840.10045.4.3.2"))}
	signed := "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(c.der(t, p.sender.Certificate, p.sender.Key))
	before := "From: " + home + "\r\nAuthentication-Results: mx.nhs.net; dkim=pass\r\nSubject: [secure] " + patient + "\r\n" + signed
	d := p.decrypter(t)
	open := func(mail []byte) *smime.Message {
		m, err := d.Open(t.Context(), bytes.NewReader(mail))
		require.NoError(t, err)
		require.True(t, m.Signed() && m.Encrypted && m.Authenticated)
		require.False(t, m.Protected, "the signature does not vouch for it")
		require.Equal(t, "She is well.\r\n", string(m.Body))
		return m
	}
	m := open(p.send(t, smime.Config{GCM: true}, before))
	require.Equal(t, "From: "+home+"\r\nSubject: [secure] "+patient+"\r\nContent-Type: text/plain\r\n\r\n", string(m.Header))
	require.False(t, m.FromMismatch)
	m = open(p.send(t, smime.Config{GCM: true, Signer: p.signer()}, before))
	require.Contains(t, string(m.Header), "Subject: [secure] "+patient+"\r\n")
	require.Len(t, m.Signatures, 2)
	m = open(p.send(t, smime.Config{}, before))
	require.Contains(t, string(m.Header), "Subject: "+smime.OuterSubject+"\r\n", "what may be altered is not believed: a field can carry the secret off")
	forged := bytes.Replace(p.send(t, smime.Config{GCM: true}, before), []byte("From: "+home), []byte("From: evil@x.example"), 1)
	require.True(t, open(forged).FromMismatch)
	// A header around the encryption is nobody's who could read what is inside.
	sealed := string(p.sealed(t, "Content-Type: text/plain\r\n\r\nhello\r\n"))
	_, part, _ := strings.Cut(sealed, "Content-Type: application/pkcs7-mime")
	twice := p.sealed(t, "Subject: forged\r\nContent-Type: application/pkcs7-mime; hp=\"cipher\""+part)
	m, err := d.Open(t.Context(), bytes.NewReader(twice))
	require.NoError(t, err)
	require.NotContains(t, string(m.Header), "forged")
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
	content := tag == 0xa0 && rest[0] == 4 // [0] over pieces: becomes the one string
	for rest[0] != 0 || rest[1] != 0 {
		var one []byte
		one, rest = definite(rest)
		if content {
			one, _ = contentOf(one)
		}
		parts = append(parts, one...)
	}
	if content {
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
		out, err := rsa.EncryptPKCS1v15(rand.Reader, public, secret) //nolint:staticcheck // as others do
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
	read := func(d *smime.Decrypter, der []byte) (got string, early, late error) {
		r, _, err := d.Unseal(bytes.NewReader(der))
		if err != nil {
			return "", err, nil
		}
		all, err := io.ReadAll(r)
		return string(all), nil, err
	}
	got, _, err := read(d, good.der(t, to))
	require.NoError(t, err)
	require.Equal(t, hello, got)

	token := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{{Certificate: to.Certificate, Private: failingToken{public}}}, AcceptUnauthenticated: true})
	with := func(change func(*crafted)) []byte {
		c := good
		change(&c)
		return c.der(t, to)
	}
	type opened struct {
		d   *smime.Decrypter
		der []byte
	}
	// A key that can't be had is a random one. Under it, one message in 256 seems to
	// end in padding: it is then something else, as under any wrong key.
	byChance := func(name string, c opened) (early, late error) {
		for range 20 {
			var got string
			if got, early, late = read(c.d, c.der); early != nil || late != nil {
				break
			}
			require.NotEqual(t, hello, got, name)
		}
		return early, late
	}
	for name, c := range map[string]opened{
		"no PKCS #1 padding":     {d, with(func(c *crafted) { c.secret = bytes.Repeat([]byte{1}, 256) })},
		"a key too short":        {d, with(func(c *crafted) { c.secret = wrap(key[:16]) })},
		"a key too long":         {d, with(func(c *crafted) { c.secret = wrap(append(key, 1)) })},
		"another key":            {d, with(func(c *crafted) { c.secret = wrap(content(64)[32:]) })},
		"a number above the key": {d, with(func(c *crafted) { c.secret = bytes.Repeat([]byte{0xff}, 256) })},
		"no OAEP padding":        {d, with(func(c *crafted) { c.transport = oaep })},
		"an unknown transport":   {d, with(func(c *crafted) { c.transport = el(0x30, oidOf("1.2.3")) })},
		"a token that fails":     {token, good.der(t, to)},
	} {
		early, late := byChance(name, c)
		require.NoError(t, early, "%s: the error comes with the content, not before", name)
		requireUnreadable(t, late, name)
		_, err := c.d.Open(t.Context(), bytes.NewReader(inMail(c.der)))
		requireUnreadable(t, err, name)
	}
	for name, der := range map[string][]byte{
		"padding of other octets": with(func(c *crafted) { c.content = badPadding }),
		"padding of none":         with(func(c *crafted) { c.content = noPadding }),
		"padding of too many":     with(func(c *crafted) { c.content = longPadding }),
		"half a block":            with(func(c *crafted) { c.content = encrypted[:40] }),
		"no content":              with(func(c *crafted) { c.content = nil }),
		"octets behind it":        with(func(c *crafted) { c.behind = []byte{0} }),
	} {
		_, early, late := read(d, der)
		require.NoError(t, early, "%s: the error comes with the content, not before", name)
		requireUnreadable(t, late, name)
		_, err := d.Open(t.Context(), bytes.NewReader(inMail(der)))
		requireUnreadable(t, err, name)
	}
	stranger := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(other)}})
	_, early, _ := read(stranger, good.der(t, to))
	requireUnreadable(t, early, "for nobody here")
	for _, der := range [][]byte{good.der(t, to), crafted{kind: authEnvelopedData, cipher: cbc, transport: rsa15, secret: wrap(key), content: encrypted, tag: iv}.der(t, to)} {
		for n := range der {
			_, early, late := read(d, der[:n])
			requireUnreadable(t, errors.Join(early, late).(interface{ Unwrap() []error }).Unwrap()[0], "cut to %d", n)
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
		requireUnreadable(t, err, "the attributes count")
		c.attributes, c.tag = el(0xa1, attribute), c.tag[:11]
		_, _, err = d.Unseal(bytes.NewReader(c.der(t, to)))
		requireUnreadable(t, err, "a tag of another length than its parameters say")
	}
}

// Recipients of every kind, and a key agreed upon with keying material of the
// sender's besides, which openssl does not write. RFC 5652 §6.2, RFC 5753 §3.1.1.
func TestRecipientsOfEveryKind(t *testing.T) {
	p := newPeople(t)
	d := p.decrypter(t)
	key, nonce, ukm := content(32), content(44)[32:], []byte("the sender's own")
	mine, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	theirs, err := p.reader.Certificate.PublicKey.(*ecdsa.PublicKey).ECDH()
	require.NoError(t, err)
	shared, err := mine.ECDH(theirs)
	require.NoError(t, err)
	wrap := el(0x30, oidOf("2.16.840.1.101.3.4.1.45"))
	kek := sha256.Sum256(bytes.Join([][]byte{shared, {0, 0, 0, 1}, el(0x30, wrap, el(0xa0, el(4, ukm)), el(0xa2, el(4, []byte{0, 0, 1, 0})))}, nil))
	block, err := aes.NewCipher(kek[:])
	require.NoError(t, err)
	wrapped, err := josecipher.KeyWrap(block, key)
	require.NoError(t, err)
	agreed := func(originator, ukm, who []byte) []byte {
		keys := el(0x30, el(0x30, nameOf(t, p.sender.Certificate), el(4, make([]byte, 40))), el(0x30, who, el(4, wrapped)))
		return el(0xa1, []byte{2, 1, 3}, el(0xa0, originator), el(0xa1, el(4, ukm)), el(0x30, oidOf("1.3.132.1.11.1"), wrap), keys)
	}
	point := el(0xa1, el(0x30, oidOf("1.2.840.10045.2.1")), el(3, []byte{0}, mine.PublicKey().Bytes()))
	others := bytes.Join([][]byte{
		el(0xa2, []byte{2, 1, 4}), el(0xa3, []byte{2, 1, 0}), el(0xa4), // keys of other kinds
		agreed(nameOf(t, p.sender.Certificate), ukm, nameOf(t, p.reader.Certificate)), // a sender's static key
		el(0x30, []byte{2, 1, 0}, nameOf(t, p.sender.Certificate), oaep, el(4, []byte{1})),
	}, nil)
	open := func(infos []byte) error {
		c := crafted{kind: authEnvelopedData, infos: infos}
		c.cipher, c.content, c.tag = gcmOf(key, nonce, []byte("hello"), nil, 16)
		r, _, err := d.Unseal(bytes.NewReader(c.der(t, p.reader)))
		if err == nil {
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "hello", string(got))
		}
		return err
	}
	good := agreed(point, ukm, nameOf(t, p.reader.Certificate))
	require.NoError(t, open(good))
	require.NoError(t, open(append(others, good...)))
	require.NoError(t, open(append(good, others...)))
	zero := el(0xa1, el(0x30, oidOf("1.2.840.10045.2.1")), el(3, []byte{0}, make([]byte, 65)))
	for name, infos := range map[string][]byte{
		"nobody here":            others,
		"other keying material":  agreed(point, []byte("x"), nameOf(t, p.reader.Certificate)),
		"no point of the curve":  agreed(zero, ukm, nameOf(t, p.reader.Certificate)),
		"no bit string":          agreed(el(0xa1, el(0x30, oidOf("1.2.840.10045.2.1")), el(3)), ukm, nameOf(t, p.reader.Certificate)),
		"a kind that is unknown": append(el(0xa5), good...),
		"a broken one before":    append(el(0x30, []byte{2, 1, 0}), good...),
		"a broken one behind":    append(good, el(0xa1, []byte{2, 1, 3})...),
		"none":                   {},
		"a huge one":             append(el(0x30, make([]byte, 300<<10)), good...),
	} {
		requireUnreadable(t, open(infos), name)
	}
}

func TestKeysAreRefused(t *testing.T) {
	ca := newCA(t)
	ec, rsaID := issue(t, ca, mailtest.Spec{Email: gp}), issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	for _, k := range []smime.Key{
		{},
		{Private: ec.Key},
		{Certificate: ec.Certificate},
		{Certificate: rsaID.Certificate},
		{Certificate: rsaID.Certificate, Private: (*rsa.PrivateKey)(nil)},
		{Certificate: ec.Certificate, Private: (*ecdsa.PrivateKey)(nil)},
		{Certificate: ec.Certificate, Private: (*ecdh.PrivateKey)(nil)},
		{Certificate: ec.Certificate, Private: rsaID.Key},
		{Certificate: rsaID.Certificate, Private: ec.Key},
		{Certificate: ec.Certificate, Private: issue(t, ca, mailtest.Spec{Email: gp}).Key},
		{Certificate: rsaID.Certificate, Private: issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048}).Key},
	} {
		_, err := smime.NewDecrypter(smime.DecryptConfig{Keys: []smime.Key{k}})
		require.ErrorContains(t, err, "Keys[0]")
	}
}
