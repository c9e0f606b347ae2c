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
	"strings"
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
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails: crypto/rand
	block, err := begin(w, to, rsa15, oidEnvelopedData,
		algorithm(oid(oidAES256CBC), tlv(tagOctets, iv)))
	if err != nil {
		return nil, err
	}
	return &envelope{w: w, mode: cipher.NewCBCEncrypter(block, iv), buf: make([]byte, head+chunk)}, nil
}

// begin draws a content key, writes everything before the first piece of
// content, and returns the cipher under that key.
func begin(w io.Writer, to []Recipient, rsa15 bool, kind string, how []byte) (cipher.Block, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	start, err := envelopeStart(to, key, rsa15, kind, how)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(start)
	return block, err
}

// envelopeStart is EnvelopedData, or AuthEnvelopedData, which has the same
// form up to its content and is always version 0 (RFC 5083 §2.1).
func envelopeStart(to []Recipient, key []byte, rsa15 bool, kind string, how []byte) ([]byte, error) {
	version := byte(0)
	infos := make([][]byte, 0, len(to))
	for _, r := range to {
		info, agreed, err := recipientInfo(r.Certificate, key, rsa15)
		if err != nil {
			return nil, err
		}
		if agreed && kind != oidAuthEnvelopedData {
			version = 2
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, bytes.Compare) // the order of a SET in DER; it also hides the caller's
	var b bytes.Buffer
	b.Write([]byte{tagSequence, indefinite}) // ContentInfo
	b.Write(oid(kind))
	b.Write([]byte{tagContext0, indefinite, tagSequence, indefinite})
	b.Write([]byte{tagInteger, 1, version})
	b.Write(tlv(tagSet, infos...))
	b.Write([]byte{tagSequence, indefinite}) // EncryptedContentInfo
	b.Write(oid(oidData))
	b.Write(how)
	b.Write([]byte{tagContext0, indefinite})
	return b.Bytes(), nil
}

// writeEnds closes elements of indefinite length.
func writeEnds(w io.Writer, n int) error {
	_, err := io.WriteString(w, strings.Repeat(endOfContents, n))
	return err
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
		e.err = writeEnds(e.w, 5) // content, EncryptedContentInfo, EnvelopedData, [0], ContentInfo
	}
	return e.err
}
