// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// openssl runs the tool on files of one folder, by the authority's calendar.
type openssl struct {
	t    *testing.T
	tool string
	dir  string
}

func newOpenSSL(t *testing.T) *openssl {
	return &openssl{t, need.Tool(t, "openssl"), t.TempDir()}
}

func (o *openssl) file(name, kind string, ders ...[]byte) string {
	o.t.Helper()
	var data []byte
	for _, der := range ders {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	path := filepath.Join(o.dir, name)
	require.NoError(o.t, os.WriteFile(path, data, 0o600))
	return path
}

func (o *openssl) run(args ...string) (string, error) {
	out, err := exec.Command(o.tool, args...).CombinedOutput()
	return string(out), err
}

func TestOpenSSL(t *testing.T) {
	o := newOpenSSL(t)
	h := newHouse(t)
	server := httptest.NewServer(h.OCSPHandler())
	defer server.Close()
	pair, revoked := h.issue("good"), h.issue("revoked")
	h.clock.Add(time.Hour)
	require.NoError(t, h.Revoke(t.Context(), revoked[0], 1, time.Time{}))
	root := o.file("root.pem", "CERTIFICATE", h.Chain()[1].Raw)
	issuing := o.file("issuing.pem", "CERTIFICATE", h.Chain()[0].Raw)
	good := o.file("good.pem", "CERTIFICATE", pair[0].Raw)
	signing := o.file("signing.pem", "CERTIFICATE", pair[1].Raw)
	bad := o.file("bad.pem", "CERTIFICATE", revoked[0].Raw)
	at := fmt.Sprint(h.clock.Now().Unix())

	t.Run("chain", func(t *testing.T) {
		for _, leaf := range []string{good, signing} {
			out, err := o.run("verify", "-x509_strict", "-attime", at, "-CAfile", root, "-untrusted", issuing, leaf)
			require.NoError(t, err, out)
		}
		out, err := o.run("verify", "-purpose", "sslclient", "-attime", at, "-CAfile", root, "-untrusted", issuing, good)
		require.NoError(t, err, out)
		out, err = o.run("verify", "-attime", fmt.Sprint(pair[0].NotAfter.Unix()+1), "-CAfile", root, "-untrusted", issuing, good)
		require.Error(t, err, out)
	})
	t.Run("lists", func(t *testing.T) {
		for leaf, cert := range map[string]*x509.Certificate{good: pair[0], bad: revoked[0]} {
			s, err := h.Status(t.Context(), cert.SerialNumber)
			require.NoError(t, err)
			w := httptest.NewRecorder()
			h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/crl/%d.crl", s.Shard), nil))
			list := o.file("list.pem", "X509 CRL", w.Body.Bytes())
			out, err := o.run("crl", "-in", list, "-noout", "-text", "-CAfile", issuing)
			require.NoError(t, err, out)
			require.Contains(t, out, "verify OK")
			require.Contains(t, out, "X509v3 Issuing Distribution Point: critical")
			out, err = o.run("verify", "-crl_check", "-extended_crl", "-CRLfile", list, "-attime", at, "-CAfile", root, "-untrusted", issuing, leaf)
			if leaf == good {
				require.NoError(t, err, out)
			} else {
				require.ErrorContains(t, err, "exit status")
				require.Contains(t, out, "certificate revoked")
			}
		}
	})
	t.Run("threat030", func(t *testing.T) { // what a verifier needs to refuse a wrong list is in it
		good := h.listOf(pair[0])
		var bad string
		for i := 0; ; i++ {
			other := h.issue(fmt.Sprint("shard-", i))[0]
			if h.listOf(other).shard != good.shard {
				require.NoError(t, h.Revoke(t.Context(), other, 1, time.Time{}))
				bad = o.file("bad-elsewhere.pem", "CERTIFICATE", other.Raw)
				break
			}
		}
		// The other shard's list doesn't cover the certificate.
		list := o.file("other.pem", "X509 CRL", good.der)
		out, err := o.run("verify", "-crl_check", "-extended_crl", "-CRLfile", list, "-attime", at, "-CAfile", root, "-untrusted", issuing, bad)
		require.Error(t, err)
		require.Contains(t, out, "CRL")
		// A list past its nextUpdate is refused.
		list = o.file("own.pem", "X509 CRL", good.der)
		late := fmt.Sprint(h.clock.Now().Add(25 * time.Hour).Unix())
		out, err = o.run("verify", "-crl_check", "-extended_crl", "-CRLfile", list, "-attime", late, "-CAfile", root, "-untrusted", issuing, filepath.Join(o.dir, "good.pem"))
		require.Error(t, err)
		require.Contains(t, out, "CRL has expired")
	})
	t.Run("ocsp", func(t *testing.T) {
		for leaf, want := range map[string]string{good: ": good", bad: ": revoked"} {
			for _, hash := range []string{"-sha1", "-sha256"} {
				// The calendar isn't the machine's: openssl has no option for it here, so
				// the test allows the difference and looks at the rest.
				skew := fmt.Sprint(int(time.Since(h.clock.Now()).Abs().Seconds()) + 24*3600)
				out, err := o.run("ocsp", hash, "-issuer", issuing, "-cert", leaf, "-url", server.URL+"/", "-CAfile", root,
					"-attime", at, "-validity_period", skew)
				require.NoError(t, err, out)
				require.Contains(t, out, "Response verify OK")
				require.Contains(t, out, want)
			}
		}
	})
}

// A client that checks what RFC 6960 §3.2 asks for finds in our answers what it
// needs to refuse a replayed, foreign or changed one.
func TestOpenSSLRefusesAnswers(t *testing.T) {
	t.Run("threat031", func(t *testing.T) {
		o := newOpenSSL(t)
		h := newHouse(t)
		h.clock.Set(time.Now().Add(-25 * time.Hour)) // openssl compares with the machine's clock
		pair := h.issue("first")
		root := o.file("root.pem", "CERTIFICATE", h.Chain()[1].Raw)
		issuing := o.file("issuing.pem", "CERTIFICATE", h.Chain()[0].Raw)
		leaf := o.file("leaf.pem", "CERTIFICATE", pair[0].Raw)
		answerOf := func(h *house, cert *x509.Certificate) []byte {
			request, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
			require.NoError(t, err)
			return h.ask(request)
		}
		check := func(der []byte) string {
			path := filepath.Join(o.dir, "answer.der")
			require.NoError(t, os.WriteFile(path, der, 0o600))
			out, _ := o.run("ocsp", "-no_nonce", "-respin", path, "-issuer", issuing, "-cert", leaf, "-CAfile", root)
			return out
		}
		yesterday := answerOf(h, pair[0])
		h.clock.Set(time.Now())
		require.Contains(t, check(yesterday), "Status times invalid")
		good := answerOf(h, pair[0])
		out := check(good)
		require.Contains(t, out, "Response verify OK")
		require.Contains(t, out, "leaf.pem: good")
		require.NotContains(t, out, "WARNING")

		changed := append([]byte(nil), good...)
		changed[len(changed)-1] ^= 1
		require.NotContains(t, check(changed), "verify OK")
		stranger := newHouse(t)
		stranger.clock.Set(time.Now())
		require.NotContains(t, check(answerOf(stranger, stranger.issue("x")[0])), "verify OK")
		require.Contains(t, check(answerOf(h, pair[1])), "leaf.pem: ERROR: No Status found")
		require.NotContains(t, check(ocsp.TryLaterErrorResponse), "good")
	})
}

type shardList struct {
	shard int
	der   []byte
}

func (h *house) listOf(cert *x509.Certificate) shardList {
	h.t.Helper()
	s, err := h.Status(h.t.Context(), cert.SerialNumber)
	require.NoError(h.t, err)
	return shardList{s.Shard, h.list(s.Shard).Raw}
}
