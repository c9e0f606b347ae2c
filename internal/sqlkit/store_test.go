// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

var errRefused = errors.New("refused")

// migrations makes one table, <room>_thing, of the types that stores use.
func migrations(room string) fstest.MapFS {
	return fstest.MapFS{"00001_thing.sql": {Data: []byte(`-- +goose Up
CREATE TABLE ` + room + `_thing (id TEXT PRIMARY KEY, n BIGINT NOT NULL UNIQUE, ok BOOLEAN NOT NULL, raw BYTEA NOT NULL);
`)}}
}

func openDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "a b#c%20.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openStore(t *testing.T, db *sql.DB, room string) *sqlkit.Store {
	t.Helper()
	s, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: migrations(room), Table: room + "_migrations"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func insert(s *sqlkit.Store, room, id string, n int) func(context.Context) error {
	return func(ctx context.Context) error {
		return s.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO "+room+"_thing (id, n, ok, raw) VALUES ($1, $2, $3, $4)", id, n, true, []byte{1})
			return err
		})
	}
}

func count(t *testing.T, s *sqlkit.Store, room string) int {
	t.Helper()
	var n int
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM "+room+"_thing").Scan(&n)
	}))
	return n
}

func TestValuesComeBack(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, insert(s, "pki", "$1", 7)(t.Context()))
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		var id string
		var n int64
		var ok bool
		var raw []byte
		// The parameters stand in the other order than they are numbered in,
		// and "$1" inside quotes is text.
		row := tx.QueryRowContext(ctx, "SELECT id, n, ok, raw FROM pki_thing WHERE n = $2 AND id = $1 AND id = '$1'", "$1", 7)
		require.NoError(t, row.Scan(&id, &n, &ok, &raw))
		require.Equal(t, "$1", id)
		require.Equal(t, int64(7), n)
		require.True(t, ok)
		require.Equal(t, []byte{1}, raw)
		return nil
	}))
}

func TestReadersCannotWrite(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.Error(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM pki_thing")
		return err
	}))
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()), "the connection serves writers again")
}

func TestReadIsOneSnapshot(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		var before, after int
		require.NoError(t, tx.QueryRowContext(ctx, "SELECT count(*) FROM pki_thing").Scan(&before))
		require.NoError(t, insert(s, "pki", "a", 1)(ctx))
		require.NoError(t, tx.QueryRowContext(ctx, "SELECT count(*) FROM pki_thing").Scan(&after))
		require.Equal(t, before, after)
		return nil
	}))
	require.Equal(t, 1, count(t, s, "pki"))
}

func TestOneTimeForATransaction(t *testing.T) {
	calendar := time.Date(2027, 3, 1, 12, 0, 0, 999, time.FixedZone("", 3600))
	s, err := sqlkit.Open(t.Context(), sqlkit.Config{
		DB: openDB(t), Migrations: migrations("pki"), Table: "pki_migrations",
		Now:  func() time.Time { calendar = calendar.Add(time.Hour); return calendar },
		Wall: func() time.Time { return time.Unix(5, 5) },
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, do := range []func(context.Context, func(context.Context, *sqlkit.Tx) error) error{s.Write, s.Read} {
		want := calendar.Add(time.Hour).UTC().Truncate(time.Second)
		require.NoError(t, do(t.Context(), func(_ context.Context, tx *sqlkit.Tx) error {
			require.Equal(t, want, tx.Now)
			require.Equal(t, time.Unix(5, 0).UTC(), tx.Wall)
			return nil
		}))
	}
}

func TestTwoStoresShareADatabase(t *testing.T) {
	db := openDB(t)
	a, b := openStore(t, db, "pki"), openStore(t, db, "careid")
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() { require.NoError(t, insert(a, "pki", string(rune('A'+i)), i)(t.Context())) })
		all.Go(func() { require.NoError(t, insert(b, "careid", string(rune('A'+i)), i)(t.Context())) })
	}
	all.Wait()
	require.Equal(t, 40, count(t, a, "pki"))
	require.Equal(t, 40, count(t, b, "careid"))
	again := openStore(t, db, "pki")
	require.Equal(t, 40, count(t, again, "pki"), "migrations don't run twice")
}

func TestStoresOpenedAtOnceOnANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db, err := sqlkit.OpenSQLite(path)
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			s, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
			require.NoError(t, err)
			require.NoError(t, s.Close())
		})
	}
	all.Wait()
}

func TestOpenRefuses(t *testing.T) {
	one := openDB(t)
	one.SetMaxOpenConns(1)
	memory, err := sql.Open("sqlite3", "file:x?mode=memory")
	require.NoError(t, err)
	defer func() { require.NoError(t, memory.Close()) }()
	for name, c := range map[string]struct {
		config sqlkit.Config
		says   string
	}{
		"no database":    {sqlkit.Config{Migrations: migrations("pki"), Table: "pki_migrations"}, "DB is missing"},
		"no migrations":  {sqlkit.Config{DB: one, Table: "pki_migrations"}, "Migrations is missing"},
		"no table":       {sqlkit.Config{DB: one, Migrations: migrations("pki")}, "Table"},
		"odd table":      {sqlkit.Config{DB: one, Migrations: migrations("pki"), Table: "a; DROP TABLE b"}, "Table"},
		"one connection": {sqlkit.Config{DB: one, Migrations: migrations("pki"), Table: "pki_migrations"}, "limited to one connection"},
		"memory":         {sqlkit.Config{DB: memory, Migrations: migrations("pki"), Table: "pki_migrations"}, "WAL"},
		"bad migration": {sqlkit.Config{DB: openDB(t), Table: "pki_migrations", Migrations: fstest.MapFS{
			"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABEL x (a TEXT);\n")},
		}}, "pki_migrations"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sqlkit.Open(t.Context(), c.config)
			require.ErrorContains(t, err, c.says)
		})
	}
	for _, path := range []string{"", ":memory:", t.TempDir(), filepath.Join(t.TempDir(), "absent", "x.db")} {
		_, err = sqlkit.OpenSQLite(path)
		require.Error(t, err, path)
	}
}

func TestTheFilesAreTheirUsersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sqlkit.OpenSQLite(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, insert(openStore(t, db, "pki"), "pki", "a", 1)(t.Context()))
	for _, file := range []string{path, path + "-wal"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		if runtime.GOOS != "windows" { // which has no such bits
			require.Zero(t, info.Mode().Perm()&0o077, file)
		}
	}
}

func TestOpenRefusesAPoolThatIsTakenUp(t *testing.T) {
	db := openDB(t)
	db.SetMaxOpenConns(2)
	openStore(t, db, "pki")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := sqlkit.Open(ctx, sqlkit.Config{DB: db, Migrations: migrations("careid"), Table: "careid_migrations"})
	require.Error(t, err, "the second store would leave nothing for readers")
	require.Equal(t, 1, db.Stats().InUse, "and it gives back what it took")
}

func TestClose(t *testing.T) {
	db := openDB(t)
	s := openStore(t, db, "pki")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, insert(s, "pki", "a", 1)(t.Context()), sqlkit.ErrClosed)
	require.ErrorIs(t, s.Read(t.Context(), nil), sqlkit.ErrClosed)
	require.NoError(t, db.PingContext(t.Context()), "the DB stays the caller's")
	require.Zero(t, db.Stats().InUse)
}

func TestIsUnique(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()))
	require.True(t, sqlkit.IsUnique(insert(s, "pki", "a", 2)(t.Context())), "primary key")
	require.True(t, sqlkit.IsUnique(insert(s, "pki", "b", 1)(t.Context())), "unique column")
	require.False(t, sqlkit.IsUnique(errRefused))
	require.False(t, sqlkit.IsUnique(nil))
}

func TestAFailedTestInsideAWrite(t *testing.T) {
	s := openStore(t, openDB(t), "pki")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
			_, _ = tx.ExecContext(ctx, "INSERT INTO pki_thing (id, n, ok, raw) VALUES ('x', 9, $1, $2)", true, []byte{})
			runtime.Goexit()
			return nil
		})
	}()
	<-gone
	require.Equal(t, 0, count(t, s, "pki"))
	require.NoError(t, insert(s, "pki", "a", 1)(t.Context()))
}
