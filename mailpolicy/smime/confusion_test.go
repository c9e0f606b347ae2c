// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// sealedFor is an AuthEnvelopedData that opens, by an RSA key; key and nonce are
// its own.
func sealedFor(t *testing.T, to mailtest.Identity, attributes []byte) (c crafted, key, nonce []byte) {
	t.Helper()
	key, nonce = content(32), content(44)[32:]
	secret, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, to.Certificate.PublicKey.(*rsa.PublicKey), key, nil)
	require.NoError(t, err)
	hash := el(0x30, oidOf("2.16.840.1.101.3.4.2.1"))
	mask := el(0x30, oidOf("1.2.840.113549.1.1.8"), hash)
	c = crafted{kind: authEnvelopedData, secret: secret, transport: el(0x30, oidOf("1.2.840.113549.1.1.7"), el(0x30, el(0xa0, hash), el(0xa1, mask)))}
	c.cipher, c.content, c.tag = gcmOf(key, nonce, []byte("Content-Type: text/plain\r\n\r\nhello\r\n"), attributes, 16)
	return c, key, nonce
}

// whole reads a bare message to its end.
func whole(d *smime.Decrypter, der []byte) (string, error) {
	r, _, err := d.Unseal(bytes.NewReader(der))
	if err != nil {
		return "", err
	}
	all, err := io.ReadAll(r)
	return string(all), err
}

// Messages that say they are of one kind and are of another, and parameters of
// AES-GCM that are weaker than it is.
func TestKindsAreNotConfused(t *testing.T) {
	ca := newCA(t)
	to := issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(to)}, AcceptUnauthenticated: true})
	one, two := el(0x30, oidOf("1.2.3.1"), el(0x31, []byte{5, 0})), el(0x30, oidOf("1.2.3.2"), el(0x31, []byte{5, 0}))
	good, key, nonce := sealedFor(t, to, nil)
	marked, _, _ := sealedFor(t, to, el(0x31, one, two))
	marked.attributes = el(0xa1, one, two)
	for _, c := range []crafted{good, marked} {
		got, err := whole(d, c.der(t, to))
		require.NoError(t, err)
		require.Contains(t, got, "hello")
	}
	const gcm = "2.16.840.1.101.3.4.1.46"
	params := func(parts ...[]byte) []byte { return el(0x30, oidOf(gcm), el(0x30, parts...)) }
	size := func(n int) func(*crafted) { // what is sealed is in order, and its tag is cut
		return func(c *crafted) {
			c.cipher, c.tag = params(el(4, nonce), []byte{2, 1, byte(n)}), c.tag[:min(max(n, 0), len(c.tag))]
		}
	}
	ofNonce := func(n int) func(*crafted) {
		return func(c *crafted) {
			block, err := aes.NewCipher(key)
			require.NoError(t, err)
			aead, err := cipher.NewGCMWithNonceSize(block, n)
			require.NoError(t, err)
			sealed := aead.Seal(nil, content(n), []byte("hello"), nil)
			c.cipher, c.content, c.tag = params(el(4, content(n)), []byte{2, 1, 16}), sealed[:5], sealed[5:]
		}
	}
	cbc, encrypted := cbcOf(key, content(16), bytes.Repeat([]byte{16}, 32))
	for name, change := range map[string]func(*crafted){
		"a tag of no octet":                   size(0),
		"a tag of 4":                          size(4),
		"a tag of 8":                          size(8),
		"a tag of 11":                         size(11),
		"a tag of 17":                         size(17),
		"a tag below zero":                    size(-1),
		"a tag shorter than said":             func(c *crafted) { c.tag = c.tag[:12] },
		"a tag longer than said":              func(c *crafted) { c.cipher = params(el(4, nonce)) },
		"no tag":                              func(c *crafted) { c.tag = []byte{} },
		"another tag":                         func(c *crafted) { c.tag = make([]byte, 16) },
		"a nonce of 11":                       ofNonce(11),
		"a nonce of 13":                       ofNonce(13),
		"a nonce of 16":                       ofNonce(16),
		"no nonce":                            func(c *crafted) { c.cipher = params(el(4), []byte{2, 1, 16}) },
		"no parameters":                       func(c *crafted) { c.cipher = el(0x30, oidOf(gcm)) },
		"NULL":                                func(c *crafted) { c.cipher = el(0x30, oidOf(gcm), []byte{5, 0}) },
		"more parameters":                     func(c *crafted) { c.cipher = params(el(4, nonce), []byte{2, 1, 16}, []byte{5, 0}) },
		"another key size":                    func(c *crafted) { c.cipher = bytes.Replace(c.cipher, oidOf(gcm), oidOf("2.16.840.1.101.3.4.1.6"), 1) },
		"AES-CBC as authenticated":            func(c *crafted) { c.cipher, c.content = cbc, encrypted },
		"AES-GCM as not authenticated":        func(c *crafted) { c.kind, c.tag = envelopedData, nil },
		"AES-GCM as not authenticated, a tag": func(c *crafted) { c.kind = envelopedData },
		"signed data of that form":            func(c *crafted) { c.kind = signedData },
		"data of that form":                   func(c *crafted) { c.kind = idData },
		"signed data inside":                  func(c *crafted) { c.inner = signedData },
		"enveloped data inside":               func(c *crafted) { c.inner = envelopedData },
		"itself inside":                       func(c *crafted) { c.inner = authEnvelopedData },
		"attributes that nobody sealed":       func(c *crafted) { c.attributes = el(0xa1, one) },
		"no attribute, but their place":       func(c *crafted) { c.attributes = el(0xa1) },
	} {
		c := good
		change(&c)
		_, err := whole(d, c.der(t, to))
		requireUnreadable(t, err, name)
	}
	for name, attributes := range map[string][]byte{
		"left out":        nil,
		"turned about":    el(0xa1, two, one),
		"one of them":     el(0xa1, one),
		"once more":       el(0xa1, one, two, two),
		"beside the seal": el(0xa2, one, two),
		"as a SET":        el(0x31, one, two),
	} {
		c := marked
		c.attributes = attributes
		_, err := whole(d, c.der(t, to))
		requireUnreadable(t, err, "attributes %s", name)
	}
}

