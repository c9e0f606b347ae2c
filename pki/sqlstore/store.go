// SPDX-License-Identifier: Apache-2.0

// Package sqlstore keeps the ledger of a certificate authority in SQLite or
// PostgreSQL, through database/sql.
//
//	db, err := sql.Open("sqlite3", "file:ledger.db") // ncruces/go-sqlite3
//	ledger, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	defer ledger.Close()
//
// Its tables begin with pki_ and are made or migrated by Open, so the database
// may hold other rooms' stores and the application's own tables. Any number of
// servers may stand on one PostgreSQL database; on SQLite, any number of
// processes on one machine. Every method is durable when it returns.
//
// pki_audit is a chain of hashes over what was done, written in the same
// transaction. VerifyAudit checks it, and that every other table is what it says:
// whoever can write to the database can change a status there, but not unseen. Only
// remind_at, when the next reminder is due, stands outside the audit. Rows are never
// rewritten: those of older ledgers say less, and VerifyAudit says what.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config says where the ledger lives.
type Config struct {
	// DB is the database, with the driver "sqlite3" of ncruces/go-sqlite3 or
	// "pgx" of jackc/pgx. A pool limited to one connection is refused. Required;
	// it stays the caller's to close.
	DB *sql.DB
}

// Ledger implements pki.Ledger.
type Ledger struct {
	store *sqlkit.Store
	// revision is prepared because every OCSP answer asks for it.
	revision *sql.Stmt
}

var _ pki.Ledger = (*Ledger)(nil)

// Open migrates the database and returns its ledger.
func Open(ctx context.Context, c Config) (*Ledger, error) {
	if c.DB == nil {
		return nil, errors.New("sqlstore: Config needs a DB")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	store, err := sqlkit.Open(ctx, sqlkit.Config{DB: c.DB, Migrations: files, Table: "pki_migrations"})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	revision, err := c.DB.PrepareContext(ctx, selectRevision)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: %w", err), store.Close())
	}
	return &Ledger{store, revision}, nil
}

// Close gives back the connection that the ledger writes on. It doesn't close
// the DB.
func (l *Ledger) Close() error { return errors.Join(l.revision.Close(), l.store.Close()) }

// Revision implements pki.Ledger: the audit grows with every change.
func (l *Ledger) Revision(ctx context.Context) (revision int64, err error) {
	err = l.revision.QueryRowContext(ctx).Scan(&revision)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return revision, err
}

// Register implements pki.Ledger.
func (l *Ledger) Register(ctx context.Context, issuer string, shards int, at time.Time) error {
	return l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		var known int
		err := tx.QueryRowContext(ctx, selectIssuer, issuer).Scan(&known)
		if err == nil && known != shards {
			return fmt.Errorf("sqlstore: the issuing CA has %d shards, which can't become %d", known, shards)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertIssuer, issuer, shards, at.Unix()); err != nil {
			return err
		}
		for shard := range shards {
			if _, err := tx.ExecContext(ctx, insertShard, issuer, shard); err != nil {
				return err
			}
		}
		return audit(ctx, tx, at, issuerRegistered, issuer, registeredDetail(shards))
	})
}

func instant(unix int64) time.Time { return time.Unix(unix, 0).UTC() }

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
