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

// patience is how long a transaction is run again on PostgreSQL, where a context
// doesn't end it before: as long as SQLite waits for its turn.
const patience = 30 * time.Second

// writePostgres runs a transaction until it doesn't fail by others' work. One
// that failed once takes its turn behind the others of this store that did:
// where many want one row, all but one of those that go at once fail, again and
// again, and some of them for ever.
func (s *Store) writePostgres(ctx context.Context, fn func(context.Context, *Tx) error) error {
	if s.isClosed() {
		return ErrClosed
	}
	ctx = context.WithValue(ctx, writing{s.db}, true)
	err := s.tryPostgres(ctx, fn)
	if !worthRetrying(err) {
		return err
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-end.C:
		return fmt.Errorf("sqlkit: gave up after %v: %w", patience, err)
	case <-s.closing:
		return ErrClosed
	case <-ctx.Done():
		return errors.Join(ctx.Err(), err)
	}
	for try := 0; ; try++ {
		if s.isClosed() {
			return ErrClosed
		}
		if err = s.tryPostgres(ctx, fn); !worthRetrying(err) {
			return err
		}
		select {
		case <-end.C:
			return fmt.Errorf("sqlkit: gave up after %v: %w", patience, err)
		default:
		}
		if ctxErr := pause(ctx, try); ctxErr != nil {
			return errors.Join(ctxErr, err)
		}
	}
}

func (s *Store) tryPostgres(ctx context.Context, fn func(context.Context, *Tx) error) error {
	t, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return fmt.Errorf("sqlkit: beginning to write: %w", err)
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	tx := s.tx(t)
	tx.kept = kept{}
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := tx.kept.write(ctx, tx); err != nil {
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
	most := min(100*time.Millisecond, time.Millisecond<<min(try, 10))
	timer := time.NewTimer(rand.N(most) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
