// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (t tx) InsertSite(ctx context.Context, s mailpolicy.Site) error {
	return t.insert(ctx, "INSERT INTO mail_site (ods, name, cqc_location, opened) VALUES ($1, $2, $3, $4)",
		s.ODS, s.Name, s.CQCLocation, s.Opened.Unix())
}

func (t tx) Site(ctx context.Context, ods string) (mailpolicy.Site, error) {
	return one(t.QueryRowContext(ctx, selectSite+" WHERE ods = $1", ods), scanSite)
}

func (t tx) Sites(ctx context.Context, after string, limit int) ([]mailpolicy.Site, error) {
	return all(ctx, t, scanSite, selectSite+" WHERE ods > $1 ORDER BY ods LIMIT $2", after, limit)
}

const selectSite = "SELECT ods, name, cqc_location, opened FROM mail_site"

func scanSite(row scanner) (s mailpolicy.Site, err error) {
	var opened int64
	err = row.Scan(&s.ODS, &s.Name, &s.CQCLocation, &opened)
	s.Opened = at(opened)
	return s, err
}

const accountColumns = "ods, name, purpose, mobile, registered_mobile, password_hash, activation, questions_set, policy_version, wrong, locked, disabled, recovered"

func accountValues(a mailpolicy.AccountRecord) []any {
	return []any{
		a.Address, a.Site, a.Name, a.Purpose, a.Mobile, a.RegisteredMobile, a.PasswordHash, string(a.Activation),
		a.QuestionsSet, a.PolicyVersion, int64(a.Wrong), a.Locked, a.Disabled, unix(a.Recovered),
	}
}

func (t tx) InsertAccount(ctx context.Context, a mailpolicy.AccountRecord) error {
	return t.insert(ctx, "INSERT INTO mail_account (address, "+accountColumns+", opened) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
		append(accountValues(a), a.Opened.Unix())...)
}

func (t tx) Account(ctx context.Context, address string) (mailpolicy.AccountRecord, error) {
	return one(t.QueryRowContext(ctx, selectAccount+" WHERE address = $1", address), scanAccount)
}

func (t tx) SiteAccounts(ctx context.Context, ods, after string, limit int) ([]mailpolicy.AccountRecord, error) {
	return all(ctx, t, scanAccount, selectAccount+" WHERE ods = $1 AND address > $2 ORDER BY address LIMIT $3", ods, after, limit)
}

const selectAccount = "SELECT address, " + accountColumns + ", opened FROM mail_account"

func scanAccount(row scanner) (a mailpolicy.AccountRecord, err error) {
	var activation string
	var opened, recovered int64
	err = row.Scan(&a.Address, &a.Site, &a.Name, &a.Purpose, &a.Mobile, &a.RegisteredMobile, &a.PasswordHash, &activation,
		&a.QuestionsSet, &a.PolicyVersion, &a.Wrong, &a.Locked, &a.Disabled, &recovered, &opened)
	a.Activation, a.Opened, a.Recovered = mailpolicy.Activation(activation), at(opened), maybeAt(recovered)
	return a, err
}

// UpdateAccount changes everything but the address and the day of opening.
func (t tx) UpdateAccount(ctx context.Context, a mailpolicy.AccountRecord) error {
	result, err := t.ExecContext(ctx, `UPDATE mail_account SET ods = $2, name = $3, purpose = $4, mobile = $5, registered_mobile = $6,
		password_hash = $7, activation = $8, questions_set = $9, policy_version = $10, wrong = $11, locked = $12, disabled = $13, recovered = $14
		WHERE address = $1`, accountValues(a)...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return mailpolicy.ErrNotFound
}

func (t tx) CountAccounts(ctx context.Context, ods string) (int, error) {
	var n int
	err := t.QueryRowContext(ctx, "SELECT count(*) FROM mail_account WHERE ods = $1", ods).Scan(&n)
	return n, err
}

func (t tx) InsertShared(ctx context.Context, s mailpolicy.Shared) error {
	return t.insert(ctx, "INSERT INTO mail_shared (address_key, address, ods, owner, opened) VALUES (lower($1), $2, $3, $4, $5)",
		s.Address, s.Address, s.Site, s.Owner, s.Opened.Unix())
}

func (t tx) Shared(ctx context.Context, address string) (mailpolicy.Shared, error) {
	return one(t.QueryRowContext(ctx, selectShared+" WHERE address_key = lower($1)", address), scanShared)
}

func (t tx) SiteShared(ctx context.Context, ods string) ([]mailpolicy.Shared, error) {
	return all(ctx, t, scanShared, selectShared+" WHERE ods = $1 ORDER BY address_key", ods)
}

const selectShared = "SELECT address, ods, owner, opened FROM mail_shared"

func scanShared(row scanner) (s mailpolicy.Shared, err error) {
	var opened int64
	err = row.Scan(&s.Address, &s.Site, &s.Owner, &opened)
	s.Opened = at(opened)
	return s, err
}

func (t tx) CountShared(ctx context.Context, ods string) (int, error) {
	var n int
	err := t.QueryRowContext(ctx, "SELECT count(*) FROM mail_shared WHERE ods = $1", ods).Scan(&n)
	return n, err
}

func (t tx) ReplaceAnswers(ctx context.Context, address string, answers []mailpolicy.AnswerRecord) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mail_answer WHERE address = $1", address); err != nil {
		return err
	}
	for i, a := range answers {
		if err := t.insert(ctx, "INSERT INTO mail_answer (address, position, question, answer_hash) VALUES ($1, $2, $3, $4)",
			address, int64(i), a.Question, a.AnswerHash); err != nil {
			return err
		}
	}
	return nil
}

func (t tx) Answers(ctx context.Context, address string) ([]mailpolicy.AnswerRecord, error) {
	scan := func(row scanner) (a mailpolicy.AnswerRecord, err error) {
		err = row.Scan(&a.Question, &a.AnswerHash)
		return a, err
	}
	return all(ctx, t, scan, "SELECT question, answer_hash FROM mail_answer WHERE address = $1 ORDER BY position", address)
}

func (t tx) InsertSession(ctx context.Context, s mailpolicy.SessionRecord) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mail_session WHERE expires <= $1", t.Now().Unix()); err != nil {
		return err
	}
	return t.insert(ctx, "INSERT INTO mail_session (token_hash, address, expires) VALUES ($1, $2, $3)",
		s.TokenHash, s.Address, s.Expires.Unix())
}

func (t tx) Session(ctx context.Context, tokenHash []byte) (mailpolicy.SessionRecord, error) {
	s := mailpolicy.SessionRecord{TokenHash: tokenHash}
	var expires int64
	err := t.QueryRowContext(ctx, "SELECT address, expires FROM mail_session WHERE token_hash = $1", tokenHash).
		Scan(&s.Address, &expires)
	if err != nil {
		return mailpolicy.SessionRecord{}, missing(err)
	}
	s.Expires = at(expires)
	return s, nil
}

// DeleteSessions compares with an empty hash where none is to stay: no session
// has that.
func (t tx) DeleteSessions(ctx context.Context, address string, but []byte) error {
	if but == nil {
		but = []byte{}
	}
	_, err := t.ExecContext(ctx, "DELETE FROM mail_session WHERE address = $1 AND token_hash <> $2", address, but)
	return err
}
