// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
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

// client is somebody with OpenSSL and nothing of ours.
type client struct {
	t             *testing.T
	tool, dir     string
	root, issuing string
}

func (c client) openssl(args ...string) (string, error) {
	cmd := exec.Command(c.tool, args...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c client) must(args ...string) string {
	c.t.Helper()
	out, err := c.openssl(args...)
	require.NoError(c.t, err, out)
	return out
}

// requests makes two keys with a request each.
func (c client) requests(name string) (authentication, signing string) {
	c.t.Helper()
	for _, use := range []string{"auth", "sign"} {
		c.must("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ignored",
			"-keyout", name+"-"+use+".key", "-out", name+"-"+use+".csr")
	}
	return filepath.Join(c.dir, name+"-auth.csr"), filepath.Join(c.dir, name+"-sign.csr")
}

// fetch downloads what a certificate points at, as PEM for OpenSSL.
func (c client) fetch(url, kind, name string) string {
	c.t.Helper()
	return c.keep(name, kind, get(c.t, url, http.StatusOK))
}

func (c client) keep(name, kind string, der []byte) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	require.NoError(c.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

func get(t *testing.T, url string, status int) []byte {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s: %s", url, body)
	return body
}

// parsePair reads what issue prints: the pair and its issuer.
func parsePair(t *testing.T, text string) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		certs = append(certs, cert)
	}
	require.Len(t, certs, 3)
	return certs
}

// checks has OpenSSL verify a certificate by its chain, its list and OCSP, all of
// them fetched where the certificate says.
func (c client) checks(cert *x509.Certificate, revoked bool) {
	c.t.Helper()
	leaf := c.keep("leaf.pem", "CERTIFICATE", cert.Raw)
	c.fetch(cert.IssuingCertificateURL[0], "CERTIFICATE", "issuing.pem")
	c.must("verify", "-x509_strict", "-CAfile", c.root, "-untrusted", c.issuing, leaf)

	list := c.fetch(cert.CRLDistributionPoints[0], "X509 CRL", "list.pem")
	require.Contains(c.t, c.must("crl", "-noout", "-in", list, "-CAfile", c.issuing), "verify OK")
	out, err := c.openssl("verify", "-crl_check", "-extended_crl", "-CRLfile", list, "-CAfile", c.root, "-untrusted", c.issuing, leaf)
	want := ": good"
	if revoked {
		want = ": revoked"
		require.Error(c.t, err)
		require.Contains(c.t, out, "certificate revoked")
	} else {
		require.NoError(c.t, err, out)
	}

	out = c.must("ocsp", "-issuer", c.issuing, "-cert", leaf, "-url", cert.OCSPServer[0], "-CAfile", c.root)
	require.Contains(c.t, out, "Response verify OK")
	require.Contains(c.t, out, "leaf.pem"+want)
}

func TestServer(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(*desk) *desk
		keys []string
	}{
		{"SQLite, software keys", func(d *desk) *desk { return d }, []string{"issuing.key", "root.key"}},
		{"SQLite, SoftHSM", (*desk).softHSM, []string{"root.key"}},
		{"PostgreSQL, software keys", (*desk).postgres, []string{"issuing.key", "root.key"}},
		{"PostgreSQL, SoftHSM", func(d *desk) *desk { return d.postgres().softHSM() }, []string{"root.key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tool := need.Tool(t, "openssl")
			d := c.with(newDesk(t))
			lifeOf(t, d, client{t: t, tool: tool, dir: d.dir, root: filepath.Join(d.dir, "root.pem"), issuing: filepath.Join(d.dir, "issuing.pem")})
			keys, err := filepath.Glob(filepath.Join(d.dir, "ca", "*.key"))
			require.NoError(t, err)
			for i := range keys {
				keys[i] = filepath.Base(keys[i])
			}
			require.Equal(t, c.keys, keys)
		})
	}
}

