// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// served is an authority whose lists and OCSP are on a server, as its
// certificates say, with a switch to take it down.
type served struct {
	*pkitest.CA
	lists, ocsp atomic.Int64 // requests
	down        atomic.Bool
	fetcher     *pki.Fetcher
}

func newServed(t *testing.T) *served {
	t.Helper()
	s := &served{}
	mux := http.NewServeMux()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.CA = pkitest.New(t, pkitest.Config{Profile: pki.ProfileConfig{Base: server.URL, Shards: 4}})
	counted := func(n *atomic.Int64, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Add(1); h.ServeHTTP(w, r) })
	}
	mux.Handle("/crl/", counted(&s.lists, s.PublishHandler()))
	mux.Handle("/ocsp", counted(&s.ocsp, s.OCSPHandler()))
	var err error
	s.fetcher, err = pki.NewFetcher(pki.FetcherConfig{Now: s.Clock.Now})
	require.NoError(t, err)
	return s
}

func (s *served) crls(t *testing.T) *pki.CRLChecker {
	t.Helper()
	c, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: s.fetcher})
	require.NoError(t, err)
	return c
}

func (s *served) responder(t *testing.T, c pki.OCSPCheckerConfig) *pki.OCSPChecker {
	t.Helper()
	c.Source = s.fetcher
	checker, err := pki.NewOCSPChecker(c)
	require.NoError(t, err)
	return checker
}

// trusting is what a relying party elsewhere has: the issuing CA's certificate
// and a source.
func (s *served) trusting(t *testing.T, sources ...pki.StatusSource) *pki.Verifier {
	t.Helper()
	v, err := pki.NewVerifier(pki.VerifierConfig{Roots: s.Chain()[:1], Sources: sources, Now: s.Clock.Now})
	require.NoError(t, err)
	return v
}

// The three sources agree about the pairs of this hierarchy.
func TestVerifierSources(t *testing.T) {
	s := newServed(t)
	for name, source := range map[string]pki.StatusSource{
		"ledger":       s,
		"lists":        s.crls(t),
		"OCSP":         s.responder(t, pki.OCSPCheckerConfig{}),
		"OCSP SHA-256": s.responder(t, pki.OCSPCheckerConfig{Hash: crypto.SHA256}),
		"OCSP nonce":   s.responder(t, pki.OCSPCheckerConfig{Nonce: true}),
	} {
		t.Run(name, func(t *testing.T) {
			v := s.trusting(t, source)
			for state, want := range map[pkitest.State]error{
				pkitest.Good: nil, pkitest.RenewalOpen: nil, pkitest.Superseded: nil,
				pkitest.Held: pki.ErrHeld, pkitest.Revoked: pki.ErrRevoked, pkitest.Foreign: pki.ErrUntrusted,
			} {
				for _, cert := range s.Pair(state).Certificates {
					_, err := v.Verify(t.Context(), []*x509.Certificate{cert}, pki.PurposeAny, time.Time{})
					require.ErrorIs(t, err, want)
				}
			}
			_, err := v.Verify(t.Context(), s.Pair(pkitest.Expired).Certificates[:1], pki.PurposeAny, time.Time{})
			require.Error(t, err)
		})
	}
}

