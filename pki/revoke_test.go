// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// list fetches a shard's list as a relying party does.
func (h *house) list(shard int) *x509.RevocationList {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/"+big.NewInt(int64(shard)).String()+".crl", nil))
	require.Equal(h.t, http.StatusOK, w.Code, w.Body.String())
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	require.NoError(h.t, err)
	require.NoError(h.t, list.CheckSignatureFrom(h.Chain()[0]))
	return list
}

// listed returns a certificate's entry on its list.
func (h *house) listed(cert *x509.Certificate) *x509.RevocationListEntry {
	h.t.Helper()
	s, err := h.Status(h.t.Context(), cert.SerialNumber)
	require.NoError(h.t, err)
	for _, e := range h.list(s.Shard).RevokedCertificateEntries {
		if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return &e
		}
	}
	return nil
}

// ask posts a request and returns the raw answer.
func (h *house) ask(der []byte) []byte {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/ocsp", strings.NewReader(string(der)))
	w := httptest.NewRecorder()
	h.OCSPHandler().ServeHTTP(w, r)
	require.Equal(h.t, http.StatusOK, w.Code)
	require.Equal(h.t, "application/ocsp-response", w.Header().Get("Content-Type"))
	return w.Body.Bytes()
}

// answer asks about a serial number and checks the answer's signature.
func (h *house) answer(serial *big.Int, hash crypto.Hash) *ocsp.Response {
	h.t.Helper()
	request, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: serial}, h.Chain()[0], &ocsp.RequestOptions{Hash: hash})
	require.NoError(h.t, err)
	response, err := ocsp.ParseResponse(h.ask(request), h.Chain()[0])
	require.NoError(h.t, err)
	require.Equal(h.t, serial, response.SerialNumber)
	require.Equal(h.t, h.clock.Now().UTC().Truncate(time.Second).Year(), response.ProducedAt.Year())
	return response
}

func (h *house) ocspStatus(cert *x509.Certificate) int {
	h.t.Helper()
	return h.answer(cert.SerialNumber, crypto.SHA1).Status
}

func TestRevoke(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	pair := h.issue("pair")
	cert, partner := pair[0], pair[1]

	require.Equal(t, ocsp.Good, h.ocspStatus(cert))
	require.Nil(t, h.listed(cert))
	for _, reason := range []int{-1, 7, 11, 77} {
		require.ErrorIs(t, h.Revoke(ctx, cert, reason, time.Time{}), pki.ErrReason)
	}
	require.ErrorIs(t, h.Revoke(ctx, cert, 1, start.Add(time.Second)), pki.ErrReason)
	require.ErrorIs(t, h.Revoke(ctx, nil, 1, time.Time{}), pki.ErrUnknownCertificate)
	require.ErrorIs(t, h.Revoke(ctx, newHouse(t).issue("x")[0], 1, time.Time{}), pki.ErrUnknownCertificate)
	require.NoError(t, h.Verify(ctx, cert))

	t.Run("hold and release", func(t *testing.T) {
		require.NoError(t, h.Revoke(ctx, cert, 8, time.Time{})) // not held: nothing to do
		for range 2 {
			require.NoError(t, h.Revoke(ctx, cert, 6, time.Time{}))
			require.ErrorIs(t, h.Verify(ctx, cert), pki.ErrHeld)
			answer := h.answer(cert.SerialNumber, crypto.SHA256)
			require.Equal(t, ocsp.Revoked, answer.Status)
			require.Equal(t, 6, answer.RevocationReason)
			require.Equal(t, 6, h.listed(cert).ReasonCode)
		}
		for range 2 {
			require.NoError(t, h.Revoke(ctx, cert, 8, time.Time{}))
			require.NoError(t, h.Verify(ctx, cert))
			require.Equal(t, ocsp.Good, h.ocspStatus(cert))
			require.Nil(t, h.listed(cert))
		}
	})
	t.Run("for good", func(t *testing.T) {
		require.NoError(t, h.Revoke(ctx, cert, 6, start))
		h.clock.Add(time.Hour)
		require.NoError(t, h.Revoke(ctx, cert, 3, h.clock.Now()))
		for range 2 {
			require.ErrorIs(t, h.Verify(ctx, cert), pki.ErrRevoked)
			entry := h.listed(cert)
			require.Equal(t, 3, entry.ReasonCode)
			require.Equal(t, start, entry.RevocationTime) // from the hold on
			require.NoError(t, h.Revoke(ctx, cert, 3, h.clock.Now()))
			require.NoError(t, h.Revoke(ctx, cert, 5, h.clock.Now()))
			require.NoError(t, h.Revoke(ctx, cert, 6, h.clock.Now()))
		}
		require.ErrorIs(t, h.Revoke(ctx, cert, 8, time.Time{}), pki.ErrRevoked)
		require.NoError(t, h.Revoke(ctx, cert, 1, h.clock.Now()))
		require.Equal(t, 1, h.listed(cert).ReasonCode)
		require.NoError(t, h.Verify(ctx, partner)) // each by itself
	})
	t.Run("unspecified has no reason", func(t *testing.T) {
		other := h.issue("other")[0]
		require.NoError(t, h.Revoke(ctx, other, 0, other.NotBefore.AddDate(-1, 0, 0)))
		entry := h.listed(other)
		require.Empty(t, entry.Extensions)
		require.Equal(t, other.NotBefore, entry.RevocationTime)
		require.Equal(t, other.NotBefore, h.answer(other.SerialNumber, crypto.SHA1).RevokedAt)
	})
	t.Run("expired", func(t *testing.T) {
		old := h.issue("old")[0]
		h.clock.Set(old.NotAfter.Add(24 * time.Hour))
		before, err := h.VerifyAudit(ctx)
		require.NoError(t, err)
		require.NoError(t, h.Revoke(ctx, old, 1, time.Time{}))
		after, err := h.VerifyAudit(ctx)
		require.NoError(t, err)
		require.Equal(t, before+1, after, "it is recorded")
		require.ErrorIs(t, h.Verify(ctx, old), pki.ErrRevoked) // revocation first, then expiry
		require.NotNil(t, h.listed(old))
		h.clock.Add(24 * time.Hour)
		require.Nil(t, h.listed(old))
		require.Equal(t, ocsp.Revoked, h.ocspStatus(old))
	})
}

