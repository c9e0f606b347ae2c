// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// countCommits opens the store of one room on a database that counts how often
// any of its connections commits.
func countCommits(t *testing.T) (*sqlkit.Store, *atomic.Int64) {
	t.Helper()
	var commits atomic.Int64
	db, err := driver.Open("file:"+t.TempDir()+"/counted.db", func(c *sqlite3.Conn) error {
		c.CommitHook(func() bool { commits.Add(1); return true })
		return c.BusyTimeout(time.Minute)
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := openStore(t, db, "pki")
	commits.Store(0)
	return s, &commits
}

func TestWritersShareCommits(t *testing.T) {
	s, commits := countCommits(t)
	const writers, each = 64, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				n := w*each + i
				require.NoError(t, insert(s, "pki", fmt.Sprint(n), n)(t.Context()))
			}
		})
	}
	all.Wait()
	require.Equal(t, writers*each, count(t, s, "pki"))
	t.Logf("%d writes in %d commits", writers*each, commits.Load())
	require.Less(t, commits.Load(), int64(writers*each/4))
}

// together holds the writer while jobs queue up behind it, so that they are
// one group, and returns their ends.
func together(t *testing.T, s *sqlkit.Store, jobs ...func(context.Context) error) []error {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	ends := make([]error, len(jobs))
	var all sync.WaitGroup
	all.Go(func() {
		require.NoError(t, s.Write(t.Context(), func(context.Context, *sqlkit.Tx) error {
			close(held)
			<-hold
			return nil
		}))
	})
	<-held
	for i, job := range jobs {
		all.Go(func() { ends[i] = job(t.Context()) })
	}
	time.Sleep(20 * time.Millisecond) // lets them reach the queue; a late one only makes a second group
	close(hold)
	all.Wait()
	return ends
}

func TestOneJobOfAGroupFails(t *testing.T) {
	s, commits := countCommits(t)
	writesThen := func(end func() error) func(context.Context) error {
		return func(ctx context.Context) error {
			return s.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
				if _, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ('bad', 99, $1, $2)", true, []byte{}); err != nil {
					return err
				}
				return end()
			})
		}
	}
	ends := together(t, s,
		insert(s, "pki", "a", 1),
		writesThen(func() error { return errRefused }),
		insert(s, "pki", "b", 2),
		func(ctx context.Context) (err error) {
			defer func() { err = fmt.Errorf("caught: %v", recover()) }()
			return writesThen(func() error { panic("at the caller") })(ctx)
		},
		insert(s, "pki", "c", 3),
	)
	require.ErrorIs(t, ends[1], errRefused)
	require.EqualError(t, ends[3], "caught: at the caller")
	for _, i := range []int{0, 2, 4} {
		require.NoError(t, ends[i])
	}
	require.Equal(t, 3, count(t, s, "pki"))
	t.Logf("6 jobs in %d commits", commits.Load())
	require.NoError(t, insert(s, "pki", "bad", 99)(t.Context()), "nothing of the failed jobs stayed")
}

// One that fails with rows written makes those before it run again, and their
// outcome may then be another: each still keeps to its own rows.
func TestAGroupThatIsTakenBackRunsAgain(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	runs := map[string]int{}
	job := func(id string, end func(run int) error) func(context.Context) error {
		return func(ctx context.Context) error {
			return s.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
				runs[id]++
				if _, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ($1, $2, $3, $4)", id, int(id[0]), true, []byte{}); err != nil {
					return err
				}
				return end(runs[id])
			})
		}
	}
	fine := func(int) error { return nil }
	refused := func(int) error { return errRefused }
	secondTime := func(run int) error {
		if run == 2 {
			return errRefused
		}
		return nil
	}
	ends := make([]error, 4)
	require.NoError(t, s.Write(t.Context(), func(context.Context, *sqlkit.Tx) error { return nil }))
	hold := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		require.NoError(t, s.Write(t.Context(), func(context.Context, *sqlkit.Tx) error { <-hold; return nil }))
	})
	for i, j := range []func(context.Context) error{job("a", fine), job("b", secondTime), job("c", refused), job("d", fine)} {
		all.Go(func() { ends[i] = j(t.Context()) })
		time.Sleep(20 * time.Millisecond) // they queue in this order
	}
	close(hold)
	all.Wait()
	require.Equal(t, 1, runs["c"])
	require.Equal(t, 1, runs["d"])
	require.NoError(t, ends[0])
	require.ErrorIs(t, ends[2], errRefused)
	require.NoError(t, ends[3])
	want := 2
	if ends[1] == nil { // it came into another group
		want++
	}
	require.Equal(t, want, count(t, s, "pki"))
}

