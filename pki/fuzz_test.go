// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// Whatever is asked, the responder answers, and never good about what it didn't
// issue.
func FuzzOCSP(f *testing.F) {
	ca := pkitest.New(f, pkitest.Config{})
	cert := ca.Pair(pkitest.Good).Certificates[0]
	for _, c := range ca.Pair(pkitest.Good).Certificates {
		request, err := ocsp.CreateRequest(c, ca.Chain()[0], nil)
		require.NoError(f, err)
		f.Add(request)
	}
	f.Add([]byte{})
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, request []byte) {
		post := httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(request))
		get := httptest.NewRequest(http.MethodGet, "/ocsp/"+url.PathEscape(base64.StdEncoding.EncodeToString(request)), nil)
		for _, r := range []*http.Request{post, get} {
			w := httptest.NewRecorder()
			ca.OCSPHandler().ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
			answer, err := ocsp.ParseResponse(w.Body.Bytes(), ca.Chain()[0]) // of several, it refuses to read one
			if err != nil {
				require.IsType(t, ocsp.ResponseError{}, err)
				continue
			}
			if answer.Status == ocsp.Good {
				status, err := ca.Status(t.Context(), answer.SerialNumber)
				require.NoError(t, err)
				require.NotNil(t, status.Serial, "good about %x, and the good one is %x", answer.SerialNumber, cert.SerialNumber)
			}
		}
	})
}

// Whatever is sent as a request, nothing but its key is in what is issued.
func FuzzCSR(f *testing.F) {
	ca := pkitest.New(f, pkitest.Config{})
	for _, template := range []*x509.CertificateRequest{
		{},
		{Subject: pkix.Name{CommonName: "Root"}, DNSNames: []string{"example.org"}},
		{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}},
	} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(f, err)
		der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
		require.NoError(f, err)
		f.Add(der)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(f, err)
	csr, err := pkitest.Request(key)
	require.NoError(f, err)
	f.Add(csr.Raw)
	f.Add([]byte{})
	var acts atomic.Int64
	f.Fuzz(func(t *testing.T, der []byte) {
		_, pair, err := pkitest.Requests()
		require.NoError(t, err)
		pair[0] = &x509.CertificateRequest{Raw: der}
		certs, err := ca.Issue(t.Context(), fmt.Sprint("fuzz-", acts.Add(1)), person(), pair)
		if err != nil {
			var ruled interface{ Rule() string }
			require.True(t, errors.As(err, &ruled), "%v", err)
			return
		}
		read, err := x509.ParseCertificateRequest(der)
		require.NoError(t, err)
		require.NoError(t, read.CheckSignature())
		require.Equal(t, read.PublicKey, certs[0].PublicKey)
		require.Empty(t, certs[0].DNSNames)
		require.False(t, certs[0].IsCA)
		require.Len(t, certs[0].Extensions, 8)
	})
}

// given is what somebody else says.
type given struct{ der []byte }

func (g *given) Lists(context.Context, *x509.Certificate, *x509.Certificate) ([][]byte, error) {
	return [][]byte{g.der}, nil
}

func (g *given) Ask(context.Context, *x509.Certificate, []byte) ([]byte, error) { return g.der, nil }

func (g *given) SignCertificate(context.Context, *x509.Certificate, crypto.PublicKey) ([]byte, error) {
	return g.der, nil
}

func (g *given) SignCRL(context.Context, *x509.RevocationList) ([]byte, error) { return g.der, nil }

// Whatever is served as a list, a revoked certificate isn't good by it.
func FuzzCRL(f *testing.F) {
	ca := pkitest.New(f, pkitest.Config{})
	revoked := ca.Pair(pkitest.Revoked).Certificates[0]
	for shard := range 16 {
		w := httptest.NewRecorder()
		ca.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/crl/%d.crl", shard), nil))
		f.Add(w.Body.Bytes())
	}
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: &given{der}})
		require.NoError(t, err)
		evidence, err := checker.Evidence(t.Context(), revoked, ca.Chain()[0], ca.Clock.Now())
		if err == nil {
			require.Equal(t, pki.Revoked, evidence.State)
		}
	})
}

// Whatever is answered, a revoked certificate isn't good by it.
func FuzzOCSPResponse(f *testing.F) {
	ca := pkitest.New(f, pkitest.Config{})
	revoked := ca.Pair(pkitest.Revoked).Certificates[0]
	for _, cert := range append(ca.Pair(pkitest.Good).Certificates, revoked) {
		request, err := ocsp.CreateRequest(cert, ca.Chain()[0], nil)
		require.NoError(f, err)
		w := httptest.NewRecorder()
		ca.OCSPHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(request)))
		f.Add(w.Body.Bytes())
	}
	f.Add(ocsp.TryLaterErrorResponse)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		checker, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: &given{der}})
		require.NoError(t, err)
		evidence, err := checker.Evidence(t.Context(), revoked, ca.Chain()[0], ca.Clock.Now())
		if err == nil {
			require.Equal(t, pki.Revoked, evidence.State)
		}
	})
}

// Whatever a signer returns, nothing is committed but what was asked for.
func FuzzSigned(f *testing.F) {
	ca := pkitest.New(f, pkitest.Config{})
	f.Add(ca.Pair(pkitest.Good).Certificates[0].Raw)
	f.Add(ca.Chain()[0].Raw)
	w := httptest.NewRecorder()
	ca.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/0.crl", nil))
	f.Add(w.Body.Bytes())
	f.Add([]byte{0x30, 0x80})
	config := pki.Config{Chain: ca.Chain(), Profile: ca.Profile(), Now: ca.Clock.Now}
	_, csrs, err := pkitest.Requests()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, der []byte) {
		c := config
		c.Ledger, c.Signer = &pkitest.Memory{}, &given{der}
		other, err := pki.New(c)
		require.NoError(t, err)
		_, err = other.Issue(t.Context(), "act", person(), csrs)
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		_, err = other.Due(t.Context())
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	})
}
