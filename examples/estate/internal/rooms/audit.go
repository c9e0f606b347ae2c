// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	pkistore "github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

// What can be wrong with asking for a row of an audit.
var (
	ErrNoRoom = errors.New("estate: there is no such audit")
	ErrNoRow  = errors.New("estate: the audit has no such row")
)

// AuditedRooms keep a chain each; the OpenID Provider keeps one beside careid's, and
// the gateway one of what is picked up beside that of the mail accounts.
func AuditedRooms() []string { return []string{"careid", "openid", "pki", "mail", "mailgate"} }

// VerifyAudits walks every room's chain and counts its rows. A broken chain is
// an error that names its first bad row.
func (r *Rooms) VerifyAudits(ctx context.Context) (map[string]int64, error) {
	rows := map[string]int64{}
	for _, room := range AuditedRooms() {
		n, err := verify(ctx, r.db, room)
		if err != nil {
			return nil, err
		}
		rows[room] = n
	}
	return rows, nil
}

// Tampered copies the database aside, changes the detail of one row of one
// room's audit in the copy, and tells what verifying the copy finds: the first
// bad row. The copy is deleted. Errors: ErrNoRoom, ErrNoRow.
func (r *Rooms) Tampered(ctx context.Context, room string, seq int64) (*chain.BrokenError, error) {
	if !slices.Contains(AuditedRooms(), room) {
		return nil, ErrNoRoom
	}
	dir, err := os.MkdirTemp(r.dir, ".copy-")
	if err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left of it is nobody's
	file := filepath.Join(dir, "copy.db")
	if _, err := r.db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return nil, fmt.Errorf("estate: copying the database: %w", err)
	}
	copied, err := sqlkit.OpenSQLite(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = copied.Close() }() // a copy that is thrown away
	changed, err := copied.ExecContext(ctx, "UPDATE "+room+"_audit SET detail = detail || ' (changed)' WHERE seq = ?", seq)
	if err != nil {
		return nil, fmt.Errorf("estate: changing the copy: %w", err)
	}
	if n, err := changed.RowsAffected(); err != nil || n != 1 {
		return nil, errors.Join(ErrNoRow, err)
	}
	_, err = verify(ctx, copied, room)
	if broken, ok := errors.AsType[*chain.BrokenError](err); ok {
		return broken, nil
	}
	return nil, errors.Join(errors.New("estate: the changed copy was not found out"), err)
}

// verify walks one chain. That of pki is held against what it records, too.
func verify(ctx context.Context, db *sql.DB, room string) (rows int64, err error) {
	if room == "pki" {
		ledger, err := pkistore.Open(ctx, pkistore.Config{DB: db})
		if err != nil {
			return 0, err
		}
		defer func() { _ = ledger.Close() }() // nothing was written
		return ledger.VerifyAudit(ctx)
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, fmt.Errorf("estate: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	head, err := chain.VerifyAgainst(ctx, tx, room, nil)
	return head.Seq, err
}
