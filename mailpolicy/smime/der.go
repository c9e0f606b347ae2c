// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"encoding/asn1"
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
	}
	return append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
}

// oid encodes an object identifier that is written in this package, so that it
// can't fail.
func oid(arcs ...int) []byte {
	der, _ := asn1.Marshal(asn1.ObjectIdentifier(arcs))
	return der
}

func algorithm(id []byte, parameters ...[]byte) []byte {
	return tlv(tagSequence, append([][]byte{id}, parameters...)...)
}
