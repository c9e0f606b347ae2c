// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// authority publishes what a test CA has revoked, by OpenSSL's tools: its lists
// and its OCSP answers are not of our making.
type authority struct {
	t       *testing.T
	openssl string
	dir     string
	ca      *mailtest.CA
	url     string
	one     sync.Mutex // question at a time
	good    []byte     // a question about another certificate
}

func openAuthority(t *testing.T, ca *mailtest.CA) *authority {
	t.Helper()
	a := &authority{t: t, openssl: need.Tool(t, "openssl"), dir: t.TempDir(), ca: ca}
	cert, key, err := ca.Identity().PEM()
	require.NoError(t, err)
	a.write("ca.pem", cert)
	a.write("ca.key", key)
	a.write("index.txt", nil)
	a.write("crlnumber", []byte("1000\n"))
	a.write("ca.cnf", []byte("[ca]\ndefault_ca = here\n[here]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\n"+
		"default_crl_days = 1\ncrl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid\n"))
	mux := http.NewServeMux()
	mux.HandleFunc("/list", func(w http.ResponseWriter, _ *http.Request) { a.list(w) })
	mux.HandleFunc("/stale", func(w http.ResponseWriter, _ *http.Request) {
		a.list(w, "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z")
	})
	mux.HandleFunc("/ocsp", func(w http.ResponseWriter, r *http.Request) {
		question, _ := io.ReadAll(r.Body)
		a.answer(w, question)
	})
	mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) { a.answer(w, a.good) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server doesn't notice that the client has left
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *authority) write(name string, data []byte) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, name), data, 0o600))
}

// run calls openssl, and returns the file that it has written.
func (a *authority) run(out string, args ...string) ([]byte, error) {
	cmd := exec.Command(a.openssl, args...)
	cmd.Dir = a.dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return os.ReadFile(filepath.Join(a.dir, out))
}

func serve(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body)
}

func (a *authority) list(w http.ResponseWriter, args ...string) {
	a.one.Lock()
	defer a.one.Unlock()
	_, err := a.run("list.pem", append([]string{"ca", "-config", "ca.cnf", "-gencrl", "-cert", "ca.pem", "-keyfile", "ca.key", "-out", "list.pem"}, args...)...)
	var der []byte
	if err == nil {
		der, err = a.run("list.der", "crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der")
	}
	serve(w, der, err)
}

func (a *authority) answer(w http.ResponseWriter, question []byte) {
	a.one.Lock()
	defer a.one.Unlock()
	a.write("question", question)
	der, err := a.run("answer", "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1", "-reqin", "question", "-respout", "answer")
	serve(w, der, err)
}

// record writes how a certificate stands into OpenSSL's database: status, end,
// revocation with its reason, serial number, file, name.
func (a *authority) record(cert *x509.Certificate, revoked string) {
	a.t.Helper()
	a.one.Lock()
	defer a.one.Unlock()
	const form = "060102150405Z"
	state := "V"
	if revoked != "" {
		state, revoked = "R", time.Now().UTC().Add(-time.Hour).Format(form)+","+revoked
	}
	serial := strings.ToUpper(cert.SerialNumber.Text(16))
	if len(serial)%2 == 1 {
		serial = "0" + serial
	}
	file, err := os.ReadFile(filepath.Join(a.dir, "index.txt"))
	require.NoError(a.t, err)
	var kept strings.Builder
	for line := range strings.Lines(string(file)) {
		if !strings.Contains(line, "\t"+serial+"\t") {
			kept.WriteString(line)
		}
	}
	fmt.Fprintf(&kept, "%s\t%s\t%s\t%s\tunknown\t/CN=%s\n", state, cert.NotAfter.UTC().Format(form), revoked, serial, serial)
	a.write("index.txt", []byte(kept.String()))
}

// issued is somebody whose certificate says to ask there.
func (a *authority) issued(email string, ocsp, lists []string) mailtest.Identity {
	a.t.Helper()
	id, err := a.ca.Issue(mailtest.Spec{Email: email, OCSPServer: ocsp, CRLDistributionPoints: lists})
	require.NoError(a.t, err)
	return id
}

