// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

// OpenAct implements pki.Ledger.
func (l *Ledger) OpenAct(ctx context.Context, act pki.Act, renews []*big.Int) (stored pki.Act, err error) {
	if n := len(act.Records); n < 1 || n > 2 {
		return pki.Act{}, fmt.Errorf("sqlstore: act %s has %d certificates", act.ID, n)
	}
	detail := openedDetail(act) // not while others wait for their turn to write
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		// Most acts begin a lineage and nothing stands against them: one statement
		// sees that and writes. What it refuses is looked at for the reason.
		done := false
		if act.Kind != pki.ActRenew {
			if stored, done, err = insert(ctx, tx, act, detail); done || err != nil {
				return err
			}
		}
		known, err := mayOpen(ctx, tx, act, renews)
		if err != nil {
			return err
		}
		if known {
			stored, err = actOf(ctx, tx, act.ID)
			return err
		}
		if stored, done, err = insert(ctx, tx, act, detail); err == nil && !done {
			err = fmt.Errorf("sqlstore: act %s could not be opened", act.ID)
		}
		return err
	})
	return stored, err
}

// mayOpen applies the rules that need the whole ledger, unless the act is known.
func mayOpen(ctx context.Context, tx *sqlkit.Tx, act pki.Act, renews []*big.Int) (known bool, err error) {
	var acts, keys int64
	var last sql.NullInt64
	first, second := keyHash(act.Records[0]), keyHash(act.Records[len(act.Records)-1])
	if err := tx.QueryRowContext(ctx, selectStanding, act.ID, first, second).Scan(&acts, &last, &keys); err != nil {
		return false, err
	}
	switch {
	case acts > 0:
		return true, nil
	case last.Valid && instant(last.Int64).Sub(act.Opened) > pki.ClockTolerance:
		return false, pki.ErrClock
	}
	if act.Kind == pki.ActRenew {
		if err := mayRenew(ctx, tx, renews); err != nil {
			return false, err
		}
	}
	if keys > 0 {
		return false, pki.ErrKeyReused
	}
	return false, nil
}

func mayRenew(ctx context.Context, tx *sqlkit.Tx, renews []*big.Int) error {
	for _, serial := range renews {
		r, err := recordOf(ctx, tx, serial)
		if err != nil {
			return err
		}
		switch r.State {
		case pki.Held:
			return pki.ErrHeld
		case pki.Revoked:
			return pki.ErrRevoked
		}
		var newer int64
		if err := tx.QueryRowContext(ctx, countNewer, r.Lineage, r.Generation).Scan(&newer); err != nil {
			return err
		}
		if newer > 0 {
			return pki.ErrSuperseded
		}
	}
	return nil
}

// insert writes a new act, unless mayOpen would find something: then done is
// false. The only uniqueness that can fail here is a serial number's, or that of a
// row which another PostgreSQL server wrote meanwhile: asking again with other
// serials finds that row.
func insert(ctx context.Context, tx *sqlkit.Tx, act pki.Act, detail string) (stored pki.Act, done bool, err error) {
	first, second := keyHash(act.Records[0]), keyHash(act.Records[len(act.Records)-1])
	written, err := tx.ExecContext(ctx, insertAct, act.ID, act.Kind, act.Issuer, act.Fingerprint, act.Subject,
		act.UserID, act.Lineage, act.Generation, act.Opened.Unix(), act.Opened.Add(pki.ClockTolerance).Unix(), first, second)
	if err == nil {
		var n int64
		if n, err = written.RowsAffected(); err == nil && n == 0 {
			return pki.Act{}, false, nil
		}
	}
	if err == nil {
		err = insertRecords(ctx, tx, act)
	}
	if sqlkit.IsUnique(err) {
		return pki.Act{}, false, pki.ErrSerialTaken
	}
	if err != nil {
		return pki.Act{}, false, err
	}
	act.State = pki.Pending
	act.Records = append([]pki.Record(nil), act.Records...)
	for i := range act.Records {
		act.Records[i].State = pki.Pending
		adopt(&act.Records[i], act)
	}
	return act, true, audit(ctx, tx, act.Opened, actOpened, act.ID, detail)
}

func insertRecords(ctx context.Context, tx *sqlkit.Tx, act pki.Act) error {
	query, args := insertOne, []any{act.ID, act.Issuer}
	for _, r := range act.Records {
		args = append(args, serialText(r.Serial), string(r.Use), r.Shard, keyHash(r), r.PublicKey, r.NotBefore.Unix(), r.NotAfter.Unix(),
			unixOrZero(r.RemindAt))
	}
	if len(act.Records) == 2 {
		query = insertTwo
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

// CommitAct implements pki.Ledger.
func (l *Ledger) CommitAct(ctx context.Context, act pki.Act, at time.Time) (done pki.Act, err error) {
	detail := committedDetail(act) // not while others wait for their turn to write
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		if may, err := mayCommit(ctx, tx, act); err != nil || !may {
			if err == nil {
				done, err = closeAct(ctx, tx, act.ID, at)
			}
			return err
		}
		pending, err := settle(ctx, tx, act.ID, pki.Good)
		if err != nil {
			return err
		}
		if !pending {
			done, err = actOf(ctx, tx, act.ID)
			return err
		}
		done = act
		done.State, done.Records = pki.Good, slices.Clone(act.Records)
		for i := range done.Records {
			done.Records[i].State = pki.Good
		}
		if _, err := tx.ExecContext(ctx, commitRecords, act.ID, act.Records[0].DER, act.Records[len(act.Records)-1].DER); err != nil {
			return err
		}
		return audit(ctx, tx, at, actCommitted, act.ID, detail)
	})
	return done, err
}

