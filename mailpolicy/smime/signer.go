// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/mail"
	"slices"
	"time"
)

// Signer signs what is encrypted.
type Signer struct {
	// Certificate is sent with each signature. It must be for signing.
	Certificate *x509.Certificate
	// Key is its key: any crypto.Signer over RSA or a NIST curve, such as the
	// signing key of a smartcard. It signs with RSASSA-PKCS1-v1_5 and SHA-256,
	// or with ECDSA and SHA-256 (SHA-384 on P-384).
	Key crypto.Signer
	// Chain is sent too: the certificates up to the root, which the reader has.
	Chain []*x509.Certificate
}

// ErrSigner says that a signer's certificate does not fit a message. It is the
// cause of a Refusal: of mail.signer by Encrypt, where the certificate has
// addresses and From is none of them, or where it is no person's or not in date;
// of mail.signature in Signature.Distrust, where nothing says that From is the
// signer's.
var ErrSigner = errors.New("smime: the signer's certificate does not fit the message")

// check is for what is wrong with any message.
func (s *Signer) check() error {
	if s.Certificate == nil || s.Key == nil {
		return errors.New("smime: a Signer needs a certificate and a key")
	}
	own, ok := s.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !own.Equal(s.Key.Public()) {
		return errors.New("smime: the signer's key is not the certificate's")
	}
	if why := weak(s.Certificate); why != "" {
		return fmt.Errorf("smime: the signer's certificate can't be used: %s", why)
	}
	if !maySign(s.Certificate) {
		return errors.New("smime: the signer's certificate is not for signing")
	}
	return nil
}

// maySign judges the key usage. RFC 8550 §4.4.2.
func maySign(cert *x509.Certificate) bool {
	return cert.KeyUsage == 0 || cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0
}

// fits wants From to be in the certificate, where that has addresses at all.
// A certificate without any signs whatever its holder writes; the reader needs a
// directory then (DecryptConfig.AddressesOf). RFC 8550 §3.
func fits(cert *x509.Certificate, from string) bool {
	return len(cert.EmailAddresses) == 0 || names(cert.EmailAddresses, from)
}

// fromOf returns the one address of From, or "" where there is not exactly one.
func fromOf(fields []field) string {
	from, count := "", 0
	for _, f := range fields {
		if f.name != "from" {
			continue
		}
		count++
		_, value, _ := bytes.Cut(f.raw, []byte(":"))
		if list, err := mail.ParseAddressList(string(bytes.ReplaceAll(value, []byte("\r\n"), nil))); err == nil && len(list) == 1 {
			from = list[0].Address
		}
	}
	if count != 1 {
		return ""
	}
	return from
}

func (s *Signer) hash() crypto.Hash {
	if key, ok := s.Certificate.PublicKey.(*ecdsa.PublicKey); ok && key.Curve == elliptic.P384() {
		return crypto.SHA384
	}
	return crypto.SHA256
}

// signedWriter writes multipart/signed (RFC 1847, RFC 8551 §3.5.3) around the
// content. It goes inside the encryption, where nobody rewrites it; so it need
// not hide in base64, which would make it longer by a third once more, and the
// signature can follow the content as it streams by.
type signedWriter struct {
	w        io.WriteCloser
	signer   *Signer
	at       time.Time
	hash     crypto.Hash
	digest   hash.Hash
	boundary string
	last     byte
	err      error
}

func newSignedWriter(w io.WriteCloser, s *Signer, at time.Time) (*signedWriter, error) {
	h := s.hash()
	name := map[crypto.Hash]string{crypto.SHA256: "sha-256", crypto.SHA384: "sha-384"}[h]
	m := &signedWriter{w: w, signer: s, at: at, hash: h, digest: h.New(), boundary: "signed-" + rand.Text()}
	_, err := fmt.Fprintf(w, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg=%s; boundary=\"%s\"\r\n\r\n--%s\r\n",
		name, m.boundary, m.boundary)
	return m, err
}

