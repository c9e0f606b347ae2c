// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// What an operator does beside the server, on its ledger and with its keys. The
// act is named after the requests, so that the same command again gives the same
// certificates.

func (p program) issue(ctx context.Context, args []string) error {
	var c config
	flags := p.flags("issue", &c)
	var subject pkix.Name
	flags.StringVar(&subject.CommonName, "name", "", "`name` of the person")
	flags.StringVar(&subject.SerialNumber, "id", "", "the person's user id, 12 `digits`")
	if err := p.parse(flags, &c, args, 2); err != nil {
		return err
	}
	return p.pair(ctx, c, flags.Args(), func(ca *pki.CA, act string, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
		return ca.Issue(ctx, act, subject, csrs)
	})
}

func (p program) renew(ctx context.Context, args []string) error {
	var c config
	flags := p.flags("renew", &c)
	if err := p.parse(flags, &c, args, 3); err != nil {
		return err
	}
	old, err := readPair(flags.Arg(0))
	if err != nil {
		return err
	}
	return p.pair(ctx, c, flags.Args()[1:], func(ca *pki.CA, act string, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
		return ca.Renew(ctx, act, old, csrs)
	})
}

// pair has a pair made for the requests in two files, and prints it with its
// issuer.
func (p program) pair(ctx context.Context, c config, files []string, issue func(*pki.CA, string, []*x509.CertificateRequest) ([]*x509.Certificate, error)) (err error) {
	csrs, act, err := readRequests(files)
	if err != nil {
		return err
	}
	a, err := openAuthority(ctx, c, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	pair, err := issue(a.CA, act, csrs)
	if err != nil {
		return err
	}
	return writePEM(p.stdout, append(pair, a.Chain()[0]))
}

func (p program) revoke(ctx context.Context, args []string) (err error) {
	var c config
	flags := p.flags("revoke", &c)
	reason := flags.Int("reason", 0, "`code` of RFC 5280 §5.3.1: 1 lost, 5 left, 6 on hold, 8 off hold")
	if err := p.parse(flags, &c, args, 1); err != nil {
		return err
	}
	pair, err := readPair(flags.Arg(0))
	if err != nil {
		return err
	}
	a, err := openAuthority(ctx, c, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	for _, cert := range pair {
		if err := a.Revoke(ctx, cert, *reason, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// readRequests reads the requests for authentication and signing.
func readRequests(files []string) (csrs []*x509.CertificateRequest, act string, err error) {
	sum := sha256.New()
	for _, name := range files {
		blocks, err := readPEM(name, "CERTIFICATE REQUEST")
		if err != nil {
			return nil, "", err
		}
		csr, err := x509.ParseCertificateRequest(blocks[0])
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		csrs = append(csrs, csr)
		sum.Write(csr.Raw)
	}
	return csrs, "operator-" + hex.EncodeToString(sum.Sum(nil)), nil
}

// readPair reads what issue and renew write: the pair, and its issuer, which is
// passed over.
func readPair(name string) ([]*x509.Certificate, error) {
	blocks, err := readPEM(name, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	if len(blocks) < 2 {
		return nil, fmt.Errorf("%s holds no pair", name)
	}
	var pair []*x509.Certificate
	for _, der := range blocks[:2] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pair = append(pair, cert)
	}
	return pair, nil
}

// readPEM returns the blocks of a kind, one at least.
func readPEM(name, kind string) ([][]byte, error) {
	rest, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == kind {
			found = append(found, block.Bytes)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s holds no PEM block %s", name, kind)
	}
	return found, nil
}

func writePEM(w io.Writer, certs []*x509.Certificate) error {
	for _, cert := range certs {
		if err := pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return err
		}
	}
	return nil
}
