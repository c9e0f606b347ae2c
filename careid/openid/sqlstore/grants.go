// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

type grants struct{ queries }

func (g grants) AddGrant(ctx context.Context, v openid.GrantRow) error {
	granted, err := json.Marshal(v.Granted)
	if err != nil {
		return err
	}
	return g.added(ctx, `INSERT INTO openid_grant (id, client, session, granted, code, sealed, code_until, used, revoked, until_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		v.ID, v.Client, v.Session, string(granted), v.Code, v.Sealed, v.CodeUntil.Unix(), v.Used, v.Revoked, v.Until.Unix())
}

const grantColumns = `g.id, g.client, g.session, g.granted, g.code, g.sealed, g.code_until, g.used, g.revoked, g.until_at`

const selectGrant = `SELECT ` + grantColumns + ` FROM openid_grant g`

// grantScan is a grant's columns as they are read, before what else a query selects.
type grantScan struct {
	openid.GrantRow
	granted          string
	codeUntil, until int64
}

func (v *grantScan) columns() []any {
	return []any{&v.ID, &v.Client, &v.Session, &v.granted, &v.Code, &v.Sealed, &v.codeUntil, &v.Used, &v.Revoked, &v.until}
}

func (v *grantScan) row() (openid.GrantRow, error) {
	v.CodeUntil, v.Until = fromUnix(v.codeUntil), fromUnix(v.until)
	return v.GrantRow, fromJSON(v.granted, &v.Granted)
}

func scanGrant(row scanner) (openid.GrantRow, error) {
	var v grantScan
	if err := row.Scan(v.columns()...); err != nil {
		return v.GrantRow, err
	}
	return v.row()
}

func (g grants) Grant(ctx context.Context, id string) (openid.GrantRow, error) {
	return one(ctx, g.queries, scanGrant, selectGrant+" WHERE g.id = $1", id)
}

func (g grants) GrantByCode(ctx context.Context, code []byte) (openid.GrantRow, error) {
	return one(ctx, g.queries, scanGrant, selectGrant+" WHERE g.code = $1", code)
}

func (g grants) UseCode(ctx context.Context, code []byte, now time.Time) (bool, error) {
	return g.changed(ctx, "UPDATE openid_grant SET used = TRUE, sealed = '' WHERE code = $1 AND NOT used AND revoked = '' AND code_until > $2", code, now.Unix())
}

func (g grants) Revoke(ctx context.Context, id, why string) (bool, error) {
	if _, err := g.changed(ctx, "UPDATE openid_token SET sealed = '' WHERE grant_id = $1", id); err != nil {
		return false, err
	}
	return g.changed(ctx, "UPDATE openid_grant SET revoked = $2, sealed = '' WHERE id = $1 AND revoked = ''", id, why)
}

func (g grants) RevokeOf(ctx context.Context, session, why string) error {
	_, err := g.changed(ctx, `UPDATE openid_token SET sealed = '' WHERE grant_id IN
		(SELECT id FROM openid_grant WHERE session = $1 AND revoked = '')`, session)
	if err == nil {
		_, err = g.changed(ctx, "UPDATE openid_grant SET revoked = $2, sealed = '' WHERE session = $1 AND revoked = ''", session, why)
	}
	return err
}

type tokens struct{ queries }

func (t tokens) AddToken(ctx context.Context, v openid.TokenRow) error {
	return t.added(ctx, "INSERT INTO openid_token (hash, grant_id, kind, sealed, until_at, used) VALUES ($1, $2, $3, $4, $5, $6)",
		v.Hash, v.Grant, string(v.Kind), v.Sealed, v.Until.Unix(), v.Used)
}

func (t tokens) Token(ctx context.Context, hash []byte) (openid.TokenRow, openid.GrantRow, error) {
	var g openid.GrantRow
	scan := func(row scanner) (v openid.TokenRow, err error) {
		var grant grantScan
		var until int64
		if err = row.Scan(append(grant.columns(), &v.Hash, &v.Grant, &v.Kind, &v.Sealed, &until, &v.Used)...); err != nil {
			return v, err
		}
		v.Until = fromUnix(until)
		g, err = grant.row()
		return v, err
	}
	v, err := one(ctx, t.queries, scan, selectToken, hash)
	return v, g, err
}

const selectToken = `SELECT ` + grantColumns + `, t.hash, t.grant_id, t.kind, t.sealed, t.until_at, t.used
	FROM openid_token t JOIN openid_grant g ON g.id = t.grant_id WHERE t.hash = $1`

func (t tokens) UseToken(ctx context.Context, hash []byte, now time.Time) (bool, error) {
	return t.changed(ctx, "UPDATE openid_token SET used = TRUE, sealed = '' WHERE hash = $1 AND kind = 'refresh' AND NOT used AND until_at > $2", hash, now.Unix())
}