// mayCommit is false for a renewal of what was revoked since it was opened, and
// ErrHeld for one of what is on hold and is still pending.
func mayCommit(ctx context.Context, tx *sqlkit.Tx, act pki.Act) (bool, error) {
	if act.Kind != pki.ActRenew {
		return true, nil
	}
	var former, held int64
	if err := tx.QueryRowContext(ctx, countFormer, act.Lineage, act.Generation-1).Scan(&former, &held); err != nil {
		return false, err
	}
	if held == 0 {
		return former > 0, nil
	}
	stored, err := actOf(ctx, tx, act.ID)
	if err == nil && stored.State == pki.Pending {
		err = pki.ErrHeld
	}
	return true, err
}

// CloseAct implements pki.Ledger.
func (l *Ledger) CloseAct(ctx context.Context, id string, at time.Time) (act pki.Act, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		act, err = closeAct(ctx, tx, id, at)
		return err
	})
	return act, err
}

func closeAct(ctx context.Context, tx *sqlkit.Tx, id string, at time.Time) (pki.Act, error) {
	pending, err := settle(ctx, tx, id, pki.Revoked)
	if err != nil {
		return pki.Act{}, err
	}
	act, err := actOf(ctx, tx, id)
	if err != nil || !pending {
		return act, err
	}
	changes := make([]int64, len(act.Records))
	for i := range act.Records {
		r := &act.Records[i]
		r.State, r.Reason, r.RevokedAt = pki.Revoked, pki.CessationOfOperation, at
		if changes[i], err = change(ctx, tx, *r); err != nil {
			return pki.Act{}, err
		}
	}
	return act, audit(ctx, tx, at, actClosed, id, closedDetail(act, changes))
}

// settle ends a pending act and reports whether it was one.
func settle(ctx context.Context, tx *sqlkit.Tx, id string, state pki.State) (bool, error) {
	changed, err := tx.ExecContext(ctx, settleAct, string(state), id)
	if err != nil {
		return false, err
	}
	n, err := changed.RowsAffected()
	return n == 1, err
}

// actOf reads one act.
func actOf(ctx context.Context, tx *sqlkit.Tx, id string) (pki.Act, error) {
	found, err := actsOf(ctx, tx, selectAct, id)
	if err != nil {
		return pki.Act{}, err
	}
	if len(found) == 0 {
		return pki.Act{}, pki.ErrUnknownAct
	}
	return found[0], nil
}

// Act implements pki.Ledger.
func (l *Ledger) Act(ctx context.Context, id string) (act pki.Act, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		act, err = actOf(ctx, tx, id)
		return err
	})
	return act, err
}

// PendingActs implements pki.Ledger.
func (l *Ledger) PendingActs(ctx context.Context, issuer string, opened time.Time) (acts []pki.Act, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		acts, err = actsOf(ctx, tx, selectPending, issuer, opened.Unix())
		return err
	})
	return acts, err
}

// actsOf reads acts with their certificates, which come in the order of the act.
func actsOf(ctx context.Context, tx *sqlkit.Tx, query string, args ...any) ([]pki.Act, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var acts []pki.Act
	for rows.Next() {
		act, r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		if n := len(acts); n == 0 || acts[n-1].ID != act.ID {
			acts = append(acts, act)
		}
		last := &acts[len(acts)-1]
		last.Records = append(last.Records, r)
	}
	return acts, rows.Err()
}

// scan reads actColumns, and what else was selected behind them.
func scan(rows *sql.Rows, behind ...any) (pki.Act, pki.Record, error) {
	var (
		a                                              pki.Act
		r                                              pki.Record
		serial, state, purpose, recordState            string
		opened, notBefore, notAfter, reason, revokedAt int64
		remindAt                                       int64
	)
	err := rows.Scan(append([]any{
		&a.ID, &a.Kind, &a.Issuer, &a.Fingerprint, &a.Subject, &a.UserID, &a.Lineage, &a.Generation, &opened, &state,
		&serial, &purpose, &r.Shard, &r.PublicKey, &notBefore, &notAfter, &recordState, &reason, &revokedAt, &remindAt, &r.DER,
	}, behind...)...)
	if err != nil {
		return a, r, err
	}
	var ok bool
	if r.Serial, ok = new(big.Int).SetString(serial, 16); !ok {
		return a, r, fmt.Errorf("sqlstore: serial %q is not hexadecimal", serial)
	}
	a.Opened, a.State = instant(opened), pki.State(state)
	r.Use, r.NotBefore, r.NotAfter = pki.Use(purpose), instant(notBefore), instant(notAfter)
	r.State, r.Reason = pki.State(recordState), int(reason)
	if r.State == pki.Held || r.State == pki.Revoked {
		r.RevokedAt = instant(revokedAt)
	}
	if remindAt > 0 {
		r.RemindAt = instant(remindAt)
	}
	adopt(&r, a)
	return a, r, nil
}

func adopt(r *pki.Record, a pki.Act) {
	r.Act, r.Issuer, r.UserID, r.Lineage, r.Generation, r.Opened = a.ID, a.Issuer, a.UserID, a.Lineage, a.Generation, a.Opened
}

func keyHash(r pki.Record) []byte {
	sum := sha256.Sum256(r.PublicKey)
	return sum[:]
}

func serialText(n *big.Int) string { return fmt.Sprintf("%032x", n) }

func serials(a pki.Act) string {
	var out []string
	for _, r := range a.Records {
		out = append(out, serialText(r.Serial))
	}
	return strings.Join(out, ",")
}
