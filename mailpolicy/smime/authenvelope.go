// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// ErrTooLong says that a message is longer than Config.MaxGCMBytes or
// DecryptConfig.MaxBytes. It is the cause of a Refusal (mail.size).
var ErrTooLong = errors.New("smime: the message is too long to be held in memory")

const tagBytes = 16

// authEnvelope writes ContentInfo with AuthEnvelopedData and AES-256-GCM. The
// content is kept until Close, since nothing of it counts before its tag. RFC
// 5083 §2.1, RFC 5084 §3.2.
type authEnvelope struct {
	w       io.Writer
	aead    cipher.AEAD
	nonce   []byte
	content held
	closed  bool
	err     error
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
	return &authEnvelope{w: w, aead: aead, nonce: nonce, content: held{limit: limit}}, nil
}

// open is the error that keeps more content out.
func (a *authEnvelope) open() error {
	if a.closed && a.err == nil {
		a.err = errClosed
	}
	return a.err
}

func (a *authEnvelope) Write(p []byte) (n int, err error) {
	if err := a.open(); err != nil {
		return 0, err
	}
	n, a.err = a.content.Write(p)
	return n, a.err
}

// ReadFrom is Write for io.Copy, without a copy between.
func (a *authEnvelope) ReadFrom(r io.Reader) (n int64, err error) {
	if err := a.open(); err != nil {
		return 0, err
	}
	n, a.err = a.content.ReadFrom(r)
	return n, a.err
}

// Close encrypts in place and writes content and tag.
func (a *authEnvelope) Close() error {
	if a.closed || a.err != nil {
		a.closed = true
		return a.err
	}
	a.closed = true
	whole := a.content.join(tagBytes)
	sealed := a.aead.Seal(whole[:0], a.nonce, whole, nil)
	content, tag := sealed[:len(sealed)-tagBytes], sealed[len(sealed)-tagBytes:]
	a.err = a.finish(content, tag)
	return a.err
}

func (a *authEnvelope) finish(content, tag []byte) error {
	if _, err := a.w.Write(appendLength([]byte{tagOctets}, len(content))); err != nil {
		return err
	}
	if _, err := a.w.Write(content); err != nil {
		return err
	}
	if err := writeEnds(a.w, 2); err != nil { // content, EncryptedContentInfo
		return err
	}
	if _, err := a.w.Write(tlv(tagOctets, tag)); err != nil {
		return err
	}
	return writeEnds(a.w, 3) // AuthEnvelopedData, [0], ContentInfo
}
