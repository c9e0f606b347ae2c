// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"errors"
)

// maxStatements bounds the statements that a writer keeps prepared: more than
// any room has, and a bound for texts that are put together as they go.
const maxStatements = 256

// writeConn rewrites $n to ?n and keeps statements prepared, those that return
// no row or one. Those with more rows are prepared each time: one that is still
// being read can't serve again. Whoever has the writer's turn may use it.
type writeConn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

// ExecContext is for one statement; without arguments it may be several.
func (c *writeConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if len(args) == 0 {
		return c.Conn.ExecContext(ctx, numbered(query))
	}
	return c.run(ctx, query, args...)
}

func (c *writeConn) run(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	prepared, err := c.kept(ctx, statement)
	if err != nil {
		return nil, err
	}
	if prepared == nil {
		return c.Conn.ExecContext(ctx, numbered(statement), args...)
	}
	return prepared.ExecContext(ctx, args...)
}

// QueryRowContext returns a row that is to be scanned before the same query is
// asked again.
func (c *writeConn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	prepared, err := c.kept(ctx, query)
	if err != nil || prepared == nil {
		return c.Conn.QueryRowContext(ctx, numbered(query), args...) // an error comes again, in the row
	}
	return prepared.QueryRowContext(ctx, args...)
}

func (c *writeConn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.Conn.QueryContext(ctx, numbered(query), args...)
}

func (c *writeConn) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return c.Conn.PrepareContext(ctx, numbered(query))
}

// kept returns a prepared statement, nil when there are too many already.
func (c *writeConn) kept(ctx context.Context, statement string) (*sql.Stmt, error) {
	prepared := c.prepared[statement]
	if prepared != nil || len(c.prepared) == maxStatements {
		return prepared, nil
	}
	prepared, err := c.PrepareContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	c.prepared[statement] = prepared
	return prepared, nil
}

func (c *writeConn) Close() error {
	var errs []error
	for _, prepared := range c.prepared {
		errs = append(errs, prepared.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}