// Parameters of OAEP that nobody writes, and that a sender doesn't get to choose.
func TestOAEPParameters(t *testing.T) {
	ca := newCA(t)
	to := issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(to)}})
	good, key, _ := sealedFor(t, to, nil)
	public := to.Certificate.PublicKey.(*rsa.PublicKey)
	hash := el(0x30, oidOf("2.16.840.1.101.3.4.2.1"))
	mask := el(0x30, oidOf("1.2.840.113549.1.1.8"), hash)
	label := func(octets []byte) []byte { return el(0xa2, el(0x30, oidOf("1.2.840.113549.1.1.9"), el(4, octets))) }
	of := func(parts ...[]byte) []byte { return el(0x30, oidOf("1.2.840.113549.1.1.7"), el(0x30, parts...)) }
	open := func(transport []byte) error {
		c := good
		c.transport = transport
		_, err := whole(d, c.der(t, to))
		return err
	}
	require.NoError(t, open(of(el(0xa0, hash), el(0xa1, mask))))
	require.NoError(t, open(of(el(0xa0, hash), el(0xa1, mask), label(nil))), "no label, said so")
	for name, transport := range map[string][]byte{
		"SHA-1 by default":      of(),
		"a mask by default":     of(el(0xa0, hash)),
		"another hash":          of(el(0xa0, el(0x30, oidOf("2.16.840.1.101.3.4.2.3"))), el(0xa1, mask)),
		"MD5":                   of(el(0xa0, el(0x30, oidOf("1.2.840.113549.2.5"))), el(0xa1, mask)),
		"no mask of MGF1":       of(el(0xa0, hash), el(0xa1, el(0x30, oidOf("1.2.3"), hash))),
		"a mask of no hash":     of(el(0xa0, hash), el(0xa1, el(0x30, oidOf("1.2.840.113549.1.1.8")))),
		"a source that is none": of(el(0xa0, hash), el(0xa1, mask), el(0xa2, el(0x30, oidOf("1.2.3"), el(4)))),
		"more behind":           of(el(0xa0, hash), el(0xa1, mask), label(nil), []byte{5, 0}),
		"no parameters":         el(0x30, oidOf("1.2.840.113549.1.1.7")),
		"NULL":                  el(0x30, oidOf("1.2.840.113549.1.1.7"), []byte{5, 0}),
	} {
		requireUnreadable(t, open(transport), name)
	}
	var err error
	good.secret, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, public, key, []byte("a label"))
	require.NoError(t, err)
	requireUnreadable(t, open(of(el(0xa0, hash), el(0xa1, mask), label([]byte("a label")))), "a label")
}

