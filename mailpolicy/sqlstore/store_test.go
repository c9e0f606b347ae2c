// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

func openDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "mail.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func open(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformance(t *testing.T) {
	mailtest.TestStore(t, func(t *testing.T) mailpolicy.Store { return open(t, openDB(t)) })
}

func TestConformanceOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	mailtest.TestStore(t, func(t *testing.T) mailpolicy.Store {
		_, err := db.ExecContext(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
		require.NoError(t, err)
		return open(t, db)
	})
}

func TestOpensTwice(t *testing.T) {
	db := openDB(t)
	open(t, db)
	open(t, db)
}
