// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// ErrUnreadable is the cause of the one Refusal (mail.unreadable) for a message
// that can't be opened: it is not
// in order, or was altered, or is for nobody here, or its signature does not
// hold. Which of these it was is not told, because whoever may send many
// altered copies of a message and learn the reason each time can learn what is
// in it (Bleichenbacher, Vaudenay).
var ErrUnreadable = errors.New("smime: the message can't be opened")

// Key opens what was encrypted for a certificate.
type Key struct {
	Certificate *x509.Certificate
	// Private is the key: an *rsa.PrivateKey or another crypto.Decrypter over an
	// RSA key (one in a token), an *ecdsa.PrivateKey, or an Agreer.
	Private crypto.PrivateKey
}

// Agreer is an EC key that agrees on secrets, wherever it is held;
// *ecdh.PrivateKey is one. ECDH returns the x-coordinate of the shared point.
type Agreer interface {
	ECDH(*ecdh.PublicKey) ([]byte, error)
}

// DecryptConfig configures a Decrypter.
type DecryptConfig struct {
	// Keys open messages: the first that a message names counts. Without any,
	// only messages that are signed and not encrypted can be read.
	Keys []Key
	// Roots end the chains of signers' certificates. Without them no signature
	// is trusted: the system's own roots are never used unasked.
	Roots *x509.CertPool
	// Intermediates may stand between, with those that come with a signature;
	// nil for none.
	Intermediates *x509.CertPool
	// Revoked, where set, is asked about each signer's certificate that ends a
	// chain in the roots, and about each authority's between. A nil error says
	// that it is not revoked; any other keeps it from being trusted. Without it
	// nobody is asked.
	Revoked func(ctx context.Context, cert *x509.Certificate) error
	// AddressesOf, where set, is asked whose mail a certificate signs that names
	// no address itself, as a smartcard's: a directory knows. It is asked last,
	// about certificates that are trusted otherwise. Without it such a signer is
	// not trusted: whoever has any card could sign as anybody.
	AddressesOf func(cert *x509.Certificate) []string
	// AcceptUnauthenticated opens EnvelopedData that holds no trusted signature.
	// Nothing shows then that the message was not altered on the way, piece by
	// piece, to send what is in it to somebody else (the Efail attacks): the
	// caller must show it as plain text alone, fetch nothing that it names and
	// answer nothing by itself, not even whether it could be opened: whoever may
	// try often learns by that what this message holds, or another one under the
	// same content key, were it in AES-GCM (RFC 9709 §1).
	AcceptUnauthenticated bool
	// MaxBytes bounds each layer of a message that must be held in memory.
	// Default 48 MiB: a message of 35 MB, as base64 makes it longer.
	MaxBytes int
	// Now is the calendar by which certificates are in date. Default time.Now.
	Now func() time.Time
}

func (c DecryptConfig) withDefaults() DecryptConfig {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 48 << 20
	}
	return c
}

// Decrypter opens messages. It is immutable; it is safe for concurrent use as
// far as its keys are.
type Decrypter struct {
	config DecryptConfig
	keys   []Key // with what they are used as: crypto.Decrypter or Agreer
}

// NewDecrypter returns a Decrypter. A key that is of another kind than its
// certificate is an error.
func NewDecrypter(c DecryptConfig) (*Decrypter, error) {
	d := &Decrypter{config: c.withDefaults()}
	for i, k := range c.Keys {
		usable, err := k.usable()
		if err != nil {
			return nil, fmt.Errorf("smime: DecryptConfig.Keys[%d]: %w", i, err)
		}
		d.keys = append(d.keys, usable)
	}
	return d, nil
}

// usable is the key as what it is used as.
func (k Key) usable() (Key, error) {
	if k.Certificate == nil {
		return Key{}, errors.New("no certificate")
	}
	switch k.Private {
	case (*rsa.PrivateKey)(nil), (*ecdsa.PrivateKey)(nil), (*ecdh.PrivateKey)(nil):
		return Key{}, errors.New("no private key")
	}
	if private, ok := k.Private.(*ecdsa.PrivateKey); ok {
		agreer, err := private.ECDH()
		if err != nil {
			return Key{}, err
		}
		k.Private = agreer
	}
	switch public := k.Certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		private, ok := k.Private.(crypto.Decrypter)
		if !ok || !public.Equal(private.Public()) {
			return Key{}, errors.New("not the certificate's RSA key, or one that can't decrypt")
		}
	case *ecdsa.PublicKey:
		if _, ok := k.Private.(Agreer); !ok {
			return Key{}, errors.New("not a key that agrees on secrets, as the certificate's is")
		}
		agreed, err := public.ECDH()
		if private, ok := k.Private.(*ecdh.PrivateKey); err != nil || ok && !private.PublicKey().Equal(agreed) {
			return Key{}, errors.New("not the certificate's EC key")
		}
	default:
		return Key{}, fmt.Errorf("no way to decrypt with a %T", public)
	}
	return k, nil
}

// Unseal opens a bare CMS message, without MIME around it: EnvelopedData with
// AES-CBC, or with three-key triple DES, which OpenSSL 3.0 and older programs
// write unasked; or AuthEnvelopedData with AES-GCM. It may be DER or BER, of definite
// or indefinite length.
//
// Of AuthEnvelopedData nothing is handed out before its tag was verified, so it
// is held in memory (MaxBytes, above which mail.size and ErrTooLong).
// EnvelopedData is read as a stream, a few hundred kilobytes at a time:
// nothing that was read counts before Read has returned io.EOF, and even then
// nothing shows that it was not altered, which Unseal can't ask of a bare
// message and Open does. authenticated says which of the two it is.
//
// Unseal and Read return the Refusal of ErrUnreadable for everything that is
// wrong with the message, and the errors of r as they are.
func (d *Decrypter) Unseal(r io.Reader) (content io.Reader, authenticated bool, err error) {
	src := &source{r: r}
	opened, err := d.open(src)
	if err != nil {
		return nil, false, src.fault(err)
	}
	return &unsealed{opened.content, src}, opened.authenticated, nil
}

type unsealed struct {
	content io.Reader
	src     *source
}

func (u *unsealed) Read(p []byte) (int, error) {
	n, err := u.content.Read(p)
	if err != nil && err != io.EOF {
		err = u.src.fault(err)
	}
	return n, err
}

// source keeps the errors of a reader apart from faults of what was read.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// fault makes one error of all that a message can have wrong.
func (s *source) fault(err error) error {
	switch {
	case s.err != nil:
		return s.err
	case errors.Is(err, ErrTooLong):
		return err
	}
	return mailpolicy.Rules().Refuse("mail.unreadable").Because(ErrUnreadable)
}
