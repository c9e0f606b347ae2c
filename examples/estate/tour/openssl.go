// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// opensslVerify has openssl check a certificate under a root, through an
// intermediate where there is one, as of a time.
func (s *story) opensslVerify(ctx context.Context, root, intermediate, leaf *x509.Certificate, at time.Time) error {
	roots, err := s.pemFile("root.pem", root)
	if err != nil {
		return err
	}
	subject, err := s.pemFile("subject.pem", leaf)
	if err != nil {
		return err
	}
	arguments := []string{"verify", "-x509_strict", "-attime", strconv.FormatInt(at.Unix(), 10), "-CAfile", roots}
	if intermediate != nil {
		between, err := s.pemFile("between.pem", intermediate)
		if err != nil {
			return err
		}
		arguments = append(arguments, "-untrusted", between)
	}
	return s.runOpenSSL(ctx, append(arguments, subject)...)
}

func (s *story) pemFile(name string, c *x509.Certificate) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600)
}

func (s *story) runOpenSSL(ctx context.Context, arguments ...string) error {
	said, err := exec.CommandContext(ctx, s.openssl, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl %s: %w: %s", arguments[0], err, strings.TrimSpace(string(said)))
	}
	return nil
}
