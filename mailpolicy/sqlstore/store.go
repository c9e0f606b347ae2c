// SPDX-License-Identifier: Apache-2.0

// Package sqlstore keeps mailpolicy's sites, accounts and shared mailboxes in
// SQLite or PostgreSQL through database/sql.
//
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	accounts, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: sender})
//
// The caller opens and closes the database, with the driver of
// github.com/ncruces/go-sqlite3 or github.com/jackc/pgx. Open makes the tables,
// all of which begin with mail_, so that other rooms and the caller's own
// tables can share the database. On SQLite it keeps one connection for writing;
// a pool of one connection is refused.
//
// The suite of mailpolicy/mailtest passes on both.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

//go:embed migrations/*.sql
var migrations embed.FS

// room names this store's audit chain and its tables.
const room = "mail"

// Config configures a Store.
type Config struct {
	// DB is required and stays the caller's.
	DB *sql.DB
	// Now is the calendar, Wall the machine's clock. Default time.Now.
	Now, Wall func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return c
}

// Store is a mailpolicy.Store. It is safe for concurrent use.
type Store struct{ kit *sqlkit.Store }

var _ mailpolicy.Store = (*Store)(nil)

// Open makes what tables are missing and returns the store. Close it before the
// database.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.withDefaults()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	kit, err := sqlkit.Open(ctx, sqlkit.Config{DB: c.DB, Migrations: files, Table: room + "_migrations", Now: c.Now, Wall: c.Wall})
	if err != nil {
		return nil, err
	}
	return &Store{kit: kit}, nil
}

// Close gives back the connection that the store writes on.
func (s *Store) Close() error { return s.kit.Close() }

// Write runs fn in a transaction; see mailpolicy.Store.
func (s *Store) Write(ctx context.Context, fn func(context.Context, mailpolicy.StoreTx) error) error {
	return s.kit.Write(ctx, func(ctx context.Context, t *sqlkit.Tx) error { return fn(ctx, tx{t}) })
}

// Read runs fn on a snapshot.
func (s *Store) Read(ctx context.Context, fn func(context.Context, mailpolicy.StoreTx) error) error {
	return s.kit.Read(ctx, func(ctx context.Context, t *sqlkit.Tx) error { return fn(ctx, tx{t}) })
}

type tx struct{ *sqlkit.Tx }

func (t tx) Now() time.Time  { return t.Tx.Now }
func (t tx) Wall() time.Time { return t.Tx.Wall }

// insert reports a row that is there already as ErrExists.
func (t tx) insert(ctx context.Context, query string, args ...any) error {
	_, err := t.ExecContext(ctx, query, args...)
	if sqlkit.IsUnique(err) {
		return mailpolicy.ErrExists
	}
	return err
}

// changed reports that no row was changed as ErrNotFound.
func (t tx) changed(ctx context.Context, query string, args ...any) error {
	result, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return mailpolicy.ErrNotFound
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// one reads one row.
func one[T any](row scanner, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(row)
	if err != nil {
		var none T
		return none, missing(err)
	}
	return v, nil
}

// all reads all rows.
func all[T any](ctx context.Context, t tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.QueryContext(ctx, query, args...)
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

// missing reports no row as ErrNotFound.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return mailpolicy.ErrNotFound
	}
	return err
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// unix keeps the zero time as 0, which maybeAt gives back as the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func maybeAt(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return at(seconds)
}

func (t tx) Audit(ctx context.Context, actor, action, subject, detail string) error {
	_, err := chain.Append(ctx, t.Tx, room, chain.Entry{Actor: actor, Action: action, Subject: subject, Detail: detail})
	return err
}

func (t tx) VerifyAudit(ctx context.Context) (int64, error) { return chain.Verify(ctx, t.Tx, room) }
