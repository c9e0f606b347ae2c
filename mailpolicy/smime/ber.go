// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bufio"
	"errors"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

const (
	// maxDepth bounds how many BER elements may be open at once. A certificate
	// inside SignedData needs about a dozen; more is an attack on whoever parses
	// by recursion.
	maxDepth = 32
	// maxElement bounds what is read into memory as one piece, the content left
	// aside: one recipient, the certificates, the attributes. The certificates of
	// a chain take some ten kilobytes.
	maxElement = 256 << 10
)

// errBER is every fault of form. It becomes ErrUnreadable before it leaves the
// package.
var errBER = errors.New("smime: not the BER that CMS allows")

// berReader reads BER (X.690 §8) as a stream, with definite and indefinite
// lengths; elements are opened and left one inside the other.
type berReader struct {
	r    *bufio.Reader
	pos  int64
	ends []int64 // where each open element ends; negative if an end-of-contents does that
}

func newBERReader(r io.Reader) *berReader {
	return &berReader{r: bufio.NewReaderSize(r, chunk)}
}

// room is how much the innermost element of definite length still holds, or
// negative if none is open.
func (b *berReader) room() int64 {
	for i := len(b.ends) - 1; i >= 0; i-- {
		if b.ends[i] >= 0 {
			return b.ends[i] - b.pos
		}
	}
	return -1
}

func (b *berReader) octet() (byte, error) {
	if b.room() == 0 {
		return 0, errBER
	}
	c, err := b.r.ReadByte()
	if err != nil {
		return 0, errBER
	}
	b.pos++
	return c, nil
}

// header reads a tag and a length, which is negative where it is indefinite.
// Tags above 30 do not occur in CMS.
func (b *berReader) header() (tag byte, length int64, err error) {
	if tag, err = b.octet(); err != nil {
		return 0, 0, err
	}
	first, err := b.octet()
	if err != nil || tag&0x1f == 0x1f {
		return 0, 0, errBER
	}
	switch {
	case first < 0x80:
		length = int64(first)
	case first == indefinite && tag&constructed != 0:
		return tag, -1, nil
	case first == indefinite || first > 0x88:
		return 0, 0, errBER
	default:
		for range first & 0x7f {
			c, err := b.octet()
			if err != nil || length >= 1<<40 {
				return 0, 0, errBER
			}
			length = length<<8 | int64(c)
		}
	}
	if room := b.room(); room >= 0 && length > room {
		return 0, 0, errBER
	}
	return tag, length, nil
}

func (b *berReader) push(length int64) error {
	if len(b.ends) == maxDepth {
		return errBER
	}
	end := int64(-1)
	if length >= 0 {
		end = b.pos + length
	}
	b.ends = append(b.ends, end)
	return nil
}

// enter opens a constructed element, which must have this tag.
func (b *berReader) enter(want byte) error {
	tag, length, err := b.header()
	if err != nil || tag != want {
		return errBER
	}
	return b.push(length)
}

// next returns the tag of the next element of the open one, and zero at its
// end.
func (b *berReader) next() (byte, error) {
	end := b.ends[len(b.ends)-1]
	if b.pos == end {
		return 0, nil
	}
	if b.room() == 0 {
		return 0, errBER
	}
	ahead, err := b.r.Peek(1)
	if err != nil || ahead[0] == 0 && end >= 0 { // no tag, and nothing to end here
		return 0, errBER
	}
	return ahead[0], nil
}

// leave closes the innermost open element, which must be at its end.
func (b *berReader) leave() error {
	tag, err := b.next()
	if err != nil || tag != 0 {
		return errBER
	}
	if b.ends[len(b.ends)-1] < 0 {
		if _, length, err := b.header(); err != nil || length != 0 {
			return errBER
		}
	}
	b.ends = b.ends[:len(b.ends)-1]
	return nil
}

// finish leaves all open elements and wants nothing after them.
func (b *berReader) finish() error {
	for len(b.ends) > 0 {
		if err := b.leave(); err != nil {
			return err
		}
	}
	if _, err := b.r.Peek(1); err != io.EOF {
		return errBER
	}
	return nil
}

// element reads one whole element with the lengths of DER and a constructed
// OCTET STRING in one piece.
func (b *berReader) element() ([]byte, error) {
	return b.piece(b.pos)
}

// piece is element, for a part of the one that began at start.
func (b *berReader) piece(start int64) ([]byte, error) {
	tag, length, err := b.header()
	if err != nil || length > maxElement {
		return nil, errBER
	}
	if tag&constructed == 0 {
		content := make([]byte, length)
		if _, err := io.ReadFull(b.r, content); err != nil {
			return nil, errBER
		}
		b.pos += length
		return tlv(tag, content), nil
	}
	if err := b.push(length); err != nil {
		return nil, err
	}
	var content []byte
	for {
		inner, err := b.next()
		if err != nil || b.pos-start > maxElement {
			return nil, errBER
		}
		if inner == 0 {
			break
		}
		part, err := b.piece(start)
		if err != nil {
			return nil, err
		}
		if tag == tagOctets|constructed {
			if part, err = body(part, tagOctets); err != nil {
				return nil, err
			}
		}
		content = append(content, part...)
	}
	if tag == tagOctets|constructed {
		tag = tagOctets
	}
	return tlv(tag, content), b.leave()
}

// body is the content of a DER element, which must have this tag and be all
// there is.
func body(der []byte, tag byte) ([]byte, error) {
	s := cryptobyte.String(der)
	var content cryptobyte.String
	if !read(&s, &content, tag) || !s.Empty() {
		return nil, errBER
	}
	return content, nil
}

// octets reads the content of one OCTET STRING, in one piece or in many, as a
// stream. RFC 5652 allows both; X.690 §8.7.
type octets struct {
	b    *berReader
	base int // how many elements were open before
	left int64
}

// octetString opens an OCTET STRING of this primitive tag.
func (b *berReader) octetString(want byte) (*octets, error) {
	tag, length, err := b.header()
	o := &octets{b: b, base: len(b.ends)}
	switch {
	case err != nil:
		return nil, err
	case tag == want:
		o.left = length
	case tag == want|constructed:
		return o, b.push(length)
	default:
		return nil, errBER
	}
	return o, nil
}

// Read returns io.EOF at the end of the string, and errBER for every fault of
// it.
func (o *octets) Read(p []byte) (int, error) {
	for o.left == 0 {
		if len(o.b.ends) == o.base {
			return 0, io.EOF
		}
		if err := o.piece(); err != nil {
			return 0, err
		}
	}
	n, err := o.b.r.Read(p[:min(int64(len(p)), o.left)])
	o.left -= int64(n)
	o.b.pos += int64(n)
	if err != nil {
		return n, errBER
	}
	return n, nil
}

// piece goes on to the next piece of the string, into it or out of it.
func (o *octets) piece() error {
	tag, err := o.b.next()
	switch {
	case err != nil:
		return err
	case tag == 0:
		return o.b.leave()
	}
	tag, length, err := o.b.header()
	switch {
	case err != nil:
		return err
	case tag == tagOctets:
		o.left = length
		return nil
	case tag == tagOctets|constructed:
		return o.b.push(length)
	}
	return errBER
}
