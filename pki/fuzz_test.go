// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

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
			answer, err := ocsp.ParseResponse(w.Body.Bytes(), ca.Chain()[0])
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
