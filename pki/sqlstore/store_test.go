// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

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
