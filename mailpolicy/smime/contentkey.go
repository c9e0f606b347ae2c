// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:staticcheck // to read what old programs write
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // a checksum and a KDF that others chose
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// maxRecipients bounds the recipients of one message, each of which is compared
// with every key here: ten times what Exchange Online lets a message have.
const maxRecipients = 10_000

// contentKey is a content key as one recipient gets it, and the key of ours
// that opens it.
type contentKey struct {
	key    Key
	how    algorithmID
	secret []byte
	// Of key agreement: the sender's public point, and what both sides mix in.
	point, ukm []byte
}

// cipher returns the block cipher under the content key. Where the key can't be
// had, the cipher is under a random one: the error then comes where a wrong
// content shows it, at the same place whatever was wrong (RFC 3218 §2.3.2).
// That holds for a token that fails, too.
func (c *contentKey) cipher(how contentCipher) (cipher.Block, error) {
	key := make([]byte, how.key)
	_, _ = rand.Read(key) // never fails: crypto/rand
	defer clear(key)
	var found []byte
	var err error
	if c.point == nil {
		found, err = c.transported(how.key)
	} else {
		found, err = c.agreed()
	}
	if err == nil && len(found) == len(key) {
		copy(key, found)
	}
	clear(found)
	return how.block(key)
}

// finder looks for a recipient whose key is here.
type finder struct {
	keys []Key
	seen int // recipients
}

// next counts one more recipient.
func (f *finder) next() bool {
	f.seen++
	return f.seen <= maxRecipients
}

// find reads one RecipientInfo and returns its key if it is for us. RFC 5652
// §6.2.
func (f *finder) find(info []byte) (*contentKey, error) {
	s := cryptobyte.String(info)
	var all cryptobyte.String
	switch info[0] {
	case tagSequence:
		if read(&s, &all, tagSequence) {
			return f.transported(all)
		}
	case tagContext1:
		if read(&s, &all, tagContext1) {
			return f.agreed(all)
		}
	case tagContext2, tagContext3, tagContext4: // keys of other kinds: nobody's here
		if f.next() {
			return nil, nil
		}
	}
	return nil, errBER
}

// transported reads KeyTransRecipientInfo. RFC 5652 §6.2.1.
func (f *finder) transported(s cryptobyte.String) (*contentKey, error) {
	var version int
	var who cryptobyte.String
	var secret cryptobyte.String
	if !s.ReadASN1Integer(&version) || !s.ReadAnyASN1Element(&who, nil) {
		return nil, errBER
	}
	how, ok := readAlgorithm(&s)
	if !ok || !read(&s, &secret, tagOctets) || !s.Empty() || !f.next() {
		return nil, errBER
	}
	for _, k := range f.keys {
		if _, ok := k.Certificate.PublicKey.(*rsa.PublicKey); ok && named(k.Certificate, who, tagImplicit0) {
			return &contentKey{key: k, how: how, secret: secret}, nil
		}
	}
	return nil, nil
}

// agreed reads KeyAgreeRecipientInfo. RFC 5652 §6.2.2, RFC 5753 §3.1.1.
func (f *finder) agreed(s cryptobyte.String) (*contentKey, error) {
	var version int
	var originator, public, point, ukm, keys cryptobyte.String
	if !s.ReadASN1Integer(&version) || !read(&s, &originator, tagContext0) {
		return nil, errBER
	}
	// A sender with a static key (the other choices) is not known to us.
	if !read(&originator, &public, tagContext1) {
		if f.next() {
			return nil, nil
		}
		return nil, errBER
	}
	if _, ok := readAlgorithm(&public); !ok || !read(&public, &point, tagBitString) || len(point) == 0 || point[0] != 0 {
		return nil, errBER
	}
	if len(s) > 0 && s[0] == tagContext1 && (!read(&s, &ukm, tagContext1) || !read(&ukm, &ukm, tagOctets)) {
		return nil, errBER
	}
	how, ok := readAlgorithm(&s)
	if !ok || !read(&s, &keys, tagSequence) || !s.Empty() {
		return nil, errBER
	}
	var mine *contentKey
	for !keys.Empty() {
		var one, who, secret cryptobyte.String
		if !read(&keys, &one, tagSequence) || !one.ReadAnyASN1Element(&who, nil) || !read(&one, &secret, tagOctets) || !f.next() {
			return nil, errBER
		}
		for _, k := range f.keys {
			if _, ok := k.Certificate.PublicKey.(*ecdsa.PublicKey); ok && mine == nil && named(k.Certificate, who, tagContext0) {
				mine = &contentKey{key: k, how: how, secret: secret, point: point[1:], ukm: ukm}
			}
		}
	}
	return mine, nil
}

// transported opens a key that was encrypted for an RSA key. RFC 8017 §7, RFC
// 4055 §4.1.
func (c *contentKey) transported(size int) ([]byte, error) {
	var opts crypto.DecrypterOpts
	switch c.how.id {
	case oidRSA:
		opts = &rsa.PKCS1v15DecryptOptions{SessionKeyLen: size} //nolint:staticcheck // what openssl writes unasked; see cipher for what is done about it
	case oidOAEP:
		oaep, err := readOAEP(c.how.parameters)
		if err != nil {
			return nil, err
		}
		opts = oaep
	default:
		return nil, errBER
	}
	return c.key.Private.(crypto.Decrypter).Decrypt(rand.Reader, c.secret, opts)
}

