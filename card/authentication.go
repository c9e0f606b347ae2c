// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"crypto/x509"
	"slices"
)

// Authentication is the key and the certificate that sign the holder in: the
// first that Config.Authentication gives of those on the card. It needs no login.
// ErrNotFound: none does. Whether the certificate is valid, or revoked, is for
// whoever is signed in to.
func (c *Card) Authentication(ctx context.Context) (*Key, *x509.Certificate, error) {
	stored, err := c.Certificates(ctx)
	if err != nil {
		return nil, nil, err
	}
	all := make([]*x509.Certificate, len(stored))
	for i, s := range stored {
		all[i] = s.X509
	}
	fit := c.module.config.Authentication(all)
	if len(fit) == 0 {
		return nil, nil, ErrNotFound
	}
	k, err := c.Key(ctx, KeySelector{Public: fit[0].PublicKey})
	return k, fit[0], err
}

// ForAuthentication keeps the certificates that may sign a person in, the one
// issued last first; of two issued at once, the one that lasts longer. It doesn't
// look at the calendar: whether an expired certificate helps is the server's to
// say.
//
// What it asks for: key usage digitalSignature without contentCommitment, not a
// CA's, and an extended key usage of clientAuth or any, or none at all, which
// restricts nothing (RFC 5280 §4.2.1.3, §4.2.1.12).
//
// The evidence: an NHS card has a pair, one certificate to sign in and one to
// sign documents. The second kind is known, from the three card certificates in
// the published tests of the electronic prescription service (test CAs, 2020 to
// 2023): critical key usage nonRepudiation, which is contentCommitment, alone, and
// no extended key usage. Of the first kind none is published; the free client
// NHSbuntu takes the key that may decrypt too, from which digitalSignature with
// keyEncipherment is inferred. Where that is wrong, Config.Authentication is the
// place to say so.
func ForAuthentication(certificates []*x509.Certificate) []*x509.Certificate {
	var fit []*x509.Certificate
	for _, c := range certificates {
		signs := c.KeyUsage&x509.KeyUsageDigitalSignature != 0 && c.KeyUsage&x509.KeyUsageContentCommitment == 0
		if signs && !c.IsCA && forClients(c) {
			fit = append(fit, c)
		}
	}
	slices.SortStableFunc(fit, newestFirst)
	return fit
}

func forClients(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func newestFirst(a, b *x509.Certificate) int {
	if byStart := b.NotBefore.Compare(a.NotBefore); byStart != 0 {
		return byStart
	}
	return b.NotAfter.Compare(a.NotAfter)
}
