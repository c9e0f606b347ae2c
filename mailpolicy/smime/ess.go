// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
)

// signingCertificate is the attribute by which a signer says whose certificate
// it is. Its name, serial number or key identifier in SignerInfo is not signed:
// without the attribute, whoever carries the message could put there another
// certificate of the same key. Its hash is SHA-256, the default that DER leaves
// out. RFC 5035 §3.
func signingCertificate(cert *x509.Certificate) []byte {
	sum := sha256.Sum256(cert.Raw)
	return tlv(tagSequence, oid(oidSigningCertificateV2),
		tlv(tagSet, tlv(tagSequence, tlv(tagSequence, tlv(tagSequence, tlv(tagOctets, sum[:]))))))
}

// certReference is ESSCertID or ESSCertIDv2: the certificate that a signer
// names.
type certReference struct {
	hash         crypto.Hash
	digest       []byte
	issuerSerial []byte // nil where absent
}

// readReference reads the value of SigningCertificate (RFC 2634 §5.4, whose hash
// is SHA-1) or SigningCertificateV2, of which the first certificate is the
// signer's. Those behind it, which would limit the path to a root, and the
// policies are not used: the path is the reader's to trust. RFC 5035 §3 and §4.
func readReference(value cryptobyte.String, byDefault crypto.Hash) (r certReference, ok bool) {
	var all, certificates, first, digest, issuerSerial cryptobyte.String
	if !read(&value, &all, tagSequence) || !value.Empty() || !read(&all, &certificates, tagSequence) || !read(&certificates, &first, tagSequence) {
		return r, false
	}
	r.hash = byDefault
	if len(first) > 0 && first[0] == tagSequence {
		how, ok := readAlgorithm(&first)
		if r.hash = hashOf(how.id); !ok || r.hash == 0 {
			return r, false
		}
	}
	if !read(&first, &digest, tagOctets) {
		return r, false
	}
	r.digest = digest
	if first.Empty() {
		return r, true
	}
	if !read(&first, &issuerSerial, tagSequence) || !first.Empty() {
		return r, false
	}
	r.issuerSerial = issuerSerial
	return r, true
}

// names reports that cert is the certificate that the signer means.
func (r certReference) names(cert *x509.Certificate) bool {
	h := r.hash.New()
	h.Write(cert.Raw)
	if !bytes.Equal(r.digest, h.Sum(nil)) {
		return false
	}
	if r.issuerSerial == nil {
		return true
	}
	s := cryptobyte.String(r.issuerSerial)
	var issuers, issuer, serial cryptobyte.String
	return read(&s, &issuers, tagSequence) && read(&issuers, &issuer, tagContext4) && issuers.Empty() && // one directoryName
		s.ReadAnyASN1Element(&serial, nil) && s.Empty() &&
		named(cert, tlv(tagSequence, issuer, serial), tagImplicit0)
}
