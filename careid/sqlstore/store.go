// SPDX-License-Identifier: Apache-2.0

// Package sqlstore keeps the domain of package careid in SQLite or PostgreSQL, through database/sql.
//
//	db, err := sql.Open("sqlite3", "file:care.db") // ncruces/go-sqlite3, or "pgx" of jackc/pgx
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	defer store.Close()
//
// Its tables begin with careid_ and are made or migrated by Open, so the database may hold other rooms' stores and
// the application's own tables. Any number of processes on one machine may share an SQLite file, any number of servers
// a PostgreSQL cluster.
//
// careid_audit is a chain of hashes over what was done and what was refused, written in the transaction of what it
// tells of.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config says where the store lives, and by which clocks. They must be the Service's.
type Config struct {
	// DB is the database, with the driver "sqlite3" of ncruces/go-sqlite3 or "pgx" of jackc/pgx. An SQLite pool limited
	// to one connection is refused. Required; it stays the caller's to close.
	DB *sql.DB

	Now  func() time.Time // the calendar; default time.Now
	Wall func() time.Time // the wire; default time.Now
}

// Store implements careid.Store.
type Store struct{ kit *sqlkit.Store }

var _ careid.Store = (*Store)(nil)

// Open migrates the database and returns its store.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.DB == nil {
		return nil, errors.New("sqlstore: Config needs a DB")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	kit, err := sqlkit.Open(ctx, sqlkit.Config{DB: c.DB, Migrations: files, Table: "careid_migrations", Now: c.Now, Wall: c.Wall})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return &Store{kit}, nil
}

// Close gives back the connection that the store writes on. It never closes the DB.
func (s *Store) Close() error { return s.kit.Close() }

// Write implements careid.Store.
func (s *Store) Write(ctx context.Context, fn func(context.Context, *careid.Tx) error) error {
	return s.kit.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error { return fn(ctx, nouns(tx)) })
}

// Read implements careid.Store.
func (s *Store) Read(ctx context.Context, fn func(context.Context, *careid.Tx) error) error {
	return s.kit.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error { return fn(ctx, nouns(tx)) })
}

// nouns gives a transaction the shape that the domain asks for.
func nouns(tx *sqlkit.Tx) *careid.Tx {
	q := queries{tx}
	return &careid.Tx{
		Now: tx.Now, Wall: tx.Wall,
		People: people{q}, Applications: applications{q}, Positions: positions{q}, Assignments: assignments{q}, Releases: releases{q},
		Cards: cards{q}, Acts: acts{q}, Unlocks: unlocks{q},
		Proofs: proofs{q}, Sessions: sessions{q}, Acceptances: acceptances{q}, Links: links{q}, Losses: losses{q}, Audit: audit{q},
		Authenticators: authenticators{q},
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

// holds asks a question whose answer is yes or no.
func (q queries) holds(ctx context.Context, query string, args ...any) (is bool, err error) {
	err = q.tx.QueryRowContext(ctx, query, args...).Scan(&is)
	return is, err
}

// added runs an insert that does nothing where the row, or one that must be alone, exists.
func (q queries) added(ctx context.Context, query string, args ...any) error {
	done, err := q.changed(ctx, query+" ON CONFLICT DO NOTHING", args...)
	if err == nil && !done {
		return careid.ErrConflict
	}
	return err
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// one reads one row, or careid.ErrNotFound.
func one[T any](ctx context.Context, q queries, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	v, err := scan(q.tx.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, careid.ErrNotFound
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

// unix is a time as kept: 0 is none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromUnix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

type audit struct{ queries }

// room names the chain.
const room = "careid"

func (a audit) Append(ctx context.Context, e careid.AuditEntry) error {
	_, err := chain.Append(ctx, a.tx, room, chain.Entry{At: e.At, Actor: e.Actor, Action: e.Action, Subject: e.Subject, Detail: e.Detail})
	return err
}

func (a audit) Verify(ctx context.Context) (int64, error) {
	rows, err := chain.Verify(ctx, a.tx, room)
	return rows, broken(err)
}

func (a audit) VerifyAgainst(ctx context.Context, anchors []careid.Anchor) (careid.Anchor, error) {
	var points []chain.Anchor
	for _, one := range anchors {
		if one.Room != room {
			return careid.Anchor{}, fmt.Errorf("sqlstore: an anchor of %q is not of this audit", one.Room)
		}
		points = append(points, chain.Anchor{Seq: one.Seq, Hash: one.Hash})
	}
	newest, err := chain.VerifyAgainst(ctx, a.tx, room, points)
	if err != nil {
		return careid.Anchor{}, broken(err)
	}
	return careid.Anchor{Room: room, Seq: newest.Seq, Hash: newest.Hash}, nil
}

func (a audit) Head(ctx context.Context) (careid.Anchor, error) {
	head, err := chain.Head(ctx, a.tx, room)
	return careid.Anchor{Room: room, Seq: head.Seq, Hash: head.Hash}, err
}

// broken gives a chain's bad row the domain's type.
func broken(err error) error {
	if bad, is := errors.AsType[*chain.BrokenError](err); is {
		return &careid.BrokenAuditError{Seq: bad.Seq, Why: bad.Why}
	}
	return err
}

func (a audit) Entries(ctx context.Context, after int64, limit int) ([]careid.AuditEntry, error) {
	return all(ctx, a.queries, scanAudit, selectAudit, after, limit)
}

func (a audit) About(ctx context.Context, q careid.AuditQuery) ([]careid.AuditEntry, error) {
	return all(ctx, a.queries, scanAudit, selectAbout, q.Subject, unix(q.Since), q.Actor, q.Before, q.Limit, unix(q.Until))
}

func scanAudit(row scanner) (e careid.AuditEntry, err error) {
	var at int64
	err = row.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Subject, &e.Detail)
	e.At = fromUnix(at)
	return e, err
}
