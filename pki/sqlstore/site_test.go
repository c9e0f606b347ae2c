// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// site is an authority in a folder: what the killed process and the test that
// looks after it share.
type site struct {
	*pki.CA
	dir    string
	ledger *sqlstore.Ledger
	close  func() error
}

var today = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func openSite(dir string, now time.Time) (*site, error) {
	db, err := crashtest.OpenDB(dir)
	if err != nil {
		return nil, err
	}
	ledger, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db})
	if err != nil {
		return nil, err
	}
	chain, key, err := readHierarchy(dir)
	if err != nil {
		return nil, err
	}
	authority, err := stepca.New(chain, key)
	if err != nil {
		return nil, err
	}
	profile, err := pki.NewProfile(pki.ProfileConfig{
		Base: "http://pki.example.org", UPNSuffix: "care.example.org", Shards: 1,
		Years: 1, RenewalWindow: 365 * 24 * time.Hour, // open as soon as a pair is issued
	})
	if err != nil {
		return nil, err
	}
	ca, err := pki.New(pki.Config{
		Signer: logged{authority, filepath.Join(dir, "signed")}, Chain: chain, Ledger: ledger, Profile: profile,
		Now: func() time.Time { return now },
	})
	if err != nil {
		return nil, err
	}
	return &site{ca, dir, ledger, func() error { return errors.Join(ledger.Close(), db.Close()) }}, nil
}

// logged writes each serial number, and each list's, to disk before it is signed.
type logged struct {
	pki.Signer
	path string
}

func (l logged) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	if err := appendLine(l.path, fmt.Sprintf("%x", template.SerialNumber)); err != nil {
		return nil, err
	}
	return l.Signer.SignCertificate(ctx, template, public)
}

func (l logged) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	if err := appendLine(l.path+"-lists", template.Number.String()); err != nil {
		return nil, err
	}
	return l.Signer.SignCRL(ctx, template)
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var out []string
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

// makeHierarchy keeps the key in clear: deriving a key from a passphrase in each
// killed process would be most of the test's time.
func makeHierarchy(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a, err := stepca.Open(t.Context(), stepca.Config{IssuingKey: stepca.Held{Signer: key}, Now: func() time.Time { return today.AddDate(-1, 0, 0) }})
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	var all bytes.Buffer
	for _, b := range []pem.Block{{Type: "KEY", Bytes: der}, {Type: "CERTIFICATE", Bytes: a.Chain()[0].Raw}, {Type: "CERTIFICATE", Bytes: a.Chain()[1].Raw}} {
		require.NoError(t, pem.Encode(&all, &b))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hierarchy.pem"), all.Bytes(), 0o600))
}

func readHierarchy(dir string) ([]*x509.Certificate, crypto.Signer, error) {
	data, err := os.ReadFile(filepath.Join(dir, "hierarchy.pem"))
	if err != nil {
		return nil, nil, err
	}
	block, rest := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	var chain []*x509.Certificate
	for block, rest = pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, err
		}
		chain = append(chain, cert)
	}
	return chain, key.(crypto.Signer), nil
}

// storedRequests returns the requests of an act, as careid keeps them before it
// calls: the same ones before and after a crash.
func storedRequests(dir, act string) ([]*x509.CertificateRequest, error) {
	path := filepath.Join(dir, act+".csr")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		_, csrs, err := pkitest.Requests()
		if err != nil {
			return nil, err
		}
		return csrs, os.WriteFile(path, append(csrs[0].Raw, csrs[1].Raw...), 0o600)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	first := 4 + int(data[2])<<8 + int(data[3]) // a SEQUENCE with a two-byte length
	if data[1] == 0x81 {
		first = 3 + int(data[2])
	}
	a, errA := x509.ParseCertificateRequest(data[:first])
	b, errB := x509.ParseCertificateRequest(data[first:])
	return []*x509.CertificateRequest{a, b}, errors.Join(errA, errB)
}
