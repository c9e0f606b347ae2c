// SPDX-License-Identifier: Apache-2.0

package mailtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// CA issues certificates for mail. Its key lives in memory only.
type CA struct {
	// Certificate is the root.
	Certificate *x509.Certificate

	key crypto.Signer
	now func() time.Time
}

// CAConfig configures a CA.
type CAConfig struct {
	// Now is the calendar by which it issues. Default time.Now.
	Now func() time.Time
}

func (c CAConfig) withDefaults() CAConfig {
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// NewCA makes a root that is valid for ten years around Now.
func NewCA(c CAConfig) (*CA, error) {
	ca := &CA{now: c.withDefaults().Now}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca.key = key
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Mail test root"},
		NotBefore: ca.now().AddDate(-5, 0, 0), NotAfter: ca.now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	ca.Certificate, err = x509.ParseCertificate(der)
	return ca, err
}

// Roots holds the root alone.
func (ca *CA) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	return pool
}

// Identity is the root's, for what signs lists and OCSP answers in its name.
func (ca *CA) Identity() Identity { return Identity{Certificate: ca.Certificate, Key: ca.key} }

// Spec is a certificate to issue. The zero value with an Email is one in order,
// on a P-256 key.
type Spec struct {
	// Email is the rfc822Name; empty for none.
	Email string
	// RSABits makes an RSA key of that size; Curve an EC key on that curve.
	RSABits int
	Curve   elliptic.Curve
	// NotBefore and NotAfter default to a day ago and three years from now.
	NotBefore, NotAfter time.Time
	// ExtKeyUsage defaults to e-mail protection; NoExtKeyUsage leaves it out.
	ExtKeyUsage   []x509.ExtKeyUsage
	NoExtKeyUsage bool
	// KeyUsage defaults to what encryption needs.
	KeyUsage x509.KeyUsage
	// IsCA makes it an authority's.
	IsCA bool
	// OCSPServer and CRLDistributionPoints are where to ask whether it is revoked.
	OCSPServer, CRLDistributionPoints []string
}

// Identity is a certificate with its key.
type Identity struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Issue makes a key and a certificate for it.
func (ca *CA) Issue(s Spec) (Identity, error) {
	key, usage, err := s.makeKey()
	if err != nil {
		return Identity{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Identity{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Mail test " + s.Email},
		NotBefore: s.NotBefore, NotAfter: s.NotAfter, KeyUsage: s.KeyUsage, ExtKeyUsage: s.ExtKeyUsage,
		IsCA: s.IsCA, BasicConstraintsValid: true,
		OCSPServer: s.OCSPServer, CRLDistributionPoints: s.CRLDistributionPoints,
	}
	if s.Email != "" {
		template.EmailAddresses = []string{s.Email}
	}
	if s.NotBefore.IsZero() {
		template.NotBefore = ca.now().AddDate(0, 0, -1)
	}
	if s.NotAfter.IsZero() {
		template.NotAfter = ca.now().AddDate(3, 0, 0)
	}
	if s.KeyUsage == 0 {
		template.KeyUsage = usage
	}
	if len(s.ExtKeyUsage) == 0 && !s.NoExtKeyUsage {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate, key.Public(), ca.key)
	if err != nil {
		return Identity{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return Identity{Certificate: cert, Key: key}, err
}

func (s Spec) makeKey() (crypto.Signer, x509.KeyUsage, error) {
	if s.RSABits > 0 {
		key, err := rsa.GenerateKey(rand.Reader, s.RSABits)
		return key, x509.KeyUsageKeyEncipherment, err
	}
	curve := s.Curve
	if curve == nil {
		curve = elliptic.P256()
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	return key, x509.KeyUsageKeyAgreement, err
}

// PEM returns the certificate and the unprotected key in PEM, as openssl reads
// them.
func (i Identity) PEM() (cert, key []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("mailtest: %w", err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate.Raw})
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
