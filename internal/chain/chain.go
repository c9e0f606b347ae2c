// SPDX-License-Identifier: Apache-2.0

// Package chain is the audit of a room: rows that are only ever added, each
// holding the hash of the one before it, written in the same transaction as
// what they record.
//
// The room's migration makes two tables, here for the room "pki":
//
//	CREATE TABLE pki_audit (
//	  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
//	  subject TEXT NOT NULL, detail TEXT NOT NULL, prev BYTEA NOT NULL, hash BYTEA NOT NULL);
//	CREATE TABLE pki_audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);
//
// The head is one row, id 1, which the first Append makes. It holds how many
// rows there are, so that a tail that was cut off is missed.
//
// # What it proves
//
// Verify names the first row that was changed, removed, swapped or added by
// hand. Who can write the tables and knows this package can also rebuild the
// whole chain, or put an old copy of the database back: only an [Anchor] kept
// elsewhere ([Head], [VerifyAgainst]) shows that.
//
// Rows hold no passcode, code, key or token; that is the caller's duty.
package chain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// Entry is one row.
type Entry struct {
	// Seq counts from 1 without gaps. Append sets it.
	Seq int64

	// At is in whole seconds UTC; Append takes the transaction's Now when it is
	// zero.
	At time.Time

	// Actor did Action to Subject; Detail says what else matters.
	Actor, Action, Subject, Detail string

	// Prev is the Hash of the row before, 32 zero bytes for the first. Hash is
	// the SHA-256 of all other fields and the room's name. Append sets both.
	Prev, Hash []byte
}

// BrokenError says where a chain stops being the one that was written.
type BrokenError struct {
	Room string
	Seq  int64 // the first row that is wrong or missing
	Why  string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("chain: %s audit, row %d: %s", e.Room, e.Seq, e.Why)
}

// Append adds an entry to a room's chain and returns it as written. It locks
// the chain's head until the transaction ends, so it comes last in it. The head's
// row is written at that end, and [Head] knows what it will be.
func Append(ctx context.Context, tx *sqlkit.Tx, room string, e Entry) (Entry, error) {
	if err := validRoom(room); err != nil {
		return Entry{}, err
	}
	if e.At.IsZero() {
		e.At = tx.Now
	}
	e.At = e.At.UTC().Truncate(time.Second)
	head, err := lock(ctx, tx, room)
	if err != nil {
		return Entry{}, fmt.Errorf("chain: %s head: %w", room, err)
	}
	e.Seq, e.Prev = head.Seq+1, head.Hash
	e.Hash = e.sum(room)
	_, err = tx.ExecContext(ctx, "INSERT INTO "+room+"_audit (seq, at, actor, action, subject, detail, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		e.Seq, e.At.Unix(), e.Actor, e.Action, e.Subject, e.Detail, e.Prev, e.Hash)
	if err != nil {
		return Entry{}, fmt.Errorf("chain: %s row %d: %w", room, e.Seq, err)
	}
	tx.Keep(keptAs(room), Anchor{Seq: e.Seq, Hash: e.Hash}, func(ctx context.Context, tx *sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE "+room+"_audit_head SET seq = $1, hash = $2 WHERE id = 1", e.Seq, e.Hash)
		return err
	})
	return e, nil
}

// lock returns the chain's newest point, which no other transaction can move on
// any more. The first Append of a transaction reads it; it is kept from then on,
// and written by the end. Before the first row there is none, and it is made by
// the same statement: on PostgreSQL a plain INSERT that loses a race is an error
// for good, and this one is run again.
func lock(ctx context.Context, tx *sqlkit.Tx, room string) (head Anchor, err error) {
	if kept, ok := tx.Kept(keptAs(room)).(Anchor); ok {
		return kept, nil
	}
	err = tx.QueryRowContext(ctx, "INSERT INTO "+room+"_audit_head (id, seq, hash) VALUES (1, 0, $1)"+
		" ON CONFLICT (id) DO UPDATE SET seq = "+room+"_audit_head.seq RETURNING seq, hash", make([]byte, sha256.Size)).
		Scan(&head.Seq, &head.Hash)
	return head, err
}

// keptAs is the key of the head in a transaction.
func keptAs(room string) string { return "chain " + room }

// sum hashes an entry. Every text is preceded by its length, so that no two
// entries share an encoding.
func (e Entry) sum(room string) []byte {
	var b []byte
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) } // #nosec G115 -- the same bits
	text := func(s string) {
		number(int64(len(s)))
		b = append(b, s...)
	}
	text("wardkey/audit/v1")
	text(room)
	number(e.Seq)
	number(e.At.Unix())
	for _, s := range []string{e.Actor, e.Action, e.Subject, e.Detail, string(e.Prev)} {
		text(s)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// Verify reads a room's whole chain and returns how many rows it has. A chain
// that isn't as it was written is a *BrokenError that names its first bad row.
func Verify(ctx context.Context, tx Reader, room string) (int64, error) {
	head, err := Head(ctx, tx, room)
	if err != nil {
		return 0, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT seq, at, actor, action, subject, detail, prev, hash FROM "+room+"_audit ORDER BY seq")
	if err != nil {
		return 0, fmt.Errorf("chain: %s: %w", room, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	last := Anchor{Hash: make([]byte, sha256.Size)}
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return 0, fmt.Errorf("chain: %s after row %d: %w", room, last.Seq, err)
		}
		if why := e.follows(last, room); why != "" {
			return last.Seq, &BrokenError{Room: room, Seq: last.Seq + 1, Why: why}
		}
		last = Anchor{Seq: e.Seq, Hash: e.Hash}
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("chain: %s: %w", room, err)
	}
	return last.Seq, head.isAt(last, room)
}

func scan(rows *sql.Rows) (Entry, error) {
	var e Entry
	var at int64
	err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Subject, &e.Detail, &e.Prev, &e.Hash)
	e.At = time.Unix(at, 0).UTC()
	return e, err
}

// follows says why an entry can't stand after the one before it.
func (e Entry) follows(before Anchor, room string) string {
	switch {
	case e.Seq != before.Seq+1:
		return fmt.Sprintf("it is missing: the next row is %d", e.Seq)
	case !bytes.Equal(e.Prev, before.Hash):
		return "it does not follow the row before it"
	case !bytes.Equal(e.Hash, e.sum(room)):
		return "it was changed"
	}
	return ""
}

func validRoom(room string) error {
	if room == "" || strings.Trim(room, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("chain: %q is not a room's name", room)
	}
	return nil
}
