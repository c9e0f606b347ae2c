// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"strings"
	"time"
)

// maxLayers is triple wrapping, signed and encrypted and signed (RFC 2634
// §1.1): nobody has a reason for more.
const maxLayers = 3

// Message is a message that was opened.
type Message struct {
	// Header is the header block that counts, with its empty line: the protected
	// one where the message has one (RFC 9788); otherwise the outer one with the
	// MIME fields of what was inside. A message that was signed before somebody
	// encrypted it has the real one around the signature: that counts then, if
	// AES-GCM kept it from being altered. One from inside is without the fields that
	// systems on the way write (Received, Authentication-Results and others): there
	// they would be the sender's own word.
	Header []byte
	// Body is what follows it, byte for byte as it was sent. Its MIME structure
	// was walked: see Open.
	Body []byte
	// Outer is the outer header block as it came. Nothing vouches for it.
	Outer []byte
	// Encrypted says that all of Body was encrypted.
	Encrypted bool
	// Authenticated says that Body, and Header if it is Protected, were not altered
	// since they were encrypted (AES-GCM) or since somebody trusted signed them.
	// Anyone can have encrypted them.
	Authenticated bool
	// Protected says that Header was inside with Body, so that what encrypts and
	// signs the one does so for the other. If it was encrypted, nobody on the way
	// read what the outer one does not show.
	Protected bool
	// FromMismatch says that a From from inside is another address than the
	// outer one, or that there is none to compare. Unless a trusted signature
	// vouches for the protected one, whoever shows the message shows the outer
	// one, which is all that the systems on the way have checked (RFC 9788 §4.4).
	FromMismatch bool
	// Signatures are those of the content, inside all encryption; each holds.
	// Signed judges them.
	Signatures []Signature
}

// Signed says that the message is signed and every signer is trusted.
func (m *Message) Signed() bool {
	for _, s := range m.Signatures {
		if s.Distrust != nil {
			return false
		}
	}
	return len(m.Signatures) > 0
}

// Open reads a whole message (lines ending in CRLF) that is encrypted, or
// signed, or both in any order up to three layers: application/pkcs7-mime and
// multipart/signed. Each layer is held in memory (MaxBytes, above which
// mail.size and ErrTooLong), and nothing is handed out before all of them were
// in order, so that no reader ever acts on a message that turns out to be
// altered.
//
// What comes out was walked as MIME, so that a program which reads it by
// recursion and decodes it comes to no harm: no more than 100 levels and 10,000
// parts, headers up to MaxHeaderBytes, no two Content-Type fields, boundaries
// that two readers can't see differently, transfer encodings and charsets that
// are known. Open itself decodes none of that: a part stays as long as it came,
// and what some programs repeat of the header for others (hp-legacy-display)
// stays in Body. So a message inside a part in base64, where RFC 2045 §6.4 has
// none, was not walked: who decodes it bounds it.
//
// A message in EnvelopedData without a trusted signature inside it is not
// opened, unless DecryptConfig.AcceptUnauthenticated says so.
//
// Open returns the Refusal of ErrUnreadable for everything that is wrong with a
// message, one that is neither encrypted nor signed included, and the errors of
// the reader as they are. A signature that does not hold makes the message
// unreadable; one whose signer is not trusted does not: see Message.Signed.
//
// RFC 8551 §3, RFC 9788 §4.
func (d *Decrypter) Open(ctx context.Context, message io.Reader) (*Message, error) {
	src := &source{r: message}
	o := &opening{decrypter: d}
	m, err := o.message(src)
	if err == nil {
		err = o.judge(ctx, m)
	}
	if err != nil {
		return nil, src.fault(err)
	}
	return m, nil
}

// opening is one run of Open.
type opening struct {
	decrypter *Decrypter
	encrypted bool
	altered   bool // some layer can have been, unnoticed
	signers   []signer
	around    entity // inside all encryption, with a header of its own, around a signature
}

// signer is one of a signature that holds, not judged yet.
type signer struct {
	cert *x509.Certificate
	at   time.Time
	sent []*x509.Certificate
}

// message takes off the layers.
func (o *opening) message(src io.Reader) (*Message, error) {
	header, rest, err := ReadHeader(src)
	if err != nil {
		return nil, err
	}
	e, err := newEntity(header)
	if err != nil {
		return nil, err
	}
	outer := e
	e.body = rest
	for layer := 0; ; layer++ {
		var content []byte
		switch {
		case isOpaque(e):
			content, err = o.opaque(e)
		case isDetached(e):
			content, err = o.detached(e)
		case layer == 0:
			return nil, errBER // neither encrypted nor signed
		default:
			return o.payload(outer, e)
		}
		if err != nil || layer == maxLayers {
			return nil, notNil(err)
		}
		if e, err = inner(content); err != nil {
			return nil, err
		}
		if o.encrypted && o.around.header == nil && protects(e) {
			o.around = e
		}
	}
}

