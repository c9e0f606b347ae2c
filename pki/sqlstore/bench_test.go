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
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

const atOnce = 64

// together runs n jobs, 64 at once, and returns how long they took.
func together(n int, job func(i int)) time.Duration {
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				job(i)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// BenchmarkIssue measures durable issuance of pairs against the same request
// checks and softcas signatures with no ledger, in turns.
func BenchmarkIssue(b *testing.B) {
	ca := pkitest.New(b, pkitest.Config{Ledger: open(b)})
	ctx := context.Background()
	model := ca.Pair(pkitest.Good).Certificates
	const batch, turns = 16 * atOnce, 8 // long enough that the last of a batch, which have a core to themselves, weigh little
	var ours, bare []time.Duration
	var pairs, failed atomic.Int64
	for range atOnce { // a server that has run for a while: its statements are prepared, its connections open
		_, err := ca.NewPair(ctx)
		require.NoError(b, err)
	}
	csrs := make([][]*x509.CertificateRequest, batch)
	issue := func(i int) {
		n := pairs.Add(1)
		name := pkix.Name{CommonName: "Amina Osei", SerialNumber: fmt.Sprintf("%012d", n)}
		if _, err := ca.Issue(ctx, fmt.Sprint("bench-", n), name, csrs[i]); err != nil {
			failed.Add(1)
		}
	}
	sign := func(i int) {
		for use, csr := range csrs[i] {
			if err := signBare(ctx, ca, csr.Raw, model[use]); err != nil {
				failed.Add(1)
			}
		}
	}
	for b.Loop() {
		for range turns {
			b.StopTimer()
			for i := range csrs {
				var err error
				_, csrs[i], err = pkitest.Requests()
				require.NoError(b, err)
			}
			runtime.GC() // neither pays for what the other left
			bare = append(bare, together(batch, sign))
			runtime.GC()
			b.StartTimer()
			ours = append(ours, together(batch, issue))
		}
	}
	require.Zero(b, failed.Load())
	benchline.Report(b, "pki.issue", batch*1000/median(ours), batch*1000/median(bare), "pairs/s", true, 0.5)
}

// signBare checks a request and has softcas sign the same contents.
func signBare(ctx context.Context, ca *pkitest.CA, request []byte, model *x509.Certificate) error {
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return err
	}
	if err := csr.CheckSignature(); err != nil {
		return err
	}
	var serial [16]byte
	if _, err := rand.Read(serial[:]); err != nil {
		return err
	}
	_, err = ca.Authority.SignCertificate(ctx, &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]), RawSubject: model.RawSubject,
		NotBefore: model.NotBefore, NotAfter: model.NotAfter, ExtraExtensions: append([]pkix.Extension(nil), model.Extensions...),
	}, csr.PublicKey)
	return err
}

// BenchmarkOCSP measures answers from the cache, which read the ledger's revision
// each time, against signing each answer and reading no ledger.
func BenchmarkOCSP(b *testing.B) {
	ca := pkitest.New(b, pkitest.Config{Ledger: open(b)})
	cert := ca.Pair(pkitest.Good).Certificates[0]
	request, err := ocsp.CreateRequest(cert, ca.Chain()[0], nil)
	require.NoError(b, err)
	var ours, live time.Duration
	const batch = 500
	cached, signing := newWire(b, ca.OCSPHandler(), request), newWire(b, liveResponder(b, ca), request)
	var answers float64
	for b.Loop() {
		ours += cached.ask(b, batch)
		b.StopTimer()
		live += signing.ask(b, batch)
		b.StartTimer()
		answers += batch
	}
	benchline.Report(b, "pki.ocsp", answers/ours.Seconds(), answers/live.Seconds(), "answers/s", true, 2)
}

// liveResponder signs each answer, as a responder without a cache does.
func liveResponder(b *testing.B, ca *pkitest.CA) http.Handler {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	issuing := ca.Chain()[0]
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "OCSP"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(b, err)
	signer, err := x509.ParseCertificate(der)
	require.NoError(b, err)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		q, err := ocsp.ParseRequest(body)
		if err != nil {
			return
		}
		now := time.Now()
		answer, err := ocsp.CreateResponse(issuing, signer, ocsp.Response{
			SerialNumber: q.SerialNumber, Status: ocsp.Good, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
			Certificate: signer, IssuerHash: crypto.SHA1,
		}, key)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(answer)
	})
}

// wire is a few kept-alive connections that post one request again and again,
// with as little of a client as can be.
type wire struct {
	request []byte
	conns   []net.Conn
}

func newWire(b *testing.B, h http.Handler, body []byte) *wire {
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	w := &wire{request: append(fmt.Appendf(nil,
		"POST / HTTP/1.1\r\nHost: ocsp\r\nContent-Type: application/ocsp-request\r\nContent-Length: %d\r\n\r\n", len(body)), body...)}
	for range 8 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(b, err)
		b.Cleanup(func() { _ = conn.Close() })
		w.conns = append(w.conns, conn)
	}
	return w
}

// ask sends n requests over all connections and returns how long that took.
func (w *wire) ask(b *testing.B, n int) time.Duration {
	var failed atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for _, conn := range w.conns {
		wg.Go(func() {
			in := bufio.NewReader(conn)
			for range n / len(w.conns) {
				if _, err := conn.Write(w.request); err != nil || !readAnswer(in) {
					failed.Add(1)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	require.Zero(b, failed.Load())
	return took * time.Duration(n) / time.Duration(n/len(w.conns)*len(w.conns))
}

func readAnswer(in *bufio.Reader) bool {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil || (first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200"))) {
			return false
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length = 0
			for _, d := range rest {
				length = 10*length + int(d-'0')
			}
		}
	}
	n, err := in.Discard(length)
	return err == nil && n > 100
}
