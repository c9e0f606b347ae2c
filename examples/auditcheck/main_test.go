// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	openidstore "github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	careidstore "github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	gatewaystore "github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

// ask runs the command.
func ask(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out, errs strings.Builder
	code = command(t.Context(), args, &out, &errs)
	return code, out.String() + errs.String()
}

// hospital is a database with the audits of careid, of its provider and of a gateway, and an empty one of pki's, closed.
func hospital(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	h, err := careidtest.Open(careidtest.Config{Dir: dir})
	require.NoError(t, err)
	ledger, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: h.DB})
	require.NoError(t, err)
	require.NoError(t, ledger.Close())
	grants, err := openidstore.Open(t.Context(), openidstore.Config{DB: h.DB})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, grants.Write(t.Context(), func(ctx context.Context, tx *openid.Tx) error {
			return tx.Audit.Append(ctx, careid.AuditEntry{At: tx.Now, Actor: "system", Action: "session over", Subject: "900000000101"})
		}))
	}
	require.NoError(t, grants.Close())
	spool, err := gatewaystore.Open(t.Context(), gatewaystore.Config{DB: h.DB})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, spool.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
			return tx.Audit(ctx, "link", "mail.pickup.tried", "0a1b", "")
		}))
	}
	require.NoError(t, spool.Close())
	require.NoError(t, h.Close())
	return filepath.Join(dir, "care.db")
}

func attack(t *testing.T, file, statements string) {
	t.Helper()
	db, err := sqlkit.OpenSQLite(file)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statements)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// writeOn is a server that goes on with whatever chain it finds.
func writeOn(t *testing.T, file, card string, rows int) {
	t.Helper()
	db, err := sqlkit.OpenSQLite(file)
	require.NoError(t, err)
	store, err := careidstore.Open(t.Context(), careidstore.Config{DB: db, Now: func() time.Time { return time.Now().Add(time.Duration(len(card)) * time.Minute) }})
	require.NoError(t, err)
	service, err := careid.New(careid.Config{
		Store: store, CA: nobody{}, Sender: new(careidtest.Inbox), CardMaster: master(t),
		Servers: []string{careidtest.Server}, Origins: []string{careidtest.Origin},
		Now: func() time.Time { return time.Now().Add(time.Duration(len(card)) * time.Minute) },
	})
	require.NoError(t, err)
	for range rows { // a refusal is a row too
		_, err := service.StartUnlock(t.Context(), careid.UnlockStart{Handle: "none", Card: card})
		require.Error(t, err)
	}
	require.NoError(t, store.Close())
	require.NoError(t, db.Close())
}

// nobody is an authority that is never asked.
type nobody struct{ careid.CA }

func master(t *testing.T) careid.CardMaster {
	t.Helper()
	m, err := careid.NewSoftwareMaster(make([]byte, 32))
	require.NoError(t, err)
	return m
}