// protects says that an entity claims to have the message's header. RFC 9788 §2.1.
func protects(e entity) bool { return e.params["hp"] == "cipher" || e.params["hp"] == "clear" }

func notNil(err error) error {
	if err == nil {
		return errBER
	}
	return err
}

func isOpaque(e entity) bool {
	return e.kind == "application/pkcs7-mime" || e.kind == "application/x-pkcs7-mime"
}

func isDetached(e entity) bool {
	return e.kind == "multipart/signed" && isSignature(e.params["protocol"])
}

func isSignature(kind string) bool {
	return strings.EqualFold(kind, "application/pkcs7-signature") || strings.EqualFold(kind, "application/x-pkcs7-signature")
}

// opaque opens application/pkcs7-mime. The type inside counts, and not what
// smime-type calls it.
func (o *opening) opaque(e entity) ([]byte, error) {
	r, err := e.reader()
	if err != nil {
		return nil, err
	}
	b := newBERReader(r)
	kind, err := b.contentInfo()
	if err != nil {
		return nil, err
	}
	if kind != oidSignedData {
		return o.envelope(b, kind)
	}
	data, err := b.readSignedData(o.decrypter.config.MaxBytes)
	if err != nil || data.content == nil {
		return nil, notNil(err)
	}
	return data.content, o.verify(data, data.content)
}

func (o *opening) envelope(b *berReader, kind string) ([]byte, error) {
	opened, err := o.decrypter.openKind(b, kind)
	if err != nil {
		return nil, err
	}
	// What stands outside, a signature too, is the sender's of the secret and not of what it says.
	o.encrypted, o.signers, o.around = true, nil, entity{}
	if whole, ok := opened.content.(*bytes.Buffer); ok {
		return whole.Bytes(), nil
	}
	o.altered = true
	all := held{limit: o.decrypter.config.MaxBytes}
	_, err = all.ReadFrom(opened.content)
	return all.join(0), err
}

// detached opens multipart/signed.
func (o *opening) detached(e entity) ([]byte, error) {
	if e.body != nil {
		all := held{limit: o.decrypter.config.MaxBytes}
		if _, err := all.ReadFrom(e.body); err != nil {
			return nil, err
		}
		e.bytes = all.join(0)
	}
	content, signature, err := signedParts(e.bytes, e.params["boundary"])
	if err != nil {
		return nil, err
	}
	part, err := inner(signature)
	if err != nil || !isSignature(part.kind) {
		return nil, errBER
	}
	r, err := part.reader()
	if err != nil {
		return nil, err
	}
	b := newBERReader(r)
	if kind, err := b.contentInfo(); err != nil || kind != oidSignedData {
		return nil, errBER
	}
	data, err := b.readSignedData(0)
	if err != nil || data.content != nil {
		return nil, errBER
	}
	return content, o.verify(data, content)
}

func (o *opening) verify(data *signedData, content []byte) error {
	signers, err := data.verify(content)
	o.signers = append(o.signers, signers...)
	return err
}

// payload ends the message, with the header that counts.
func (o *opening) payload(outer, e entity) (*Message, error) {
	if err := walk(e); err != nil {
		return nil, err
	}
	m := &Message{Outer: outer.header, Body: e.bytes, Encrypted: o.encrypted}
	m.Protected = protects(e)
	counts, within := outer, false
	switch {
	case m.Protected:
		counts, within = e, true
	case protects(o.around) && !o.altered:
		counts, within = o.around, true
	}
	var header bytes.Buffer
	if !m.Protected {
		for _, f := range counts.fields {
			if !structural(f.name) && (!within || sendersOwn(f.name)) {
				header.Write(f.raw)
			}
		}
	}
	for _, f := range e.fields {
		if structural(f.name) || m.Protected && sendersOwn(f.name) {
			header.Write(f.raw)
		}
	}
	header.WriteString("\r\n")
	m.Header = header.Bytes()
	if within {
		inside, outside := fromOf(counts.fields), fromOf(outer.fields)
		m.FromMismatch = inside == "" || inside != outside && !sameAddress(inside, outside)
	}
	return m, nil
}

// sendersOwn says that a field inside is the sender's to write.
func sendersOwn(name string) bool { return name != "hp-outer" && !wayFields[name] }

// structural says that a field describes the body. RFC 9788 §1.9.
func structural(name string) bool {
	return name == "mime-version" || strings.HasPrefix(name, "content-")
}

// judge says who is trusted, and keeps back what may have been altered.
func (o *opening) judge(ctx context.Context, m *Message) error {
	fields, err := splitFields(m.Header)
	if err != nil {
		return err
	}
	from := fromOf(fields)
	for _, s := range o.signers {
		m.Signatures = append(m.Signatures, Signature{
			Certificate: s.cert, SignedAt: s.at, Distrust: o.decrypter.distrust(ctx, s, from),
		})
	}
	m.Authenticated = m.Encrypted && !o.altered || m.Signed()
	if o.altered && !m.Authenticated && !o.decrypter.config.AcceptUnauthenticated {
		return errBER
	}
	return nil
}
