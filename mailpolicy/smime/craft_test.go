// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// Messages that no program writes, made by hand.

// el encodes one element.
func el(tag byte, parts ...[]byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: int(tag >> 6), Tag: int(tag & 0x1f), IsCompound: tag&0x20 != 0, Bytes: bytes.Join(parts, nil)})
	if err != nil {
		panic(err)
	}
	return der
}

func oidOf(dotted string) []byte {
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(dotted, ".") {
		n := 0
		if _, err := fmt.Sscan(arc, &n); err != nil {
			panic(err)
		}
		oid = append(oid, n)
	}
	der, err := asn1.Marshal(oid)
	if err != nil {
		panic(err)
	}
	return der
}

// nameOf is IssuerAndSerialNumber.
func nameOf(t testing.TB, cert *x509.Certificate) []byte {
	t.Helper()
	serial, err := asn1.Marshal(cert.SerialNumber)
	require.NoError(t, err)
	return el(0x30, cert.RawIssuer, serial)
}

// crafted is an envelope. The zero value of a field is what is
// in order.
type crafted struct {
	kind        string // of the ContentInfo
	inner       string // of the content
	cipher      []byte // AlgorithmIdentifier
	transport   []byte // AlgorithmIdentifier
	secret      []byte // the encrypted content key
	content     []byte // encrypted
	attributes  []byte // authAttrs, [1]
	tag         []byte // for AuthEnvelopedData
	infos       []byte // instead of the one RecipientInfo
	behind      []byte
	unprotected []byte
}

const (
	envelopedData     = "1.2.840.113549.1.7.3"
	signedData        = "1.2.840.113549.1.7.2"
	authEnvelopedData = "1.2.840.113549.1.9.16.1.23"
	idData            = "1.2.840.113549.1.7.1"
)

func (c crafted) der(t testing.TB, to mailtest.Identity) []byte {
	t.Helper()
	if c.infos == nil {
		c.infos = el(0x30, []byte{2, 1, 0}, nameOf(t, to.Certificate), c.transport, el(4, c.secret))
	}
	if c.inner == "" {
		c.inner = idData
	}
	parts := [][]byte{{2, 1, 0}, el(0x31, c.infos), el(0x30, oidOf(c.inner), c.cipher, el(0x80, c.content))}
	if c.attributes != nil {
		parts = append(parts, c.attributes)
	}
	if c.tag != nil {
		parts = append(parts, el(4, c.tag))
	}
	parts = append(parts, c.unprotected)
	return append(el(0x30, oidOf(c.kind), el(0xa0, el(0x30, parts...))), c.behind...)
}

var (
	rsa15 = el(0x30, oidOf("1.2.840.113549.1.1.1"), []byte{5, 0})
	oaep  = el(0x30, oidOf("1.2.840.113549.1.1.7"), el(0x30)) // SHA-1 by default
)

func cbcOf(key, iv, padded []byte) (algorithm, content []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	content = bytes.Clone(padded)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(content, content)
	return el(0x30, oidOf("2.16.840.1.101.3.4.1.42"), el(4, iv)), content
}

// gcmOf seals with a tag of tagSize octets and names it in the parameters
// unless it is the default of 12.
func gcmOf(key, nonce, clearText, attributes []byte, tagSize int) (algorithm, content, tag []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithTagSize(block, tagSize)
	if err != nil {
		panic(err)
	}
	sealed := aead.Seal(nil, nonce, clearText, attributes)
	parameters := el(0x30, el(4, nonce))
	if tagSize != 12 {
		parameters = el(0x30, el(4, nonce), []byte{2, 1, byte(tagSize)})
	}
	at := len(sealed) - tagSize
	return el(0x30, oidOf("2.16.840.1.101.3.4.1.46"), parameters), sealed[:at], sealed[at:]
}