// Lists are asked for again after Keep and go on serving while the server is
// away, until their end; OCSP is asked each time.
func TestFetcherKeepsLists(t *testing.T) {
	s := newServed(t)
	cert := s.Pair(pkitest.Good).Certificates[:1]
	lists, live := s.trusting(t, s.crls(t)), s.trusting(t, s.responder(t, pki.OCSPCheckerConfig{}))
	verify := func(v *pki.Verifier) error {
		_, err := v.Verify(t.Context(), cert, pki.PurposeAuthentication, time.Time{})
		return err
	}
	for range 3 {
		require.NoError(t, verify(lists))
		require.NoError(t, verify(live))
	}
	require.EqualValues(t, 1, s.lists.Load())
	require.EqualValues(t, 3, s.ocsp.Load())

	require.NoError(t, s.Revoke(t.Context(), cert[0], 6, time.Time{}))
	require.ErrorIs(t, verify(live), pki.ErrHeld)
	require.NoError(t, verify(lists), "not seen for Keep")
	s.Clock.Add(5 * time.Minute)
	require.ErrorIs(t, verify(lists), pki.ErrHeld)
	require.NoError(t, s.Revoke(t.Context(), cert[0], 8, time.Time{}))
	s.Clock.Add(5 * time.Minute)
	require.NoError(t, verify(lists))

	s.down.Store(true)
	s.Clock.Add(23 * time.Hour)
	require.NoError(t, verify(lists), "until its nextUpdate")
	require.ErrorIs(t, verify(live), pki.ErrStatus)
	s.Clock.Add(2 * time.Hour)
	require.ErrorIs(t, verify(lists), pki.ErrStatus)
}

// Who sits between an application and the lists can't bring back yesterday's,
// nor stop the clock, nor hand out another shard's or another authority's.
func TestVerifierHostileNetwork(t *testing.T) {
	t.Run("threat030", func(t *testing.T) {
		s := newServed(t)
		cert := s.Pair(pkitest.Good).Certificates[0]
		published := func(cert *x509.Certificate) []byte {
			w := httptest.NewRecorder()
			_, name, _ := strings.Cut(cert.CRLDistributionPoints[0], "/crl/")
			s.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/"+name, nil))
			require.Equal(t, http.StatusOK, w.Code)
			return w.Body.Bytes()
		}
		dir := t.TempDir()
		verify := func(der []byte) error {
			numbers, err := pki.NewFileNumbers(dir)
			require.NoError(t, err)
			checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{der}, Numbers: numbers})
			require.NoError(t, err)
			_, err = s.trusting(t, checker).Verify(t.Context(), []*x509.Certificate{cert}, pki.PurposeAuthentication, time.Time{})
			return err
		}
		before := published(cert)
		require.NoError(t, verify(before))
		s.Clock.Add(time.Hour)
		require.NoError(t, s.Revoke(t.Context(), cert, pki.Superseded, time.Time{}))
		after := published(cert)
		require.ErrorIs(t, verify(after), pki.ErrRevoked)
		require.ErrorIs(t, verify(before), pki.ErrStatus, "it is current, and older than one that was seen")

		other := cert
		for other.CRLDistributionPoints[0] == cert.CRLDistributionPoints[0] {
			pair, err := s.NewPair(t.Context())
			require.NoError(t, err)
			other = pair.Certificates[0]
		}
		require.ErrorContains(t, verify(published(other)), "another distribution point")
		twin := newServed(t)
		require.ErrorIs(t, verify(func() []byte {
			w := httptest.NewRecorder()
			twin.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/0.crl", nil))
			return w.Body.Bytes()
		}()), pki.ErrStatus)
		s.Clock.Add(25 * time.Hour)
		require.ErrorContains(t, verify(after), "past its nextUpdate")
	})
}

// hostile is a server that answers as a test says, and a certificate that
// points at it.
func hostile(t *testing.T, c pki.FetcherConfig, h http.HandlerFunc) (*pki.Fetcher, *x509.Certificate) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server doesn't notice that the client has left
		h(w, r)
	}))
	t.Cleanup(server.Close)
	f, err := pki.NewFetcher(c)
	require.NoError(t, err)
	return f, &x509.Certificate{CRLDistributionPoints: []string{server.URL + "/list"}, OCSPServer: []string{server.URL + "/ocsp"}}
}

func both(ctx context.Context, f *pki.Fetcher, cert *x509.Certificate) (list, answer error) {
	_, list = f.Lists(ctx, cert, nil)
	_, answer = f.Ask(ctx, cert, []byte("request"))
	return list, answer
}

