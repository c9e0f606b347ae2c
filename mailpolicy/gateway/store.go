// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"time"
)

// ErrFull says that there is no room for what was to be kept.
var ErrFull = errors.New("gateway: the store is full")

// Store keeps what the gateway has taken until it is delivered.
// mailpolicy/gateway/sqlstore is one on SQLite and PostgreSQL, and the suite of
// gatewaytest says what any other must do. Several gateways may share one.
type Store interface {
	// Write runs fn in a transaction. When it returns nil, what fn wrote is
	// durable; otherwise none of it is there. fn may run more than once. Where the
	// disk is full, the error is ErrFull.
	Write(ctx context.Context, fn func(ctx context.Context, tx StoreTx) error) error
	// Read runs fn on a snapshot, on which it can't write.
	Read(ctx context.Context, fn func(ctx context.Context, tx StoreTx) error) error
}

// StoreTx is a transaction. Where a row is missing its methods return
// mailpolicy.ErrNotFound, where one is there already mailpolicy.ErrExists.
type StoreTx interface {
	// Now is the calendar and Wall the machine's clock, each one time a
	// transaction, in whole seconds.
	Now() time.Time
	Wall() time.Time

	InsertCopy(ctx context.Context, c Copy) error
	UpdateCopy(ctx context.Context, c Copy) error
	Copy(ctx context.Context, id string) (Copy, error)
	// DeleteCopy deletes a copy with its pieces and its parcel, where it is there.
	DeleteCopy(ctx context.Context, id string) error
	// DueCopies returns whole copies that are not parked and whose Try is at or
	// before Wall, or more than MaxPause after it, the earliest first.
	DueCopies(ctx context.Context, limit int) ([]Copy, error)
	// DeleteBroken deletes copies that are not whole and begun before an instant.
	DeleteBroken(ctx context.Context, begunBefore time.Time) error

	// Held is the sum of all copies' Bytes, whole or not.
	Held(ctx context.Context) (bytes int64, err error)

	// InsertPiece fails where there is no such copy.
	InsertPiece(ctx context.Context, id string, n int, data []byte) error
	Piece(ctx context.Context, id string, n int) ([]byte, error)

	// InsertParcel fails where there is no such copy.
	InsertParcel(ctx context.Context, p Parcel) error
	UpdateParcel(ctx context.Context, p Parcel) error
	Parcel(ctx context.Context, id string) (Parcel, error)
	// OldestParcels returns the parcels that expire first.
	OldestParcels(ctx context.Context, limit int) ([]Parcel, error)

	// Remember keeps a mark until an instant of Now, exclusive, also where it is
	// there already, and deletes those whose time has ended.
	Remember(ctx context.Context, mark []byte, until time.Time) error
	// Remembered reports a mark whose time has not ended.
	Remembered(ctx context.Context, mark []byte) (bool, error)

	// Audit appends a row to the chain of the audit, at the calendar's time; nothing
	// but other rows of it comes after that in a transaction.
	Audit(ctx context.Context, actor, action, subject, detail string) error
	// AuditRows returns the rows after one, in their order.
	AuditRows(ctx context.Context, after int64, limit int) ([]AuditRow, error)
	// VerifyAudit counts the rows of an unbroken chain, or names the first bad one
	// in its error.
	VerifyAudit(ctx context.Context) (int64, error)

	// KeyCheck is what SetKeyCheck kept.
	KeyCheck(ctx context.Context) ([]byte, error)
	SetKeyCheck(ctx context.Context, check []byte) error
	// Empty reports that no copy is there.
	Empty(ctx context.Context) (bool, error)
}

// Copy is one copy of a message in the Store. Its pieces are sealed as its
// envelope is: the Store sees no address and no word of a message.
type Copy struct {
	// ID is 32 hexadecimal digits, drawn at random.
	ID string
	// Envelope says from whom and to whom, sealed.
	Envelope []byte
	// Whole says that all its pieces are there. What is not whole was never
	// answered for.
	Whole bool
	// Begun is when it was taken.
	Begun time.Time
	// Try is when it may next be tried. Whoever tries it moves this on first, so
	// that nobody else does meanwhile.
	Try time.Time
	// Tries counts how often it was tried.
	Tries int
	// Parked says that it is not delivered but fetched; see Parcel.
	Parked bool
	// Bytes is how long the envelope and the pieces are that were written so far, but
	// for some tens of bytes.
	Bytes int64
}

// Parcel is what is known of a parked copy: it waits for one recipient, who has
// a link to it. The copy's content and Address are sealed under a key that only
// the link carries.
type Parcel struct {
	// ID is the copy's.
	ID string
	// Address is the recipient's, sealed.
	Address []byte
	// Expires is the end of its time, by the calendar.
	Expires time.Time
	// Read says that somebody has opened it.
	Read bool
	// Passcode is a keyed hash of the one that was sent last, nil for none;
	// PasscodeExpires is by the calendar, PasscodeSent by the machine's clock.
	Passcode                      []byte
	PasscodeExpires, PasscodeSent time.Time
	// Passcodes counts those sent, Tries what was typed for the last of them.
	Passcodes, Tries int
	// Reader is a hash of the cookie of whoever opened it last.
	Reader        []byte
	ReaderExpires time.Time
}

// AuditRow is a row of the audit.
type AuditRow struct {
	Seq                            int64 // from 1, without gaps
	At                             time.Time
	Actor, Action, Subject, Detail string
}
