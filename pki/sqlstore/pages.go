// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/big"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

// Expiring implements pki.Ledger.
func (l *Ledger) Expiring(ctx context.Context, issuer string, from, to time.Time, after pki.Record, limit int) ([]pki.Record, error) {
	serial := ""
	if after.Serial != nil {
		from, serial = after.NotAfter, serialText(after.Serial)
	}
	return l.records(ctx, selectExpiring, issuer, from.Unix(), to.Unix(), serial, limit)
}

// Issued implements pki.Ledger.
func (l *Ledger) Issued(ctx context.Context, issuer string, after pki.Record, limit int) ([]pki.Record, error) {
	var opened int64
	ordinal := -1
	if after.Serial != nil {
		opened, ordinal = after.Opened.Unix(), 0
		if after.Use == pki.Signing {
			ordinal = 1
		}
	}
	return l.records(ctx, selectIssued, issuer, opened, after.Act, ordinal, limit)
}

// Lineage implements pki.Ledger.
func (l *Ledger) Lineage(ctx context.Context, lineage string) ([]pki.Record, error) {
	return l.records(ctx, selectLineage, lineage)
}

// DueReminders implements pki.Ledger.
func (l *Ledger) DueReminders(ctx context.Context, issuer string, at time.Time, limit int) ([]pki.Record, error) {
	return l.records(ctx, selectReminders, issuer, at.Unix(), limit)
}

// NextReminder implements pki.Ledger.
func (l *Ledger) NextReminder(ctx context.Context, issuer string) (next time.Time, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		var at int64
		err := tx.QueryRowContext(ctx, selectReminder, issuer).Scan(&at)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		next = instant(at)
		return err
	})
	return next, err
}

// MoveReminder implements pki.Ledger.
func (l *Ledger) MoveReminder(ctx context.Context, serial *big.Int, from, to time.Time) (moved bool, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		changed, err := tx.ExecContext(ctx, moveReminder, unixOrZero(to), serialText(serial), unixOrZero(from))
		if err != nil {
			return err
		}
		n, err := changed.RowsAffected()
		moved = n == 1
		return err
	})
	return moved, err
}

// records reads a page: each row's certificate, with what its act says.
func (l *Ledger) records(ctx context.Context, query string, args ...any) (out []pki.Record, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		acts, err := actsOf(ctx, tx, query, args...)
		out = nil
		for _, a := range acts {
			out = append(out, a.Records...)
		}
		return err
	})
	return out, err
}
