// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// GnuTLS has no option for another date, so the authority's calendar is the
// machine's here.
func TestGnuTLS(t *testing.T) {
	certtool := need.Tool(t, "gnutls")
	ocsptool := filepath.Join(filepath.Dir(certtool), "ocsptool")
	files := &openssl{t: t, dir: t.TempDir()}
	run := func(tool string, args ...string) (string, error) {
		out, err := exec.Command(tool, args...).CombinedOutput()
		return string(out), err
	}
	h := newHouse(t)
	h.clock.Set(time.Now().AddDate(-4, 0, 0))
	expired := h.issue("expired")
	h.clock.Set(time.Now())
	good, revoked := h.issue("good"), h.issue("revoked")
	require.NoError(t, h.Revoke(t.Context(), revoked[0], 1, time.Time{}))
	server := httptest.NewServer(h.OCSPHandler())
	defer server.Close()

	chain := func(leaf *x509.Certificate) string {
		return files.file("chain.pem", "CERTIFICATE", leaf.Raw, h.Chain()[0].Raw, h.Chain()[1].Raw)
	}
	t.Run("chain", func(t *testing.T) {
		for _, leaf := range good {
			out, err := run(certtool, "--verify-chain", "--infile", chain(leaf))
			require.NoError(t, err, out)
			require.Contains(t, out, "Chain verification output: Verified.")
		}
		root := files.file("root.pem", "CERTIFICATE", h.Chain()[1].Raw)
		for _, c := range []struct {
			leaf          *x509.Certificate
			purpose, says string
		}{
			{good[0], "1.3.6.1.5.5.7.3.2", "Verified."},
			{good[0], "1.3.6.1.5.5.7.3.1", "Not verified."}, // no TLS server's
			{expired[0], "1.3.6.1.5.5.7.3.2", "The certificate chain uses expired certificate."},
			{newHouse(t).issue("stranger")[0], "1.3.6.1.5.5.7.3.2", "Not verified."},
		} {
			out, _ := run(certtool, "--verify", "--load-ca-certificate", root, "--verify-purpose", c.purpose, "--infile",
				files.file("leaf.pem", "CERTIFICATE", c.leaf.Raw, h.Chain()[0].Raw))
			require.Contains(t, out, c.says)
		}
	})
	t.Run("list", func(t *testing.T) {
		issuing := files.file("issuing.pem", "CERTIFICATE", h.Chain()[0].Raw)
		list := files.file("list.pem", "X509 CRL", h.listOf(revoked[0]).der)
		out, err := run(certtool, "--verify-crl", "--load-ca-certificate", issuing, "--infile", list)
		require.NoError(t, err, out)
		require.Contains(t, out, "Verification output: Verified.")
		out, err = run(certtool, "--crl-info", "--infile", list)
		require.NoError(t, err, out)
		require.Contains(t, strings.ReplaceAll(out, ":", ""), fmt.Sprintf("%x", revoked[0].SerialNumber))
		root := files.file("root.pem", "CERTIFICATE", h.Chain()[1].Raw)
		for leaf, says := range map[*x509.Certificate]string{good[0]: "Verified.", revoked[0]: "The certificate chain is revoked."} {
			out, _ := run(certtool, "--verify", "--load-ca-certificate", root, "--load-crl", files.file("own.pem", "X509 CRL", h.listOf(leaf).der),
				"--infile", files.file("leaf.pem", "CERTIFICATE", leaf.Raw, h.Chain()[0].Raw))
			require.Contains(t, out, "Checked against CRL[01] of: CN=Wardkey Issuing CA")
			_, verdict, _ := strings.Cut(out, "Chain verification output:")
			require.Contains(t, verdict, says)
		}
		foreign := newHouse(t)
		out, err = run(certtool, "--verify-crl", "--load-ca-certificate", files.file("other.pem", "CERTIFICATE", foreign.Chain()[0].Raw), "--infile", list)
		require.Error(t, err)
		require.NotContains(t, out, "Verified.")
	})
	t.Run("ocsp", func(t *testing.T) {
		issuing := files.file("issuing.pem", "CERTIFICATE", h.Chain()[0].Raw)
		for _, c := range []struct {
			leaf *x509.Certificate
			says string
		}{{good[0], "Certificate Status: good"}, {good[1], "Certificate Status: good"}, {revoked[0], "Certificate Status: revoked"}} {
			out, err := run(ocsptool, "--ask="+server.URL+"/ocsp", "--load-issuer", issuing, "--load-trust", issuing,
				"--load-cert", files.file("asked.pem", "CERTIFICATE", c.leaf.Raw))
			require.NoError(t, err, out)
			require.Contains(t, out, c.says)
			require.Contains(t, out, "Verifying OCSP Response: Success.")
		}
		out, err := run(ocsptool, "--ask="+server.URL+"/ocsp", "--nonce", "--load-issuer", issuing, "--load-trust", issuing,
			"--load-cert", files.file("asked.pem", "CERTIFICATE", good[0].Raw))
		require.NoError(t, err, out)
		require.Contains(t, out, "Nonce: ")
		require.Contains(t, out, "Verifying OCSP Response: Success.")
		request, err := ocsp.CreateRequest(good[0], h.Chain()[0], nil)
		require.NoError(t, err)
		verify := func(der []byte) string {
			answer := filepath.Join(files.dir, "answer.der")
			require.NoError(t, os.WriteFile(answer, der, 0o600))
			out, _ := run(ocsptool, "--verify-response", "--load-response", answer, "--load-trust", issuing)
			return out
		}
		der := h.ask(request)
		require.Contains(t, verify(der), "Verifying OCSP Response: Success.")
		der = bytes.Clone(der)
		der[len(der)-1] ^= 1 // in the responder's certificate
		require.NotContains(t, verify(der), "Success.")
		foreign := newHouse(t)
		foreign.clock.Set(time.Now())
		request, err = ocsp.CreateRequest(foreign.issue("x")[0], foreign.Chain()[0], nil)
		require.NoError(t, err)
		require.NotContains(t, verify(foreign.ask(request)), "Success.")
	})
}
