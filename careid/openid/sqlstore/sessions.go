// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

type requests struct{ queries }

func (r requests) AddRequest(ctx context.Context, v openid.RequestRow) error {
	request, err := json.Marshal(v.Request)
	if err != nil {
		return err
	}
	return r.added(ctx, "INSERT INTO openid_request (hash, request, until_at) VALUES ($1, $2, $3)", v.Hash, string(request), v.Until.Unix())
}

func scanRequest(row scanner) (v openid.RequestRow, err error) {
	var request string
	var until int64
	if err = row.Scan(&v.Hash, &request, &until); err != nil {
		return v, err
	}
	v.Until = fromUnix(until)
	return v, fromJSON(request, &v.Request)
}

func (r requests) Request(ctx context.Context, hash []byte) (openid.RequestRow, error) {
	return one(ctx, r.queries, scanRequest, "SELECT hash, request, until_at FROM openid_request WHERE hash = $1", hash)
}

func (r requests) TakeRequest(ctx context.Context, hash []byte, now time.Time) (openid.RequestRow, error) {
	return one(ctx, r.queries, scanRequest,
		"DELETE FROM openid_request WHERE hash = $1 AND until_at > $2 RETURNING hash, request, until_at", hash, now.Unix())
}

type sessions struct{ queries }

func (s sessions) PutSession(ctx context.Context, v openid.SessionRow) error {
	_, err := s.changed(ctx, `INSERT INTO openid_session (id, hash, profile, role, expires_at, checked_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET role = excluded.role`, v.ID, v.Hash, v.Profile, v.Role, v.ExpiresAt.Unix(), v.CheckedAt.Unix())
	return err
}

const selectSession = `SELECT id, hash, profile, role, expires_at, checked_at FROM openid_session`

func scanSession(row scanner) (v openid.SessionRow, err error) {
	var expires, checked int64
	err = row.Scan(&v.ID, &v.Hash, &v.Profile, &v.Role, &expires, &checked)
	v.ExpiresAt, v.CheckedAt = fromUnix(expires), fromUnix(checked)
	return v, err
}

func (s sessions) Session(ctx context.Context, id string) (openid.SessionRow, error) {
	return one(ctx, s.queries, scanSession, selectSession+" WHERE id = $1", id)
}

func (s sessions) Over(ctx context.Context, now time.Time, limit int) ([]openid.SessionRow, error) {
	return all(ctx, s.queries, scanSession, selectSession+" WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2", now.Unix(), limit)
}

func (s sessions) Unchecked(ctx context.Context, before time.Time, limit int) ([]openid.SessionRow, error) {
	return all(ctx, s.queries, scanSession, selectSession+" WHERE checked_at < $1 ORDER BY checked_at, id LIMIT $2", before.Unix(), limit)
}

func (s sessions) SetChecked(ctx context.Context, id string, at time.Time) error {
	_, err := s.changed(ctx, "UPDATE openid_session SET checked_at = $2 WHERE id = $1", id, at.Unix())
	return err
}

func (s sessions) NextExpiry(ctx context.Context) (time.Time, error) {
	scan := func(row scanner) (n int64, err error) { err = row.Scan(&n); return n, err }
	n, err := one(ctx, s.queries, scan, "SELECT COALESCE(MIN(expires_at), 0) FROM openid_session")
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	return fromUnix(n), nil
}

func (s sessions) DropSession(ctx context.Context, id string) (bool, error) {
	if _, err := s.changed(ctx, "DELETE FROM openid_participant WHERE session = $1", id); err != nil {
		return false, err
	}
	return s.changed(ctx, "DELETE FROM openid_session WHERE id = $1", id)
}

func (s sessions) AddParticipant(ctx context.Context, p openid.Participant) error {
	_, err := s.changed(ctx, "INSERT INTO openid_participant (session, client, sid) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", p.Session, p.Client, p.SID)
	return err
}

func (s sessions) Participants(ctx context.Context, session string) ([]openid.Participant, error) {
	scan := func(row scanner) (p openid.Participant, err error) {
		err = row.Scan(&p.Session, &p.Client, &p.SID)
		return p, err
	}
	return all(ctx, s.queries, scan, "SELECT session, client, sid FROM openid_participant WHERE session = $1 ORDER BY client, sid", session)
}
