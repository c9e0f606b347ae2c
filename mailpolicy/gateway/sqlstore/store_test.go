// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/gatewaytest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
)

func openDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "gate.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func open(t *testing.T, db *sql.DB, wall func() time.Time) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Wall: wall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformance(t *testing.T) {
	gatewaytest.TestStore(t, func(t *testing.T, wall func() time.Time) gateway.Store { return open(t, openDB(t), wall) })
}

func TestConformanceOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	gatewaytest.TestStore(t, func(t *testing.T, wall func() time.Time) gateway.Store {
		_, err := db.ExecContext(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
		require.NoError(t, err)
		return open(t, db, wall)
	})
}

func TestOpensTwice(t *testing.T) {
	db := openDB(t)
	open(t, db, nil)
	open(t, db, nil)
}
