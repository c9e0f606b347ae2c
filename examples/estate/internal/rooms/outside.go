// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

// OutsideAddress is somebody beyond the hospital with a certificate of their
// own, so that a [secure] message can be sent by hand at once.
const OutsideAddress = "dr.hale@surgery.example"

// outsideYears is longer than the calendar can be moved in earnest.
const outsideYears = 25

// OutsideKey is where the outside recipient keeps key and certificate, and
// where a person finds them to open a message with openssl.
func (r *Rooms) OutsideKey() (key, certificate string) {
	return r.path("outside/dr.hale.key"), r.path("outside/dr.hale.pem")
}

// openOutside makes the outside recipient where there is none, and gives the
// gateway's directory the certificate.
func (r *Rooms) openOutside() error {
	keyFile, certificateFile := r.OutsideKey()
	text, err := os.ReadFile(certificateFile)
	if err == nil {
		return r.Gateway.know(text)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("estate: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o700); err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	from := r.Clock.Now().Add(-time.Hour)
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: "Dr Robin Hale", Organization: []string{"Example Surgery"}},
		NotBefore: from, NotAfter: from.AddDate(outsideYears, 0, 0), EmailAddresses: []string{OutsideAddress},
		KeyUsage: x509.KeyUsageKeyAgreement, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := kept.Replace(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})); err != nil {
		return err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := kept.Replace(certificateFile, text); err != nil {
		return err
	}
	return r.Gateway.know(text)
}
