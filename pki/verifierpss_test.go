// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
)

// Lists that an RSA key has signed by RSASSA-PSS, as crypto/x509 writes them.
func TestPSS(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "RSA"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	made := func(template *x509.Certificate) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), key)
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return cert
	}
	issuer := made(ca)
	leaf := made(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0)})
	check := func(der []byte) error {
		checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{der}})
		require.NoError(t, err)
		_, err = checker.Evidence(t.Context(), leaf, issuer, now)
		return err
	}
	for salt, algorithm := range map[byte]x509.SignatureAlgorithm{32: x509.SHA256WithRSAPSS, 48: x509.SHA384WithRSAPSS, 64: x509.SHA512WithRSAPSS} {
		t.Run(algorithm.String(), func(t *testing.T) {
			list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
				SignatureAlgorithm: algorithm, Number: big.NewInt(7), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour),
			}, issuer, key)
			require.NoError(t, err)
			require.NoError(t, check(list))
			// The length of the salt, in both places: it isn't the hash's any more.
			length := []byte{0xa2, 3, 2, 1, salt}
			require.Equal(t, 2, bytes.Count(list, length))
			require.ErrorContains(t, check(bytes.ReplaceAll(list, length, []byte{0xa2, 3, 2, 1, 20})), "PSS")
			list[len(list)-1] ^= 1
			require.ErrorContains(t, check(list), "signature")
		})
	}
}
