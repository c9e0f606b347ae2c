// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

const listed = 200_000 // about what a national service has revoked at a time

// BenchmarkCRL measures one revocation made visible: recorded durably, its
// shard's list signed, kept and fetched, with 200,000 certificates revoked in 16
// shards. The baseline signs all of them in one list, and keeps it nowhere.
func BenchmarkCRL(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger.db")
	db, err := sqlkit.OpenSQLite(path)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	ledger, err := sqlstore.Open(b.Context(), sqlstore.Config{DB: db})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, ledger.Close()) })
	ca := pkitest.New(b, pkitest.Config{Ledger: ledger})
	_, err = db.ExecContext(b.Context(), `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO pki_acts SELECT 'past-' || i, 'issue', $2, x'00', x'00', '000000000000', 'past-' || i, 1, 0, 'good' FROM n`, listed, ca.KeyID())
	require.NoError(b, err)
	_, err = db.ExecContext(b.Context(), `
		INSERT INTO pki_certificates (serial, act, ordinal, issuer, purpose, shard, key_hash, public_key, not_before, not_after, state, reason, revoked_at, changed, listed)
		SELECT substr('0000000000000000' || lower(hex(randomblob(16))), -32), id, 0, issuer, 'signing', rowid % 16, randomblob(32), x'00', 0, $1, 'revoked', 1, $2, 0, FALSE
		FROM pki_acts WHERE id LIKE 'past-%'`, ca.Clock.Now().AddDate(1, 0, 0).Unix(), ca.Clock.Now().Unix())
	require.NoError(b, err)
	_, err = ca.Due(b.Context())
	require.NoError(b, err)

	var ours, bare []time.Duration
	for b.Loop() {
		b.StopTimer()
		pair, err := ca.NewPair(b.Context())
		require.NoError(b, err)
		status, err := ca.Status(b.Context(), pair.Certificates[0].SerialNumber)
		require.NoError(b, err)
		runtime.GC() // neither pays for what the other left
		b.StartTimer()
		began := time.Now()
		require.NoError(b, ca.Revoke(b.Context(), pair.Certificates[0], pki.KeyCompromise, time.Time{}))
		w := httptest.NewRecorder()
		ca.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/crl/%d.crl", status.Shard), nil))
		ours = append(ours, time.Since(began))
		require.Equal(b, http.StatusOK, w.Code)
		b.StopTimer()
		list, err := x509.ParseRevocationList(w.Body.Bytes())
		require.NoError(b, err)
		require.Greater(b, len(list.RevokedCertificateEntries), listed/16-100)
		require.Less(b, w.Body.Len(), 1<<20, "a shard's list is to stay below a megabyte")
		require.Contains(b, serials(list), pair.Certificates[0].SerialNumber.Text(16))
		runtime.GC()
		bare = append(bare, signAll(b))
		b.StartTimer()
	}
	benchline.Report(b, "pki.crl", median(ours), median(bare), "ms", false, 10)
}

// median is the middle one of several times, in milliseconds: a disk that is slow once doesn't decide.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds() * 1000
}

func serials(list *x509.RevocationList) map[string]bool {
	out := map[string]bool{}
	for _, e := range list.RevokedCertificateEntries {
		out[e.SerialNumber.Text(16)] = true
	}
	return out
}

// signAll is x509.CreateRevocationList of everything.
func signAll(b *testing.B) time.Duration {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	issuer := &x509.Certificate{SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign}
	now := time.Now()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	for i := range listed {
		serial := new(big.Int).Lsh(big.NewInt(int64(i)+1), 104)
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now, ReasonCode: 1})
	}
	began := time.Now()
	_, err = x509.CreateRevocationList(rand.Reader, template, issuer, key)
	require.NoError(b, err)
	return time.Since(began)
}
