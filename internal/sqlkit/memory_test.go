// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

func TestOpenMemory(t *testing.T) {
	ctx := t.Context()
	db, err := sqlkit.OpenMemory()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlkit.Open(ctx, sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })

	t.Run("its connections share it, and nobody else", func(t *testing.T) {
		one, err := db.Conn(ctx)
		require.NoError(t, err)
		defer one.Close()
		two, err := db.Conn(ctx)
		require.NoError(t, err)
		defer two.Close()
		_, err = one.ExecContext(ctx, "CREATE TABLE shared (v BIGINT)")
		require.NoError(t, err)
		_, err = two.ExecContext(ctx, "INSERT INTO shared VALUES (1)")
		require.NoError(t, err)
		other, err := sqlkit.OpenMemory()
		require.NoError(t, err)
		defer other.Close()
		_, err = other.ExecContext(ctx, "INSERT INTO shared VALUES (1)")
		require.ErrorContains(t, err, "no such table")
	})
	t.Run("a reader under way sees what was there, and a write waits for it", func(t *testing.T) {
		read, goOn := make(chan struct{}), make(chan struct{})
		var before, after int
		done := make(chan error, 1)
		go func() {
			done <- store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
				if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM shared").Scan(&before); err != nil {
					return err
				}
				close(read)
				<-goOn
				return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM shared").Scan(&after)
			})
		}()
		<-read
		written := make(chan error, 1)
		go func() {
			written <- store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO shared VALUES ($1)", 2)
				return err
			})
		}()
		close(goOn)
		require.NoError(t, <-done)
		require.NoError(t, <-written)
		require.Equal(t, before, after)
	})
	t.Run("one that is not shared", func(t *testing.T) {
		for _, name := range []string{"file:x?mode=memory", "file:x?vfs=memdb", ":memory:"} {
			private, err := sql.Open("sqlite3", name)
			require.NoError(t, err)
			_, err = sqlkit.Open(ctx, sqlkit.Config{DB: private, Migrations: migrations("pki"), Table: "pki_migrations"})
			require.ErrorContains(t, err, "OpenMemory")
			require.NoError(t, private.Close())
		}
	})
}
