// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound says that a Store has no such row, ErrExists that it has one
// already.
var (
	ErrNotFound = errors.New("mailpolicy: not found")
	ErrExists   = errors.New("mailpolicy: exists already")
)

// Store keeps sites, accounts, shared mailboxes, sessions and the audit chain.
// mailtest.TestStore is the suite that every implementation passes.
type Store interface {
	// Write runs fn in a transaction that behaves as if it were alone, and
	// returns once its commit is durable. An error of fn rolls back and is
	// returned. fn may run again and must have no effect outside tx.
	Write(ctx context.Context, fn func(ctx context.Context, tx StoreTx) error) error
	// Read runs fn on a snapshot.
	Read(ctx context.Context, fn func(ctx context.Context, tx StoreTx) error) error
}

// StoreTx is one transaction. Methods that find nothing return ErrNotFound;
// inserts of what is there return ErrExists.
type StoreTx interface {
	// Now is the transaction's time by the calendar, Wall by the machine's
	// clock, in whole seconds of UTC.
	Now() time.Time
	Wall() time.Time

	SiteTx
	AccountTx
	SharedTx
	CredentialTx
	SessionTx
	RecoveryTx
	AuditTx
}

// SiteTx is a transaction's sites.
type SiteTx interface {
	InsertSite(ctx context.Context, s Site) error
	Site(ctx context.Context, ods string) (Site, error)
	// Sites are up to limit of those whose code comes after the one given, in
	// the order of codes.
	Sites(ctx context.Context, after string, limit int) ([]Site, error)
	// UpdateSite changes everything but the code and the day of opening.
	UpdateSite(ctx context.Context, s Site) error
	// SitesAt are up to limit of those with that postcode, in the order of codes.
	SitesAt(ctx context.Context, postcode string, limit int) ([]Site, error)
}

// AccountTx is a transaction's accounts.
type AccountTx interface {
	InsertAccount(ctx context.Context, a AccountRecord) error
	Account(ctx context.Context, address string) (AccountRecord, error)
	UpdateAccount(ctx context.Context, a AccountRecord) error
	// CountAccounts counts the site's accounts that are neither deleted nor
	// leaving.
	CountAccounts(ctx context.Context, ods string) (int, error)
	// DueAccounts are up to limit of those whose Due is not after Now, the
	// earliest first. NextDue is the earliest Due of all, zero where none is.
	DueAccounts(ctx context.Context, limit int) ([]AccountRecord, error)
	NextDue(ctx context.Context) (time.Time, error)
	// SiteAccounts are up to limit of the site's that are not Removed and whose
	// address comes after the one given, in the order of addresses.
	SiteAccounts(ctx context.Context, ods, after string, limit int) ([]AccountRecord, error)
}

// SharedTx is a transaction's shared mailboxes, with who owns and who uses them.
type SharedTx interface {
	// InsertShared leaves Owners and Members to PutMember.
	InsertShared(ctx context.Context, s Shared) error
	// Shared is found by its address in any case, with its owners and members.
	Shared(ctx context.Context, address string) (Shared, error)
	CountShared(ctx context.Context, ods string) (int, error)
	// SiteShared are all of the site's, in the order of addresses.
	SiteShared(ctx context.Context, ods string) ([]Shared, error)
	// PutMember adds a member of a shared mailbox, or changes whether it is an
	// owner. DeleteMember does nothing where there is none. Memberships are those
	// of an account, in the order of the mailboxes' addresses, which are in lower
	// case there.
	PutMember(ctx context.Context, m MemberRecord) error
	DeleteMember(ctx context.Context, shared, account string) error
	Memberships(ctx context.Context, account string) ([]MemberRecord, error)
}

// CredentialTx is what accounts are opened with: hashes of passwords and answers.
type CredentialTx interface {
	// KeepPassword adds a hash to the account's earlier ones and forgets all but
	// the latest most of them. Passwords are those, the latest first.
	KeepPassword(ctx context.Context, address, hash string, most int) error
	Passwords(ctx context.Context, address string) ([]string, error)

	// ReplaceAnswers forgets the account's questions and keeps these.
	ReplaceAnswers(ctx context.Context, address string, answers []AnswerRecord) error
	// Answers are in the order in which they were set.
	Answers(ctx context.Context, address string) ([]AnswerRecord, error)
}

// SessionTx is a transaction's sessions of the portal.
type SessionTx interface {
	// InsertSession also forgets the sessions that have ended.
	InsertSession(ctx context.Context, s SessionRecord) error
	Session(ctx context.Context, tokenHash []byte) (SessionRecord, error)
	// DeleteSession ends one session, and does nothing where there is none.
	DeleteSession(ctx context.Context, tokenHash []byte) error
	// DeleteSessions ends the account's sessions but the one with that hash,
	// which may be nil.
	DeleteSessions(ctx context.Context, address string, but []byte) error
	// SetPrivate changes one session.
	SetPrivate(ctx context.Context, tokenHash []byte, private bool) error
}

// RecoveryTx is the recoveries under way, and the tries that are counted.
type RecoveryTx interface {
	// PutRecovery replaces the recovery of its address and forgets those that
	// have ended.
	PutRecovery(ctx context.Context, r RecoveryRecord) error
	Recovery(ctx context.Context, tokenHash []byte) (RecoveryRecord, error)
	RecoveryOf(ctx context.Context, address string) (RecoveryRecord, error)
	DeleteRecovery(ctx context.Context, address string) error

	// PutTries replaces a count and forgets those whose Until is past. Tries of
	// what was never counted are a zero count.
	PutTries(ctx context.Context, t TriesRecord) error
	Tries(ctx context.Context, what string) (TriesRecord, error)
}

// AuditTx is the audit chain.
type AuditTx interface {
	// Audit appends a row to the chain; it is called last in a transaction.
	Audit(ctx context.Context, actor, action, subject, detail string) error
	// VerifyAudit counts the rows of an unbroken chain, or names the first bad
	// one in its error.
	VerifyAudit(ctx context.Context) (int64, error)
}
