// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func TestForAuthentication(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	certificate := func(usage x509.KeyUsage, start time.Time, extended ...x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{KeyUsage: usage, ExtKeyUsage: extended, NotBefore: start, NotAfter: start.AddDate(3, 0, 0)}
	}
	const signs, agrees = x509.KeyUsageDigitalSignature, x509.KeyUsageContentCommitment
	old := certificate(signs|x509.KeyUsageKeyEncipherment, at)
	client := certificate(signs, at.AddDate(2, 10, 0), x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection)
	longer := certificate(signs, at.AddDate(2, 10, 0), x509.ExtKeyUsageAny)
	longer.NotAfter = client.NotAfter.Add(time.Hour)
	ca, smartcard := certificate(signs, at), certificate(signs, at)
	ca.IsCA = true
	smartcard.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}
	require.Equal(t, []*x509.Certificate{longer, client, old}, card.ForAuthentication([]*x509.Certificate{
		certificate(agrees, at), certificate(signs|agrees, at), certificate(0, at), certificate(x509.KeyUsageKeyAgreement, at),
		old, ca, smartcard, certificate(signs, at, x509.ExtKeyUsageEmailProtection), client, longer,
	}))
	require.Empty(t, card.ForAuthentication(nil))
}

// A card with the pair: the certificate to sign in is found, by the default and
// by what the caller has instead.
func TestAuthentication(t *testing.T) {
	ca := newIssuer(t)
	of := func(k *card.Key, usage x509.KeyUsage) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Ana"}, KeyUsage: usage,
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		}, ca.cert, k.Public(), ca.key)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return c
	}
	d := deskWith(t, cardtest.Config{}, cardtest.Personal{Certify: func(keys []*card.Key) ([]*x509.Certificate, error) {
		return []*x509.Certificate{of(keys[0], x509.KeyUsageDigitalSignature), of(keys[1], x509.KeyUsageContentCommitment)}, nil
	}})
	ctx := t.Context()
	k, c, err := d.card.Authentication(ctx)
	require.NoError(t, err)
	require.Equal(t, []byte{1}, k.ID())
	require.Equal(t, x509.KeyUsageDigitalSignature, c.KeyUsage)
	d.login(d.card)
	require.NoError(t, signs(ctx, k))

	for want, choose := range map[byte]func([]*x509.Certificate) []*x509.Certificate{
		2: func(all []*x509.Certificate) []*x509.Certificate {
			return slices.DeleteFunc(all, func(c *x509.Certificate) bool { return c.KeyUsage == x509.KeyUsageDigitalSignature })
		},
		0: func([]*x509.Certificate) []*x509.Certificate { return nil },
	} {
		m, err := card.Open(card.Config{Module: d.tray.Module(), Authentication: choose})
		require.NoError(t, err)
		other, err := m.Card(ctx, card.Selector{Serial: d.serial})
		require.NoError(t, err)
		k, c, err := other.Authentication(ctx)
		if want == 0 {
			require.ErrorIs(t, err, card.ErrNotFound)
		} else {
			require.NoError(t, err)
			require.Equal(t, []byte{want}, k.ID())
			require.Equal(t, x509.KeyUsageContentCommitment, c.KeyUsage)
		}
		require.NoError(t, m.Close())
	}
}
