// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

type dialect int

const (
	sqlite dialect = iota + 1
	postgres
)

// detect asks the server what it is, which holds for any driver's name.
func detect(ctx context.Context, db *sql.DB) (dialect, error) {
	var version string
	notSQLite := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version)
	if notSQLite == nil {
		return sqlite, nil
	}
	notPostgres := db.QueryRowContext(ctx, "SELECT current_setting('server_version')").Scan(&version)
	if notPostgres == nil {
		return postgres, nil
	}
	return 0, fmt.Errorf("sqlkit: the database answers neither as SQLite nor as PostgreSQL: %w", errors.Join(notSQLite, notPostgres))
}

// migrate brings the store's tables up to date. Two processes may do it at
// once: on PostgreSQL one waits for the other's lock. SQLite has no such lock;
// there the one that comes second fails, on a busy file or on a table that now
// exists, and looks again. Each migration is one transaction, so that looking
// again is always safe.
func migrate(ctx context.Context, c Config, d dialect) error {
	gooseDialect := database.DialectSQLite3
	var options []goose.ProviderOption
	if d == postgres {
		gooseDialect = database.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("sqlkit: migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	table, err := database.NewStore(gooseDialect, c.Table)
	if err != nil {
		return fmt.Errorf("sqlkit: migrations of %s: %w", c.Table, err)
	}
	options = append(options, goose.WithStore(table), goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider("", c.DB, c.Migrations, options...)
	if err != nil {
		return fmt.Errorf("sqlkit: migrations of %s: %w", c.Table, err)
	}
	up := func() error {
		_, err := provider.Up(ctx)
		return err
	}
	if d == sqlite {
		err = again(ctx, up)
	} else {
		err = up()
	}
	if err != nil {
		return fmt.Errorf("sqlkit: migrations of %s: %w", c.Table, err)
	}
	return nil
}

// IsUnique reports whether err says that a row breaks a primary key or a
// unique index.
func IsUnique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505" // unique_violation
	}
	return errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY)
}
