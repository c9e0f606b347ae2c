// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:staticcheck // to read what old programs write
	"crypto/subtle"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// opened is the content of one envelope.
type opened struct {
	content       io.Reader
	authenticated bool
}

// contentCipher is how content is encrypted.
type contentCipher struct {
	block func(key []byte) (cipher.Block, error)
	key   int    // its octets
	iv    []byte // or the nonce
	tag   int    // its octets; 0 for CBC
}

// open reads one ContentInfo with an envelope in it.
func (d *Decrypter) open(r io.Reader) (opened, error) {
	b := newBERReader(r)
	kind, err := b.contentInfo()
	if err != nil {
		return opened{}, err
	}
	return d.openKind(b, kind)
}

func (d *Decrypter) openKind(b *berReader, kind string) (opened, error) {
	switch kind {
	case oidEnvelopedData:
		return d.openEnvelope(b)
	case oidAuthEnvelopedData:
		return d.openAuthEnvelope(b)
	}
	return opened{}, errBER
}

// contentInfo reads up to the content itself and returns its type. RFC 5652 §3.
func (b *berReader) contentInfo() (string, error) {
	if err := b.enter(tagSequence); err != nil {
		return "", err
	}
	kind, err := b.oid()
	if err != nil {
		return "", err
	}
	return kind, b.enter(tagContext0)
}

// openEnvelope reads EnvelopedData. RFC 5652 §6.1.
func (d *Decrypter) openEnvelope(b *berReader) (opened, error) {
	mine, how, content, err := d.envelopeHead(b)
	if err != nil || how.tag != 0 {
		return opened{}, errBER
	}
	block, err := mine.cipher(how)
	if err != nil {
		return opened{}, err
	}
	after := func() error {
		if err := b.leave(); err != nil { // EncryptedContentInfo
			return err
		}
		if _, err := b.optional(tagContext1); err != nil { // unprotectedAttrs
			return err
		}
		return b.finish()
	}
	return opened{content: &cbcReader{src: content, after: after, mode: cipher.NewCBCDecrypter(block, how.iv)}}, nil
}

// openAuthEnvelope reads AuthEnvelopedData to its end before any of it is
// handed out. RFC 5083 §2.1, RFC 5084 §3.2.
func (d *Decrypter) openAuthEnvelope(b *berReader) (opened, error) {
	mine, how, content, err := d.envelopeHead(b)
	if err != nil || how.tag == 0 {
		return opened{}, errBER
	}
	block, err := mine.cipher(how)
	if err != nil {
		return opened{}, err
	}
	aead, err := cipher.NewGCMWithTagSize(block, how.tag)
	if err != nil {
		return opened{}, err
	}
	sealed := held{limit: d.config.MaxBytes}
	if _, err := sealed.ReadFrom(content); err != nil {
		return opened{}, err
	}
	tag, attributes, err := b.authenticator()
	if err != nil || len(tag) != how.tag {
		return opened{}, errBER
	}
	whole := append(sealed.join(len(tag)), tag...)
	clearText, err := aead.Open(whole[:0], how.iv, whole, attributes)
	return opened{content: bytes.NewBuffer(clearText), authenticated: true}, err
}

// authenticator reads what follows the content of AuthEnvelopedData. The
// attributes are authenticated as a SET, whatever tag they have here.
func (b *berReader) authenticator() (tag, attributes []byte, err error) {
	if err := b.leave(); err != nil { // EncryptedContentInfo
		return nil, nil, err
	}
	if attributes, err = b.optional(tagContext1); err != nil {
		return nil, nil, err
	}
	if len(attributes) > 0 {
		attributes[0] = tagSet
	}
	mac, err := b.element()
	if err != nil {
		return nil, nil, err
	}
	if tag, err = body(mac, tagOctets); err != nil {
		return nil, nil, err
	}
	if _, err := b.optional(tagContext2); err != nil { // unauthAttrs
		return nil, nil, err
	}
	return tag, attributes, b.finish()
}

// envelopeHead reads the head that the two kinds share, up to the encrypted
// content. The first recipient whose key is here counts, and the others must be
// in order too.
func (d *Decrypter) envelopeHead(b *berReader) (mine *contentKey, how contentCipher, content *octets, err error) {
	fail := func() (*contentKey, contentCipher, *octets, error) { return nil, contentCipher{}, nil, errBER }
	if b.enter(tagSequence) != nil || b.version() != nil {
		return fail()
	}
	if _, err := b.optional(tagContext0); err != nil { // originatorInfo
		return fail()
	}
	if b.enter(tagSet) != nil {
		return fail()
	}
	f := finder{keys: d.keys}
	for {
		tag, err := b.next()
		if err != nil {
			return fail()
		}
		if tag == 0 {
			break
		}
		info, err := b.element()
		if err != nil {
			return fail()
		}
		found, err := f.find(info)
		if err != nil {
			return fail()
		}
		if mine == nil {
			mine = found
		}
	}
	if b.leave() != nil || b.enter(tagSequence) != nil { // EncryptedContentInfo
		return fail()
	}
	if kind, err := b.oid(); err != nil || kind != oidData { // RFC 8551 §3.3
		return fail()
	}
	algorithm, err := b.element()
	if err != nil {
		return fail()
	}
	if how, err = readCipher(algorithm); err != nil || mine == nil {
		return fail()
	}
	content, err = b.octetString(tagImplicit0)
	return mine, how, content, err
}

