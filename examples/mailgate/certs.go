// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

// folder is the directory of recipients: every file in it holds certificates. It
// is read again when a file has come, gone or changed; one that can't be read
// makes senders try again until it is put right.
type folder struct {
	path string

	mu    sync.Mutex
	state string // of the files that were read
	known gateway.Certificates
}

// Certificates is gateway.Directory's.
func (f *folder) Certificates(ctx context.Context, address string) ([]*x509.Certificate, error) {
	known, err := f.read()
	if err != nil {
		return nil, err
	}
	return known.Certificates(ctx, address)
}

func (f *folder) read() (gateway.Certificates, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	var state strings.Builder
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(f.path, e.Name())) // a link's own file may stay as it is
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(&state, e.Name(), info.Size(), info.ModTime().UnixNano())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known != nil && f.state == state.String() {
		return f.known, nil
	}
	known := gateway.Certificates{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		certs, err := certificatesIn(filepath.Join(f.path, e.Name()))
		if err != nil {
			return nil, err
		}
		known = append(known, certs...)
	}
	f.state, f.known = state.String(), known
	return known, nil
}

// certificatesIn reads every certificate of a PEM file, in which nothing else
// may stand.
func certificatesIn(path string) ([]*x509.Certificate, error) {
	all, err := os.ReadFile(path) // #nosec G304 -- the operator's file
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for text := all; ; {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: %s in it, and only certificates belong there", path, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		certs, text = append(certs, c), rest
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s: no certificate in PEM", path)
	}
	if found := bytes.Count(all, []byte("-----BEGIN")); found != len(certs) {
		return nil, fmt.Errorf("%s: %d of its %d certificates are cut off or damaged", path, found-len(certs), found)
	}
	return certs, nil
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

func count(certs []*x509.Certificate, is func(*x509.Certificate) bool) int {
	n := 0
	for _, c := range certs {
		if is(c) {
			n++
		}
	}
	return n
}