// readOAEP reads RSAES-OAEP-params. RFC 4055 §4.1.
func readOAEP(parameters cryptobyte.String) (*rsa.OAEPOptions, error) {
	var all, label cryptobyte.String
	var labelled bool
	if !read(&parameters, &all, tagSequence) || !parameters.Empty() {
		return nil, errBER
	}
	hash, mask, ok := hashAndMask(&all)
	if !ok || !all.ReadOptionalASN1(&label, &labelled, der.Tag(tagContext2)) || !all.Empty() {
		return nil, errBER
	}
	if labelled { // nobody uses one
		source, ok := readAlgorithm(&label)
		if !ok || source.id != oidPSpecified || !bytes.Equal(source.parameters, []byte{tagOctets, 0}) {
			return nil, errBER
		}
	}
	return &rsa.OAEPOptions{Hash: hash, MGFHash: mask}, nil
}

// hashAndMask reads what RSAES-OAEP-params and RSASSA-PSS-params begin with: the
// hash and that of the mask, each SHA-1 where it is absent. RFC 4055 §3.1, §4.1.
func hashAndMask(s *cryptobyte.String) (hash, mask crypto.Hash, ok bool) {
	hash, mask = crypto.SHA1, crypto.SHA1
	var field cryptobyte.String
	var given bool
	if !s.ReadOptionalASN1(&field, &given, der.Tag(tagContext0)) {
		return 0, 0, false
	}
	if given {
		named, ok := readAlgorithm(&field)
		if hash = hashOf(named.id); !ok || !field.Empty() {
			return 0, 0, false
		}
	}
	if !s.ReadOptionalASN1(&field, &given, der.Tag(tagContext1)) {
		return 0, 0, false
	}
	if given {
		function, ok := readAlgorithm(&field)
		over := cryptobyte.String(function.parameters)
		named, okay := readAlgorithm(&over)
		if mask = hashOf(named.id); !ok || !okay || function.id != oidMGF1 || !field.Empty() || !over.Empty() {
			return 0, 0, false
		}
	}
	return hash, mask, hash != 0 && mask != 0
}

func hashOf(id string) crypto.Hash {
	switch id {
	case oidSHA1:
		return crypto.SHA1
	case oidSHA256:
		return crypto.SHA256
	case oidSHA384:
		return crypto.SHA384
	case oidSHA512:
		return crypto.SHA512
	}
	return 0
}

// agreed derives the key that wraps the content key and unwraps it. RFC 5753
// §3.1.3; openssl's default is SHA-1 for the derivation, and for a message in
// triple DES its own wrap.
func (c *contentKey) agreed() ([]byte, error) {
	public, err := c.key.Certificate.PublicKey.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		return nil, err
	}
	theirs, err := public.Curve().NewPublicKey(c.point)
	if err != nil {
		return nil, err
	}
	wrapping := cryptobyte.String(c.how.parameters)
	wrap, ok := readAlgorithm(&wrapping)
	if !ok {
		return nil, errBER
	}
	size, unwrap := 0, unwrapKey
	switch wrap.id {
	case oidAES128Wrap:
		size = 16
	case oidAES192Wrap:
		size = 24
	case oidAES256Wrap:
		size = 32
	case oidTripleDESWrap:
		size, unwrap = 24, unwrapTripleDES
	default:
		return nil, errBER
	}
	hash := kdfHash(c.how.id)
	if hash == 0 {
		return nil, errBER
	}
	shared, err := c.key.Private.(Agreer).ECDH(theirs)
	if err != nil {
		return nil, err
	}
	defer clear(shared)
	kek := x963KDF(hash, shared, c.how.parameters, c.ukm, size)
	defer clear(kek)
	return unwrap(kek, c.secret)
}

// kdfHash is the hash of a scheme of one-pass Diffie-Hellman. With and without
// cofactor are the same on the NIST curves, whose cofactor is 1. RFC 5753
// §7.1.4.
func kdfHash(scheme string) crypto.Hash {
	switch scheme {
	case oidDHSHA1, oidCofactorSHA1:
		return crypto.SHA1
	case oidDHSHA256, oidCofactorSHA256:
		return crypto.SHA256
	case oidDHSHA384, oidCofactorSHA384:
		return crypto.SHA384
	case oidDHSHA512, oidCofactorSHA512:
		return crypto.SHA512
	}
	return 0
}

// unwrapKey undoes wrapKey. RFC 3394 §2.2.2.
func unwrapKey(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil || len(wrapped)%8 != 0 || len(wrapped) < 24 || len(wrapped) > 64 {
		return nil, errBER
	}
	n := len(wrapped)/8 - 1
	key := bytes.Clone(wrapped[8:])
	var b [16]byte
	copy(b[:8], wrapped)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(n*j+i))
			copy(b[8:], key[(i-1)*8:])
			block.Decrypt(b[:], b[:])
			copy(key[(i-1)*8:], b[8:])
		}
	}
	if subtle.ConstantTimeCompare(b[:8], []byte(wrapStart)) != 1 {
		clear(key)
		return nil, errBER
	}
	return key, nil
}

// unwrapTripleDES takes a triple DES key out of its wrap. RFC 3217 §3.2.
func unwrapTripleDES(kek, wrapped []byte) ([]byte, error) {
	block, err := des.NewTripleDESCipher(kek)
	if err != nil || len(wrapped) != 40 { // IV, key and checksum
		return nil, errBER
	}
	b := bytes.Clone(wrapped)
	cipher.NewCBCDecrypter(block, []byte("\x4a\xdd\xa2\x2c\x79\xe8\x21\x05")).CryptBlocks(b, b)
	slices.Reverse(b)
	cipher.NewCBCDecrypter(block, b[:8]).CryptBlocks(b[8:], b[8:])
	key, sum := b[8:32], sha1.Sum(b[8:32])
	if subtle.ConstantTimeCompare(b[32:], sum[:8]) != 1 {
		clear(b)
		return nil, errBER
	}
	return key, nil
}
