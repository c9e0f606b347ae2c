// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki"
)

// sslCA is an authority that OpenSSL's command-line tools run, on the machine's
// clock.
type sslCA struct {
	t       *testing.T
	openssl string
	dir     string
	*outside
	good, revoked, held *x509.Certificate
	responder           *party
}

func newSSLCA(t *testing.T) *sslCA {
	s := &sslCA{t: t, openssl: need.Tool(t, "openssl"), dir: t.TempDir(), outside: newOutside(t)}
	s.now = time.Now().UTC().Truncate(time.Second)
	s.root = s.certify(nil, "Root", asCA)
	s.issuing = s.certify(s.root, "Issuing", asCA)
	s.responder = s.certify(s.issuing, "Responder", asResponder)
	s.good, s.revoked, s.held = s.certify(s.issuing, "good").cert, s.certify(s.issuing, "revoked").cert, s.certify(s.issuing, "held").cert
	for name, p := range map[string]*party{"issuing": s.issuing, "responder": s.responder} {
		key, err := x509.MarshalPKCS8PrivateKey(p.key)
		require.NoError(t, err)
		s.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
		s.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	}
	// The tools' data base: status, end, revocation with its reason, serial
	// number, file, name.
	const form = "060102150405Z"
	line := func(state, revocation string, c *x509.Certificate) string {
		serial := c.SerialNumber.Text(16)
		if len(serial)%2 == 1 {
			serial = "0" + serial
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\tunknown\t/CN=%s\n", state, c.NotAfter.Format(form), revocation, strings.ToUpper(serial), c.Subject.CommonName)
	}
	ago := s.now.Add(-time.Hour).Format(form)
	s.write("index.txt", []byte(line("V", "", s.good)+line("R", ago+",superseded", s.revoked)+line("R", ago+",certificateHold", s.held)))
	s.write("index.txt.attr", []byte("unique_subject = no\n"))
	s.write("crlnumber", []byte("1000\n"))
	s.write("ca.cnf", []byte(`[ca]
default_ca = here
[here]
dir = .
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 1
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
`))
	return s
}

func (s *sslCA) write(name string, data []byte) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), data, 0o600))
}

func (s *sslCA) run(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, s.openssl, args...)
	command.Dir = s.dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Lists implements pki.CRLSource: a list made for each question.
func (s *sslCA) Lists(ctx context.Context, _, _ *x509.Certificate) ([][]byte, error) {
	if err := s.run(ctx, "ca", "-config", "ca.cnf", "-gencrl", "-cert", "issuing.pem", "-keyfile", "issuing.key", "-out", "list.pem"); err != nil {
		return nil, err
	}
	if err := s.run(ctx, "crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der"); err != nil {
		return nil, err
	}
	der, err := os.ReadFile(filepath.Join(s.dir, "list.der"))
	return [][]byte{der}, err
}

// sslResponder answers as `openssl ocsp` does.
type sslResponder struct {
	*sslCA
	signer string
	args   []string
}

// Ask implements pki.OCSPSource.
func (s sslResponder) Ask(ctx context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
	if err := os.WriteFile(filepath.Join(s.dir, "request.der"), request, 0o600); err != nil {
		return nil, err
	}
	args := append([]string{
		"ocsp", "-index", "index.txt", "-CA", "issuing.pem", "-rsigner", s.signer + ".pem", "-rkey", s.signer + ".key",
		"-reqin", "request.der", "-respout", "answer.der",
	}, s.args...)
	if err := s.run(ctx, args...); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(s.dir, "answer.der"))
}

// Another implementation's lists and answers are understood.
func TestVerifierOpenSSL(t *testing.T) {
	s := newSSLCA(t)
	verify := func(source pki.StatusSource, cert *x509.Certificate) error {
		v := s.configured(pki.VerifierConfig{Roots: []*x509.Certificate{s.issuing.cert}, Sources: []pki.StatusSource{source}})
		s.now = time.Now().UTC()
		_, err := v.Verify(t.Context(), []*x509.Certificate{cert}, pki.PurposeAuthentication, time.Time{})
		return err
	}
	ocsp := func(c pki.OCSPCheckerConfig, signer string, args ...string) pki.StatusSource {
		c.Source = sslResponder{s, signer, args}
		checker, err := pki.NewOCSPChecker(c)
		require.NoError(t, err)
		return checker
	}
	crl, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: s})
	require.NoError(t, err)
	for name, source := range map[string]pki.StatusSource{
		"lists":                crl,
		"delegated":            ocsp(pki.OCSPCheckerConfig{}, "responder", "-ndays", "1"),
		"delegated, by key id": ocsp(pki.OCSPCheckerConfig{}, "responder", "-ndays", "1", "-resp_key_id"),
		"nonce":                ocsp(pki.OCSPCheckerConfig{Nonce: true}, "responder", "-ndays", "1"),
		"the issuer itself":    ocsp(pki.OCSPCheckerConfig{}, "issuing", "-ndays", "1", "-resp_no_certs"),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, verify(source, s.good))
			require.ErrorIs(t, verify(source, s.revoked), pki.ErrRevoked)
			require.ErrorIs(t, verify(source, s.held), pki.ErrHeld)
			never := s.certify(s.issuing, "never recorded").cert
			if name == "lists" {
				require.NoError(t, verify(source, never), "a list knows only what is revoked")
			} else {
				require.ErrorIs(t, verify(source, never), pki.ErrUnknownCertificate)
			}
		})
	}
	t.Run("without an end", func(t *testing.T) {
		require.ErrorContains(t, verify(ocsp(pki.OCSPCheckerConfig{}, "responder"), s.good), "without nextUpdate")
	})
	t.Run("a certificate that isn't the responder's in its name", func(t *testing.T) {
		require.ErrorIs(t, verify(ocsp(pki.OCSPCheckerConfig{}, "responder", "-ndays", "1", "-resp_no_certs"), s.good), pki.ErrStatus)
	})
}