// lifeOf issues, revokes, stops and starts again.
func lifeOf(t *testing.T, d *desk, c client) {
	server := d.serve("-listen", "127.0.0.1:0")
	address := strings.TrimPrefix(server.url, "http://")
	get(t, server.url+"/livez", http.StatusNoContent)
	get(t, server.url+"/readyz", http.StatusNoContent)
	c.fetch(server.url+"/aia/root.cer", "CERTIFICATE", "root.pem")

	authentication, signing := c.requests("amina")
	issue := []string{"-name", "Amina Osei", "-id", "555000000017", authentication, signing}
	printed := d.must("issue", issue...)
	pair := parsePair(t, printed)
	require.Equal(t, "555000000017 Amina Osei", pair[0].Subject.CommonName)
	require.True(t, strings.HasPrefix(pair[0].OCSPServer[0], server.url))
	require.Equal(t, printed, d.must("issue", issue...), "the same requests, the same pair")
	otherAuth, otherSign := c.requests("ben")
	other := d.must("issue", "-name", "Ben Okoye", "-id", "555000000025", otherAuth, otherSign)
	for _, cert := range append(pair[:2:2], parsePair(t, other)[:2]...) {
		c.checks(cert, false)
	}

	nextAuth, nextSign := c.requests("next")
	_, errs, status := d.run("renew", d.file("pair.pem", printed), nextAuth, nextSign)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "the renewal window is not open yet")
	require.Empty(t, d.must("revoke", "-reason", "1", filepath.Join(d.dir, "pair.pem")))
	c.checks(pair[0], true)
	c.checks(parsePair(t, other)[0], false)

	server.stop()
	_, err := http.Get(server.url + "/livez")
	require.Error(t, err)
	again := d.serve("-listen", address)
	require.Equal(t, server.url, again.url)
	c.checks(pair[1], true)
	c.checks(parsePair(t, other)[1], false)
	require.Equal(t, printed, d.must("issue", issue...))
	require.NoError(t, again.cmd.Process.Kill())
	require.Error(t, again.cmd.Wait())
	again = d.serve("-listen", address)
	c.checks(pair[0], true)
	c.checks(parsePair(t, other)[0], false)
	again.stop()

	_, errs, status = d.run("serve", "-listen", "127.0.0.1:0", "-base", "http://elsewhere.example.org")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "it can't change")
}

// A pair is renewed in its window, by the pair that issue printed, and the old one
// stays good.
func TestRenew(t *testing.T) {
	d := newDesk(t)
	t.Setenv(passphraseVariable, passphrase)
	c := client{t: t, tool: need.Tool(t, "openssl"), dir: d.dir}
	at := time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC)
	run := func(name string, args ...string) string {
		var out, errs bytes.Buffer
		p := program{args: append(append([]string{name}, d.flags...), args...), stdout: &out, stderr: &errs, now: func() time.Time { return at }}
		require.Zero(t, p.run(t.Context()), errs.String())
		return out.String()
	}
	s, err := start(t.Context(), config{dir: filepath.Join(d.dir, "ca"), now: func() time.Time { return at }, log: quiet()}, "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.stop(t.Context()))
	authentication, signing := c.requests("first")
	printed := run("issue", "-name", "Amina Osei", "-id", "555000000017", authentication, signing)
	first := parsePair(t, printed)
	at = first[0].NotAfter.Add(-90 * 24 * time.Hour)
	authentication, signing = c.requests("second")
	second := parsePair(t, run("renew", d.file("pair.pem", printed), authentication, signing))
	require.Equal(t, first[0].Subject.String(), second[0].Subject.String())
	require.NotEqual(t, first[0].PublicKey, second[0].PublicKey)
	require.Equal(t, at.AddDate(3, 0, 0).Add(-time.Second), second[0].NotAfter)
}

