// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// attempts bounds how often a transaction is run on PostgreSQL, and a step of
// Open on SQLite.
const attempts = 20

func (s *Store) writePostgres(ctx context.Context, fn func(context.Context, *Tx) error) error {
	ctx = context.WithValue(ctx, writing{s.db}, true)
	var err error
	for try := range attempts {
		if s.isClosed() {
			return ErrClosed
		}
		if err = s.tryPostgres(ctx, fn); !worthRetrying(err) {
			return err
		}
		if ctxErr := pause(ctx, try); ctxErr != nil {
			return errors.Join(ctxErr, err)
		}
	}
	return fmt.Errorf("sqlkit: gave up after %d attempts: %w", attempts, err)
}

func (s *Store) tryPostgres(ctx context.Context, fn func(context.Context, *Tx) error) error {
	t, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return fmt.Errorf("sqlkit: beginning to write: %w", err)
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	if err := fn(ctx, s.tx(t)); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("sqlkit: committing: %w", err)
	}
	return nil
}

// worthRetrying: serialization_failure and deadlock_detected (PostgreSQL,
// Appendix A), after which the same work may well succeed.
func worthRetrying(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// pause waits a random time that grows with the attempts, 100 ms at most.
func pause(ctx context.Context, try int) error {
	most := min(100*time.Millisecond, time.Millisecond<<try)
	timer := time.NewTimer(rand.N(most) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
