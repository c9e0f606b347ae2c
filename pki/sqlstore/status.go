// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

// Record implements pki.Ledger.
func (l *Ledger) Record(ctx context.Context, serial *big.Int) (r pki.Record, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		r, err = recordOf(ctx, tx, serial)
		return err
	})
	return r, err
}

func recordOf(ctx context.Context, tx *sqlkit.Tx, serial *big.Int) (pki.Record, error) {
	found, err := actsOf(ctx, tx, selectRecord, serialText(serial))
	if err != nil {
		return pki.Record{}, err
	}
	if len(found) == 0 {
		return pki.Record{}, pki.ErrUnknownCertificate
	}
	return found[0].Records[0], nil
}

// Revise implements pki.Ledger.
func (l *Ledger) Revise(ctx context.Context, serial *big.Int, at time.Time, revise func(pki.Record) (pki.Record, error)) (r pki.Record, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		before, err := recordOf(ctx, tx, serial)
		if err != nil {
			return err
		}
		if r, err = revise(before); err != nil {
			return err
		}
		if r.State == before.State && r.Reason == before.Reason && r.RevokedAt.Equal(before.RevokedAt) {
			return nil
		}
		n, err := change(ctx, tx, r)
		if err != nil {
			return err
		}
		return audit(ctx, tx, at, statusChanged+string(r.State), serialText(serial), statusDetail(n, r.Reason, unixOrZero(r.RevokedAt), r.Act))
	})
	return r, err
}

// change writes a record's status, counts the change of its shard and returns the
// count.
func change(ctx context.Context, tx *sqlkit.Tx, r pki.Record) (changed int64, err error) {
	if err := tx.QueryRowContext(ctx, changeShard, r.Issuer, r.Shard).Scan(&changed); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, changeRecord, string(r.State), r.Reason, unixOrZero(r.RevokedAt), changed, serialText(r.Serial))
	return changed, err
}

// Shard implements pki.Ledger.
func (l *Ledger) Shard(ctx context.Context, issuer string, shard int) (s pki.Shard, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		var from, to int64
		err := tx.QueryRowContext(ctx, selectShard, issuer, shard).Scan(&s.Changed, &s.Number, &s.Covers, &from, &to)
		s.ThisUpdate, s.NextUpdate = instant(from), instant(to)
		return err
	})
	return s, unknown(err)
}

// ReserveCRL implements pki.Ledger.
func (l *Ledger) ReserveCRL(ctx context.Context, issuer string, shard int, at time.Time) (plan pki.CRLPlan, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		plan = pki.CRLPlan{}
		var last int64
		if err := tx.QueryRowContext(ctx, reserveNumber, issuer, shard).Scan(&plan.Number, &plan.Covers, &last); err != nil {
			return err
		}
		if instant(last).After(at) {
			return pki.ErrClock
		}
		plan.Entries, err = entriesOf(ctx, tx, issuer, shard, at)
		return err
	})
	return plan, unknown(err)
}

// entriesOf reads a list's entries as one row: the way of 12,500 rows out of the
// database takes longer than to find them, and was a quarter of a new list.
func entriesOf(ctx context.Context, tx *sqlkit.Tx, issuer string, shard int, at time.Time) ([]pki.RevokedEntry, error) {
	var all sql.NullString
	if err := tx.QueryRowContext(ctx, selectEntries, issuer, shard, at.Unix()).Scan(&all); err != nil || !all.Valid {
		return nil, err
	}
	out := make([]pki.RevokedEntry, 0, strings.Count(all.String, ";")+1)
	for text := range strings.SplitSeq(all.String, ";") {
		entry, err := readEntry(text)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: entry %q of a list: %w", text, err)
		}
		out = append(out, entry)
	}
	return out, nil
}

// readEntry reads serial number, seconds and reason, a blank between them.
func readEntry(text string) (pki.RevokedEntry, error) {
	serial, rest, _ := strings.Cut(text, " ")
	seconds, reason, _ := strings.Cut(rest, " ")
	var raw [20]byte // RFC 5280 §4.1.2.2
	if len(serial) > hex.EncodedLen(len(raw)) {
		return pki.RevokedEntry{}, errors.New("the serial number is too long")
	}
	n, err := hex.Decode(raw[:], []byte(serial))
	if err != nil {
		return pki.RevokedEntry{}, err
	}
	revokedAt, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return pki.RevokedEntry{}, err
	}
	code, err := strconv.Atoi(reason)
	return pki.RevokedEntry{Serial: new(big.Int).SetBytes(raw[:n]), RevokedAt: instant(revokedAt), Reason: code}, err
}

// StoreCRL implements pki.Ledger.
func (l *Ledger) StoreCRL(ctx context.Context, list pki.CRL) error {
	detail := listDetail(list.Number, list.Covers, list.NextUpdate.Unix(), list.DER)
	return l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		done, err := tx.ExecContext(ctx, storeList, list.Number, list.Covers, list.ThisUpdate.Unix(), list.NextUpdate.Unix(), list.DER,
			list.Issuer, list.Shard)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, markListed, list.Issuer, list.Shard, list.ThisUpdate.Unix(), list.Covers); err != nil {
			return err
		}
		return audit(ctx, tx, list.ThisUpdate, listStored, shardName(list.Issuer, list.Shard), detail)
	})
}

// CRL implements pki.Ledger.
func (l *Ledger) CRL(ctx context.Context, issuer string, shard int) (list pki.CRL, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		var from, to int64
		list = pki.CRL{Issuer: issuer, Shard: shard}
		err := tx.QueryRowContext(ctx, selectList, issuer, shard).Scan(&list.Number, &list.Covers, &from, &to, &list.DER)
		list.ThisUpdate, list.NextUpdate = instant(from), instant(to)
		return err
	})
	return list, unknown(err)
}

// unknown turns "no such row" into the ledger's word for it.
func unknown(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return pki.ErrUnknownCertificate
	}
	return err
}