// The program asks the issuers of certificates, at the addresses in them.
func TestRevocation(t *testing.T) {
	s := openSite(t)
	a := openAuthority(t, s.ca)
	ocsp, list := []string{a.url + "/ocsp"}, []string{a.url + "/list"}
	nobody := []string{"http://127.0.0.1:1/"}
	cases := []struct {
		name, state string
		ocsp, lists []string
		code        int // of the reply; 0 for 250
		says        string
	}{
		{"good", "good", ocsp, list, 0, ""},
		{"revoked", "keyCompromise", ocsp, list, 550, "it is revoked"},
		{"held", "certificateHold", ocsp, list, 550, "it is on hold"},
		{"good.list", "good", nil, list, 0, ""},
		{"revoked.list", "superseded", nil, list, 550, "it is revoked"},
		{"held.list", "certificateHold", nil, list, 550, "it is on hold"},
		{"fallback", "good", nobody, list, 0, ""},
		{"revoked.fallback", "superseded", nobody, list, 550, "it is revoked"},
		{"unknown", "", ocsp, nil, 550, "it can't be found out"},
		{"stale", "good", nil, []string{a.url + "/stale"}, 451, "mail.recipient.status"},
		{"down", "good", nobody, nobody, 451, "mail.recipient.status"},
		{"missing", "good", []string{a.url + "/nowhere"}, []string{a.url + "/nowhere"}, 451, "mail.recipient.status"},
		{"other", "good", []string{a.url + "/other"}, nil, 451, "mail.recipient.status"},
		{"hang", "good", []string{a.url + "/hang"}, nil, 451, "mail.recipient.status"},
		{"ldap", "good", nil, []string{"ldap://directory.example/cn=ca?certificateRevocationList"}, 550, "it can't be found out"},
		{"silent", "good", nil, nil, 0, ""},
	}
	known := map[string]mailtest.Identity{}
	for _, c := range cases {
		id := a.issued(c.name+"@practice.example", c.ocsp, c.lists)
		known[c.name] = id
		s.trust(c.name+".pem", id)
		switch c.state {
		case "":
		case "good":
			a.record(id.Certificate, "")
		default:
			a.record(id.Certificate, c.state)
		}
	}
	cert, _, err := known["good"].PEM()
	require.NoError(t, err)
	a.write("good.pem", cert)
	a.good, err = a.run("good.question", "ocsp", "-issuer", "ca.pem", "-cert", "good.pem", "-no_nonce", "-reqout", "good.question")
	require.NoError(t, err)

	g := s.start(s.inbox.Addr())
	taken := 0
	for _, c := range cases {
		to := c.name + "@practice.example"
		err := g.send("[secure] x", to)
		if c.code == 0 {
			require.NoError(t, err, c.name)
			taken++
			continue
		}
		var reply *textproto.Error
		require.ErrorAs(t, err, &reply, c.name)
		require.Equal(t, c.code, reply.Code, "%s: %s", c.name, reply.Msg)
		require.Contains(t, reply.Msg, c.says, c.name)
		require.Error(t, g.send("[secure] x", "good@practice.example", to), "nor to anybody else: %s", c.name)
	}
	for _, mail := range s.mails(taken) {
		require.NotContains(t, string(mail.Data), secret)
		name, _, _ := strings.Cut(mail.To[0], "@")
		require.Contains(t, s.openssl(mail.Data, known[name]), secret)
	}

	// What is revoked now is refused now, and what comes off hold is written to again.
	a.record(known["good"].Certificate, "superseded")
	require.ErrorContains(t, g.send("[secure] x", "good@practice.example"), "it is revoked")
	a.record(known["held"].Certificate, "")
	require.NoError(t, g.send("[secure] x", "held@practice.example"))
	s.mails(taken + 1)
	// A second certificate beside a revoked one.
	renewed := a.issued("revoked@practice.example", ocsp, nil)
	a.record(renewed.Certificate, "")
	s.trust("renewed.pem", renewed)
	require.NoError(t, g.send("[secure] x", "revoked@practice.example"))
	s.mails(taken + 2)
	require.NoError(t, os.Remove(s.path("certs/silent.pem")))
	require.ErrorContains(t, g.send("[secure] x", "silent@practice.example"), "mail.recipient.nocert")
	g.stop()
	require.Len(t, s.inbox.Mails(), taken+2)
	require.Contains(t, g.stderr.String(), "certificates=2 of=17", "whom nobody vouches for but the folder")
	require.Contains(t, g.stderr.String(), "asked=["+a.url+"/stale]")
	require.NotContains(t, g.stderr.String(), "@")
}

// However many addresses hang, the question ends.
func TestStatusIsBounded(t *testing.T) {
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	a := openAuthority(t, ca)
	roots := []*x509.Certificate{ca.Certificate}
	var hanging []string
	for i := range 10 {
		hanging = append(hanging, fmt.Sprintf("%s/hang?%d", a.url, i))
	}
	cert := a.issued(gp, hanging, hanging).Certificate
	for _, patience := range []struct{ all, each time.Duration }{{time.Hour, 50 * time.Millisecond}, {50 * time.Millisecond, time.Hour}} {
		s, err := newStatus(roots, patience.all, patience.each, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		began := time.Now()
		err = s.revoked(t.Context(), cert)
		require.Error(t, err)
		require.Less(t, time.Since(began), time.Minute)
		require.Equal(t, "cert.status", wardkey.RuleOf(err), "%v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	s, err := newStatus(roots, time.Hour, time.Hour, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.ErrorIs(t, s.revoked(ended, cert), context.Canceled)

	stranger, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	err = openAuthority(t, stranger).refusedBy(s)
	require.Equal(t, "cert.unknown", wardkey.RuleOf(err), "nobody is asked about what no root vouches for")
}

func (a *authority) refusedBy(s *status) error {
	a.t.Helper()
	return s.revoked(a.t.Context(), a.issued(gp, []string{a.url + "/ocsp"}, nil).Certificate)
}
