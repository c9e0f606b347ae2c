// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

const siteColumns = "ods, name, cqc_location, postcode, pharmacy, manager_id, manager_email, landline, more_accounts, more_shared"

func siteValues(s mailpolicy.Site) []any {
	return []any{
		s.ODS, s.Name, s.CQCLocation, s.Postcode, s.Pharmacy, s.ManagerID, s.ManagerEmail, s.Landline, int64(s.MoreAccounts), int64(s.MoreShared),
	}
}

func (t tx) InsertSite(ctx context.Context, s mailpolicy.Site) error {
	return t.insert(ctx, "INSERT INTO mail_site ("+siteColumns+", opened) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		append(siteValues(s), s.Opened.Unix())...)
}

func (t tx) Site(ctx context.Context, ods string) (mailpolicy.Site, error) {
	return one(t.QueryRowContext(ctx, selectSite+" WHERE ods = $1", ods), scanSite)
}

// UpdateSite changes everything but the code and the day of opening.
func (t tx) UpdateSite(ctx context.Context, s mailpolicy.Site) error {
	return t.changed(ctx, `UPDATE mail_site SET name = $2, cqc_location = $3, postcode = $4, pharmacy = $5, manager_id = $6,
		manager_email = $7, landline = $8, more_accounts = $9, more_shared = $10 WHERE ods = $1`, siteValues(s)...)
}

func (t tx) Sites(ctx context.Context, after string, limit int) ([]mailpolicy.Site, error) {
	return all(ctx, t, scanSite, selectSite+" WHERE ods > $1 ORDER BY ods LIMIT $2", after, limit)
}

func (t tx) SitesAt(ctx context.Context, postcode string, limit int) ([]mailpolicy.Site, error) {
	return all(ctx, t, scanSite, selectSite+" WHERE postcode = $1 ORDER BY ods LIMIT $2", postcode, limit)
}

const selectSite = "SELECT " + siteColumns + ", opened FROM mail_site"

func scanSite(row scanner) (s mailpolicy.Site, err error) {
	var opened int64
	err = row.Scan(&s.ODS, &s.Name, &s.CQCLocation, &s.Postcode, &s.Pharmacy, &s.ManagerID, &s.ManagerEmail, &s.Landline, &s.MoreAccounts, &s.MoreShared, &opened)
	s.Opened = at(opened)
	return s, err
}

const accountColumns = `ods, name, purpose, mobile, registered_mobile, password_hash, activation, questions_set, policy_version,
	wrong, locked, disabled, recovered, used, inactive, disabled_at, leaver, deleted, removed, hidden, confirmed_mobile, desk_turn, due, password_set`

func accountValues(a mailpolicy.AccountRecord) []any {
	return []any{
		a.Address, a.Site, a.Name, a.Purpose, a.Mobile, a.RegisteredMobile, a.PasswordHash, string(a.Activation),
		a.QuestionsSet, a.PolicyVersion, int64(a.Wrong), a.Locked, a.Disabled, unix(a.Recovered),
		unix(a.Used), unix(a.Inactive), unix(a.DisabledAt), unix(a.Leaver), unix(a.Deleted), a.Removed,
		a.Hidden, a.ConfirmedMobile, int64(a.DeskTurn), unix(a.Due), unix(a.PasswordSet),
	}
}

func (t tx) InsertAccount(ctx context.Context, a mailpolicy.AccountRecord) error {
	return t.insert(ctx, "INSERT INTO mail_account (address, "+accountColumns+`, opened)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)`,
		append(accountValues(a), a.Opened.Unix())...)
}

func (t tx) Account(ctx context.Context, address string) (mailpolicy.AccountRecord, error) {
	return one(t.QueryRowContext(ctx, selectAccount+" WHERE address = $1", address), scanAccount)
}

func (t tx) SiteAccounts(ctx context.Context, ods, after string, limit int) ([]mailpolicy.AccountRecord, error) {
	return all(ctx, t, scanAccount, selectAccount+" WHERE ods = $1 AND address > $2 AND NOT removed ORDER BY address LIMIT $3", ods, after, limit)
}

const selectAccount = "SELECT address, " + accountColumns + ", opened FROM mail_account"

func scanAccount(row scanner) (a mailpolicy.AccountRecord, err error) {
	var activation string
	var opened, recovered, used, inactive, disabledAt, leaver, deleted, due, passwordSet int64
	err = row.Scan(&a.Address, &a.Site, &a.Name, &a.Purpose, &a.Mobile, &a.RegisteredMobile, &a.PasswordHash, &activation,
		&a.QuestionsSet, &a.PolicyVersion, &a.Wrong, &a.Locked, &a.Disabled, &recovered,
		&used, &inactive, &disabledAt, &leaver, &deleted, &a.Removed, &a.Hidden, &a.ConfirmedMobile, &a.DeskTurn, &due, &passwordSet, &opened)
	a.Activation, a.Opened, a.Recovered = mailpolicy.Activation(activation), at(opened), maybeAt(recovered)
	a.Used, a.Inactive, a.DisabledAt, a.Due = maybeAt(used), maybeAt(inactive), maybeAt(disabledAt), maybeAt(due)
	a.Leaver, a.Deleted, a.PasswordSet = maybeAt(leaver), maybeAt(deleted), maybeAt(passwordSet)
	return a, err
}

// UpdateAccount changes everything but the address and the day of opening.
func (t tx) UpdateAccount(ctx context.Context, a mailpolicy.AccountRecord) error {
	return t.changed(ctx, `UPDATE mail_account SET ods = $2, name = $3, purpose = $4, mobile = $5, registered_mobile = $6,
		password_hash = $7, activation = $8, questions_set = $9, policy_version = $10, wrong = $11, locked = $12, disabled = $13,
		recovered = $14, used = $15, inactive = $16, disabled_at = $17, leaver = $18, deleted = $19, removed = $20, hidden = $21,
		confirmed_mobile = $22, desk_turn = $23, due = $24, password_set = $25 WHERE address = $1`, accountValues(a)...)
}

func (t tx) CountAccounts(ctx context.Context, ods string) (int, error) {
	var n int
	err := t.QueryRowContext(ctx, "SELECT count(*) FROM mail_account WHERE ods = $1 AND deleted = 0 AND leaver = 0", ods).Scan(&n)
	return n, err
}

func (t tx) DueAccounts(ctx context.Context, limit int) ([]mailpolicy.AccountRecord, error) {
	return all(ctx, t, scanAccount, selectAccount+" WHERE due > 0 AND due <= $1 ORDER BY due LIMIT $2", t.Now().Unix(), limit)
}

func (t tx) NextDue(ctx context.Context) (time.Time, error) {
	var due int64
	err := t.QueryRowContext(ctx, "SELECT coalesce(min(due), 0) FROM mail_account WHERE due > 0").Scan(&due)
	return maybeAt(due), err
}
