// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// ErrTooLong says that a message is longer than Config.MaxGCMBytes or
// DecryptConfig.MaxBytes. It is the cause of a Refusal (mail.size).
var ErrTooLong = errors.New("smime: the message is too long to be held in memory")

const tagBytes = 16

// authEnvelope writes ContentInfo with AuthEnvelopedData and AES-256-GCM. The
// content is kept until Close, since nothing of it counts before its tag. RFC
// 5083 §2.1, RFC 5084 §3.2.
type authEnvelope struct {
	w      io.Writer
	aead   cipher.AEAD
	nonce  []byte
	buf    []byte
	limit  int
	closed bool
	err    error
}

func newAuthEnvelope(w io.Writer, to []Recipient, rsa15 bool, limit int) (*authEnvelope, error) {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // never fails: crypto/rand
	parameters := tlv(tagSequence, tlv(tagOctets, nonce), []byte{tagInteger, 1, tagBytes})
	block, err := begin(w, to, rsa15, oidAuthEnvelopedData, algorithm(oid(oidAES256GCM), parameters))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	return &authEnvelope{w: w, aead: aead, nonce: nonce, limit: limit}, nil
}

func (a *authEnvelope) Write(p []byte) (int, error) {
	switch {
	case a.err != nil:
		return 0, a.err
	case a.closed:
		a.err = errClosed
		return 0, a.err
	case len(p) > a.limit-len(a.buf):
		a.err = mailpolicy.Rules().Refuse("mail.size", "megabytes", strconv.Itoa(a.limit>>20)).Because(ErrTooLong)
		return 0, a.err
	}
	a.grow(len(p) + tagBytes)
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// grow makes room by doubling, and for the tag too, so that a message is copied
// about once and never takes more than three times its size.
func (a *authEnvelope) grow(n int) {
	if len(a.buf)+n <= cap(a.buf) {
		return
	}
	larger := make([]byte, len(a.buf), max(2*cap(a.buf), len(a.buf)+n, chunk))
	copy(larger, a.buf)
	a.buf = larger
}

// Close encrypts in place and writes content and tag.
func (a *authEnvelope) Close() error {
	if a.closed || a.err != nil {
		a.closed = true
		return a.err
	}
	a.closed = true
	sealed := a.aead.Seal(a.buf[:0], a.nonce, a.buf, nil)
	a.buf = nil
	content, tag := sealed[:len(sealed)-tagBytes], sealed[len(sealed)-tagBytes:]
	a.err = a.finish(content, tag)
	return a.err
}

func (a *authEnvelope) finish(content, tag []byte) error {
	for len(content) > 0 {
		n := min(chunk, len(content))
		if _, err := a.w.Write(appendLength([]byte{tagOctets}, n)); err != nil {
			return err
		}
		if _, err := a.w.Write(content[:n]); err != nil {
			return err
		}
		content = content[n:]
	}
	if err := writeEnds(a.w, 2); err != nil { // content, EncryptedContentInfo
		return err
	}
	if _, err := a.w.Write(tlv(tagOctets, tag)); err != nil {
		return err
	}
	return writeEnds(a.w, 3) // AuthEnvelopedData, [0], ContentInfo
}
