// SPDX-License-Identifier: Apache-2.0

// Package sealed encrypts what is kept in a store piece by piece, so that
// content of any size takes the memory of one piece.
//
//	key, err := sealed.Key(secret, id, "content")
//	w, err := sealed.NewWriter(key, put)
//	r, err := sealed.NewReader(key, get)
//
// Each piece is AES-256-GCM under a nonce that holds its number and whether it
// is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
// Vizár, 2015): a piece that is altered, left out, moved or taken from another
// content, and an end that is cut off, are all found by the reader, before it
// gives out a byte of the piece. A key is good for one content only.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

// PieceBytes is the length of every piece's clear text but the last's: what a
// message of ordinary length fits into, and small enough that many are written
// at once.
const PieceBytes = 128 << 10

// KeyBytes is the length of a key, and the least of a secret.
const KeyBytes = 32

// ErrDamaged says that what the store gave back is not what was sealed, or was
// sealed under another key.
var ErrDamaged = errors.New("sealed: the content was altered, or was sealed with another key")

// ErrMissing is what a Reader's get returns for a piece that is not there.
var ErrMissing = errors.New("sealed: there is no such piece")

// Key derives the key of one content and purpose (RFC 5869, SHA-256).
func Key(secret []byte, content, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, []byte(content), "wardkey mail "+purpose, KeyBytes)
}

// Writer seals what is written to it. It is not safe for concurrent use.
type Writer struct {
	aead   cipher.AEAD
	put    func(n int, piece []byte) error
	plain  []byte
	n      int
	closed bool
}

// NewWriter hands each sealed piece to put, which may keep it.
func NewWriter(key []byte, put func(n int, piece []byte) error) (*Writer, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &Writer{aead: aead, put: put}, nil
}

// Write seals each piece when the next one begins.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if len(w.plain) == PieceBytes {
			if err := w.seal(false); err != nil {
				return written, err
			}
		}
		m := min(len(p), PieceBytes-len(w.plain))
		w.plain = append(w.plain, p[:m]...)
		p, written = p[m:], written+m
	}
	return written, nil
}

// Close seals the last piece. Without it, the content is damaged.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.seal(true)
}

func (w *Writer) seal(last bool) error {
	piece := w.aead.Seal(nil, nonce(w.n, last), w.plain, nil)
	clear(w.plain)
	w.plain = w.plain[:0]
	w.n++
	return w.put(w.n-1, piece)
}

// Reader opens what a Writer sealed.
type Reader struct {
	aead cipher.AEAD
	get  func(n int) ([]byte, error)
	rest []byte
	n    int
	err  error
}

// NewReader asks get for each piece when it is read. An error of get other than
// ErrMissing is Read's.
func NewReader(key []byte, get func(n int) ([]byte, error)) (*Reader, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &Reader{aead: aead, get: get}, nil
}

// Read gives out nothing of a piece that is damaged (ErrDamaged).
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.rest, r.err = r.open()
	}
	n := copy(p, r.rest)
	clear(r.rest[:n])
	r.rest = r.rest[n:]
	return n, nil
}

// open returns the next piece, with io.EOF where it is the last.
func (r *Reader) open() ([]byte, error) {
	piece, err := r.get(r.n)
	if errors.Is(err, ErrMissing) {
		return nil, ErrDamaged
	}
	if err != nil {
		return nil, err
	}
	if plain, err := r.aead.Open(nil, nonce(r.n, false), piece, nil); err == nil {
		r.n++
		return plain, nil
	}
	plain, err := r.aead.Open(nil, nonce(r.n, true), piece, nil)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, io.EOF
}

// nonce is the piece's number, and 1 in the last byte of the last piece.
func nonce(n int, last bool) []byte {
	out := make([]byte, 12)
	binary.BigEndian.PutUint64(out[3:], uint64(n)) // #nosec G115 -- counted from 0
	if last {
		out[11] = 1
	}
	return out
}

// Seal seals something short that may be sealed anew under the same key, under
// a random nonce: no more than some thousand times a key.
func Seal(key, plain []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	n := make([]byte, aead.NonceSize())
	_, _ = rand.Read(n) // crypto/rand.Read never fails
	return aead.Seal(n, n, plain, nil), nil
}

// Open opens what Seal sealed, or ErrDamaged.
func Open(key, sealed []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrDamaged
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeyBytes {
		return nil, errors.New("sealed: a key has 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
