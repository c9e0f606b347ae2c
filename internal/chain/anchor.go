// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// Reader is one snapshot of a database: a *sqlkit.Tx, or a *sql.Tx where
// nothing may be written, not even a migration.
type Reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Anchor is a point of a chain, to be kept where the database's
// administrators can't write.
type Anchor struct {
	Seq  int64  `json:"seq"` // 0 is the empty chain
	Hash []byte `json:"hash"`
}

// Head is the newest point of a room's chain. It verifies nothing.
func Head(ctx context.Context, tx Reader, room string) (Anchor, error) {
	if err := validRoom(room); err != nil {
		return Anchor{}, err
	}
	if tx, ok := tx.(*sqlkit.Tx); ok {
		if kept, ok := tx.Kept(keptAs(room)).(Anchor); ok {
			return kept, nil
		}
	}
	var a Anchor
	err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM "+room+"_audit_head WHERE id = 1").Scan(&a.Seq, &a.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		return Anchor{Hash: make([]byte, sha256.Size)}, nil
	}
	if err != nil {
		return Anchor{}, fmt.Errorf("chain: %s head: %w", room, err)
	}
	return a, nil
}

// Check finds an anchor taken earlier in a room's chain. A *BrokenError says
// that its row is gone or another: the chain was cut, rebuilt, or an older copy
// was put back. It does not look at the other rows; Verify does.
func Check(ctx context.Context, tx Reader, room string, a Anchor) error {
	if err := validRoom(room); err != nil {
		return err
	}
	if a.Seq == 0 {
		return nil
	}
	var hash []byte
	err := tx.QueryRowContext(ctx, "SELECT hash FROM "+room+"_audit WHERE seq = $1", a.Seq).Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return &BrokenError{Room: room, Seq: a.Seq, Why: "it is missing, and an anchor was taken of it"}
	case err != nil:
		return fmt.Errorf("chain: %s row %d: %w", room, a.Seq, err)
	case !bytes.Equal(hash, a.Hash):
		return &BrokenError{Room: room, Seq: a.Seq, Why: "it is not the row that the anchor was taken of"}
	}
	return nil
}

// VerifyAgainst is Verify with the anchors that were taken of the chain. It
// returns the chain's newest point, the next anchor to keep. A *BrokenError
// names the first bad row: between an anchor that holds and the next one that
// doesn't, a chain that was rebuilt can't be told row by row, and the latter's
// row is named.
func VerifyAgainst(ctx context.Context, tx Reader, room string, anchors []Anchor) (Anchor, error) {
	rows, err := Verify(ctx, tx, room)
	if err != nil {
		return Anchor{}, err
	}
	for _, a := range slices.SortedFunc(slices.Values(anchors), func(a, b Anchor) int { return cmp.Compare(a.Seq, b.Seq) }) {
		if a.Seq > rows {
			return Anchor{}, &BrokenError{Room: room, Seq: rows + 1, Why: fmt.Sprintf("it is missing, and an anchor was taken of row %d", a.Seq)}
		}
		if err := Check(ctx, tx, room, a); err != nil {
			return Anchor{}, err
		}
	}
	return Head(ctx, tx, room)
}

// isAt says where a chain that ends in last differs from its head.
func (a Anchor) isAt(last Anchor, room string) error {
	switch {
	case a.Seq > last.Seq:
		return &BrokenError{Room: room, Seq: last.Seq + 1, Why: fmt.Sprintf("it is missing: the head counts %d rows", a.Seq)}
	case a.Seq < last.Seq:
		return &BrokenError{Room: room, Seq: a.Seq + 1, Why: fmt.Sprintf("it was added by hand: the head counts %d rows", a.Seq)}
	case !bytes.Equal(a.Hash, last.Hash):
		return &BrokenError{Room: room, Seq: last.Seq, Why: "the head has another hash"}
	}
	return nil
}