// countedAgreer is a token that counts what is asked of it.
type countedAgreer struct {
	*ecdh.PrivateKey
	asked *int
}

func (c countedAgreer) ECDH(with *ecdh.PublicKey) ([]byte, error) {
	*c.asked++
	return c.PrivateKey.ECDH(with)
}

// Points that are on no curve, on another, or at infinity, never reach a key: an
// answer would tell of it (the invalid-curve attack). And however often a message
// names a key, it is used once.
func TestPointsThatLeak(t *testing.T) {
	p := newPeople(t)
	own, err := p.reader.Key.(*ecdsa.PrivateKey).ECDH()
	require.NoError(t, err)
	asked := 0
	d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{{Certificate: p.reader.Certificate, Private: countedAgreer{own, &asked}}}})
	mine, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	larger, err := ecdh.P384().GenerateKey(rand.Reader)
	require.NoError(t, err)
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	point := mine.PublicKey().Bytes()
	off := bytes.Clone(point)
	off[64] ^= 1
	aboveP := append([]byte{4}, bytes.Repeat([]byte{0xff}, 64)...)
	px, py := elliptic.Unmarshal(elliptic.P256(), point) //nolint:staticcheck // to compress it
	key, nonce := content(32), content(44)[32:]
	wrap := el(0x30, oidOf("2.16.840.1.101.3.4.1.45"))
	shared, err := mine.ECDH(own.PublicKey())
	require.NoError(t, err)
	kek := sha256.Sum256(bytes.Join([][]byte{shared, {0, 0, 0, 1}, el(0x30, wrap, el(0xa2, el(4, []byte{0, 0, 1, 0})))}, nil))
	block, err := aes.NewCipher(kek[:])
	require.NoError(t, err)
	wrapped, err := josecipher.KeyWrap(block, key)
	require.NoError(t, err)
	info := func(point []byte) []byte {
		originator := el(0xa0, el(0xa1, el(0x30, oidOf("1.2.840.10045.2.1")), el(3, []byte{0}, point)))
		return el(0xa1, []byte{2, 1, 3}, originator, el(0x30, oidOf("1.3.132.1.11.1"), wrap), el(0x30, el(0x30, nameOf(t, p.reader.Certificate), el(4, wrapped))))
	}
	open := func(infos ...[]byte) error {
		c := crafted{kind: authEnvelopedData, infos: bytes.Join(infos, nil)}
		c.cipher, c.content, c.tag = gcmOf(key, nonce, []byte("hello"), nil, 16)
		_, err := whole(d, c.der(t, p.reader))
		return err
	}
	require.NoError(t, open(info(point)))
	require.Equal(t, 1, asked)
	for name, bad := range map[string][]byte{
		"off the curve":   off,
		"above the field": aboveP,
		"at infinity":     {0},
		"infinity, long":  append([]byte{0}, point[1:]...),
		"zero":            append([]byte{4}, make([]byte, 64)...),
		"no octet":        {},
		"hybrid":          append([]byte{6}, point[1:]...),
		"compressed":      elliptic.MarshalCompressed(elliptic.P256(), px, py),
		"of P-384":        larger.PublicKey().Bytes(),
		"of X25519":       x25519.PublicKey().Bytes(),
		"more behind":     append(bytes.Clone(point), 0),
	} {
		requireUnreadable(t, open(info(bad)), name)
	}
	require.Equal(t, 1, asked, "no bad point came to the key")
	require.NoError(t, open(bytes.Repeat(info(point), 10_000)))
	require.Equal(t, 2, asked, "the first counts")
}