// asBER writes a DER message in another way each time: lengths that are
// indefinite or longer than they need be, octet strings in pieces, some of
// them in pieces again.
func asBER(r *mathrand.Rand, der []byte) []byte {
	var out []byte
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			panic(err)
		}
		der = rest
		tag := v.FullBytes[0]
		switch {
		case v.IsCompound:
			out = append(out, lengthened(r, tag, asBER(r, v.Bytes))...)
		case tag == 0x04 || tag == 0x80:
			out = append(out, lengthened(r, tag|0x20, inPieces(r, v.Bytes, 3))...)
		default:
			out = append(out, v.FullBytes...)
		}
	}
	return out
}

func lengthened(r *mathrand.Rand, tag byte, content []byte) []byte {
	if r.IntN(2) == 0 {
		return append(append([]byte{tag, 0x80}, content...), 0, 0)
	}
	n := len(content)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
}

func inPieces(r *mathrand.Rand, content []byte, depth int) []byte {
	var out []byte
	for len(content) > 0 {
		n := 1 + r.IntN(min(len(content), 5000))
		if piece := content[:n]; depth > 0 && r.IntN(3) == 0 {
			out = append(out, lengthened(r, 0x24, inPieces(r, piece, depth-1))...)
		} else {
			out = append(out, el(4, piece)...)
		}
		content = content[n:]
		if r.IntN(4) == 0 {
			out = append(out, 4, 0) // an empty piece
		}
	}
	return out
}

// inMail puts CMS into a message.
func inMail(der []byte) []byte {
	return append([]byte("From: "+home+"\r\nSubject: [secure] [...]\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
		base64.StdEncoding.EncodeToString(der)...)
}

// derOf is the CMS inside a message.
func derOf(t testing.TB, mail []byte) []byte {
	t.Helper()
	_, body, _ := bytes.Cut(mail, []byte("\r\n\r\n"))
	der, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(body), "\r\n", ""))
	require.NoError(t, err)
	return der
}

// craftedSignature is SignedData with one signer. The zero value of a field is
// what is in order.
type craftedSignature struct {
	content    []byte
	hash       crypto.Hash
	digestID   string
	how        []byte // AlgorithmIdentifier
	attributes [][]byte
	bag        []*x509.Certificate
	more       []byte // SignerInfos of others
}

func attribute(id string, value []byte) []byte { return el(0x30, oidOf(id), el(0x31, value)) }

const (
	contentType   = "1.2.840.113549.1.9.3"
	messageDigest = "1.2.840.113549.1.9.4"
	signingTime   = "1.2.840.113549.1.9.5"
)

// inOrder are the attributes that make a signature of content.
func (c craftedSignature) inOrder() [][]byte {
	h := c.hash.New()
	h.Write(c.content)
	return [][]byte{attribute(contentType, oidOf(idData)), attribute(messageDigest, el(4, h.Sum(nil)))}
}

// info is the SignerInfo.
func (c craftedSignature) info(t testing.TB, cert *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	if c.attributes == nil {
		c.attributes = c.inOrder()
	}
	set := el(0x31, c.attributes...)
	signed, hash := set, crypto.Hash(0)
	if _, pure := key.(ed25519.PrivateKey); !pure {
		h := c.hash.New()
		h.Write(set)
		signed, hash = h.Sum(nil), c.hash
	}
	signature, err := key.Sign(rand.Reader, signed, hash)
	require.NoError(t, err)
	return el(0x30, []byte{2, 1, 1}, nameOf(t, cert), el(0x30, oidOf(c.digestID)), el(0xa0, c.attributes...), c.how, el(4, signature))
}

func (c craftedSignature) der(t testing.TB, cert *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	bag := cert.Raw
	for i, other := range c.bag {
		if i == 0 {
			bag = nil
		}
		bag = append(bag[:len(bag):len(bag)], other.Raw...)
	}
	return el(0x30, oidOf(signedData), el(0xa0, el(0x30, []byte{2, 1, 1}, el(0x31, el(0x30, oidOf(c.digestID))),
		el(0x30, oidOf(idData), el(0xa0, el(4, c.content))), el(0xa0, bag), el(0x31, c.info(t, cert, key), c.more))))
}
