// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// InsertShared looks for the address first: where two transactions take the same
// one at once, PostgreSQL then fails the second for that it must be run again, and
// not for a row that its own count has not seen.
func (t tx) InsertShared(ctx context.Context, s mailpolicy.Shared) error {
	var there int
	if err := t.QueryRowContext(ctx, "SELECT count(*) FROM mail_shared WHERE address_key = lower($1)", s.Address).Scan(&there); err != nil {
		return err
	}
	if there > 0 {
		return mailpolicy.ErrExists
	}
	return t.insert(ctx, "INSERT INTO mail_shared (address_key, address, ods, opened) VALUES (lower($1), $2, $3, $4)",
		s.Address, s.Address, s.Site, s.Opened.Unix())
}

func (t tx) Shared(ctx context.Context, address string) (mailpolicy.Shared, error) {
	s, err := one(t.QueryRowContext(ctx, selectShared+" WHERE address_key = lower($1)", address), scanShared)
	if err != nil {
		return mailpolicy.Shared{}, err
	}
	return s, t.members(ctx, &s)
}

func (t tx) SiteShared(ctx context.Context, ods string) ([]mailpolicy.Shared, error) {
	found, err := all(ctx, t, scanShared, selectShared+" WHERE ods = $1 ORDER BY address_key", ods)
	for i := range found {
		if err == nil {
			err = t.members(ctx, &found[i])
		}
	}
	return found, err
}

const selectShared = "SELECT address, ods, opened FROM mail_shared"

func scanShared(row scanner) (s mailpolicy.Shared, err error) {
	var opened int64
	err = row.Scan(&s.Address, &s.Site, &opened)
	s.Opened = at(opened)
	return s, err
}

func (t tx) CountShared(ctx context.Context, ods string) (int, error) {
	var n int
	err := t.QueryRowContext(ctx, "SELECT count(*) FROM mail_shared WHERE ods = $1", ods).Scan(&n)
	return n, err
}

const selectMember = "SELECT address_key, account, owner FROM mail_member"

func scanMember(row scanner) (m mailpolicy.MemberRecord, err error) {
	err = row.Scan(&m.Shared, &m.Account, &m.Owner)
	return m, err
}

// members fills in who may open a shared mailbox.
func (t tx) members(ctx context.Context, s *mailpolicy.Shared) error {
	found, err := all(ctx, t, scanMember, selectMember+" WHERE address_key = lower($1) ORDER BY account", s.Address)
	for _, m := range found {
		if m.Owner {
			s.Owners = append(s.Owners, m.Account)
		} else {
			s.Members = append(s.Members, m.Account)
		}
	}
	return err
}

func (t tx) PutMember(ctx context.Context, m mailpolicy.MemberRecord) error {
	_, err := t.ExecContext(ctx, `INSERT INTO mail_member (address_key, account, owner) VALUES (lower($1), $2, $3)
		ON CONFLICT (address_key, account) DO UPDATE SET owner = $3`, m.Shared, m.Account, m.Owner)
	return err
}

func (t tx) DeleteMember(ctx context.Context, shared, account string) error {
	_, err := t.ExecContext(ctx, "DELETE FROM mail_member WHERE address_key = lower($1) AND account = $2", shared, account)
	return err
}

func (t tx) Memberships(ctx context.Context, account string) ([]mailpolicy.MemberRecord, error) {
	return all(ctx, t, scanMember, selectMember+" WHERE account = $1 ORDER BY address_key", account)
}
