// SPDX-License-Identifier: Apache-2.0

// Package sqlkit is what every store of the module shares: opening its part
// of a database, its migrations, and transactions that carry one time.
//
//	db, err := sqlkit.OpenSQLite("wardkey.db")
//	store, err := sqlkit.Open(ctx, sqlkit.Config{DB: db, Migrations: files, Table: "pki_migrations"})
//	err = store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
//		_, err := tx.ExecContext(ctx, "INSERT INTO pki_serial (serial, at) VALUES ($1, $2)", serial, tx.Now.Unix())
//		return err
//	})
//
// # Databases
//
// The caller brings the [database/sql.DB]. SQLite (driver
// github.com/ncruces/go-sqlite3/driver) and PostgreSQL (driver
// github.com/jackc/pgx/v5/stdlib) are told apart by asking the server. Queries
// are written once, with PostgreSQL's $1…$n; on SQLite they become ?1…?n,
// because its drivers bind $2,$1 by order of appearance.
//
// Several stores, and the application, may share one database. Each store on
// SQLite keeps one connection of the pool for writing from Open to Close, so a
// pool needs one connection for each store and at least one more for readers;
// Open refuses a pool that has none left. [OpenMemory] makes a database for tests.
//
// # What Write promises
//
// When Write returns nil, what its function wrote is durable. On SQLite, jobs
// that arrive while others are being committed share the next commit
// (journal_mode WAL, synchronous FULL, BEGIN IMMEDIATE). One that fails, panics
// or leaves its goroutine takes back its own rows and nobody else's: if it wrote
// any, the group is taken back, and the jobs before it that wrote run a second
// time, each behind a savepoint. If the commit itself fails, every job of the
// group gets that error. While another process or pool has the file, a group
// waits half a minute for its turn, or as long as its first job's context lets
// it. A job that has begun runs to its end; a context that ends before that
// drops it. Jobs run one after another, so a function must not wait for the
// network, or for another Write of the same database (that is [ErrNested]).
//
// On PostgreSQL a job is one SERIALIZABLE transaction, run again when the
// server reports a serialization failure or a deadlock, one at a time of each
// store, for half a minute or as long as its context lets it. So on both a function
// may run more than once and must keep its effects inside tx.
package sqlkit
