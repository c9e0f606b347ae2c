// SPDX-License-Identifier: Apache-2.0

// Package sqlstore keeps the gateway's mail in SQLite or PostgreSQL through
// database/sql.
//
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	g, err := gateway.New(gateway.Config{Store: store, Key: key, …})
//
// All of it is in the database, content too, and not in files beside it: one
// commit takes a message with all its copies, gateways on several machines
// share what they have taken, and there is nothing else to back up or to lose.
// The price is that content is written twice, to the log and to the table.
//
// The caller opens and closes the database, with the driver of
// github.com/ncruces/go-sqlite3 or github.com/jackc/pgx. Open makes the tables,
// all of which begin with mailgate_, so that other rooms and the caller's own
// tables can share the database. On SQLite it keeps one connection for writing;
// a pool of one connection is refused. Where the disk is full, Write returns
// gateway.ErrFull, and the message stays with the sender's system. A file of SQLite
// does not shrink: it stays as large as it has ever been.
//
// The audit of what was picked up is a chain of internal/chain in the tables
// mailgate_audit and mailgate_audit_head.
//
// The suite of mailpolicy/gateway/gatewaytest passes on both.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

//go:embed migrations/*.sql
var migrations embed.FS

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

// Store is a gateway.Store. It is safe for concurrent use.
type Store struct{ kit *sqlkit.Store }

var _ gateway.Store = (*Store)(nil)

// Open makes what tables are missing and returns the store. Close it after the
// gateway and before the database.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.withDefaults()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	kit, err := sqlkit.Open(ctx, sqlkit.Config{DB: c.DB, Migrations: files, Table: "mailgate_migrations", Now: c.Now, Wall: c.Wall})
	if err != nil {
		return nil, err
	}
	return &Store{kit: kit}, nil
}

// Close gives back the connection that the store writes on.
func (s *Store) Close() error { return s.kit.Close() }

// Write runs fn in a transaction; see gateway.Store.
func (s *Store) Write(ctx context.Context, fn func(context.Context, gateway.StoreTx) error) error {
	err := s.kit.Write(ctx, func(ctx context.Context, t *sqlkit.Tx) error { return fn(ctx, tx{t}) })
	if isFull(err) {
		return fmt.Errorf("%w: %w", gateway.ErrFull, err)
	}
	return err
}

// isFull reports a disk without room: SQLITE_FULL, or disk_full (PostgreSQL,
// Appendix A). The SQLite driver reports a write that the system had no room for
// as IOERR_WRITE, and not as SQLITE_FULL.
func isFull(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, sqlite3.FULL) || errors.Is(err, sqlite3.IOERR_WRITE) || errors.As(err, &pg) && pg.Code == "53100"
}

// Read runs fn on a snapshot.
func (s *Store) Read(ctx context.Context, fn func(context.Context, gateway.StoreTx) error) error {
	return s.kit.Read(ctx, func(ctx context.Context, t *sqlkit.Tx) error { return fn(ctx, tx{t}) })
}

type tx struct{ *sqlkit.Tx }

func (t tx) Wall() time.Time { return t.Tx.Wall }

// insert reports a row that is there already as ErrExists.
func (t tx) insert(ctx context.Context, query string, args ...any) error {
	_, err := t.ExecContext(ctx, query, args...)
	if sqlkit.IsUnique(err) {
		return mailpolicy.ErrExists
	}
	return err
}

// changed reports that there was no row as ErrNotFound.
func changed(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return mailpolicy.ErrNotFound
}

// missing reports no row as ErrNotFound.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return mailpolicy.ErrNotFound
	}
	return err
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