// Every event of a card gives a code that Revoke takes; a found card is released,
// and nothing else is.
func TestCardEvents(t *testing.T) {
	h := newHouse(t)
	for event, want := range map[pki.CardEvent]int{
		pki.CardLost: 1, pki.CardStolen: 1, pki.CardDamaged: 5, pki.CardReplaced: 4, pki.NameChanged: 3,
		pki.HolderLeft: 5, pki.RoleEnded: 5, pki.AccessRevoked: 9, pki.CardMislaid: 6, pki.CardFound: 8,
	} {
		code, known := event.Reason()
		require.True(t, known)
		require.Equal(t, want, code, event)
		cert := h.issue(string(event))[0]
		require.NoError(t, h.Revoke(t.Context(), cert, code, time.Time{}))
		switch entry := h.listed(cert); event {
		case pki.CardFound:
			require.Nil(t, entry)
		default:
			require.Equal(t, want, entry.ReasonCode)
		}
		err := h.Revoke(t.Context(), cert, pki.RemoveFromCRL, time.Time{})
		if event == pki.CardFound || event == pki.CardMislaid {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, pki.ErrRevoked)
		}
	}
	_, known := pki.CardEvent("eaten").Reason()
	require.False(t, known)
}

func TestLists(t *testing.T) {
	h := newHouse(t)
	first := h.list(0)
	require.Equal(t, int64(1), first.Number.Int64())
	require.Equal(t, start, first.ThisUpdate)
	require.Equal(t, start.Add(24*time.Hour), first.NextUpdate)
	const due = 24 * time.Hour * 3 / 5
	require.Less(t, due+time.Minute, 16*time.Hour, "two thirds of its life come later, and Due before")
	h.clock.Add(due - time.Second)
	require.Equal(t, int64(1), h.list(0).Number.Int64())
	h.clock.Add(time.Second)
	second := h.list(0)
	require.Equal(t, int64(2), second.Number.Int64())

	next, err := h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, h.clock.Now().Add(due), next)
	again, err := h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, next, again)
	require.Equal(t, int64(2), h.list(0).Number.Int64())

	t.Run("a dead signer", func(t *testing.T) {
		dead := h.reopen(func(c *pki.Config) { c.Signer = h.failing(0) })
		h.clock.Add(24*time.Hour - time.Second)
		require.Equal(t, int64(2), dead.list(0).Number.Int64()) // good until its nextUpdate
		h.clock.Add(time.Second)
		w := httptest.NewRecorder()
		dead.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/0.crl", nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Greater(t, h.list(0).Number.Int64(), int64(2))
	})
	t.Run("another server sees it", func(t *testing.T) {
		cert := h.issue("seen")[0]
		other := h.reopen()
		require.Nil(t, other.listed(cert))
		require.NoError(t, h.Revoke(t.Context(), cert, 1, time.Time{}))
		require.NotNil(t, other.listed(cert))
		require.NotNil(t, h.listed(cert))
	})
	t.Run("http", func(t *testing.T) {
		w := httptest.NewRecorder()
		h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/1.crl", nil))
		require.Equal(t, "application/pkix-crl", w.Header().Get("Content-Type"))
		r := httptest.NewRequest(http.MethodGet, "/crl/1.crl", nil)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		h.PublishHandler().ServeHTTP(w, r)
		require.Equal(t, http.StatusNotModified, w.Code)
		for path, want := range map[string]int{
			"/crl/16.crl": 404, "/crl/-1.crl": 404, "/crl/01.crl": 404, "/crl/1": 404, "/crl/x.crl": 404, "/aia/issuing.cer": 200, "/aia/root.cer": 200,
		} {
			w = httptest.NewRecorder()
			h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			require.Equal(t, want, w.Code, path)
		}
		w = httptest.NewRecorder()
		h.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/crl/1.crl", nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	})
}

// Due, called every second, signs each list before two thirds of its life, however
// short that is.
func TestListsAreNeverOlder(t *testing.T) {
	for _, life := range []time.Duration{time.Minute, 61 * time.Second, 100 * time.Second, time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			h := newHouse(t, func(c *pki.Config) {
				c.CRLLife, c.Profile = life, profile(t, pki.ProfileConfig{Shards: 1})
			})
			_, err := h.Due(t.Context())
			require.NoError(t, err)
			for range 2 * life / time.Second {
				list, err := h.ledger.CRL(t.Context(), h.KeyID(), 0)
				require.NoError(t, err)
				require.Equal(t, life, list.NextUpdate.Sub(list.ThisUpdate))
				require.Less(t, h.clock.Now().Sub(list.ThisUpdate), life*2/3)
				h.clock.Add(time.Second)
				_, err = h.Due(t.Context())
				require.NoError(t, err)
			}
		})
	}
}

