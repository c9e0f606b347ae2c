// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

// OpenAct implements pki.Ledger.
func (l *Ledger) OpenAct(ctx context.Context, act pki.Act, renews []*big.Int) (stored pki.Act, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		found, err := actsOf(ctx, tx, selectAct, act.ID)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			stored = found[0]
			return nil
		}
		if err := mayOpen(ctx, tx, act, renews); err != nil {
			return err
		}
		stored, err = insert(ctx, tx, act)
		return err
	})
	return stored, err
}

// mayOpen applies the rules that need the whole ledger.
func mayOpen(ctx context.Context, tx *sqlkit.Tx, act pki.Act, renews []*big.Int) error {
	var last int64
	err := tx.QueryRowContext(ctx, lastOpened).Scan(&last)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	if instant(last).Sub(act.Opened) > pki.ClockTolerance {
		return pki.ErrClock
	}
	if act.Kind == pki.ActRenew {
		if err := mayRenew(ctx, tx, renews); err != nil {
			return err
		}
	}
	first, second := keyHash(act.Records[0]), keyHash(act.Records[len(act.Records)-1])
	var seen int64
	if err := tx.QueryRowContext(ctx, countKeys, first, second).Scan(&seen); err != nil {
		return err
	}
	if seen > 0 {
		return pki.ErrKeyReused
	}
	return nil
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

// insert writes a new act. The only uniqueness that can fail here is a serial
// number's, or that of a row which another PostgreSQL server wrote meanwhile:
// asking again with other serials finds that row.
func insert(ctx context.Context, tx *sqlkit.Tx, act pki.Act) (pki.Act, error) {
	_, err := tx.ExecContext(ctx, insertAct, act.ID, act.Kind, act.Issuer, act.Fingerprint, act.Subject,
		act.UserID, act.Lineage, act.Generation, act.Opened.Unix())
	for i, r := range act.Records {
		if err != nil {
			break
		}
		_, err = tx.ExecContext(ctx, insertCertificate, serialText(r.Serial), act.ID, i, act.Issuer, string(r.Use), r.Shard,
			keyHash(r), r.PublicKey, r.NotBefore.Unix(), r.NotAfter.Unix())
	}
	if sqlkit.IsUnique(err) {
		return pki.Act{}, pki.ErrSerialTaken
	}
	if err != nil {
		return pki.Act{}, err
	}
	act.State = pki.Pending
	act.Records = append([]pki.Record(nil), act.Records...)
	for i := range act.Records {
		act.Records[i].State = pki.Pending
		adopt(&act.Records[i], act)
	}
	return act, audit(ctx, tx, act.Opened, "act.opened", act.ID,
		fmt.Sprintf("kind=%s user=%s serials=%s", act.Kind, act.UserID, serials(act)))
}

// CommitAct implements pki.Ledger.
func (l *Ledger) CommitAct(ctx context.Context, id string, certificates [][]byte, at time.Time) (pki.Act, error) {
	return l.settle(ctx, id, pki.Good, func(ctx context.Context, tx *sqlkit.Tx, act *pki.Act) error {
		if len(certificates) != len(act.Records) {
			return fmt.Errorf("sqlstore: act %s has %d certificates, not %d", id, len(act.Records), len(certificates))
		}
		for i, der := range certificates {
			if _, err := tx.ExecContext(ctx, commitCertificate, der, id, i); err != nil {
				return err
			}
			act.Records[i].State, act.Records[i].DER = pki.Good, der
		}
		return audit(ctx, tx, at, "act.committed", id, "serials="+serials(*act))
	})
}

// CloseAct implements pki.Ledger.
func (l *Ledger) CloseAct(ctx context.Context, id string, at time.Time) (pki.Act, error) {
	return l.settle(ctx, id, pki.Revoked, func(ctx context.Context, tx *sqlkit.Tx, act *pki.Act) error {
		for i := range act.Records {
			r := &act.Records[i]
			r.State, r.Reason, r.RevokedAt = pki.Revoked, 5, at
			if err := change(ctx, tx, *r); err != nil {
				return err
			}
		}
		return audit(ctx, tx, at, "act.closed", id, "serials="+serials(*act))
	})
}

// settle ends a pending act, or returns it unchanged when it has ended.
func (l *Ledger) settle(ctx context.Context, id string, state pki.State, do func(context.Context, *sqlkit.Tx, *pki.Act) error) (act pki.Act, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		found, err := actsOf(ctx, tx, selectAct, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return pki.ErrUnknownAct
		}
		if act = found[0]; act.State != pki.Pending {
			return nil
		}
		if _, err := tx.ExecContext(ctx, settleAct, string(state), id); err != nil {
			return err
		}
		act.State = state
		return do(ctx, tx, &act)
	})
	return act, err
}

// Act implements pki.Ledger.
func (l *Ledger) Act(ctx context.Context, id string) (act pki.Act, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		found, err := actsOf(ctx, tx, selectAct, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return pki.ErrUnknownAct
		}
		act = found[0]
		return nil
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
	defer rows.Close()
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

// scan reads actColumns.
func scan(rows *sql.Rows) (pki.Act, pki.Record, error) {
	var (
		a                                              pki.Act
		r                                              pki.Record
		serial, state, purpose, recordState            string
		opened, notBefore, notAfter, reason, revokedAt int64
	)
	err := rows.Scan(&a.ID, &a.Kind, &a.Issuer, &a.Fingerprint, &a.Subject, &a.UserID, &a.Lineage, &a.Generation, &opened, &state,
		&serial, &purpose, &r.Shard, &r.PublicKey, &notBefore, &notAfter, &recordState, &reason, &revokedAt, &r.DER)
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
	adopt(&r, a)
	return a, r, nil
}

func adopt(r *pki.Record, a pki.Act) {
	r.Act, r.Issuer, r.UserID, r.Lineage, r.Generation = a.ID, a.Issuer, a.UserID, a.Lineage, a.Generation
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
