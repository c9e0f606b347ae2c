// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// Two servers on one ledger: nothing that one knows may be missing in the other.
func TestTwoServers(t *testing.T) {
	now := func() time.Time { return today }
	authority, err := stepca.Open(t.Context(), stepca.Config{Now: now})
	require.NoError(t, err)
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org"})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ledger.db")
	var servers []*pki.CA
	for range 2 {
		ca, err := pki.New(pki.Config{Signer: authority, Chain: authority.Chain(), Ledger: openAt(t, path), Profile: profile, Now: now})
		require.NoError(t, err)
		servers = append(servers, ca)
	}
	name := pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}

	t.Run("one act on both", func(t *testing.T) {
		for round := range 5 {
			_, csrs, err := pkitest.Requests()
			require.NoError(t, err)
			var mu sync.Mutex
			answers := map[string]int{}
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					certs, err := servers[i%2].Issue(t.Context(), fmt.Sprint("act-", round), name, csrs)
					mu.Lock()
					defer mu.Unlock()
					if !assert.NoError(t, err) {
						return
					}
					answers[string(certs[0].Raw)+string(certs[1].Raw)]++
				})
			}
			wg.Wait()
			require.Len(t, answers, 1, "%.60q", answers)
		}
	})
	t.Run("threat031", func(t *testing.T) {
		_, csrs, err := pkitest.Requests()
		require.NoError(t, err)
		certs, err := servers[0].Issue(t.Context(), "revoked", name, csrs)
		require.NoError(t, err)
		request, err := ocsp.CreateRequest(certs[0], authority.Chain()[0], nil)
		require.NoError(t, err)
		status := func(ca *pki.CA) int {
			w := httptest.NewRecorder()
			ca.OCSPHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(request))))
			answer, err := ocsp.ParseResponseForCert(w.Body.Bytes(), certs[0], authority.Chain()[0])
			require.NoError(t, err)
			return answer.Status
		}
		for i := range 10 {
			by, other := servers[i%2], servers[1-i%2]
			require.Equal(t, []int{ocsp.Good, ocsp.Good}, []int{status(by), status(other)})
			require.NoError(t, by.Revoke(t.Context(), certs[0], 6, time.Time{}))
			require.Equal(t, []int{ocsp.Revoked, ocsp.Revoked}, []int{status(other), status(by)})
			require.NoError(t, other.Revoke(t.Context(), certs[0], 8, time.Time{}))
		}
	})
}