// token is a key of a type that can do everything, as those of tokens are, over
// a key that can't.
type token struct{ crypto.Decrypter }

func (token) ECDH(*ecdh.PublicKey) ([]byte, error) { return nil, io.ErrUnexpectedEOF }

// Which way a key is used is the certificate's to say, not the message's.
func TestAnRSAKeyDoesNotAgree(t *testing.T) {
	p := newPeople(t)
	id := issue(t, p.ca, mailtest.Spec{Email: gp, RSABits: 2048})
	d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{{Certificate: id.Certificate, Private: token{id.Key.(crypto.Decrypter)}}}})
	mine, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	good, _, _ := sealedFor(t, id, nil)
	_, err = whole(d, good.der(t, id))
	require.NoError(t, err)
	good.infos = el(0xa1, []byte{2, 1, 3}, el(0xa0, el(0xa1, el(0x30, oidOf("1.2.840.10045.2.1")), el(3, []byte{0}, mine.PublicKey().Bytes()))),
		el(0x30, oidOf("1.3.132.1.11.1"), el(0x30, oidOf("2.16.840.1.101.3.4.1.45"))), el(0x30, el(0x30, nameOf(t, id.Certificate), el(4, make([]byte, 40)))))
	_, err = whole(d, good.der(t, id))
	requireUnreadable(t, err)
}

// The gadget of Efail: a block whose clear text is known makes others of any
// text. Who takes what nobody vouches for reads the attacker's text; Open doesn't.
func TestEfailGadget(t *testing.T) {
	p := newPeople(t)
	e := newEncrypter(t, smime.Config{Roots: p.roots})
	secret := "Content-Type: text/plain\r\n\r\nMrs Jones is well.\r\n"
	der := toDER(seal(t, e, []byte(secret), smime.Recipient{Address: gp, Certificate: p.reader.Certificate}))
	blocks := 16 * (len(secret)/16 + 1)
	encrypted := der[len(der)-blocks:]
	iv := der[bytes.Index(der, oidOf("2.16.840.1.101.3.4.1.42"))+11+2:][:16]
	gadget := func(text string) []byte { // two blocks: of no meaning, and the text
		x := bytes.Clone(iv)
		for i := range x {
			x[i] ^= secret[i] ^ text[i]
		}
		return append(x, encrypted[:16]...)
	}
	// The header stays as it was; then a picture whose address ends in the secret.
	forged := bytes.Join([][]byte{encrypted[:32], gadget("\r\n<img src=\"//x/"), encrypted[16:]}, nil)
	altered := exchanged(t, der, el(0x80, encrypted), el(0x80, forged))
	lax := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}, AcceptUnauthenticated: true})
	m, err := lax.Open(t.Context(), bytes.NewReader(inMail(altered)))
	require.NoError(t, err)
	require.False(t, m.Authenticated)
	require.Contains(t, string(m.Body), "<img src=\"//x/")
	require.Contains(t, string(m.Body), "Jones is well.")
	_, err = p.decrypter(t).Open(t.Context(), bytes.NewReader(inMail(altered)))
	requireUnreadable(t, err)

	// Or without any: the message as a part, between two of the attacker's.
	good := derOf(t, p.send(t, smime.Config{GCM: true}, message))
	mail := string(inMail(good))
	_, part, _ := strings.Cut(mail, "Content-Type:")
	parts := "From: " + home + "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src=\"http://x.example/\r\n" +
		"--b\r\nContent-Type:" + part + "\r\n--b\r\nContent-Type: text/html\r\n\r\n\">\r\n--b--\r\n"
	_, err = p.decrypter(t).Open(t.Context(), strings.NewReader(parts))
	requireUnreadable(t, err)
	for name, around := range map[string]string{"before": "<img src=\"x\">" + mail, "behind": mail + "<img>", "in front of the base64": strings.Replace(mail, "\r\n\r\n", "\r\n\r\n<img>\r\n", 1)} {
		_, err = p.decrypter(t).Open(t.Context(), strings.NewReader(around))
		requireUnreadable(t, err, name)
	}
}