// A client that has the answer is told that it still is the answer, until it isn't.
// RFC 5019 §6.
func TestOCSPAgain(t *testing.T) {
	h := newHouse(t)
	cert := h.issue("first")[0]
	request, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
	require.NoError(t, err)
	path := "/ocsp/" + url.PathEscape(base64.StdEncoding.EncodeToString(request))
	get := func(method, etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("If-None-Match", etag)
		w := httptest.NewRecorder()
		h.OCSPHandler().ServeHTTP(w, r)
		require.Equal(t, "no-cache, no-transform", w.Header().Get("Cache-Control"))
		return w
	}
	first := get(http.MethodGet, "")
	require.Equal(t, http.StatusOK, first.Code)
	etag := first.Header().Get("ETag")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		again := get(method, etag)
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Equal(t, etag, again.Header().Get("ETag"))
		require.Empty(t, again.Body.Bytes())
	}
	require.NoError(t, h.Revoke(t.Context(), cert, pki.KeyCompromise, time.Time{}))
	after := get(http.MethodGet, etag)
	require.Equal(t, http.StatusOK, after.Code, "the very next answer")
	require.NotEqual(t, etag, after.Header().Get("ETag"))
	answer, err := ocsp.ParseResponseForCert(after.Body.Bytes(), cert, h.Chain()[0])
	require.NoError(t, err)
	require.Equal(t, ocsp.Revoked, answer.Status)
}

