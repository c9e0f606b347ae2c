// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

var files = fstest.MapFS{"00001_audit.sql": {Data: []byte(`-- +goose Up
CREATE TABLE pki_audit (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, detail TEXT NOT NULL, prev BYTEA NOT NULL, hash BYTEA NOT NULL);
CREATE TABLE pki_audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);
`)}}

// room opens a chain with some rows, and the database under it for an
// attacker's hand.
func room(t *testing.T, rows int) (*sqlkit.Store, *sql.DB) {
	t.Helper()
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "chain.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := sqlkit.Open(t.Context(), sqlkit.Config{
		DB: db, Migrations: files, Table: "pki_migrations",
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for i := range rows {
		require.NoError(t, add(t.Context(), s, i))
	}
	return s, db
}

func add(ctx context.Context, s *sqlkit.Store, i int) error {
	return s.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		_, err := chain.Append(ctx, tx, "pki", chain.Entry{Actor: "ra:7", Action: "revoke", Subject: fmt.Sprint("serial ", i), Detail: "reason 1"})
		return err
	})
}

func verify(t *testing.T, s *sqlkit.Store) (n int64, err error) {
	t.Helper()
	err = s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		n, err = chain.Verify(ctx, tx, "pki")
		return err
	})
	return n, err
}

func TestAppendAndVerify(t *testing.T) {
	s, _ := room(t, 0)
	n, err := verify(t, s)
	require.NoError(t, err)
	require.Zero(t, n, "an empty chain is whole")

	var first, second chain.Entry
	require.NoError(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		first, err = chain.Append(ctx, tx, "pki", chain.Entry{Actor: "a"})
		require.NoError(t, err)
		second, err = chain.Append(ctx, tx, "pki", chain.Entry{Actor: "b", At: time.Unix(5, 999)})
		return err
	}))
	require.Equal(t, int64(1), first.Seq)
	require.Equal(t, make([]byte, 32), first.Prev)
	require.Equal(t, time.Unix(1_800_000_000, 0).UTC(), first.At, "the transaction's Now")
	require.Equal(t, first.Hash, second.Prev)
	require.Equal(t, time.Unix(5, 0).UTC(), second.At)
	n, err = verify(t, s)
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
}

func TestARowGoesWithItsTransaction(t *testing.T) {
	s, _ := room(t, 2)
	refused := errors.New("refused")
	require.ErrorIs(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		_, err := chain.Append(ctx, tx, "pki", chain.Entry{Actor: "never"})
		require.NoError(t, err)
		return refused
	}), refused)
	require.NoError(t, add(t.Context(), s, 3))
	n, err := verify(t, s)
	require.NoError(t, err)
	require.Equal(t, int64(3), n)
}

func TestConcurrentAppends(t *testing.T) {
	s, db := room(t, 0)
	other, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: files, Table: "pki_migrations"})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() { require.NoError(t, add(t.Context(), s, i)) })
		all.Go(func() { require.NoError(t, add(t.Context(), other, i)) })
	}
	all.Wait()
	n, err := verify(t, s)
	require.NoError(t, err)
	require.Equal(t, int64(128), n)
}

// Writes that share a commit share the head, whichever of them are taken back.
func TestConcurrentAppendsOfWhichSomeAreRefused(t *testing.T) {
	s, _ := room(t, 3)
	refused := errors.New("refused")
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			err := s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
				for _, subject := range []string{"first", "second"} {
					if _, err := chain.Append(ctx, tx, "pki", chain.Entry{Subject: subject}); err != nil {
						return err
					}
				}
				if i%4 == 3 {
					return refused
				}
				return nil
			})
			if i%4 == 3 {
				require.ErrorIs(t, err, refused)
			} else {
				require.NoError(t, err)
			}
		})
	}
	all.Wait()
	n, err := verify(t, s)
	require.NoError(t, err)
	require.Equal(t, int64(3+2*48), n)
}

func TestHeadInsideItsTransaction(t *testing.T) {
	s, _ := room(t, 3)
	require.NoError(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		e, err := chain.Append(ctx, tx, "pki", chain.Entry{Subject: "fourth"})
		require.NoError(t, err)
		head, err := chain.Head(ctx, tx, "pki")
		require.NoError(t, err)
		require.Equal(t, chain.Anchor{Seq: 4, Hash: e.Hash}, head)
		n, err := chain.Verify(ctx, tx, "pki")
		require.NoError(t, err)
		require.Equal(t, int64(4), n)
		return nil
	}))
}

// What was written by an earlier version still verifies: the hash of a row is an
// interface.
func TestTheHashOfARowStays(t *testing.T) {
	s, _ := room(t, 0)
	require.NoError(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		first, err := chain.Append(ctx, tx, "pki", chain.Entry{At: time.Unix(5, 0), Actor: "ra:7", Action: "revoke", Subject: "serial 1", Detail: "é"})
		require.NoError(t, err)
		require.Equal(t, "1f6e6367df8f384f677370e57748061a80b75ff7fc6641d38621b0770b059ca4", hex.EncodeToString(first.Hash))
		return nil
	}))
}

