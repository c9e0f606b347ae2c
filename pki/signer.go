// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto"
	"crypto/x509"
)

// Signer holds the key of the issuing CA. It decides nothing: the authority
// fills every field, every extension (as ExtraExtensions) and both dates, and
// refuses what comes back if it differs from what was asked; see
// Config.SignerVerifies for its signatures. A Signer may
// change the template it is given. Its context ends when the authority has waited
// long enough, not when a caller gives up; see Config.Signer. pki/stepca is one.
type Signer interface {
	// SignCertificate returns the DER of a certificate for the public key.
	SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error)
	// SignCRL returns the DER of a revocation list. RFC 5280 §5.1.
	SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error)
}