func TestOCSP(t *testing.T) {
	h := newHouse(t)
	cert := h.issue("first")[0]
	t.Run("dates", func(t *testing.T) {
		answer := h.answer(cert.SerialNumber, crypto.SHA1)
		require.Equal(t, start, answer.ThisUpdate)
		require.Equal(t, start, answer.ProducedAt)
		require.Equal(t, start.Add(12*time.Hour), answer.NextUpdate)
		h.clock.Add(6*time.Hour - time.Second)
		require.Equal(t, start, h.answer(cert.SerialNumber, crypto.SHA1).ThisUpdate)
		h.clock.Add(time.Second)
		require.Equal(t, h.clock.Now(), h.answer(cert.SerialNumber, crypto.SHA1).ThisUpdate)
		h.clock.Add(2 * 365 * 24 * time.Hour) // the signing certificate was replaced
		answer = h.answer(cert.SerialNumber, crypto.SHA1)
		require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, answer.Certificate.ExtKeyUsage)
		require.True(t, answer.Certificate.NotAfter.After(answer.NextUpdate))
	})
	t.Run("threat031", func(t *testing.T) { // a good of before never comes back, on any server
		cert := h.issue("31")[0]
		other := h.reopen()
		for range 3 {
			require.Equal(t, ocsp.Good, h.ocspStatus(cert))
			require.Equal(t, ocsp.Good, other.ocspStatus(cert))
			require.NoError(t, h.Revoke(t.Context(), cert, 6, time.Time{}))
			require.Equal(t, ocsp.Revoked, other.ocspStatus(cert))
			require.Equal(t, ocsp.Revoked, h.ocspStatus(cert))
			require.NoError(t, other.Revoke(t.Context(), cert, 8, time.Time{}))
		}
		stranger := newHouse(t)
		request, err := ocsp.CreateRequest(cert, stranger.Chain()[0], nil)
		require.NoError(t, err)
		require.Equal(t, ocsp.UnauthorizedErrorResponse, h.ask(request))
		for _, bad := range [][]byte{nil, []byte("x"), make([]byte, 10<<10), append(request, 0)} {
			require.Equal(t, ocsp.MalformedRequestErrorResponse, h.ask(bad))
		}
		dead := h.reopen(func(c *pki.Config) { c.Signer = h.failing(0) })
		request, err = ocsp.CreateRequest(cert, h.Chain()[0], nil)
		require.NoError(t, err)
		require.Equal(t, ocsp.TryLaterErrorResponse, dead.ask(request))
	})
	t.Run("nothing of one who asks is in another's answer", func(t *testing.T) {
		cert := h.issue("poison")[0]
		plain, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
		require.NoError(t, err)
		null := []byte{0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00} // SHA-1 with NULL
		at := bytes.Index(plain, null)
		require.Positive(t, at)
		garbage := bytes.Clone(plain)
		garbage[at+9] = 0x04 // an empty OCTET STRING for parameters
		require.Equal(t, ocsp.MalformedRequestErrorResponse, h.ask(garbage))
		require.Contains(t, string(h.ask(plain)), string(null))

		none := func(der []byte, starts ...int) []byte { // the same with no parameters
			der = append(bytes.Clone(der[:at+9]), der[at+11:]...)
			der[at+1] -= 2
			for _, i := range starts {
				der[i] -= 2
			}
			return der
		}(plain, 1, 3, 5, 7, 9)
		require.NotContains(t, string(h.ask(none)), string(null), "a request is answered with its own id")
		require.Contains(t, string(h.ask(plain)), string(null))
	})
	t.Run("threat032", func(t *testing.T) {
		tries := 10_000
		if testing.Short() {
			tries = 100
		}
		for range tries {
			var b [16]byte
			_, err := rand.Read(b[:])
			require.NoError(t, err)
			require.Equal(t, ocsp.Unknown, h.answer(new(big.Int).SetBytes(b[:]), crypto.SHA1).Status)
		}
		require.Equal(t, ocsp.Unknown, h.answer(new(big.Int).Lsh(big.NewInt(1), 200), crypto.SHA1).Status)
		dead := h.reopen(func(c *pki.Config) { c.Signer = h.failing(1) })
		_, err := dead.Issue(t.Context(), "pending", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		for _, r := range h.act("pending").Records {
			require.Equal(t, ocsp.Unknown, h.answer(r.Serial, crypto.SHA1).Status)
		}
	})
	t.Run("get", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("/ocsp/", h.OCSPHandler())
		server := httptest.NewServer(mux)
		defer server.Close()
		for i := range 30 { // with and without slashes in the base64
			cert := h.issue("get-" + big.NewInt(int64(i)).String())[0]
			request, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
			require.NoError(t, err)
			response, err := http.Get(server.URL + "/ocsp/" + url.PathEscape(base64.StdEncoding.EncodeToString(request)))
			require.NoError(t, err)
			der := make([]byte, 4096)
			n, _ := response.Body.Read(der)
			require.NoError(t, response.Body.Close())
			answer, err := ocsp.ParseResponseForCert(der[:n], cert, h.Chain()[0])
			require.NoError(t, err)
			require.Equal(t, ocsp.Good, answer.Status)
			require.NotEmpty(t, response.Header.Get("ETag"))
		}
		w := httptest.NewRecorder()
		h.OCSPHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/ocsp", nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	})
}