// optional reads an element if it has this tag; it is empty if there is none.
func (b *berReader) optional(tag byte) ([]byte, error) {
	next, err := b.next()
	if err != nil || next != tag {
		return nil, err
	}
	return b.element()
}

// version reads a version: a small number, of which nothing depends here that
// the elements themselves don't say.
func (b *berReader) version() error {
	der, err := b.element()
	if err != nil {
		return err
	}
	s := cryptobyte.String(der)
	var n int
	if !s.ReadASN1Integer(&n) || n < 0 || n > 5 { // RFC 5652 knows 0 to 5
		return errBER
	}
	return nil
}

func (b *berReader) oid() (string, error) {
	der, err := b.element()
	if err != nil {
		return "", err
	}
	return readOID(der)
}

// readCipher knows AES-CBC and AES-GCM of 128 to 256 bits, and triple DES. RFC
// 3565 §4, RFC 5084 §3.2, RFC 3370 §5.1.
func readCipher(der []byte) (contentCipher, error) {
	s := cryptobyte.String(der)
	algorithm, ok := readAlgorithm(&s)
	if !ok {
		return contentCipher{}, errBER
	}
	c := contentCipher{block: aes.NewCipher}
	size, gcm := aes.BlockSize, false
	switch algorithm.id {
	case oidAES128CBC:
		c.key = 16
	case oidAES192CBC:
		c.key = 24
	case oidAES256CBC:
		c.key = 32
	case oidAES128GCM:
		c.key, gcm = 16, true
	case oidAES192GCM:
		c.key, gcm = 24, true
	case oidAES256GCM:
		c.key, gcm = 32, true
	case oidTripleDES:
		c.key, size, c.block = 24, des.BlockSize, des.NewTripleDESCipher
	default:
		return contentCipher{}, errBER
	}
	if gcm {
		return c.gcm(algorithm.parameters)
	}
	iv, err := body(algorithm.parameters, tagOctets)
	if c.iv = iv; err != nil || len(iv) != size {
		return contentCipher{}, errBER
	}
	return c, nil
}

// gcm reads GCMParameters: the nonce, of the 12 octets that RFC 5084 §3.2
// recommends and everyone uses, and the octets of the tag, by default 12.
func (c contentCipher) gcm(parameters cryptobyte.String) (contentCipher, error) {
	var all, nonce cryptobyte.String
	if !read(&parameters, &all, tagSequence) || !read(&all, &nonce, tagOctets) || len(nonce) != 12 {
		return contentCipher{}, errBER
	}
	c.iv, c.tag = nonce, 12
	if !all.Empty() && (!all.ReadASN1Integer(&c.tag) || !all.Empty()) || c.tag < 12 || c.tag > 16 {
		return contentCipher{}, errBER
	}
	return c, nil
}

// cbcReader decrypts as a stream. It keeps the last block back until the end,
// whose padding (RFC 5652 §6.3) and what follows must be in order first.
type cbcReader struct {
	src   *octets
	after func() error
	mode  cipher.BlockMode
	buf   []byte
	kept  int    // encrypted octets at the front of buf
	ready []byte // clear, a part of buf
	err   error
}

func (c *cbcReader) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.fill()
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *cbcReader) fill() {
	size := c.mode.BlockSize()
	if c.buf == nil {
		c.buf = make([]byte, chunk+size)
	} else {
		copy(c.buf, c.buf[chunk:]) // the block that was kept back
	}
	n, err := io.ReadFull(c.src, c.buf[c.kept:])
	all := c.buf[:c.kept+n]
	switch err {
	case nil:
		c.mode.CryptBlocks(all[:chunk], all[:chunk])
		c.ready, c.kept = all[:chunk], size
	case io.EOF, io.ErrUnexpectedEOF:
		c.ready, c.err = c.last(all)
	default:
		c.err = err
	}
}

// last decrypts the last piece and takes the padding off, in a time that does
// not depend on it.
func (c *cbcReader) last(all []byte) ([]byte, error) {
	size := c.mode.BlockSize()
	if err := c.after(); err != nil || len(all) == 0 || len(all)%size != 0 {
		return nil, errBER
	}
	c.mode.CryptBlocks(all, all)
	pad := int(all[len(all)-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, size)
	for i := 1; i <= size; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, pad)
		same := subtle.ConstantTimeByteEq(all[len(all)-i], byte(pad))
		good &= same | (1 - inside)
	}
	if good != 1 {
		clear(all)
		return nil, errBER
	}
	return all[:len(all)-pad], io.EOF
}
