// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"fmt"
)

// Anchor is a point of the audit's chain, to be kept where those who can write the database can't. As JSON it is one line
// of the file of anchors that the command examples/auditcheck reads.
type Anchor struct {
	Room string `json:"room"` // "careid"
	Seq  int64  `json:"seq"`  // how many rows there were; 0 is the empty chain
	Hash []byte `json:"hash"` // of the last one; 32 bytes
}

// BrokenAuditError says where the audit stops being what was written.
type BrokenAuditError struct {
	Seq int64 // the first row that is wrong or missing
	Why string
}

func (e *BrokenAuditError) Error() string {
	return fmt.Sprintf("careid: audit, row %d: %s", e.Seq, e.Why)
}

// AuditAnchor exports the audit's newest point. It verifies nothing: an anchor is worth what VerifyAuditAgainst said when
// it was taken, and then shows every later change of the rows before it, also by who can rebuild the whole chain or puts an
// old copy of the database back.
func (s *Service) AuditAnchor(ctx context.Context) (Anchor, error) {
	var a Anchor
	err := s.read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		a, err = tx.Audit.Head(ctx)
		return err
	})
	return a, err
}

// VerifyAuditAgainst is VerifyAudit with anchors that were exported before, in any order, and returns the newest point, the
// next one to keep. A *BrokenAuditError names the first bad row; between an anchor that holds and the next one that
// doesn't, a chain that was rebuilt can't be told row by row, and the latter's row is named. An anchor of another room is
// an error.
func (s *Service) VerifyAuditAgainst(ctx context.Context, anchors []Anchor) (Anchor, error) {
	var newest Anchor
	err := s.read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		newest, err = tx.Audit.VerifyAgainst(ctx, anchors)
		return err
	})
	return newest, err
}

// VerifyAudit reads the whole chain of this room and returns how many rows it has; a *BrokenAuditError names the first bad one.
func (s *Service) VerifyAudit(ctx context.Context) (int64, error) {
	var rows int64
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		rows, err = tx.Audit.Verify(ctx)
		return err
	})
	return rows, err
}

// Audit reads up to limit rows after a sequence number: for the operator only.
func (s *Service) Audit(ctx context.Context, a Actor, after int64, limit int) ([]AuditEntry, error) {
	if a.operator == "" {
		return nil, s.no("role.action", "role", string(a.role), "action", "read the audit", "who", "the operator")
	}
	var rows []AuditEntry
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		rows, err = tx.Audit.Entries(ctx, after, limit)
		return err
	})
	return rows, err
}