func TestAuditCheck(t *testing.T) {
	file := hospital(t)
	anchors := filepath.Join(t.TempDir(), "anchors.jsonl")
	code, said := ask(t, "-db", file, "-anchors", anchors, "-take")
	require.Equal(t, 0, code, said)
	require.Contains(t, said, "pki: 0 rows, whole")
	old, err := os.ReadFile(file)
	require.NoError(t, err)
	copied := func(t *testing.T, from []byte) string {
		path := filepath.Join(t.TempDir(), "care?.db") // a name is no URL
		require.NoError(t, os.WriteFile(path, from, 0o600))
		return path
	}
	writeOn(t, file, "here", 5)
	code, said = ask(t, "-db", file, "-anchors", anchors, "-take")
	require.Equal(t, 0, code, said)
	require.Contains(t, said, "1 anchors hold")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	code, said = ask(t, "-db", file, "-anchors", anchors)
	require.Equal(t, 0, code, said)
	require.Contains(t, said, "2 anchors hold")

	t.Run("threat062", func(t *testing.T) {
		const cut = "DELETE FROM careid_audit WHERE seq > 20; UPDATE careid_audit_head SET seq = 20, hash = (SELECT hash FROM careid_audit WHERE seq = 20)"
		for name, c := range map[string]struct{ by, found string }{
			"edit":               {"UPDATE careid_audit SET actor = 'another' WHERE seq = 7", "BROKEN at row 7:"},
			"delete":             {"DELETE FROM careid_audit WHERE seq = 9", "BROKEN at row 9:"},
			"swap":               {"UPDATE careid_audit SET seq = -3 WHERE seq = 3; UPDATE careid_audit SET seq = 3 WHERE seq = 8; UPDATE careid_audit SET seq = 8 WHERE seq = -3", "BROKEN at row 3:"},
			"truncated tail":     {"DELETE FROM careid_audit WHERE seq > 20", "BROKEN at row 21:"},
			"tail and head":      {cut, "BROKEN at row 21:"},
			"emptied":            {"DELETE FROM careid_audit; DELETE FROM careid_audit_head", "BROKEN at row 1:"},
			"the table is gone":  {"DROP TABLE careid_audit", "BROKEN at row 1:"},
			"two writers, a row": {"INSERT INTO careid_audit SELECT MAX(seq) + 1, MAX(at), 'a', 'b', 'c', 'd', zeroblob(32), zeroblob(32) FROM careid_audit", "BROKEN at row"},
		} {
			t.Run(name, func(t *testing.T) {
				path := copied(t, whole)
				attack(t, path, c.by)
				code, said := ask(t, "-db", path, "-anchors", anchors)
				require.Equal(t, 1, code, said)
				require.Contains(t, said, "careid: "+c.found)
				require.Contains(t, said, "pki: 0 rows, whole", "the other room is told all the same")
			})
		}
		for _, room := range []string{"openid", "mailgate"} {
			t.Run("the audit of "+room, func(t *testing.T) {
				path := copied(t, whole)
				attack(t, path, "UPDATE "+room+"_audit SET subject = 'another' WHERE seq = 2")
				code, said := ask(t, "-db", path, "-anchors", anchors)
				require.Equal(t, 1, code, said)
				require.Contains(t, said, room+": BROKEN at row 2:")
			})
		}
		t.Run("an old copy is put back", func(t *testing.T) {
			path := copied(t, old)
			code, said := ask(t, "-db", path)
			require.Equal(t, 0, code, "the chain alone can't tell: %s", said)
			code, said = ask(t, "-db", path, "-anchors", anchors)
			require.Equal(t, 1, code, said)
			require.Contains(t, said, "an anchor was taken of row")
		})
		t.Run("a forked chain", func(t *testing.T) {
			path := copied(t, old)
			writeOn(t, path, "there", 8) // another server goes on with the old copy, past the anchor
			code, said := ask(t, "-db", path)
			require.Equal(t, 0, code, "the chain alone can't tell: %s", said)
			code, said = ask(t, "-db", path, "-anchors", anchors, "-take")
			require.Equal(t, 1, code, said)
			require.Contains(t, said, "not the row that the anchor was taken of")
			again, err := os.ReadFile(anchors)
			require.NoError(t, err)
			require.Equal(t, 2*4, strings.Count(string(again), "\n"), "two anchors of four rooms, and none of a broken chain")
		})
	})
	t.Run("what can't be read is no good news", func(t *testing.T) {
		for name, args := range map[string][]string{
			"nothing":        {},
			"no database":    {"-db", filepath.Join(t.TempDir(), "none.db")},
			"no anchors":     {"-db", file, "-anchors", filepath.Join(t.TempDir(), "none")},
			"bad anchors":    {"-db", file, "-anchors", file},
			"take, nowhere":  {"-db", file, "-take"},
			"no audit in it": {"-db", empty(t)},
		} {
			code, said := ask(t, args...)
			require.Equal(t, 2, code, "%s: %s", name, said)
		}
		now, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, whole, now, "the verifier writes nothing")
	})
}

func empty(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.db")
	attack(t, path, "CREATE TABLE x (y)")
	return path
}

func TestOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	_ = careidtest.New(t, careidtest.Config{DB: db})
	dsn := "postgres:///postgres?" + url.Values{"host": {socket(t, db)}, "user": {"wardkey"}}.Encode()
	anchors := filepath.Join(t.TempDir(), "anchors.jsonl")
	code, said := ask(t, "-db", dsn, "-anchors", anchors, "-take")
	require.Equal(t, 0, code, said)
	_, err := db.ExecContext(t.Context(), "UPDATE careid_audit SET detail = '' WHERE seq = 5")
	require.NoError(t, err)
	code, said = ask(t, "-db", dsn, "-anchors", anchors)
	require.Equal(t, 1, code, said)
	require.Contains(t, said, "careid: BROKEN at row 5:")
}

func socket(t *testing.T, db *sql.DB) (folder string) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SHOW unix_socket_directories").Scan(&folder))
	return folder
}
