// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
)

// chunk is how much content one OCTET STRING of the stream holds; a multiple of
// the block.
const chunk = 64 << 10

var errClosed = errors.New("smime: written after Close")

// envelope writes ContentInfo with EnvelopedData as a stream. RFC 5652 §6.1.
type envelope struct {
	w      io.Writer
	mode   cipher.BlockMode
	buf    []byte // room for the chunk's tag and length, then content
	fill   int    // content in buf
	closed bool
	err    error
}

// head is the room that a chunk's tag and length take.
const head = 5

func newEnvelope(w io.Writer, to []Recipient, rsa15 bool) (*envelope, error) {
	key := make([]byte, 32)
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(key) // never fails: crypto/rand
	_, _ = rand.Read(iv)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	start, err := envelopeStart(to, key, iv, rsa15)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(start); err != nil {
		return nil, err
	}
	return &envelope{w: w, mode: cipher.NewCBCEncrypter(block, iv), buf: make([]byte, head+chunk)}, nil
}

// envelopeStart is everything before the first piece of content.
func envelopeStart(to []Recipient, key, iv []byte, rsa15 bool) ([]byte, error) {
	version := byte(0)
	infos := make([][]byte, 0, len(to))
	for _, r := range to {
		info, agreed, err := recipientInfo(r.Certificate, key, rsa15)
		if err != nil {
			return nil, err
		}
		if agreed {
			version = 2
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, bytes.Compare) // the order of a SET in DER; it also hides the caller's
	var b bytes.Buffer
	b.Write([]byte{tagSequence, indefinite}) // ContentInfo
	b.Write(oid(1, 2, 840, 113549, 1, 7, 3)) // id-envelopedData
	b.Write([]byte{tagContext0, indefinite, tagSequence, indefinite})
	b.Write([]byte{tagInteger, 1, version})
	b.Write(tlv(tagSet, infos...))
	b.Write([]byte{tagSequence, indefinite}) // EncryptedContentInfo
	b.Write(oid(1, 2, 840, 113549, 1, 7, 1)) // id-data
	b.Write(algorithm(oid(2, 16, 840, 1, 101, 3, 4, 1, 42), tlv(tagOctets, iv)))
	b.Write([]byte{tagContext0, indefinite})
	return b.Bytes(), nil
}

// Write encrypts p as far as whole chunks go and keeps the rest.
func (e *envelope) Write(p []byte) (int, error) {
	if e.closed && e.err == nil {
		e.err = errClosed
	}
	n := 0
	for len(p) > 0 && e.err == nil {
		m := copy(e.buf[head+e.fill:], p)
		p = p[m:]
		n += m
		if e.fill += m; e.fill == chunk {
			e.flush()
		}
	}
	return n, e.err
}

// flush encrypts what is buffered, whole blocks, and writes it as one OCTET
// STRING.
func (e *envelope) flush() {
	content := e.buf[head : head+e.fill]
	e.mode.CryptBlocks(content, content)
	prefix := appendLength([]byte{tagOctets}, e.fill)
	from := head - len(prefix)
	copy(e.buf[from:], prefix)
	_, e.err = e.w.Write(e.buf[from : head+e.fill])
	e.fill = 0
}

// Close pads the content (RFC 5652 §6.3) and ends the message.
func (e *envelope) Close() error {
	if e.closed || e.err != nil {
		e.closed = true
		return e.err
	}
	e.closed = true
	pad := aes.BlockSize - e.fill%aes.BlockSize
	for range pad {
		e.buf[head+e.fill] = byte(pad)
		e.fill++
	}
	e.flush()
	if e.err == nil {
		const open = 5 // content, EncryptedContentInfo, EnvelopedData, [0], ContentInfo
		for range open {
			if _, e.err = io.WriteString(e.w, endOfContents); e.err != nil {
				break
			}
		}
	}
	return e.err
}