// exchanged puts an element in place of another, and mends the lengths around it.
func exchanged(t *testing.T, der, old, by []byte) []byte {
	t.Helper()
	require.Equal(t, 1, bytes.Count(der, old))
	if bytes.Equal(der, old) {
		return by
	}
	tag := der[0]
	content, _ := contentOf(der)
	var parts [][]byte
	for len(content) > 0 {
		_, rest := contentOf(content)
		part := content[:len(content)-len(rest)]
		if bytes.Contains(part, old) {
			part = exchanged(t, part, old, by)
		}
		parts, content = append(parts, part), rest
	}
	return el(tag, parts...)
}

// Each signature must hold, also where another one does.
func TestOneOfTwoSignatures(t *testing.T) {
	p := newPeople(t)
	second := issue(t, p.ca, mailtest.Spec{Email: home, KeyUsage: digitalSignature})
	d := newDecrypter(t, smime.DecryptConfig{Roots: p.roots})
	good := craftedSignature{content: []byte("Content-Type: text/plain\r\n\r\nhello\r\n"), hash: crypto.SHA256, digestID: "2.16.840.1.101.3.4.2.1", how: el(0x30, oidOf("1.2.840.10045.4.3.2"))}
	good.bag = append(good.bag, p.sender.Certificate, second.Certificate)
	other := good
	other.content = []byte("pay")
	open := func(more []byte) (*smime.Message, error) {
		c := good
		c.more = more
		return d.Open(t.Context(), bytes.NewReader(inMail(c.der(t, p.sender.Certificate, p.sender.Key))))
	}
	m, err := open(good.info(t, second.Certificate, second.Key))
	require.NoError(t, err)
	require.True(t, m.Signed())
	require.Len(t, m.Signatures, 2)
	for name, more := range map[string][]byte{
		"of another content":    other.info(t, second.Certificate, second.Key),
		"by another key":        good.info(t, second.Certificate, p.sender.Key),
		"by nobody known":       good.info(t, p.reader.Certificate, p.reader.Key),
		"of no form":            el(0x30, []byte{2, 1, 1}),
		"that is no SignerInfo": el(0x04),
	} {
		_, err := open(more)
		requireUnreadable(t, err, name)
	}
	stranger := issue(t, newCA(t), mailtest.Spec{Email: home, KeyUsage: digitalSignature})
	good.bag = append(good.bag, stranger.Certificate)
	m, err = open(good.info(t, stranger.Certificate, stranger.Key))
	require.NoError(t, err)
	require.False(t, m.Signed(), "nobody vouches for one of the two")
	alone := el(0x30, oidOf(signedData), el(0xa0, el(0x30, []byte{2, 1, 1}, el(0x31), el(0x30, oidOf(idData), el(0xa0, el(4, good.content))), el(0xa0, stranger.Certificate.Raw), el(0x31))))
	_, err = d.Open(t.Context(), bytes.NewReader(inMail(alone)))
	requireUnreadable(t, err, "certificates alone")
}

