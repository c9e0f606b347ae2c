// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// counted adds one to a number that is read by the first Write of a transaction
// and written by its end, beside a row of its own that says which number it got.
func counted(s *sqlkit.Store, id string, reads *atomic.Int64, end error) func(context.Context) error {
	return func(ctx context.Context) error {
		return s.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
			n, ok := tx.Kept("pki total").(int)
			if !ok {
				reads.Add(1)
				if err := tx.QueryRowContext(ctx, "SELECT -n FROM pki_thing WHERE id = 'total'").Scan(&n); err != nil {
					return err
				}
			}
			n++
			if _, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ($1, $2, $3, $4)", id, n, true, []byte{}); err != nil {
				return err
			}
			tx.Keep("pki total", n, func(ctx context.Context, tx *sqlkit.Tx) error {
				_, err := tx.ExecContext(ctx, "UPDATE pki_thing SET n = $1 WHERE id = 'total'", -n)
				return err
			})
			return end
		})
	}
}

// total reads the number, which is written negative, beside the number of rows.
func total(t *testing.T, s *sqlkit.Store) (n, rows int) {
	t.Helper()
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT -(SELECT n FROM pki_thing WHERE id = 'total'), (SELECT COUNT(*) FROM pki_thing WHERE id <> 'total')").Scan(&n, &rows)
	}))
	return n, rows
}

func TestWhatAGroupKeepsIsReadAndWrittenOnce(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, insert(s, "pki", "total", 0)(t.Context()))
	var reads atomic.Int64
	var jobs []func(context.Context) error
	for i := range 16 {
		jobs = append(jobs, counted(s, fmt.Sprint(i), &reads, nil))
	}
	for _, err := range together(t, s, jobs...) {
		require.NoError(t, err)
	}
	n, rows := total(t, s)
	require.Equal(t, 16, n)
	require.Equal(t, 16, rows)
	require.Less(t, reads.Load(), int64(16))
}

// Numbers are unique, so a gap or a double would show.
func TestWhatATakenBackWriteKeptIsForgotten(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, insert(s, "pki", "total", 0)(t.Context()))
	var reads atomic.Int64
	var jobs []func(context.Context) error
	for i := range 15 {
		end := error(nil)
		if i%3 == 2 {
			end = errRefused
		}
		jobs = append(jobs, counted(s, fmt.Sprint(i), &reads, end))
	}
	for i, err := range together(t, s, jobs...) {
		if i%3 == 2 {
			require.ErrorIs(t, err, errRefused)
		} else {
			require.NoError(t, err)
		}
	}
	n, rows := total(t, s)
	require.Equal(t, 10, n)
	require.Equal(t, 10, rows)
}

func TestALastStatementThatFailsFailsTheGroup(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	bad := func(ctx context.Context) error {
		return s.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
			tx.Keep("pki total", 1, func(context.Context, *sqlkit.Tx) error { return errRefused })
			_, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ('bad', 9, $1, $2)", true, []byte{})
			return err
		})
	}
	require.ErrorIs(t, bad(t.Context()), errRefused)
	require.Zero(t, count(t, s, "pki"))
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()), "the writer lives on, and nothing is kept")
}

func TestNothingIsKeptAfterAWrite(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	var left *sqlkit.Tx
	require.NoError(t, s.Write(t.Context(), func(_ context.Context, tx *sqlkit.Tx) error {
		require.Nil(t, tx.Kept("pki total"))
		tx.Keep("pki total", 1, func(context.Context, *sqlkit.Tx) error { return nil })
		require.Equal(t, 1, tx.Kept("pki total"))
		left = tx
		return nil
	}))
	left.Keep("pki total", 2, nil)
	require.Nil(t, left.Kept("pki total"))
	require.NoError(t, s.Write(t.Context(), func(_ context.Context, tx *sqlkit.Tx) error {
		require.Nil(t, tx.Kept("pki total"))
		return nil
	}))
}

func TestPostgresKeeps(t *testing.T) {
	db := postgrestest.Open(t)
	servers := []*sqlkit.Store{openStore(t, db, "pki"), openStore(t, db, "pki")}
	require.NoError(t, insert(servers[0], "pki", "total", 0)(t.Context()))
	var reads atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() { require.NoError(t, counted(servers[i%2], fmt.Sprint(i), &reads, nil)(t.Context())) })
	}
	all.Wait()
	require.ErrorIs(t, counted(servers[0], "bad", &reads, errRefused)(t.Context()), errRefused)
	n, rows := total(t, servers[1])
	require.Equal(t, 16, n)
	require.Equal(t, 16, rows)
}