func TestRefusesANameThatIsNoRoom(t *testing.T) {
	s, _ := room(t, 0)
	require.NoError(t, s.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		_, err := chain.Append(ctx, tx, "pki_audit; --", chain.Entry{})
		require.Error(t, err)
		_, err = chain.Verify(ctx, tx, "")
		require.Error(t, err)
		require.Error(t, chain.Check(ctx, tx, "P", chain.Anchor{}))
		return nil
	}))
}

func TestTamper(t *testing.T) {
	t.Run("threat062", func(t *testing.T) {
		for name, c := range map[string]struct {
			by  string // what the attacker runs on a chain of 9
			row int64  // the row that Verify names
		}{
			"edit a text":           {"UPDATE pki_audit SET subject = 'serial 99' WHERE seq = 4", 4},
			"move a border":         {"UPDATE pki_audit SET actor = 'ra:7r', action = 'evoke' WHERE seq = 4", 4},
			"edit the time":         {"UPDATE pki_audit SET at = at + 1 WHERE seq = 1", 1},
			"edit the hash":         {"UPDATE pki_audit SET hash = zeroblob(32) WHERE seq = 6", 6},
			"edit the last row":     {"UPDATE pki_audit SET detail = 'reason 0' WHERE seq = 9", 9},
			"delete the first row":  {"DELETE FROM pki_audit WHERE seq = 1", 1},
			"delete a row":          {"DELETE FROM pki_audit WHERE seq = 5", 5},
			"delete and close up":   {"DELETE FROM pki_audit WHERE seq = 5; UPDATE pki_audit SET seq = seq - 1 WHERE seq > 5", 5},
			"swap two rows":         {"UPDATE pki_audit SET seq = -3 WHERE seq = 3; UPDATE pki_audit SET seq = 3 WHERE seq = 7; UPDATE pki_audit SET seq = 7 WHERE seq = -3", 3},
			"swap two rows' texts":  {"UPDATE pki_audit SET subject = CASE seq WHEN 3 THEN 'serial 6' ELSE 'serial 2' END WHERE seq IN (3, 7)", 3},
			"cut the tail":          {"DELETE FROM pki_audit WHERE seq > 6", 7},
			"cut everything":        {"DELETE FROM pki_audit", 1},
			"cut tail, lower head":  {"DELETE FROM pki_audit WHERE seq > 6; UPDATE pki_audit_head SET seq = 6", 6},
			"forget the head":       {"DELETE FROM pki_audit_head", 1},
			"raise the head":        {"UPDATE pki_audit_head SET seq = 20", 10},
			"lower the head":        {"UPDATE pki_audit_head SET seq = 8", 9},
			"add a copy at the end": {"INSERT INTO pki_audit SELECT 10, at, actor, action, subject, detail, prev, hash FROM pki_audit WHERE seq = 9", 10},
			"add a row before":      {"INSERT INTO pki_audit SELECT 0, at, actor, action, subject, detail, prev, hash FROM pki_audit WHERE seq = 1", 1},
		} {
			t.Run(name, func(t *testing.T) {
				s, db := room(t, 9)
				_, err := db.ExecContext(t.Context(), c.by)
				require.NoError(t, err)
				_, err = verify(t, s)
				var broken *chain.BrokenError
				require.ErrorAs(t, err, &broken)
				require.Equal(t, c.row, broken.Seq, err)
				require.Equal(t, "pki", broken.Room)
			})
		}
		t.Run("two writers of one fork", forks)
		t.Run("an old copy is put back", oldCopy)
	})
}

// forks: another program continues the chain from a row that has a successor.
func forks(t *testing.T) {
	s, db := room(t, 5)
	_, err := db.ExecContext(t.Context(), "UPDATE pki_audit_head SET seq = 3, hash = (SELECT hash FROM pki_audit WHERE seq = 3)")
	require.NoError(t, err)
	require.Error(t, add(t.Context(), s, 4), "row 4 exists")
	_, err = verify(t, s)
	var broken *chain.BrokenError
	require.ErrorAs(t, err, &broken)
	require.Equal(t, int64(4), broken.Seq)
}

// oldCopy: the whole database goes back, which only an anchor shows.
func oldCopy(t *testing.T) {
	s, db := room(t, 5)
	var anchor chain.Anchor
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) (err error) {
		anchor, err = chain.Head(ctx, tx, "pki")
		require.NoError(t, chain.Check(ctx, tx, "pki", anchor))
		return err
	}))
	require.Equal(t, int64(5), anchor.Seq)
	_, err := db.ExecContext(t.Context(), "DELETE FROM pki_audit WHERE seq > 3; UPDATE pki_audit_head SET seq = 3, hash = (SELECT hash FROM pki_audit WHERE seq = 3)")
	require.NoError(t, err)
	n, err := verify(t, s)
	require.NoError(t, err, "the older chain is whole")
	require.Equal(t, int64(3), n)
	check := func() error {
		return s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error { return chain.Check(ctx, tx, "pki", anchor) })
	}
	var broken *chain.BrokenError
	require.ErrorAs(t, check(), &broken)
	require.Equal(t, int64(5), broken.Seq)

	for i := range 4 { // the attacker writes on until the count is right again
		require.NoError(t, add(t.Context(), s, 100+i))
	}
	require.ErrorAs(t, check(), &broken)
	require.Equal(t, int64(5), broken.Seq)
}