// Lengths that run over, and ends where none may be.
func TestLengthsThatLie(t *testing.T) {
	p := newPeople(t)
	d := p.decrypter(t)
	start := []byte{0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3, 0xa0, 0x80, 0x30, 0x80, 2, 1, 0}
	for name, der := range map[string][]byte{
		"eight octets, all set":       {0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"the largest integer":         {0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"nine octets":                 {0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0},
		"all that can be said":        append([]byte{0x30, 0xff}, make([]byte, 127)...),
		"four gigabytes of name":      append([]byte{0x30, 0x80, 6, 0x84, 0xff, 0xff, 0xff, 0xff}, 0x2a),
		"no end of a primitive":       {0x30, 0x80, 6, 0x80, 0x2a, 0, 0, 0, 0},
		"a long tag":                  {0x3f, 0x81, 0x01, 0},
		"the end first":               {0, 0},
		"longer than what is around":  {0x30, 4, 6, 9, 0x2a, 0x86},
		"an end inside a length":      {0x30, 4, 6, 1, 0x2a, 0, 0, 0},
		"recipients of a terabyte":    append(bytes.Clone(start), 0x31, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff),
		"one recipient of a terabyte": append(bytes.Clone(start), 0x31, 0x80, 0x30, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff),
		"an end with a length":        append(bytes.Clone(start), 0x31, 0x80, 0, 1, 0),
	} {
		_, _, err := d.Unseal(bytes.NewReader(der))
		requireUnreadable(t, err, name)
		_, err = d.Open(t.Context(), bytes.NewReader(inMail(der)))
		requireUnreadable(t, err, name)
	}
}

// Who wrote a message is one address, and the same for every reader.
func TestFromThatIsNotOne(t *testing.T) {
	p := newPeople(t)
	sign := func(spec mailtest.Spec, from string) (*smime.Message, error) {
		spec.KeyUsage = digitalSignature
		id := issue(t, p.ca, spec)
		c := craftedSignature{content: []byte("Content-Type: text/plain; hp=\"clear\"\r\nFrom: " + from + "\r\n\r\nhello\r\n"), hash: crypto.SHA256, digestID: "2.16.840.1.101.3.4.2.1", how: el(0x30, oidOf("1.2.840.10045.4.3.2"))}
		return p.decrypter(t).Open(t.Context(), bytes.NewReader(inMail(c.der(t, id.Certificate, id.Key))))
	}
	for from, signed := range map[string]bool{
		"home@nhs.net":                                true,
		"HOME@NHS.NET":                                true,
		"Home <home@nhs.net>":                         true,
		"=?utf-8?q?Caf=C3=A9?= <home@nhs.net>":        true,
		"\"boss@nhs.net\" <home@nhs.net>":             true, // a name: who shows it shows the address too
		"\"home@nhs.net\" <boss@nhs.net>":             false,
		"=?utf-8?q?home=40nhs.net?= <boss@nhs.net>":   false,
		"home@nhs.net <boss@nhs.net>":                 false,
		"boss@nhs.net <home@nhs.net>":                 false,
		"boss@nhs.net, home@nhs.net":                  false,
		"home@nhs.net, home@nhs.net":                  false,
		"Ward: home@nhs.net, boss@nhs.net;":           false,
		"boss@nhs.net (home@nhs.net)":                 false,
		"<@boss.example:home@nhs.net>":                false,
		"home@nhs.net\r\nFrom: boss@nhs.net":          false,
		"home@nhs.net\r\nfrom : home@nhs.net":         false,
		"home@nhs.net.":                               false,
		"home@nhs\u3002net":                           false,
		"home@n\u212ahs.net":                          false,
		"":                                            false,
		"\"home\\@nhs.net\" <x>":                      false,
		"home@nhs.net\r\nSender: boss@nhs.net":        true,
		"home@nhs.net\r\nReply-To: boss@evil.example": true,
	} {
		m, err := sign(mailtest.Spec{Email: home}, from)
		require.NoError(t, err, from)
		require.Equal(t, signed, m.Signed(), "%q", from)
	}
	m, err := sign(mailtest.Spec{Email: "home@xn--bcher-kva.example"}, "home@b\u00fccher.example")
	require.NoError(t, err)
	require.False(t, m.Signed(), "one form of a name is not the other's")
	for _, broken := range []string{"home@nhs.net\rFrom: boss@nhs.net", "home@nhs.net\nFrom: boss@nhs.net", "home@nhs.net\x00"} {
		_, err := sign(mailtest.Spec{Email: home}, broken)
		requireUnreadable(t, err, "%q", broken)
	}
}
