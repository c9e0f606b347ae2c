// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

func TestWaitingGoesOn(t *testing.T) {
	// One patience of SQLite's was too short on a machine without a free core: "database is locked". Here patience is
	// made short instead.
	path := filepath.Join(t.TempDir(), "shared.db")
	var conns []*sqlite3.Conn
	db, err := driver.Open("file:"+path, func(c *sqlite3.Conn) error { conns = append(conns, c); return nil })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := openStore(t, db, "pki")
	for _, c := range conns {
		require.NoError(t, c.BusyTimeout(100*time.Millisecond))
	}
	holder, err := sqlkit.OpenSQLite(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, holder.Close()) })
	tx, err := holder.BeginTx(t.Context(), nil) // immediate
	require.NoError(t, err)
	time.AfterFunc(200*time.Millisecond, func() { _ = tx.Rollback() })
	require.NoError(t, insert(s, "pki", "patient", 1)(t.Context()))

	tx, err = holder.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.ErrorIs(t, insert(s, "pki", "never", 2)(t.Context()), sqlite3.BUSY, "not for ever")
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, insert(s, "pki", "gone", 3)(short), context.DeadlineExceeded)
	require.NoError(t, tx.Rollback())
	require.NoError(t, insert(s, "pki", "after", 4)(t.Context()))
}

func TestNobodyKeepsTheFile(t *testing.T) {
	// Two stores with pools of their own, as in two processes. One always has jobs that wait, so that its groups follow
	// one another without a pause; the other writes now and then.
	path := filepath.Join(t.TempDir(), "shared.db")
	open := func(room string) *sqlkit.Store {
		db, err := sqlkit.OpenSQLite(path)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return openStore(t, db, room)
	}
	busy, other := open("pki"), open("careid")
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_ = busy.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
					time.Sleep(time.Millisecond) // a job that takes its time
					n := w*1_000_000 + i
					_, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ($1, $2, $3, $4)", fmt.Sprint(n), n, true, []byte{1})
					return err
				})
			}
		})
	}
	defer all.Wait()
	defer stop()
	time.Sleep(100 * time.Millisecond)
	const writes = 5
	began := time.Now()
	var longest time.Duration
	for i := range writes {
		one := time.Now()
		require.NoError(t, insert(other, "careid", fmt.Sprint(i), i)(t.Context()))
		longest = max(longest, time.Since(one))
	}
	t.Logf("%d writes waited %v, one of them %v", writes, time.Since(began), longest)
	require.Less(t, time.Since(began), writes*time.Second)
}
