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

// writeConn keeps statements without rows prepared. Those with rows are
// prepared each time: one that is still being read can't serve again.
// Whoever has the writer's turn may use it.
type writeConn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

// ExecContext is for one statement; without arguments it may be several.
func (c *writeConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if len(args) == 0 {
		return c.Conn.ExecContext(ctx, query)
	}
	return c.run(ctx, query, args...)
}

func (c *writeConn) run(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	prepared := c.prepared[statement]
	if prepared == nil {
		if len(c.prepared) == maxStatements {
			return c.Conn.ExecContext(ctx, statement, args...)
		}
		var err error
		if prepared, err = c.PrepareContext(ctx, statement); err != nil {
			return nil, err
		}
		c.prepared[statement] = prepared
	}
	return prepared.ExecContext(ctx, args...)
}

func (c *writeConn) Close() error {
	var errs []error
	for _, prepared := range c.prepared {
		errs = append(errs, prepared.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}
