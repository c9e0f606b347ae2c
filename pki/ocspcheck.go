// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// OCSPSource is how an OCSPChecker asks. *Fetcher is one.
type OCSPSource interface {
	// Ask sends a request, DER, to a responder of the certificate and returns
	// what it answers. Nothing about the answer needs to have been checked.
	Ask(ctx context.Context, cert *x509.Certificate, request []byte) ([]byte, error)
}

// OCSPCheckerConfig is what an OCSPChecker relies on.
type OCSPCheckerConfig struct {
	Source OCSPSource // Required
	// Hash names the issuer in requests: crypto.SHA1, the default because
	// RFC 5019 §2.1.1 has every responder know it, or crypto.SHA256. Answers
	// may use either.
	Hash crypto.Hash
	// Nonce sends 32 random octets with each request and refuses answers
	// without them, those made ahead included. RFC 9654 §2.1.
	Nonce bool
	// Responders tells how the certificate of a delegated responder stands
	// that has no id-pkix-ocsp-nocheck, a *CRLChecker for instance. Default
	// none: such responders are refused. RFC 6960 §4.2.2.2.1.
	Responders StatusSource

	Rand io.Reader // for nonces; default crypto/rand
}

func (c OCSPCheckerConfig) withDefaults() OCSPCheckerConfig {
	if c.Hash == 0 {
		c.Hash = crypto.SHA1
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}

// OCSPChecker is a StatusSource that asks OCSP responders, once for each
// certificate each time. Answers are not kept until their nextUpdate, as RFC 5019
// §6.1 would have clients do: an answer is a verdict on one certificate, a Verifier
// remembers none, and a revocation would stay unseen for that long, 12 hours with a
// CA of this package, whose own responder tells it in the very next answer. Who
// needs fewer questions asks for lists (Fetcher keeps them for FetcherConfig.Keep)
// or puts a CA, which is a source itself, in place of its responder.
//
// A response is used only if all of this holds:
//   - it is a successful basic response of version 1, well formed to the last
//     byte, at most 64 KiB; the error statuses are unsigned and prove nothing;
//   - it is signed, with SHA-256 or stronger, by the certificate's issuer, if
//     that may sign (keyUsage digitalSignature), or by a certificate in it
//     that the same key has issued directly, that names OCSPSigning itself in
//     its extendedKeyUsage, may sign, is within its dates both Now and at
//     producedAt, and has id-pkix-ocsp-nocheck or is good by Responders; the
//     responder's id is that of the one who signed (RFC 6960 §4.2.2.2);
//   - exactly one answer in it is about this certificate: issuer's name and
//     key under SHA-1 or SHA-256, and serial number;
//   - thisUpdate and producedAt are not more than EvidenceSkew ahead and
//     thisUpdate not more than that after producedAt; nextUpdate is there, not
//     before thisUpdate, and has not passed (§4.2.2.1);
//   - its nonce is the one that was sent, or there was none on either side;
//   - no unknown extension is critical, and none comes twice.
//
// Good about a certificate whose end lies before thisUpdate is not used
// (§4.4.4). Unknown is an answer: Verify refuses with ErrUnknownCertificate.
type OCSPChecker struct {
	source     OCSPSource
	hash       crypto.Hash
	nonce      bool
	responders StatusSource
	rand       io.Reader
}

// NewOCSPChecker checks a configuration.
func NewOCSPChecker(c OCSPCheckerConfig) (*OCSPChecker, error) {
	c = c.withDefaults()
	if c.Source == nil {
		return nil, errors.New("pki: OCSPCheckerConfig needs a Source")
	}
	if c.Hash != crypto.SHA1 && c.Hash != crypto.SHA256 {
		return nil, errors.New("pki: OCSPCheckerConfig: Hash is SHA-1 or SHA-256")
	}
	return &OCSPChecker{source: c.Source, hash: c.Hash, nonce: c.Nonce, responders: c.Responders, rand: c.Rand}, nil
}

// Evidence implements StatusSource. RFC 6960 §3.2.
func (c *OCSPChecker) Evidence(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (Evidence, error) {
	var nonce []byte
	if c.nonce {
		nonce = make([]byte, 32) // RFC 9654 §2.1
		if _, err := io.ReadFull(c.rand, nonce); err != nil {
			return Evidence{}, fmt.Errorf("pki: OCSP: nonce: %w", err)
		}
	}
	request, err := ocspRequest(cert, issuer, c.hash, nonce)
	if err != nil {
		return Evidence{}, fmt.Errorf("pki: OCSP: %w", err)
	}
	der, err := c.source.Ask(ctx, cert, request)
	if err != nil {
		return Evidence{}, fmt.Errorf("pki: OCSP: %w", err)
	}
	e, err := c.read(ctx, der, nonce, cert, issuer, now)
	if err != nil {
		return Evidence{}, fmt.Errorf("pki: OCSP: %w", err)
	}
	return e, nil
}

func (c *OCSPChecker) read(ctx context.Context, der, nonce []byte, cert, issuer *x509.Certificate, now time.Time) (Evidence, error) {
	if len(der) > maxOCSPResponse {
		return Evidence{}, fmt.Errorf("longer than %d bytes", maxOCSPResponse)
	}
	r, err := parseResponse(der)
	if err != nil {
		return Evidence{}, err
	}
	if err := c.checkSigner(ctx, r, issuer, now); err != nil {
		return Evidence{}, err
	}
	if !bytes.Equal(r.nonce, nonce) {
		return Evidence{}, errors.New("the nonce is not the one that was sent")
	}
	single, err := r.about(cert, issuer)
	if err != nil {
		return Evidence{}, err
	}
	if err := single.current(r.producedAt, now); err != nil {
		return Evidence{}, err
	}
	switch {
	case single.state == Revoked:
		return revokedEvidence(single.reason, single.from, single.thisUpdate), nil
	case single.state == Good && mayHaveBeenDropped(cert, single.thisUpdate):
		return Evidence{}, errors.New("made after the certificate's end")
	}
	return Evidence{State: single.state}, nil
}

// about returns the only answer about a certificate.
func (r *readResponse) about(cert, issuer *x509.Certificate) (readSingle, error) {
	var found []readSingle
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		id, err := certIDOf(cert, issuer, hash)
		if err != nil {
			return readSingle{}, err
		}
		for _, s := range r.singles {
			if s.hash.Equal(id.Hash.Algorithm) && bytes.Equal(s.name, id.IssuerName) && bytes.Equal(s.key, id.IssuerKey) && s.serial.Cmp(id.Serial) == 0 {
				found = append(found, s)
			}
		}
	}
	if len(found) != 1 {
		return readSingle{}, fmt.Errorf("%d answers about the certificate, not 1", len(found))
	}
	return found[0], nil
}

// current checks the dates of an answer. RFC 6960 §4.2.2.1.
func (s readSingle) current(producedAt, now time.Time) error {
	soon := now.Add(EvidenceSkew)
	switch {
	case s.thisUpdate.After(soon) || producedAt.After(soon):
		return errors.New("from the future")
	case s.thisUpdate.After(producedAt.Add(EvidenceSkew)):
		return errors.New("signed before it was known")
	case s.nextUpdate.IsZero():
		return errors.New("without nextUpdate")
	case now.After(s.nextUpdate) || s.nextUpdate.Before(s.thisUpdate):
		return errors.New("past its nextUpdate")
	}
	return nil
}

// checkSigner finds the one who signed a response, with the right to do so.
func (c *OCSPChecker) checkSigner(ctx context.Context, r *readResponse, issuer *x509.Certificate, now time.Time) error {
	reason := errors.New("nobody who could have signed it is known")
	for _, signer := range append([]*x509.Certificate{issuer}, r.certs...) {
		if named, err := r.names(signer); err != nil || !named {
			continue
		}
		if err := signer.CheckSignature(r.algorithm, r.data, r.signature); err != nil {
			reason = fmt.Errorf("signature: %w", err)
			continue
		}
		err := c.mayAnswer(ctx, signer, issuer, r.producedAt, now)
		if err == nil {
			return nil
		}
		reason = err
	}
	return reason
}

// names reports whether the responder's id is that of a certificate.
func (r *readResponse) names(cert *x509.Certificate) (bool, error) {
	if r.byName != nil {
		return bytes.Equal(r.byName, cert.RawSubject), nil
	}
	id, err := keyID(cert.RawSubjectPublicKeyInfo)
	return bytes.Equal(r.byKey, id), err
}

// mayAnswer checks the rights of a responder. RFC 6960 §4.2.2.2.
func (c *OCSPChecker) mayAnswer(ctx context.Context, signer, issuer *x509.Certificate, producedAt, now time.Time) error {
	own := signer.Equal(issuer)
	switch {
	case own && issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the issuer's keyUsage lacks digitalSignature")
	case own:
		return nil
	case !bytes.Equal(signer.RawIssuer, issuer.RawSubject) || signer.CheckSignatureFrom(issuer) != nil:
		return errors.New("the responder's certificate is not from the issuer")
	case !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the responder's certificate doesn't name OCSPSigning")
	case signer.KeyUsage != 0 && signer.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the responder's keyUsage lacks digitalSignature")
	case len(signer.UnhandledCriticalExtensions) > 0:
		return errors.New("the responder's certificate has an unknown critical extension")
	case within(now, signer.NotBefore, signer.NotAfter) != nil || within(producedAt, signer.NotBefore, signer.NotAfter) != nil:
		return errors.New("the responder's certificate is outside its dates")
	case hasExtensionOf(signer, oidOCSPNoCheck):
		return nil
	case c.responders == nil:
		return errors.New("the responder's certificate lacks nocheck, and nobody tells its status")
	}
	e, err := c.responders.Evidence(ctx, signer, issuer, now)
	if err != nil {
		return fmt.Errorf("the responder's certificate: %w", err)
	}
	if err := e.refusal(now); err != nil {
		// Not wrapped: it isn't the certificate asked about that is revoked.
		return fmt.Errorf("the responder's certificate: %v", err)
	}
	return nil
}

// certIDOf names a certificate as requests and answers do. RFC 6960 §4.1.1.
func certIDOf(cert, issuer *x509.Certificate, hash crypto.Hash) (certID, error) {
	bits, err := keyBits(issuer.RawSubjectPublicKeyInfo)
	if err != nil {
		return certID{}, err
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: oidSHA1, Parameters: asn1.NullRawValue}
	if hash == crypto.SHA256 {
		algorithm.Algorithm = oidSHA256
	}
	return certID{
		Hash: algorithm, IssuerName: digest(hash, issuer.RawSubject), IssuerKey: digest(hash, bits),
		Serial: cert.SerialNumber,
	}, nil
}

type ocspRequestMessage struct {
	TBS struct {
		List       []struct{ ID certID }
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:2"`
	}
}

// ocspRequest asks about one certificate. RFC 6960 §4.1.
func ocspRequest(cert, issuer *x509.Certificate, hash crypto.Hash, nonce []byte) ([]byte, error) {
	id, err := certIDOf(cert, issuer, hash)
	if err != nil {
		return nil, err
	}
	var m ocspRequestMessage
	m.TBS.List = []struct{ ID certID }{{id}}
	if nonce != nil {
		value, err := asn1.Marshal(nonce)
		if err != nil {
			return nil, err
		}
		m.TBS.Extensions = []pkix.Extension{{Id: oidOCSPNonce, Value: value}}
	}
	return asn1.Marshal(m)
}
