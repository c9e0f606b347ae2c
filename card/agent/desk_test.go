// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

const (
	origin = "https://app.example"
	bind   = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	nonce  = "AAAAAAAAAAAAAAAAAAAAAA"

	// childAsks is the address of the agent that this program is to ask, as a process
	// of another user.
	childAsks = "AGENT_TEST_ASKS"

	// patience is how long a test waits for what must happen, on a machine that is
	// busy with others.
	patience = 30 * time.Second
)

// Examples need virtual cards; where there are none they are skipped, with why.
func TestMain(m *testing.M) {
	if base := os.Getenv(childAsks); base != "" {
		asStranger(base)
		return
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "agent")
	if err == nil {
		var tray *cardtest.Tray
		if tray, err = cardtest.Open(cardtest.Config{Dir: dir}); err == nil {
			err = tray.Close()
		}
		_ = os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "examples skipped:", err)
		_ = flag.Set("test.skip", "^Example")
	}
	os.Exit(m.Run())
}

func contextWithPatience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// asStranger is what a process of another user does: it claims an allowed origin
// and prints what it is told.
func asStranger(base string) {
	c := &agent.Client{Base: base, Origin: origin}
	ctx, cancel := contextWithPatience()
	defer cancel()
	s, err := c.Status(ctx)
	fmt.Println("uid", os.Getuid(), "rule", wardkey.RuleOf(err), "readers", len(s.Readers))
}

// server is as much of a server as an agent needs to sign in: it takes any
// proof, and remembers. The real one meets the agent in careidtest.
type server struct {
	*httptest.Server

	mu     sync.Mutex
	calls  []string
	proofs []map[string]any
	answer map[string]any
	refuse map[string]*wardkey.Refusal
	lie    map[string]http.HandlerFunc // by path: what is answered instead
}

func newServer(t *testing.T) *server {
	s := &server{
		answer: map[string]any{"result": "one-time-result", "presence": "presence-token", "leaseEvery": 1, "leaseFor": 3},
		refuse: map[string]*wardkey.Refusal{},
		lie:    map[string]http.HandlerFunc{},
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/card/v1/")
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.calls = append(s.calls, path+" "+r.Header.Get("Authorization"))
	if lie := s.lie[path]; lie != nil {
		s.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		lie(w, r)
		return
	}
	defer s.mu.Unlock()
	if no := s.refuse[path]; no != nil {
		wardkey.WriteProblem(w, no)
		return
	}
	switch path {
	case "nonce":
		_, _ = io.WriteString(w, `{"nonce":"`+nonce+`"}`)
	case "answer":
		s.proofs = append(s.proofs, claimsOf(body))
		_ = json.NewEncoder(w).Encode(s.answer)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func claimsOf(body []byte) map[string]any {
	var in struct{ JWS string }
	_ = json.Unmarshal(body, &in)
	claims := map[string]any{}
	_ = json.NewDecoder(bytes.NewReader(decodePart(in.JWS))).Decode(&claims)
	return claims
}

// says answers a path with a text, whatever was asked.
func (s *server) says(path, text string) {
	s.lies(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	})
}

func (s *server) lies(path string, lie http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lie[path] = lie
}

// refuses answers a path with a "no".
func (s *server) refuses(path string, no *wardkey.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[path] = no
}

// called counts the calls of a path.
func (s *server) called(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

// desk is an agent with real virtual cards.
type desk struct {
	t      *testing.T
	tray   *cardtest.Tray
	server *server
	module *card.Module
	http   *httptest.Server
	agent  *agent.Agent
	log    *lines
	stop   context.CancelFunc
	*agent.Client
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newDesk(t *testing.T, change func(*agent.Config)) *desk {
	t.Helper()
	return newDeskOf(t, (*cardtest.Tray).Module, change)
}

// newDeskOf is a desk whose module stands where another one says.
func newDeskOf(t *testing.T, path func(*cardtest.Tray) string, change func(*agent.Config)) *desk {
	t.Helper()
	d := &desk{t: t, tray: cardtest.New(t, cardtest.Config{}), server: newServer(t), log: &lines{}}
	module, err := card.Open(card.Config{Module: path(d.tray), Poll: 30 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = module.Close() })
	d.module = module
	c := agent.Config{
		Module: module, Servers: []string{d.server.URL}, Origins: []string{origin},
		Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&c)
	}
	a, err := agent.New(c)
	require.NoError(t, err)
	d.agent = a
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx)
	}()
	d.http = httptest.NewServer(a.Handler())
	d.stop = func() {
		stop()
		<-ended
	}
	t.Cleanup(func() {
		d.stop()
		d.http.CloseClientConnections()
		d.http.Close()
	})
	d.Client = &agent.Client{Base: d.http.URL, Origin: origin}
	return d
}

// personalised puts a card with a certificate to sign in with into a reader.
func (d *desk) personalised(reader int) string {
	serial, err := d.tray.Personalised(reader, cardtest.Personal{Certify: certify})
	require.NoError(d.t, err)
	return serial
}

func certify(keys []*card.Key) ([]*x509.Certificate, error) {
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for i, k := range keys {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "Ada Nurse", SerialNumber: "555000000001"},
			NotBefore: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), NotAfter: time.Date(2029, 1, 5, 8, 59, 59, 0, time.UTC),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		if i == 1 {
			template.KeyUsage |= x509.KeyUsageContentCommitment
			template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		}
		der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, k.Public(), issuer)
		if err != nil {
			return nil, err
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		all = append(all, certificate)
	}
	return all, nil
}

func (d *desk) signin() agent.Request {
	return agent.Request{Kind: agent.SignIn, Server: d.server.URL, Bind: bind}
}

func typed(passcode string) map[string]string { return map[string]string{"passcode": passcode} }

func rule(err error, t agent.Task) string {
	if t.Refusal != nil {
		return t.Refusal.Rule
	}
	return wardkey.RuleOf(err)
}
