// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// Tx is a transaction. It is good only inside the function that received it
// and is not safe for concurrent use.
type Tx struct {
	// Now is the calendar's time and Wall the machine's, in whole seconds UTC,
	// read once for the transaction.
	Now, Wall time.Time

	q       querier
	rewrite bool // $n to ?n, where q doesn't
	wrote   bool // a statement ran that may have changed rows
	whole   bool // a shared commit: a statement must not be interrupted
	kept    kept // of a Write; nil when its function has ended
}

// querier is what *sql.Conn and *sql.Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// ExecContext runs a statement that returns no rows.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.wrote = true
	return t.q.ExecContext(t.context(ctx), t.text(query), args...)
}

// QueryContext runs a query; the caller closes the rows before fn returns.
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.note(query)
	return t.q.QueryContext(t.context(ctx), t.text(query), args...)
}

// QueryRowContext runs a query that returns at most one row, to be scanned
// before the next statement.
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.note(query)
	return t.q.QueryRowContext(t.context(ctx), t.text(query), args...)
}

// PrepareContext prepares a statement for repeated use inside fn; the caller
// closes it.
func (t *Tx) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	t.note(query)
	return t.q.PrepareContext(t.context(ctx), t.text(query))
}

// context keeps a cancelled caller from interrupting a write statement, which
// would make SQLite roll back the whole group and not only this job.
func (t *Tx) context(ctx context.Context) context.Context {
	if t.whole {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// note takes whatever doesn't begin with SELECT for a statement that writes.
func (t *Tx) note(query string) {
	t.wrote = t.wrote || !strings.HasPrefix(query, "SELECT")
}

func (t *Tx) text(query string) string {
	if t.rewrite {
		return numbered(query)
	}
	return query
}
