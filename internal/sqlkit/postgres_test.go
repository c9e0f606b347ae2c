// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

func TestPostgres(t *testing.T) {
	db := postgrestest.Open(t)
	t.Run("opened at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				s, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
				require.NoError(t, err)
				require.NoError(t, s.Close())
			})
		}
		all.Wait()
	})
	s := openStore(t, db, "pki")
	t.Run("values come back in any order of parameters", func(t *testing.T) {
		require.NoError(t, insert(s, "pki", "$1", 7)(t.Context()))
		require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
			var ok bool
			var raw []byte
			require.NoError(t, tx.QueryRowContext(ctx, "SELECT ok, raw FROM pki_thing WHERE n = $2 AND id = $1", "$1", 7).Scan(&ok, &raw))
			require.True(t, ok)
			require.Equal(t, []byte{1}, raw)
			return nil
		}))
	})
	t.Run("readers can't write", func(t *testing.T) {
		require.Error(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM pki_thing")
			return err
		}))
	})
	t.Run("unique", func(t *testing.T) {
		require.True(t, sqlkit.IsUnique(insert(s, "pki", "other", 7)(t.Context())))
	})
	t.Run("a failed or panicking write leaves nothing", func(t *testing.T) {
		require.ErrorIs(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM pki_thing")
			return errors.Join(err, errRefused)
		}), errRefused)
		require.Panics(t, func() {
			_ = s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
				_, _ = tx.ExecContext(ctx, "DELETE FROM pki_thing")
				panic("at the caller")
			})
		})
		require.Equal(t, 1, count(t, s, "pki"))
	})
	t.Run("nested", func(t *testing.T) {
		require.ErrorIs(t, s.Write(t.Context(), func(ctx context.Context, _ *sqlkit.Tx) error { return insert(s, "pki", "x", 8)(ctx) }), sqlkit.ErrNested)
	})
	t.Run("what read the same row is run again", func(t *testing.T) {
		counterOfPostgres(t, s)
	})
	t.Run("a hundred want one row", func(t *testing.T) {
		hotRow(t, db, s)
	})
	require.NoError(t, s.Close())
	require.ErrorIs(t, insert(s, "pki", "z", 9)(t.Context()), sqlkit.ErrClosed)
}

// counterOfPostgres adds to one row from many goroutines, in a way that loses
// additions unless transactions are serializable and run again.
func counterOfPostgres(t *testing.T, s *sqlkit.Store) {
	require.NoError(t, insert(s, "pki", "counter", 1000)(t.Context()))
	var runs atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				require.NoError(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
					runs.Add(1)
					var n int64
					if err := tx.QueryRowContext(ctx, "SELECT n FROM pki_thing WHERE id = $1", "counter").Scan(&n); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, "UPDATE pki_thing SET n = $1 WHERE id = $2", n+1, "counter")
					return err
				}))
			}
		})
	}
	all.Wait()
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		var n int64
		require.NoError(t, tx.QueryRowContext(ctx, "SELECT n FROM pki_thing WHERE id = $1", "counter").Scan(&n))
		require.Equal(t, int64(1040), n)
		return nil
	}))
	t.Logf("40 additions in %d runs", runs.Load())
}

// hotRow has a hundred callers add to one row, of two servers with pools that
// nothing bounds: each gets its turn, and one whose context ends doesn't wait for
// it.
func hotRow(t *testing.T, db *sql.DB, one *sqlkit.Store) {
	const callers = 100
	require.NoError(t, insert(one, "pki", "hot", 5000)(t.Context()))
	two, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
	require.NoError(t, err)
	add := func(ctx context.Context, tx *sqlkit.Tx) error {
		var n int64
		if err := tx.QueryRowContext(ctx, "SELECT n FROM pki_thing WHERE id = $1", "hot").Scan(&n); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE pki_thing SET n = $1 WHERE id = $2", n+1, "hot")
		return err
	}
	var runs atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		store := []*sqlkit.Store{one, two}[i%2]
		all.Go(func() {
			assert.NoError(t, store.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
				runs.Add(1)
				return add(ctx, tx)
			}))
		})
	}
	all.Wait()
	t.Logf("%d additions in %d runs", callers, runs.Load())
	require.NoError(t, one.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		var n int64
		require.NoError(t, tx.QueryRowContext(ctx, "SELECT n FROM pki_thing WHERE id = $1", "hot").Scan(&n))
		require.Equal(t, int64(5000+callers), n)
		return nil
	}))

	// Whoever loses for ever is let go by its context, and by Close.
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err = one.Write(ctx, func(ctx context.Context, _ *sqlkit.Tx) error {
		if tries++; tries == 5 {
			cancel()
		}
		return &pgconn.PgError{Code: "40001"} // as the server says it
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, two.Close())
	require.ErrorIs(t, two.Write(t.Context(), add), sqlkit.ErrClosed)
}
