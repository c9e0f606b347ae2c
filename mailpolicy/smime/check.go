// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
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
// revoked, nor any authority between, where Config.Revoked is set. Where that
// can't be found out now, and waiting may help, the Refusal is
// mail.recipient.status. It never asks the network by itself.
//
// RFC 8550 §3 and §4.
func (e *Encrypter) Check(ctx context.Context, cert *x509.Certificate, address string) error {
	if cert == nil {
		return mailpolicy.Rules().Refuse("mail.recipient.nocert", "address", address)
	}
	refuse := func(why string) *wardkey.Refusal {
		return mailpolicy.Rules().Refuse("mail.recipient.cert", "address", address, "why", why)
	}
	if !names(cert.EmailAddresses, address) {
		return refuse("it is for another address")
	}
	t := trust{e.config.Roots, e.config.Intermediates, e.config.Revoked, e.config.Now()}
	if why := t.unfit(cert); why != "" {
		return refuse(why)
	}
	if why := keyFault(cert); why != "" {
		return refuse(why)
	}
	if e.config.RequireEmailProtection && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) {
		return refuse("it is not for e-mail")
	}
	switch why, err := t.doubt(ctx, cert); why {
	case "":
		return nil
	case notFoundOut:
		return mailpolicy.Rules().Refuse("mail.recipient.status", "address", address).Because(err)
	default:
		return refuse(why).Because(err)
	}
}

// names reports that address is one of a certificate's.
func names(addresses []string, address string) bool {
	return address != "" && slices.ContainsFunc(addresses, func(s string) bool { return sameAddress(s, address) })
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

const tooWeak = "its key is too weak"

func weak(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits || key.E < 3 {
			return tooWeak
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			return tooWeak
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

// trust is what a certificate is judged by, whoever's it is.
type trust struct {
	roots, intermediates *x509.CertPool
	revoked              func(context.Context, *x509.Certificate) error
	now                  time.Time
}

// unfit says what keeps a certificate from being a person's now, or "".
func (t trust) unfit(cert *x509.Certificate) string {
	switch {
	case t.now.Before(cert.NotBefore):
		return "it is not valid yet"
	case t.now.After(cert.NotAfter):
		return "it has expired"
	case cert.IsCA:
		return "it belongs to an authority and not to a person"
	}
	return ""
}

// doubt says why nobody trusted vouches for a certificate now, or "".
func (t trust) doubt(ctx context.Context, cert *x509.Certificate) (why string, cause error) {
	chains, err := t.chains(cert)
	if err != nil {
		if invalid, ok := err.(x509.CertificateInvalidError); ok && invalid.Reason == x509.IncompatibleUsage {
			return "it is not for e-mail", err
		}
		return "its issuer is not trusted", err
	}
	err = t.notRevoked(ctx, chains)
	return statusFault(err), err
}

// notFoundOut is the one doubt that may pass by waiting.
const notFoundOut = "it can't be found out now whether it is revoked"

// statusFault reads what Config.Revoked has answered. The rules are package
// pki's, whose errors name them.
func statusFault(err error) string {
	switch rule := wardkey.RuleOf(err); {
	case err == nil:
		return ""
	case rule == "cert.status", errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return notFoundOut
	case rule == "cert.revoked":
		return "it is revoked"
	case rule == "cert.held":
		return "it is on hold"
	}
	return "it is revoked, or it can't be found out whether it is"
}

// chains are those to a root in which every key is strong: one at least, or an
// error.
func (t trust) chains(cert *x509.Certificate) ([][]*x509.Certificate, error) {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: t.intermediates, CurrentTime: t.now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	})
	if err != nil {
		return nil, err
	}
	chains = slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return weak(c) == tooWeak })
	})
	if len(chains) == 0 {
		return nil, x509.UnknownAuthorityError{Cert: cert}
	}
	return chains, nil
}

// notRevoked asks about every certificate of a chain below its root, and wants
// one chain in which none is revoked.
func (t trust) notRevoked(ctx context.Context, chains [][]*x509.Certificate) error {
	var err error
	for _, chain := range chains {
		err = nil
		for _, cert := range chain[:max(1, len(chain)-1)] {
			if err == nil && t.revoked != nil {
				err = t.revoked(ctx, cert)
			}
		}
		if err == nil {
			return nil
		}
	}
	return err
}
