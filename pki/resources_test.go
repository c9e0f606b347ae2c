// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// crowded is a ledger in which very many certificates are revoked.
type crowded struct {
	pki.Ledger
	size int
}

func crowdSerial(i int) *big.Int {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(i)*0x9e3779b97f4a7c15|1<<63) // as long as most
	binary.BigEndian.PutUint64(b[8:], uint64(i))
	return new(big.Int).SetBytes(b[:])
}

func (c crowded) ReserveCRL(ctx context.Context, issuer string, shard int, at time.Time) (pki.CRLPlan, error) {
	plan, err := c.Ledger.ReserveCRL(ctx, issuer, shard, at)
	for i := range c.size {
		plan.Entries = append(plan.Entries, pki.RevokedEntry{Serial: crowdSerial(i), RevokedAt: at.Add(-time.Hour), Reason: 1 + i%5})
	}
	return plan, err
}

// peak runs a function and returns the most memory that live and not yet collected
// objects took meanwhile, beyond what they took before.
func peak(do func()) (bytes uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	before, most := heap(), uint64(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, heap())
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	do()
	close(done)
	<-stopped
	return most - min(most, before)
}

// A list of a million entries, signed by the CA itself, checked by it, served, and
// read back by a checker with its own bounds.
func TestOwnCRLMillion(t *testing.T) {
	crowd := 1_000_000
	if testing.Short() {
		crowd = 50_000
	}
	t.Run("threat064", func(t *testing.T) {
		h := newHouse(t, func(c *pki.Config) {
			c.Profile = profile(t, pki.ProfileConfig{Shards: 1})
			c.Ledger = crowded{c.Ledger, crowd}
		})
		cert := h.issue("held")[0]
		revoked := *cert // the same issuer and distribution point
		revoked.SerialNumber = crowdSerial(crowd - 1)

		var list []byte
		used := peak(func() {
			w := httptest.NewRecorder()
			h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/0.crl", nil))
			require.Equal(t, http.StatusOK, w.Code)
			list = w.Body.Bytes()
		})
		t.Logf("signing: %d MiB; the list: %d MiB", used>>20, len(list)>>20)
		require.Less(t, len(list), 64<<20, "the default bound of readers")
		require.Less(t, used, uint64(3<<30), "what signing may take: 3 KiB an entry")

		checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{list}})
		require.NoError(t, err)
		used = peak(func() {
			e, err := checker.Evidence(t.Context(), cert, h.Chain()[0], h.clock.Now())
			require.NoError(t, err)
			require.Equal(t, pki.Good, e.State)
			e, err = checker.Evidence(t.Context(), &revoked, h.Chain()[0], h.clock.Now())
			require.NoError(t, err)
			require.Equal(t, pki.Revoked, e.State)
			require.Equal(t, 1+(crowd-1)%5, e.Reason)
		})
		require.Less(t, used, uint64(16<<20), "reading takes memory for what is found, not for what is read")
	})
}

// Deep ASN.1 is refused by each parser, and needs no deep stack.
func TestDeepASN1(t *testing.T) {
	t.Run("threat064", func(t *testing.T) {
		h := newHouse(t)
		cert := h.issue("one")[0]
		o := newOutside(t)
		leaf := o.certify(o.issuing, "leaf").cert
		for name, deep := range map[string][]byte{
			"indefinite": bytes.Repeat([]byte{0x30, 0x80}, 2<<20),
			"definite":   nested(60_000),
			"explicit":   bytes.Repeat([]byte{0xa0, 0x84, 0, 0xff, 0xff, 0xff}, 1<<17),
		} {
			t.Run(name, func(t *testing.T) {
				_, err := h.Issue(t.Context(), "deep", person(), []*x509.CertificateRequest{{Raw: deep[:16<<10]}, {Raw: deep}})
				require.ErrorIs(t, err, pki.ErrProof)
				require.Equal(t, ocsp.MalformedRequestErrorResponse, h.ask(deep))
				require.Equal(t, ocsp.MalformedRequestErrorResponse, h.ask(deep[:4<<10]))

				crls, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{deep}})
				require.NoError(t, err)
				_, err = crls.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
				require.Error(t, err)
				for _, answered := range []answer{deep, deep[:60<<10], wrapped(t, 0, false, []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}, deep[:60<<10])} {
					responders, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: answered})
					require.NoError(t, err)
					_, err = responders.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
					require.Error(t, err)
				}
				mine := h.reopen(func(c *pki.Config) { c.Signer = &given{der: deep} })
				_, err = mine.Issue(t.Context(), "signed-"+name, person(), requests(t))
				require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			})
		}
		require.NoError(t, h.Verify(t.Context(), cert))
	})
}

// nested is sequences one inside the other, with right lengths.
func nested(depth int) []byte {
	var head [][]byte
	length := 0
	for range depth {
		h := []byte{0x30, 0x83, byte(length >> 16), byte(length >> 8), byte(length)}
		head = append(head, h)
		length += len(h)
	}
	out := make([]byte, 0, length)
	for i := len(head) - 1; i >= 0; i-- {
		out = append(out, head[i]...)
	}
	return out
}

// pipes is a listener whose connections are in memory, so that their time is that of
// the test.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	conn, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.conns) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	p.conns <- theirs
	return mine
}

// Requests whose bodies come a byte at a time, or not at all, are ended by the
// handler, although the server has no timeout, and hold up nobody.
func TestSlowRequests(t *testing.T) {
	t.Run("threat064", func(t *testing.T) {
		h := newHouse(t)
		cert := h.issue("one")[0]
		question, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
		require.NoError(t, err)
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{conns: make(chan net.Conn)}
			server := &http.Server{Handler: h.OCSPHandler()} // #nosec G112 -- that is the case
			served := make(chan error)
			go func() { served <- server.Serve(p) }()
			head := "POST /ocsp HTTP/1.1\r\nHost: pki.example.org\r\nContent-Type: application/ocsp-request\r\n"

			began := time.Now()
			var slow sync.WaitGroup
			for n := range 200 {
				slow.Go(func() {
					conn := p.dial()
					defer func() { _ = conn.Close() }()
					_, err := fmt.Fprintf(conn, "%sContent-Length: 4000\r\n\r\n", head)
					assert.NoError(t, err)
					slow.Go(func() {
						for n%2 == 0 { // the other half sends nothing more
							time.Sleep(time.Second)
							if _, err := conn.Write([]byte{0x30}); err != nil {
								return
							}
						}
					})
					answered, _ := io.ReadAll(conn) // until the server closes
					assert.True(t, strings.HasPrefix(string(answered), "HTTP/1.1 200"), "%.60q", answered)
					assert.True(t, bytes.HasSuffix(answered, ocsp.MalformedRequestErrorResponse))
					assert.Equal(t, 10*time.Second, time.Since(began).Truncate(time.Second))
				})
			}
			synctest.Wait()
			conn := p.dial()
			_, err := fmt.Fprintf(conn, "%sConnection: close\r\nContent-Length: %d\r\n\r\n%s", head, len(question), question)
			require.NoError(t, err)
			answered, err := io.ReadAll(conn)
			require.NoError(t, err)
			_, body, _ := bytes.Cut(answered, []byte("\r\n\r\n"))
			r, err := ocsp.ParseResponse(body, h.Chain()[0])
			require.NoError(t, err)
			require.Equal(t, ocsp.Good, r.Status)
			require.Zero(t, time.Since(began), "nobody waits for the slow ones")
			slow.Wait()
			require.NoError(t, server.Close())
			require.True(t, errors.Is(<-served, http.ErrServerClosed))
		})
	})
}