// A GET's base64 may hold "//", and a base may have a path: both reach the
// responder.
func TestPaths(t *testing.T) {
	d := newDesk(t)
	server := d.serve("-listen", "127.0.0.1:0", "-base", "http://pki.example.org/wardkey")
	c := client{t: t, tool: need.Tool(t, "openssl"), dir: d.dir}
	authentication, signing := c.requests("amina")
	pair := parsePair(t, d.must("issue", "-name", "Amina Osei", "-id", "555000000017", authentication, signing))
	at := func(url string) string {
		path, found := strings.CutPrefix(url, "http://pki.example.org")
		require.True(t, found, url)
		return server.url + path
	}
	for _, url := range []string{pair[0].CRLDistributionPoints[0], pair[0].IssuingCertificateURL[0]} {
		require.Contains(t, url, "/wardkey/")
		require.NotEmpty(t, get(t, at(url), http.StatusOK))
	}
	for _, link := range []string{`href="/wardkey/crl/15.crl"`, `href="/wardkey/aia/root.cer"`} {
		require.Contains(t, string(get(t, server.url, http.StatusOK)), link)
	}
	slashes := 0
	for serial := int64(1); slashes < 3; serial++ {
		request, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: pair[0].SerialNumber.SetInt64(serial)}, pair[2], nil)
		require.NoError(t, err)
		text := base64.StdEncoding.EncodeToString(request)
		if !strings.Contains(text, "//") {
			continue
		}
		slashes++
		answer, err := ocsp.ParseResponse(get(t, at(pair[0].OCSPServer[0])+"/"+text, http.StatusOK), pair[2])
		require.NoError(t, err)
		require.Equal(t, ocsp.Unknown, answer.Status)
	}
	server.stop()
}

// Nobody gets or ends a certificate over the network.
func TestNothingIsIssuedOverHTTP(t *testing.T) {
	server := newDesk(t).serve("-listen", "127.0.0.1:0")
	for _, path := range []string{"/", "/issue", "/renew", "/revoke", "/crl/0.crl", "/aia/root.cer"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			request, err := http.NewRequest(method, server.url+path, strings.NewReader("x"))
			require.NoError(t, err)
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.GreaterOrEqual(t, response.StatusCode, 400, "%s %s", method, path)
		}
	}
	server.stop()
}

// Two servers on one PostgreSQL ledger: what one records, the other tells.
func TestTwoServers(t *testing.T) {
	d := newDesk(t).postgres()
	c := client{t: t, tool: need.Tool(t, "openssl"), dir: d.dir, root: filepath.Join(d.dir, "root.pem"), issuing: filepath.Join(d.dir, "issuing.pem")}
	one, two := d.serve("-listen", "127.0.0.1:0"), d.serve("-listen", "127.0.0.1:0")
	require.NotEqual(t, one.url, two.url)
	c.fetch(two.url+"/aia/root.cer", "CERTIFICATE", "root.pem")
	authentication, signing := c.requests("amina")
	d.file("pair.pem", d.must("issue", "-name", "Amina Osei", "-id", "555000000017", authentication, signing))
	text, err := os.ReadFile(filepath.Join(d.dir, "pair.pem"))
	require.NoError(t, err)
	pair := parsePair(t, string(text))
	for i, reason := range []int{6, 8, 6, 8} {
		d.must("revoke", "-reason", fmt.Sprint(reason), filepath.Join(d.dir, "pair.pem"))
		for _, server := range []*running{one, two} {
			cert := *pair[i%2]
			cert.OCSPServer = []string{server.url + "/ocsp"}
			cert.CRLDistributionPoints = []string{strings.Replace(cert.CRLDistributionPoints[0], one.url, server.url, 1)}
			c.checks(&cert, reason == 6)
		}
	}
	one.stop()
	two.stop()
}

// A machine that lost the ledger's server says so, and is ready again when it is.
func TestReadyFollowsTheLedger(t *testing.T) {
	d := newDesk(t)
	c := config{dir: filepath.Join(d.dir, "ca"), ask: func(string) ([]byte, error) { return []byte(passphrase), nil }, now: time.Now, log: quiet()}
	s, err := start(t.Context(), c, "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + s.address
	get(t, url+"/readyz", http.StatusNoContent)
	require.NoError(t, s.ca.ledger.Close())
	require.Eventually(t, func() bool {
		response, err := http.Get(url + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusServiceUnavailable
	}, 20*time.Second, 50*time.Millisecond)
	get(t, url+"/livez", http.StatusNoContent)
	s.ca.closers = s.ca.closers[:2] // the ledger, opened last, is closed already
	require.NoError(t, s.stop(t.Context()))
}
