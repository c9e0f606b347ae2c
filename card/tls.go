// SPDX-License-Identifier: Apache-2.0

package card

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"slices"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// TLS is the key with a certificate, for client authentication by crypto/tls
// (TLS 1.2 and 1.3): in tls.Config.Certificates, or given by
// GetClientCertificate. leaf is a certificate of the key; nil takes the one on the
// card that was issued last. What the card holds of its issuers follows it, up to
// a root, which isn't sent. It needs no login; the handshake does, and asks the
// Prompter.
//
// ErrNotFound: the card has no certificate of the key. ErrMismatch: leaf isn't
// this key's. A card that can't do RSA-PSS is offered for PKCS #1 v1.5 alone, and
// so for TLS 1.2 alone. ctx is for reading the card: crypto/tls gives none to a
// key that signs, and keeps of its error the text alone. (RFC 5246 §7.4.8,
// RFC 8446 §4.2.3, §4.4.2)
func (k *Key) TLS(ctx context.Context, leaf *x509.Certificate) (tls.Certificate, error) {
	if leaf != nil && !publicEqual(k.public, leaf.PublicKey) {
		return tls.Certificate{}, ErrMismatch
	}
	_, isRSA := k.public.(*rsa.PublicKey)
	var stored []Certificate
	var mechanisms []uint
	err := k.card.read(ctx, "TLS", func(lib *cryptoki.Lib, s cryptoki.Session) (err error) {
		if stored, err = readCertificates(ctx, lib, s); err == nil && isRSA {
			mechanisms, err = lib.Mechanisms(k.card.token.slot)
		}
		return err
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	all := make([]*x509.Certificate, len(stored))
	for i, c := range stored {
		all[i] = c.X509
	}
	slices.SortStableFunc(all, newestFirst)
	if leaf == nil {
		i := slices.IndexFunc(all, func(c *x509.Certificate) bool { return publicEqual(k.public, c.PublicKey) })
		if i < 0 {
			return tls.Certificate{}, ErrNotFound
		}
		leaf = all[i]
	}
	c := tls.Certificate{Certificate: chain(leaf, all), PrivateKey: k, Leaf: leaf}
	if isRSA && !slices.ContainsFunc(mechanisms, makesPSS) {
		c.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512}
	}
	return c, nil
}

// chain is the leaf with its issuers, each signed by the next.
func chain(leaf *x509.Certificate, all []*x509.Certificate) [][]byte {
	sent := [][]byte{leaf.Raw}
	for last := leaf; len(sent) <= len(all); {
		i := slices.IndexFunc(all, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer) && !bytes.Equal(c.RawSubject, c.RawIssuer) && last.CheckSignatureFrom(c) == nil
		})
		if i < 0 {
			break
		}
		last = all[i]
		sent = append(sent, last.Raw)
	}
	return sent
}

// makesPSS says whether some way to an RSA-PSS signature goes by the mechanism.
func makesPSS(mechanism uint) bool {
	switch mechanism {
	case cryptoki.MechRSAPSS, cryptoki.MechRSAX509, cryptoki.MechSHA256RSAPSS, cryptoki.MechSHA384RSAPSS, cryptoki.MechSHA512RSAPSS:
		return true
	}
	return false
}