// Write refuses lines that do not end in CRLF: one verifier would mend them
// before it takes the digest, and another would not.
func (m *signedWriter) Write(p []byte) (int, error) {
	if m.err == nil && !m.canonical(p) {
		m.err = formFault("a line of it does not end in CRLF")
	}
	if m.err != nil {
		return 0, m.err
	}
	m.digest.Write(p)
	n, err := m.w.Write(p)
	m.err = err
	return n, err
}

// canonical reports that each CR and LF is one of a pair.
func (m *signedWriter) canonical(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	if (m.last == '\r') != (p[0] == '\n') {
		return false
	}
	m.last = p[len(p)-1]
	return bytes.Count(p, []byte("\r\n")) == bytes.Count(p[:len(p)-1], []byte{'\r'}) &&
		bytes.Count(p, []byte("\r\n")) == bytes.Count(p[1:], []byte{'\n'})
}

// Close signs, and ends the message.
func (m *signedWriter) Close() error {
	if m.err != nil {
		return m.err
	}
	if m.last == '\r' {
		m.err = formFault("a line of it does not end in CRLF")
		return m.err
	}
	signed, err := m.signer.signedData(m.hash, m.digest.Sum(nil), m.at)
	if err != nil {
		m.err = err
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"+
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n", m.boundary)
	lines := &base64Lines{w: &b}
	_, _ = lines.Write(signed) // never fails: bytes.Buffer
	_ = lines.Close()
	fmt.Fprintf(&b, "--%s--\r\n", m.boundary)
	if _, m.err = m.w.Write(b.Bytes()); m.err == nil {
		m.err = m.w.Close()
	}
	return m.err
}

// signedData is ContentInfo with SignedData, detached. RFC 5652 §5.1.
func (s *Signer) signedData(hash crypto.Hash, digest []byte, at time.Time) ([]byte, error) {
	attributes, err := signedAttributes(s.Certificate, digest, at)
	if err != nil {
		return nil, err
	}
	h := hash.New()
	h.Write(tlv(tagSet, attributes))
	signature, err := s.Key.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		return nil, fmt.Errorf("smime: signing: %w", err)
	}
	who, err := issuerAndSerial(s.Certificate)
	if err != nil {
		return nil, err
	}
	digestAlgorithm := algorithm(oid(oidSHA256))
	how := algorithm(oid(oidECDSASHA256))
	if hash == crypto.SHA384 {
		digestAlgorithm, how = algorithm(oid(oidSHA384)), algorithm(oid(oidECDSASHA384))
	}
	if _, ok := s.Certificate.PublicKey.(*rsa.PublicKey); ok {
		how = algorithm(oid(oidRSA), []byte{tagNull, 0}) // RFC 3370 §3.2: it must be understood
	}
	info := tlv(tagSequence, []byte{tagInteger, 1, 1}, who, digestAlgorithm, tlv(tagContext0, attributes), how, tlv(tagOctets, signature))
	var certificates [][]byte
	for _, c := range append([]*x509.Certificate{s.Certificate}, s.Chain...) {
		certificates = append(certificates, c.Raw)
	}
	slices.SortFunc(certificates, bytes.Compare) // the order of a SET in DER
	data := tlv(tagSequence, []byte{tagInteger, 1, 1}, tlv(tagSet, digestAlgorithm), tlv(tagSequence, oid(oidData)),
		tlv(tagContext0, certificates...), tlv(tagSet, info))
	return tlv(tagSequence, oid(oidSignedData), tlv(tagContext0, data)), nil
}

// signedAttributes are the type of the content, its digest, when it was signed
// and by which certificate, in the order of DER. RFC 5652 §11, RFC 8551 §2.5.
func signedAttributes(cert *x509.Certificate, digest []byte, at time.Time) ([]byte, error) {
	moment, err := asn1.Marshal(at.UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	all := [][]byte{
		tlv(tagSequence, oid(oidContentType), tlv(tagSet, oid(oidData))),
		tlv(tagSequence, oid(oidMessageDigest), tlv(tagSet, tlv(tagOctets, digest))),
		tlv(tagSequence, oid(oidSigningTime), tlv(tagSet, moment)),
		signingCertificate(cert),
	}
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(all, nil), nil
}