func TestFetcherBounds(t *testing.T) {
	t.Run("threat064", func(t *testing.T) {
		for _, c := range []struct {
			name, want string
			config     pki.FetcherConfig
			handler    http.HandlerFunc
		}{
			{"a redirect is not followed", "302", pki.FetcherConfig{}, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/inside" {
					t.Error("followed")
				}
				http.Redirect(w, r, "/inside", http.StatusFound)
			}},
			{"not found", "404", pki.FetcherConfig{}, http.NotFound},
			{"nothing changed since never", "not modified", pki.FetcherConfig{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }},
			{"more than it may", "more than", pki.FetcherConfig{MaxBytes: 1 << 16}, func(w http.ResponseWriter, _ *http.Request) {
				for range 20 {
					_, _ = w.Write(make([]byte, 1<<12))
				}
			}},
			{"compressed", "more than", pki.FetcherConfig{MaxBytes: 1 << 16}, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
					t.Error("asked for compression")
				}
				_, _ = w.Write(make([]byte, 1<<17))
			}},
			{"slower than it may", "deadline exceeded", pki.FetcherConfig{Timeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}},
			{"breaks off", "EOF", pki.FetcherConfig{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("short"))
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				f, cert := hostile(t, c.config, c.handler)
				list, answer := both(t.Context(), f, cert)
				require.ErrorContains(t, list, c.want)
				require.ErrorContains(t, answer, c.want)
			})
		}
		t.Run("a server that hangs is left alone for a while", func(t *testing.T) {
			var asked atomic.Int64
			wall := pkitest.NewClock(time.Unix(1e9, 0))
			f, cert := hostile(t, pki.FetcherConfig{Timeout: 50 * time.Millisecond, Wall: wall.Now}, func(_ http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				<-r.Context().Done()
			})
			for range 5 {
				list, answer := both(t.Context(), f, cert)
				require.ErrorContains(t, list, "deadline exceeded")
				require.ErrorContains(t, answer, "deadline exceeded")
			}
			require.EqualValues(t, 2, asked.Load())
			wall.Add(10 * time.Second)
			_, _ = both(t.Context(), f, cert)
			require.EqualValues(t, 4, asked.Load())
		})
		t.Run("who gives up doesn't make the server a bad one", func(t *testing.T) {
			var asked atomic.Int64
			f, cert := hostile(t, pki.FetcherConfig{}, func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				_, _ = w.Write([]byte("something"))
			})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			list, answer := both(ctx, f, cert)
			require.ErrorIs(t, list, context.Canceled)
			require.ErrorIs(t, answer, context.Canceled)
			list, answer = both(t.Context(), f, cert)
			require.NoError(t, list)
			require.NoError(t, answer)
		})
		t.Run("only plain addresses", func(t *testing.T) {
			f, _ := hostile(t, pki.FetcherConfig{}, http.NotFound)
			cert := &x509.Certificate{CRLDistributionPoints: []string{"ldap://x/y", "file:///etc/passwd", "http://", "http://user:word@x/", "gopher://x/", ":"}}
			cert.OCSPServer = cert.CRLDistributionPoints
			list, answer := both(t.Context(), f, cert)
			require.ErrorContains(t, list, "names no list")
			require.ErrorContains(t, answer, "names no responder")
		})
		t.Run("four addresses at most, and one that works is enough", func(t *testing.T) {
			var asked atomic.Int64
			f, cert := hostile(t, pki.FetcherConfig{}, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if !strings.HasSuffix(r.URL.Path, "3") {
					http.NotFound(w, r)
				}
			})
			base := strings.TrimSuffix(cert.OCSPServer[0], "/ocsp")
			cert.OCSPServer = nil
			for _, n := range []string{"0", "1", "2", "3", "4", "5"} {
				cert.OCSPServer = append(cert.OCSPServer, base+"/"+n)
			}
			cert.CRLDistributionPoints = cert.OCSPServer
			list, answer := both(t.Context(), f, cert)
			require.NoError(t, list)
			require.NoError(t, answer)
			require.EqualValues(t, 8, asked.Load())
		})
	})
}
