// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// recipient is somebody outside with a certificate of their own; openssl reads
// their mail.
type recipient struct {
	address     string
	certificate *x509.Certificate
	certPath    string
	keyPath     string
}

// newRecipient makes a key and a self-signed certificate for an address, good
// around the estate's present.
func (s *story) newRecipient(name, address string, key crypto.Signer, usage x509.KeyUsage, now time.Time) (recipient, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return recipient{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: address}, EmailAddresses: []string{address},
		NotBefore: now.Add(-day), NotAfter: now.Add(365 * day),
		KeyUsage: usage, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return recipient{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return recipient{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return recipient{}, err
	}
	r := recipient{address: address, certificate: certificate, keyPath: filepath.Join(s.dir, name+".key")}
	if r.certPath, err = s.pemFile(name+".pem", certificate); err != nil {
		return recipient{}, err
	}
	return r, os.WriteFile(r.keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600)
}

// outsiders are a recipient with an RSA key and one with a P-256 key, both known
// to the gateway.
func (s *story) outsiders(ctx context.Context) ([]recipient, error) {
	now, err := s.h.Now(ctx)
	if err != nil {
		return nil, err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	withRSA, err := s.newRecipient("rsa", "records@elmstreet.example", rsaKey, x509.KeyUsageKeyEncipherment, now)
	if err != nil {
		return nil, err
	}
	withEC, err := s.newRecipient("ec", "matron@ashcourt.example", ecKey, x509.KeyUsageKeyAgreement, now)
	if err != nil {
		return nil, err
	}
	all := []recipient{withRSA, withEC}
	for _, r := range all {
		if err := s.h.TrustRecipient(ctx, r.address, r.certificate); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// decrypt has openssl open an e-mail with a recipient's key.
func (s *story) decrypt(ctx context.Context, r recipient, mail []byte) ([]byte, error) {
	in, out := filepath.Join(s.dir, "encrypted.eml"), filepath.Join(s.dir, "opened.eml")
	if err := os.WriteFile(in, mail, 0o600); err != nil {
		return nil, err
	}
	err := s.runOpenSSL(ctx, "cms", "-decrypt", "-inform", "SMIME", "-in", in, "-recip", r.certPath, "-inkey", r.keyPath, "-out", out)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// contentKeys is for how many recipients openssl finds an encrypted e-mail's key in
// it.
func (s *story) contentKeys(ctx context.Context, mail []byte) (int, error) {
	in, out := filepath.Join(s.dir, "encrypted.eml"), filepath.Join(s.dir, "structure.txt")
	if err := os.WriteFile(in, mail, 0o600); err != nil {
		return 0, err
	}
	if err := s.runOpenSSL(ctx, "cms", "-cmsout", "-print", "-noout", "-inform", "SMIME", "-in", in, "-out", out); err != nil {
		return 0, err
	}
	printed, err := os.ReadFile(out)
	return bytes.Count(printed, []byte(" encryptedKey:")), err
}
