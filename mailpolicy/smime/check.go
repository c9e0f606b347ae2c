// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

const minRSABits = 2048

// Check says by a Refusal (mail.recipient.cert, or mail.recipient.nocert for a
// nil certificate) why a certificate can't be used to write to address. It must
// name the address among its rfc822Name alternative names, without regard to
// ASCII case; be in date at Now, both ends inclusive; be for encryption and for
// mail; hold an RSA key of 2048 bits or more or a P-256 or P-384 key; be no
// CA's; end a chain in the roots over keys that are as strong; and not be
// revoked, nor any authority between, where Config.Revoked is set. It never asks
// the network by itself.
//
// RFC 8550 §3 and §4.
func (e *Encrypter) Check(ctx context.Context, cert *x509.Certificate, address string) error {
	if cert == nil {
		return mailpolicy.Rules().Refuse("mail.recipient.nocert", "address", address)
	}
	refuse := func(why string) *wardkey.Refusal {
		return mailpolicy.Rules().Refuse("mail.recipient.cert", "address", address, "why", why)
	}
	now := e.config.Now()
	switch {
	case !slices.ContainsFunc(cert.EmailAddresses, func(s string) bool { return sameAddress(s, address) }):
		return refuse("it is for another address")
	case now.Before(cert.NotBefore):
		return refuse("it is not valid yet")
	case now.After(cert.NotAfter):
		return refuse("it has expired")
	case cert.IsCA:
		return refuse("it belongs to an authority and not to a person")
	}
	if why := keyFault(cert); why != "" {
		return refuse(why)
	}
	if e.config.RequireEmailProtection && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) {
		return refuse("it is not for e-mail")
	}
	chains, err := strongChains(cert, e.config.Roots, e.config.Intermediates, now)
	if err != nil {
		why := "its issuer is not trusted"
		if invalid, ok := err.(x509.CertificateInvalidError); ok && invalid.Reason == x509.IncompatibleUsage {
			why = "it is not for e-mail"
		}
		return refuse(why).Because(err)
	}
	if err := notRevoked(ctx, chains, e.config.Revoked); err != nil {
		return refuse("it is revoked, or it can't be found out whether it is").Because(err)
	}
	return nil
}

// sameAddress compares in ASCII only: no letter folds onto another.
func sameAddress(a, b string) bool {
	return isASCII(a) && isASCII(b) && strings.EqualFold(a, b)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// keyFault judges the key and whether it may encrypt. A certificate without a
// key usage may be used for anything (RFC 5280 §4.2.1.3).
func keyFault(cert *x509.Certificate) string {
	if why := weak(cert); why != "" {
		return why
	}
	want := x509.KeyUsageKeyEncipherment
	if _, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		want = x509.KeyUsageKeyAgreement
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&want == 0 {
		return "its key is not for encryption"
	}
	if _, ok := cert.PublicKey.(*ecdsa.PublicKey); ok && curveOf(cert) == nil {
		return "its key is of a kind that is not supported"
	}
	return ""
}

func weak(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits || key.E < 3 {
			return "its key is too weak"
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			return "its key is too weak"
		}
	default:
		return "its key is of a kind that is not supported"
	}
	return ""
}

func curveOf(cert *x509.Certificate) ecdh.Curve {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil
	}
	switch key.Curve.Params().Name {
	case "P-256":
		return ecdh.P256()
	case "P-384":
		return ecdh.P384()
	}
	return nil
}

// strongChains are the chains to a root in which every key is strong: one at
// least, or an error.
func strongChains(cert *x509.Certificate, roots, intermediates *x509.CertPool, now time.Time) ([][]*x509.Certificate, error) {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	})
	if err != nil {
		return nil, err
	}
	chains = slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return weak(c) == "its key is too weak" })
	})
	if len(chains) == 0 {
		return nil, x509.UnknownAuthorityError{Cert: cert}
	}
	return chains, nil
}

// notRevoked asks about every certificate of a chain below its root, and wants
// one chain in which none is revoked.
func notRevoked(ctx context.Context, chains [][]*x509.Certificate, ask func(context.Context, *x509.Certificate) error) error {
	var err error
	for _, chain := range chains {
		err = nil
		for _, cert := range chain[:max(1, len(chain)-1)] {
			if err == nil && ask != nil {
				err = ask(ctx, cert)
			}
		}
		if err == nil {
			return nil
		}
	}
	return err
}
