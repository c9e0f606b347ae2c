// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/ncruces/go-sqlite3/driver" // registers "sqlite3"
)

// busyTimeout is how long, in milliseconds, a statement waits for another
// writer of the file.
const busyTimeout = 10_000

// OpenSQLite opens or creates a database file with a pool that suits several
// stores: foreign keys on, ten seconds of patience, up to 16 connections. A
// new file and its write-ahead log are its user's alone (0600). The caller
// closes it after its stores.
func OpenSQLite(path string) (*sql.DB, error) {
	if path == "" || path == ":memory:" {
		return nil, errors.New("sqlkit: a database in memory can't be shared by connections: name a file")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlkit: database path: %w", err)
	}
	file, err := os.OpenFile(absolute, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlkit: database file: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("sqlkit: database file: %w", err)
	}
	query := url.Values{
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout), "foreign_keys(on)"},
		"_txlock": {"immediate"},
		"modeof":  {absolute}, // the write-ahead log gets the file's mode
	}
	name := url.URL{
		Scheme: "file", OmitHost: true, Path: filepath.ToSlash(absolute),
		RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20"), // SQLite reads + as itself
	}
	db, err := sql.Open("sqlite3", name.String())
	if err != nil {
		return nil, fmt.Errorf("sqlkit: opening the database: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return db, nil
}

// setPragmas makes a connection one that a store may write on.
func setPragmas(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout)); err != nil {
		return fmt.Errorf("sqlkit: busy_timeout: %w", err)
	}
	var mode string
	err := again(ctx, func() error { return conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode) })
	if err != nil {
		return fmt.Errorf("sqlkit: journal_mode: %w", err)
	}
	if mode == "memory" {
		return sharedMemory(ctx, conn)
	}
	if mode != "wal" {
		return fmt.Errorf("sqlkit: the database has journal mode %q and not WAL: it must be a file on a local disk", mode)
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"); err != nil {
		return fmt.Errorf("sqlkit: synchronous and foreign_keys: %w", err)
	}
	return nil
}

// sharedMemory accepts a database in memory that all connections see, as
// OpenMemory makes it: its name begins with a slash.
func sharedMemory(ctx context.Context, conn *sql.Conn) error {
	var seq int
	var schema, file string
	if err := conn.QueryRowContext(ctx, "PRAGMA database_list").Scan(&seq, &schema, &file); err != nil {
		return fmt.Errorf("sqlkit: database_list: %w", err)
	}
	if !strings.HasPrefix(file, "/") {
		return errors.New("sqlkit: each connection has a database of its own in memory, and no WAL: name a file, or use OpenMemory")
	}
	_, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = ON")
	return err
}

// attempts bounds how often a step of Open is run.
const attempts = 20

// again runs a step that two processes may take at once on a new file. SQLite
// answers the second with an error and not with patience: the change to WAL
// ignores busy_timeout.
func again(ctx context.Context, step func() error) error {
	var err error
	for try := range attempts {
		if err = step(); err == nil {
			return nil
		}
		if ctxErr := pause(ctx, try); ctxErr != nil {
			return errors.Join(ctxErr, err)
		}
	}
	return err
}
