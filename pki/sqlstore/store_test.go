// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"crypto/x509"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

// open returns a ledger in a new file.
func open(t testing.TB) *sqlstore.Ledger {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

func openAt(t testing.TB, path string) *sqlstore.Ledger {
	t.Helper()
	db, err := sqlkit.OpenSQLite(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return ledgerOn(t, db)
}

func ledgerOn(t testing.TB, db *sql.DB) *sqlstore.Ledger {
	t.Helper()
	ledger, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ledger.Close()) })
	return ledger
}

func TestSQLite(t *testing.T) {
	pkitest.TestLedger(t, func(t *testing.T) pki.Ledger { return open(t) })
}

func TestPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	var opened int
	pkitest.TestLedger(t, func(t *testing.T) pki.Ledger {
		// One cluster; a schema for each ledger.
		opened++
		schema := fmt.Sprint("ledger", opened)
		_, err := db.Exec("CREATE SCHEMA " + schema)
		require.NoError(t, err)
		_, err = db.Exec("ALTER ROLE CURRENT_USER SET search_path = " + schema)
		require.NoError(t, err)
		db.SetMaxIdleConns(0) // the next connection begins in the new schema
		db.SetMaxIdleConns(8)
		return ledgerOn(t, db)
	})
}

func TestOpenRefusesNoDB(t *testing.T) {
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{})
	require.Error(t, err)
}

// A list is not signed over rows that somebody has changed into what can't be
// listed.
func TestEntriesThatAreNone(t *testing.T) {
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	ca := pkitest.New(t, pkitest.Config{Ledger: ledgerOn(t, db)})
	pair, err := ca.NewPair(t.Context())
	require.NoError(t, err)
	cert := pair.Certificates[0]
	require.NoError(t, ca.Revoke(t.Context(), cert, pki.KeyCompromise, time.Time{}))
	status, err := ca.Status(t.Context(), cert.SerialNumber)
	require.NoError(t, err)
	serial := fmt.Sprintf("%032x", cert.SerialNumber)
	var row int64
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT rowid FROM pki_certificates WHERE serial = $1", serial).Scan(&row))
	for _, to := range []string{"serial = 'xyz'", "serial = 'a b'", "serial = '1;2'", "serial = '" + strings.Repeat("ab", 21) + "'", "revoked_at = 'today'", "reason = 'lost'", "reason = ''"} {
		t.Run(to, func(t *testing.T) {
			_, err := db.ExecContext(t.Context(), "UPDATE pki_certificates SET "+to+" WHERE rowid = $1", row)
			require.NoError(t, err)
			w := httptest.NewRecorder()
			ca.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/crl/%d.crl", status.Shard), nil))
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			_, err = db.ExecContext(t.Context(), "UPDATE pki_certificates SET serial = $1, revoked_at = $2, reason = 1 WHERE rowid = $3", serial, ca.Clock.Now().Unix(), row)
			require.NoError(t, err)
		})
	}
	w := httptest.NewRecorder()
	ca.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/crl/%d.crl", status.Shard), nil))
	require.Equal(t, http.StatusOK, w.Code)
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	require.NoError(t, err)
	require.Contains(t, serials(list), cert.SerialNumber.Text(16))
}