func TestAStatementThatFailsDoesNotEndTheJob(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()))
	require.NoError(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ('a', 2, $1, $2)", true, []byte{})
		require.True(t, sqlkit.IsUnique(err))
		_, err = tx.ExecContext(ctx, "UPDATE pki_thing SET n = 5 WHERE id = $1", "a")
		return err
	}))
}

func TestACommitThatFailsFailsTheGroup(t *testing.T) {
	var refuse atomic.Bool
	db, err := driver.Open("file:"+t.TempDir()+"/full.db", func(c *sqlite3.Conn) error {
		c.CommitHook(func() bool { return !refuse.Load() })
		return c.BusyTimeout(time.Minute)
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	s := openStore(t, db, "pki")
	refuse.Store(true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { require.Error(t, insert(s, "pki", fmt.Sprint(i), i)(t.Context())) })
	}
	all.Wait()
	refuse.Store(false)
	require.Equal(t, 0, count(t, s, "pki"))
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()), "the writer lives on")
}

func TestAGroupWhoseTransactionEndsUnderIt(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()))
	err := s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		_, _ = tx.ExecContext(ctx, "INSERT OR ROLLBACK INTO pki_thing (id, n, ok, raw) VALUES ('a', 2, $1, $2)", true, []byte{})
		return nil // as if nothing had happened
	})
	require.Error(t, err)
	require.NoError(t, insert(s, "pki", "b", 2)(t.Context()))
}

func TestAContextThatEndsBeforeTheJobBeginsDropsIt(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	ctx, cancel := context.WithCancel(t.Context())
	ends := together(t, s, func(context.Context) error {
		time.AfterFunc(5*time.Millisecond, cancel)
		return insert(s, "pki", "a", 1)(ctx)
	})
	require.ErrorIs(t, ends[0], context.Canceled)
	require.Equal(t, 0, count(t, s, "pki"))
}

func TestAContextThatEndsInsideTheJobHarmsNobody(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends := together(t, s,
		insert(s, "pki", "a", 1),
		func(context.Context) error {
			return s.Write(ctx, func(_ context.Context, tx *sqlkit.Tx) error {
				cancel()
				_, err := tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ('late', 7, $1, $2)", true, []byte{})
				return err
			})
		},
		insert(s, "pki", "b", 2))
	require.Equal(t, []error{nil, nil, nil}, ends)
	require.Equal(t, 3, count(t, s, "pki"))
}

func TestWaitingForAnotherWriterEndsWithTheContext(t *testing.T) {
	db := openDB(t)
	s := openStore(t, db, "pki")
	other, err := db.BeginTx(t.Context(), nil) // _txlock=immediate: the file is taken
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	require.ErrorIs(t, insert(s, "pki", "a", 1)(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(begun), 5*time.Second)
	require.NoError(t, other.Rollback())
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()))
}

func TestAWriteInsideAWriteIsRefused(t *testing.T) {
	db := openDB(t)
	a, b := openStore(t, db, "pki"), openStore(t, db, "careid")
	for _, inner := range []func(context.Context) error{insert(a, "pki", "x", 1), insert(b, "careid", "x", 1)} {
		require.ErrorIs(t, a.Write(t.Context(), func(ctx context.Context, _ *sqlkit.Tx) error { return inner(ctx) }), sqlkit.ErrNested)
	}
}

func TestATxIsDeadAfterItsFunction(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	var kept *sqlkit.Tx
	require.NoError(t, s.Write(t.Context(), func(_ context.Context, tx *sqlkit.Tx) error { kept = tx; return nil }))
	_, err := kept.ExecContext(t.Context(), "DELETE FROM pki_thing")
	require.Error(t, err)
	require.Error(t, kept.QueryRowContext(t.Context(), "SELECT 1").Scan(new(int)))
}

func BenchmarkWrite(b *testing.B) {
	db, err := sqlkit.OpenSQLite(b.TempDir() + "/bench.db")
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	s, err := sqlkit.Open(b.Context(), sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	var n atomic.Int64
	b.SetParallelism(32) // 64 at once on two cores
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			i := int(n.Add(1))
			require.NoError(b, insert(s, "pki", fmt.Sprint(i), i)(b.Context()))
		}
	})
}
