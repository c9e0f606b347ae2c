// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"
)

// Authority signs with an issuing key. It implements pki.Signer.
type Authority struct {
	chain []*x509.Certificate
	cas   *softcas.SoftCAS
	keys  []io.Closer
}

// New returns an Authority for an issuing key that is held elsewhere. chain is
// the issuing CA's certificate, then those above it.
func New(chain []*x509.Certificate, key crypto.Signer) (*Authority, error) {
	if len(chain) == 0 || key == nil {
		return nil, errors.New("stepca: a chain and a key are needed")
	}
	if !samePublic(chain[0].PublicKey, key.Public()) {
		return nil, errors.New("stepca: the key is not the one in the issuing certificate")
	}
	cas, err := softcas.New(context.Background(), casapi.Options{CertificateChain: chain, Signer: key})
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	return &Authority{chain: chain, cas: cas}, nil
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// Chain returns the issuing CA's certificate, then those above it, the root last.
func (a *Authority) Chain() []*x509.Certificate {
	return append([]*x509.Certificate(nil), a.chain...)
}

// SignCertificate implements pki.Signer. The signature is verified under the
// issuing certificate's key before it returns (pki.Config.SignerVerifies).
func (a *Authority) SignCertificate(_ context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	if template.NotBefore.IsZero() || template.NotAfter.IsZero() || template.SerialNumber == nil {
		return nil, errors.New("stepca: the template has no dates or no serial number") // softcas would make some up
	}
	template.PublicKey = public
	signed, err := a.cas.CreateCertificate(&casapi.CreateCertificateRequest{
		Template: template, Lifetime: template.NotAfter.Sub(template.NotBefore),
	})
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	return signed.Certificate.Raw, nil
}

// SignCRL implements pki.Signer.
func (a *Authority) SignCRL(_ context.Context, template *x509.RevocationList) ([]byte, error) {
	signed, err := a.cas.CreateCRL(&casapi.CreateCRLRequest{RevocationList: template})
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	return signed.CRL, nil
}

// Close gives back what holds the keys, such as a PKCS#11 session. The Authority
// can't sign afterwards.
func (a *Authority) Close() error {
	var errs []error
	for _, k := range a.keys {
		errs = append(errs, k.Close())
	}
	return errors.Join(errs...)
}
