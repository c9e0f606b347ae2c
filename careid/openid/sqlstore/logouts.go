// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

type logouts struct{ queries }

func (l logouts) AddLogout(ctx context.Context, v openid.LogoutRow) error {
	return l.added(ctx, "INSERT INTO openid_logout (id, session, client, sid, profile, tries, at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		v.ID, v.Session, v.Client, v.SID, v.Profile, v.Tries, v.At.Unix(), v.Until.Unix())
}

const logoutColumns = `id, session, client, sid, profile, tries, at, until_at`

func scanLogout(row scanner) (v openid.LogoutRow, err error) {
	var at, until int64
	err = row.Scan(&v.ID, &v.Session, &v.Client, &v.SID, &v.Profile, &v.Tries, &at, &until)
	v.At, v.Until = fromUnix(at), fromUnix(until)
	return v, err
}

func (l logouts) DueLogouts(ctx context.Context, client string, now time.Time, limit int) ([]openid.LogoutRow, error) {
	return all(ctx, l.queries, scanLogout, "SELECT "+logoutColumns+" FROM openid_logout WHERE client = $1 AND at <= $2 ORDER BY at, id LIMIT $3", client, now.Unix(), limit)
}

func (l logouts) TryLogout(ctx context.Context, v openid.LogoutRow, next time.Time) (bool, error) {
	return l.changed(ctx, "UPDATE openid_logout SET tries = tries + 1, at = $3 WHERE id = $1 AND tries = $2", v.ID, v.Tries, next.Unix())
}

func (l logouts) DropLogout(ctx context.Context, id string) error {
	_, err := l.changed(ctx, "DELETE FROM openid_logout WHERE id = $1", id)
	return err
}

func (l logouts) TakeLogouts(ctx context.Context, session string, now time.Time) ([]openid.LogoutRow, error) {
	return all(ctx, l.queries, scanLogout, "DELETE FROM openid_logout WHERE session = $1 AND tries = 0 AND at > $2 RETURNING "+logoutColumns, session, now.Unix())
}

type assertions struct{ queries }

func (a assertions) UseAssertion(ctx context.Context, hash []byte, until time.Time) (bool, error) {
	return a.changed(ctx, "INSERT INTO openid_assertion (hash, until_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", hash, until.Unix())
}

func (a assertions) Stale(ctx context.Context, wall time.Time) (is bool, err error) {
	err = a.tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM openid_assertion WHERE until_at <= $1)
		OR EXISTS (SELECT 1 FROM openid_request WHERE until_at <= $1) OR EXISTS (SELECT 1 FROM openid_grant WHERE until_at <= $1)
		OR EXISTS (SELECT 1 FROM openid_logout WHERE until_at <= $1)`, wall.Unix()).Scan(&is)
	return is, err
}

func (a assertions) Drop(ctx context.Context, wall time.Time, limit int) error {
	for _, query := range []string{
		"DELETE FROM openid_assertion WHERE hash IN (SELECT hash FROM openid_assertion WHERE until_at <= $1 LIMIT $2)",
		"DELETE FROM openid_request WHERE hash IN (SELECT hash FROM openid_request WHERE until_at <= $1 LIMIT $2)",
		"DELETE FROM openid_grant WHERE id IN (SELECT id FROM openid_grant WHERE until_at <= $1 LIMIT $2)", // its tokens with it
		"DELETE FROM openid_logout WHERE id IN (SELECT id FROM openid_logout WHERE until_at <= $1 LIMIT $2)",
	} {
		if _, err := a.changed(ctx, query, wall.Unix(), limit); err != nil {
			return err
		}
	}
	return nil
}
