// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Config configures an Encrypter.
type Config struct {
	// Roots end the chains of recipients' certificates. Required: the system's
	// own roots are never used unasked.
	Roots *x509.CertPool
	// Intermediates may stand between; nil for none.
	Intermediates *x509.CertPool
	// Revoked, where set, is asked last about each certificate and each authority's
	// between it and the root. A nil error says that it is not revoked; any other
	// keeps it from being used. One with the rule cert.status (pki.ErrStatus; see
	// wardkey.RuleOf), or of a context that has ended, says that it can't be found
	// out now: the Refusal is then mail.recipient.status, by which the sender's system
	// tries again. cert.revoked and cert.held are told to the sender as they are.
	// Without Revoked nobody is asked.
	Revoked func(ctx context.Context, cert *x509.Certificate) error
	// RequireEmailProtection wants the purpose e-mail protection by name.
	// Otherwise a certificate without an extended key usage, or with
	// anyExtendedKeyUsage, will do (RFC 8550 §4.4.4).
	RequireEmailProtection bool
	// RSA15 encrypts for RSA keys by RSAES-PKCS1-v1_5 instead of OAEP.
	RSA15 bool
	// GCM writes AuthEnvelopedData with AES-256-GCM, which shows whoever opens
	// it that it was not altered, for recipients whose programs read that. The
	// message is held in memory until its end, for a moment twice, up to
	// MaxGCMBytes (default 48 MiB, above which mail.size and ErrTooLong).
	GCM         bool
	MaxGCMBytes int
	// Signer signs what Encrypt and EncryptTo encrypt; nil leaves it unsigned.
	Signer *Signer
	// Now is the calendar by which certificates are in date and signatures are
	// dated. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxGCMBytes <= 0 {
		c.MaxGCMBytes = 48 << 20
	}
	return c
}

// Encrypter encrypts. It is immutable and safe for concurrent use.
type Encrypter struct{ config Config }

// New returns an Encrypter.
func New(c Config) (*Encrypter, error) {
	if c.Roots == nil {
		return nil, errors.New("smime: Config.Roots is missing")
	}
	if c.Signer != nil {
		if err := c.Signer.check(); err != nil {
			return nil, err
		}
	}
	return &Encrypter{config: c.withDefaults()}, nil
}

// Recipient is someone to encrypt for.
type Recipient struct {
	// Address must be in the certificate.
	Address     string
	Certificate *x509.Certificate
}

// ErrNoRecipient says that there is nobody to encrypt for. It is the caller's
// mistake and no Refusal: Decide refuses a message without recipients, and one
// whose copies all pass needs no encrypting.
var ErrNoRecipient = errors.New("smime: no recipient")

// ErrHeader says that a message's header can't be read. It is the cause of a
// Refusal: mail.form where it is longer than MaxHeaderBytes or has no end;
// mail.secure.header where a line is no field or holds a CR, LF or NUL of its
// own, or where there is more than one Content-Type.
var ErrHeader = errors.New("smime: the message's header can't be read")

// MaxHeaderBytes bounds the header of a message, and of each part of one.
const MaxHeaderBytes = 256 << 10

// Encrypt reads a whole message (header, empty line, body, lines ending in
// CRLF) and writes it encrypted for all the recipients. Every certificate is
// checked before the first byte is written; the Refusal of the first that fails
// is returned (see Check), as are the Refusals behind ErrHeader, ErrSigner and
// ErrTooLong, and mail.form for a body that can't be signed because a line of it
// does not end in CRLF. ErrNoRecipient and the errors of the reader, the writer
// and the signing key are none. What was written before an error is no message
// and must be thrown away.
func (e *Encrypter) Encrypt(ctx context.Context, w io.Writer, message io.Reader, to []Recipient) error {
	header, rest, err := ReadHeader(message)
	if err != nil {
		return err
	}
	body, err := e.EncryptTo(ctx, w, header, to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(body, rest); err != nil {
		return err
	}
	return body.Close()
}

// EncryptTo writes the outer header to w and returns a writer for the message's
// body, whose header is given: the header block with its empty line. Close ends
// the message; without it, what was written is no message.
func (e *Encrypter) EncryptTo(ctx context.Context, w io.Writer, header []byte, to []Recipient) (io.WriteCloser, error) {
	outer, inner, err := protect(header, e.config.GCM)
	if err != nil {
		return nil, err
	}
	if err := e.checkSigner(header); err != nil {
		return nil, err
	}
	if err := e.checkAll(ctx, to); err != nil {
		return nil, err
	}
	if _, err := w.Write(outer); err != nil {
		return nil, err
	}
	lines := &base64Lines{w: w}
	sealed, err := e.envelope(lines, to)
	if err != nil {
		return nil, err
	}
	var m io.WriteCloser = &messageWriter{envelope: sealed, lines: lines}
	if e.config.Signer != nil {
		if m, err = newSignedWriter(m, e.config.Signer, e.config.Now()); err != nil {
			return nil, err
		}
	}
	if _, err := m.Write(inner); err != nil {
		return nil, err
	}
	return m, nil
}

// Seal writes the bare CMS message, without MIME around it, and returns a
// writer for the content. Close ends it. It is never signed: what a signature
// covers is MIME.
func (e *Encrypter) Seal(ctx context.Context, w io.Writer, to []Recipient) (io.WriteCloser, error) {
	if err := e.checkAll(ctx, to); err != nil {
		return nil, err
	}
	return e.envelope(w, to)
}

func (e *Encrypter) envelope(w io.Writer, to []Recipient) (io.WriteCloser, error) {
	if e.config.GCM {
		return newAuthEnvelope(w, to, e.config.RSA15, e.config.MaxGCMBytes)
	}
	return newEnvelope(w, to, e.config.RSA15)
}

func (e *Encrypter) checkAll(ctx context.Context, to []Recipient) error {
	if len(to) == 0 {
		return ErrNoRecipient
	}
	for _, r := range to {
		if err := e.Check(ctx, r.Certificate, r.Address); err != nil {
			return err
		}
	}
	return nil
}

// checkSigner wants From to be the signer's, in a certificate that is in date.
func (e *Encrypter) checkSigner(header []byte) error {
	s := e.config.Signer
	if s == nil {
		return nil
	}
	refuse := func(why string) error {
		return mailpolicy.Rules().Refuse("mail.signer", "why", why).Because(ErrSigner)
	}
	if why := (trust{now: e.config.Now()}).unfit(s.Certificate); why != "" {
		return refuse(why)
	}
	fields, err := splitFields(header)
	if err != nil {
		return err
	}
	if !fits(s.Certificate, fromOf(fields)) {
		return refuse("it is for another address than From")
	}
	return nil
}

type messageWriter struct {
	envelope io.WriteCloser
	lines    *base64Lines
}

func (m *messageWriter) Write(p []byte) (int, error) { return m.envelope.Write(p) }

// ReadFrom lets the envelope read by itself, if it can.
func (m *messageWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(m.envelope, r) }

func (m *messageWriter) Close() error {
	if err := m.envelope.Close(); err != nil {
		return err
	}
	return m.lines.Close()
}
