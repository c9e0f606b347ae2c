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
	// Now is the transaction's time, in whole seconds of UTC.
	Now() time.Time

	InsertSite(ctx context.Context, s Site) error
	Site(ctx context.Context, ods string) (Site, error)
	// Sites are up to limit of those whose code comes after the one given, in
	// the order of codes.
	Sites(ctx context.Context, after string, limit int) ([]Site, error)

	InsertAccount(ctx context.Context, a AccountRecord) error
	Account(ctx context.Context, address string) (AccountRecord, error)
	UpdateAccount(ctx context.Context, a AccountRecord) error
	CountAccounts(ctx context.Context, ods string) (int, error)
	// SiteAccounts are up to limit of the site's whose address comes after the
	// one given, in the order of addresses.
	SiteAccounts(ctx context.Context, ods, after string, limit int) ([]AccountRecord, error)

	InsertShared(ctx context.Context, s Shared) error
	// Shared is found by its address in any case.
	Shared(ctx context.Context, address string) (Shared, error)
	CountShared(ctx context.Context, ods string) (int, error)
	// SiteShared are all of the site's, in the order of addresses.
	SiteShared(ctx context.Context, ods string) ([]Shared, error)

	// ReplaceAnswers forgets the account's questions and keeps these.
	ReplaceAnswers(ctx context.Context, address string, answers []AnswerRecord) error
	// Answers are in the order in which they were set.
	Answers(ctx context.Context, address string) ([]AnswerRecord, error)

	// InsertSession also forgets the sessions that have ended.
	InsertSession(ctx context.Context, s SessionRecord) error
	Session(ctx context.Context, tokenHash []byte) (SessionRecord, error)
	// DeleteSessions ends the account's sessions but the one with that hash,
	// which may be nil.
	DeleteSessions(ctx context.Context, address string, but []byte) error

	// Audit appends a row to the chain; it is called last in a transaction.
	Audit(ctx context.Context, actor, action, subject, detail string) error
	// VerifyAudit counts the rows of an unbroken chain, or names the first bad
	// one in its error.
	VerifyAudit(ctx context.Context) (int64, error)
}
