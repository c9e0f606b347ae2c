// SPDX-License-Identifier: Apache-2.0

// Package sqlstore keeps what package openid must not forget in SQLite or PostgreSQL, through database/sql.
//
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db}) // the database of careid's store, or another
//	defer store.Close()
//
// Its tables begin with openid_ and are made or migrated by Open, so the database may hold other rooms' stores and the
// application's own tables. Any number of servers may share a PostgreSQL cluster, any number of processes on one
// machine an SQLite file; in an SQLite file of its own it does not wait for the other rooms' writers.
//
// openid_audit is a chain of hashes over what was granted, redeemed, refused and ended, written in the transaction of
// what it tells of.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config says where the store lives, and by which clocks. They must be the Provider's.
type Config struct {
	// DB is the database, with the driver "sqlite3" of ncruces/go-sqlite3 or "pgx" of jackc/pgx. An SQLite pool limited
	// to one connection is refused. Required; it stays the caller's to close.
	DB *sql.DB

	Now  func() time.Time // the calendar; default time.Now
	Wall func() time.Time // the wire; default time.Now
}

// Store implements openid.Store.
type Store struct{ kit *sqlkit.Store }

var _ openid.Store = (*Store)(nil)

// Open migrates the database and returns its store.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.DB == nil {
		return nil, errors.New("sqlstore: Config needs a DB")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	kit, err := sqlkit.Open(ctx, sqlkit.Config{DB: c.DB, Migrations: files, Table: "openid_migrations", Now: c.Now, Wall: c.Wall})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return &Store{kit}, nil
}

// Close gives back the connection that the store writes on. It never closes the DB.
func (s *Store) Close() error { return s.kit.Close() }

// Write implements openid.Store.
func (s *Store) Write(ctx context.Context, fn func(context.Context, *openid.Tx) error) error {
	return s.kit.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error { return fn(ctx, nouns(tx)) })
}

// Read implements openid.Store.
func (s *Store) Read(ctx context.Context, fn func(context.Context, *openid.Tx) error) error {
	return s.kit.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error { return fn(ctx, nouns(tx)) })
}

// nouns gives a transaction the shape that the provider asks for.
func nouns(tx *sqlkit.Tx) *openid.Tx {
	q := queries{tx}
	return &openid.Tx{
		Now: tx.Now, Wall: tx.Wall,
		Requests: requests{q}, Sessions: sessions{q}, Grants: grants{q}, Tokens: tokens{q},
		Logouts: logouts{q}, Assertions: assertions{q}, Audit: audit{q},
	}
}

// queries is a transaction with what all nouns do with it.
type queries struct{ tx *sqlkit.Tx }

// changed runs a statement and says whether it changed a row.
func (q queries) changed(ctx context.Context, query string, args ...any) (bool, error) {
	r, err := q.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// added runs an insert that does nothing where the row exists.
func (q queries) added(ctx context.Context, query string, args ...any) error {
	done, err := q.changed(ctx, query+" ON CONFLICT DO NOTHING", args...)
	if err == nil && !done {
		return openid.ErrConflict
	}
	return err
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// one reads one row, or openid.ErrNotFound.
func one[T any](ctx context.Context, q queries, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	v, err := scan(q.tx.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, openid.ErrNotFound
	}
	return v, err
}

// all reads all rows.
func all[T any](ctx context.Context, q queries, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var found []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, rows.Err()
}

func fromUnix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// fromJSON reads a column that holds a value as JSON.
func fromJSON(text string, into any) error { return json.Unmarshal([]byte(text), into) }

type audit struct{ queries }

func (a audit) Append(ctx context.Context, e careid.AuditEntry) error {
	_, err := chain.Append(ctx, a.tx, "openid", chain.Entry{At: e.At, Actor: e.Actor, Action: e.Action, Subject: e.Subject, Detail: e.Detail})
	return err
}

func (a audit) Verify(ctx context.Context) (int64, error) { return chain.Verify(ctx, a.tx, "openid") }

func (a audit) Entries(ctx context.Context, after int64, limit int) ([]careid.AuditEntry, error) {
	scan := func(row scanner) (e careid.AuditEntry, err error) {
		var at int64
		err = row.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Subject, &e.Detail)
		e.At = fromUnix(at)
		return e, err
	}
	return all(ctx, a.queries, scan, "SELECT seq, at, actor, action, subject, detail FROM openid_audit WHERE seq > $1 ORDER BY seq LIMIT $2", after, limit)
}
