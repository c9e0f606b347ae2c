// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
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

// A store from before copies had their length knows what it holds.
func TestOlderStoreIsMeasured(t *testing.T) {
	for name, db := range map[string]*sql.DB{"sqlite": openDB(t), "postgres": postgrestest.Open(t)} {
		t.Run(name, func(t *testing.T) {
			write := func(fn func(context.Context, gateway.StoreTx) error) {
				s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
				require.NoError(t, err)
				defer func() { require.NoError(t, s.Close()) }()
				require.NoError(t, s.Write(t.Context(), fn))
			}
			write(func(ctx context.Context, tx gateway.StoreTx) error {
				return errors.Join(tx.InsertCopy(ctx, gateway.Copy{ID: "a", Envelope: []byte("four")}), tx.InsertCopy(ctx, gateway.Copy{ID: "b", Envelope: []byte("none")}),
					tx.InsertPiece(ctx, "a", 0, []byte("and ")), tx.InsertPiece(ctx, "a", 1, []byte("more")))
			})
			for _, undo := range []string{
				"DROP TABLE mailgate_audit", "DROP TABLE mailgate_audit_head",
				"ALTER TABLE mailgate_copy DROP COLUMN bytes", "DELETE FROM mailgate_migrations WHERE version_id > 4",
			} {
				_, err := db.ExecContext(t.Context(), undo)
				require.NoError(t, err, undo)
			}
			write(func(ctx context.Context, tx gateway.StoreTx) error {
				held, err := tx.Held(ctx)
				require.Equal(t, int64(16), held)
				return err
			})
		})
	}
}
