// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"encoding/asn1"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// DER tags (X.690 §8) as CMS uses them.
const (
	tagInteger    = 0x02
	tagBitString  = 0x03
	tagOctets     = 0x04
	tagNull       = 0x05
	tagSequence   = 0x30
	tagSet        = 0x31
	tagContext0   = 0xa0 // [0], constructed
	tagContext1   = 0xa1
	tagContext2   = 0xa2
	tagContext3   = 0xa3
	tagContext4   = 0xa4
	tagImplicit0  = 0x80 // [0] over a primitive type
	constructed   = 0x20
	indefinite    = 0x80 // a length that an end-of-contents closes
	endOfContents = "\x00\x00"
)

// tlv encodes one element of the parts one after another.
func tlv(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := append(make([]byte, 0, n+6), tag)
	out = appendLength(out, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func appendLength(out []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(out, byte(n))
	case n < 1<<8:
		return append(out, 0x81, byte(n))
	case n < 1<<16:
		return append(out, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		return append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// oid encodes an object identifier that is written in this package, so that it
// can't fail.
func oid(dotted string) []byte {
	var id asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(dotted, ".") {
		n, _ := strconv.Atoi(arc)
		id = append(id, n)
	}
	encoded, _ := asn1.Marshal(id)
	return encoded
}

func readOID(element []byte) (string, error) {
	s := cryptobyte.String(element)
	var id asn1.ObjectIdentifier
	if !s.ReadASN1ObjectIdentifier(&id) || !s.Empty() {
		return "", errBER
	}
	return id.String(), nil
}

func algorithm(id []byte, parameters ...[]byte) []byte {
	return tlv(tagSequence, append([][]byte{id}, parameters...)...)
}

// read takes the next element of s, which must have this tag, and hands out its
// content.
func read(s, content *cryptobyte.String, tag byte) bool {
	return s.ReadASN1(content, der.Tag(tag))
}

// algorithmID is an AlgorithmIdentifier that was read.
type algorithmID struct {
	id         string // dotted
	parameters []byte // a whole element, empty where absent
}

func readAlgorithm(s *cryptobyte.String) (algorithmID, bool) {
	var all cryptobyte.String
	var id asn1.ObjectIdentifier
	if !read(s, &all, tagSequence) || !all.ReadASN1ObjectIdentifier(&id) {
		return algorithmID{}, false
	}
	return algorithmID{id.String(), all}, true
}
