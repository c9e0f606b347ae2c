// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

type unlocks struct{ queries }

func (u unlocks) AddCode(ctx context.Context, c careid.Code) error {
	if _, err := u.changed(ctx, supersedeCodes, c.Card); err != nil {
		return err
	}
	return u.added(ctx, insertCode, c.Request, c.Card, c.Profile, c.Handle, c.Salt, c.Hash, c.Tries, string(c.State), unix(c.SentAt), unix(c.ExpiresAt))
}

func (u unlocks) Code(ctx context.Context, request string) (careid.Code, error) {
	scan := func(row scanner) (c careid.Code, err error) {
		var sent, expires int64
		err = row.Scan(&c.Request, &c.Card, &c.Profile, &c.Handle, &c.Salt, &c.Hash, &c.Tries, &c.State, &sent, &expires)
		c.SentAt, c.ExpiresAt = fromUnix(sent), fromUnix(expires)
		return c, err
	}
	return one(ctx, u.queries, scan, selectCode, request)
}

func (u unlocks) LastSent(ctx context.Context, profile string, since time.Time) ([]time.Time, error) {
	scan := func(row scanner) (time.Time, error) {
		var at int64
		err := row.Scan(&at)
		return fromUnix(at), err
	}
	return all(ctx, u.queries, scan, "SELECT sent_at FROM careid_code WHERE profile = $1 AND sent_at > $2 ORDER BY sent_at DESC", profile, unix(since))
}

func (u unlocks) CountTry(ctx context.Context, request, card string, limit int, now time.Time) (bool, error) {
	return u.changed(ctx, countTry, request, card, limit, unix(now))
}

func (u unlocks) CountCardTry(ctx context.Context, card string, limit int, since, now time.Time) (bool, error) {
	return u.changed(ctx, countCardTry, card, limit, unix(since), unix(now))
}

func (u unlocks) CardTries(ctx context.Context, card, profile string, since time.Time) (int, error) {
	scan := func(row scanner) (n int, err error) { err = row.Scan(&n); return n, err }
	return one(ctx, u.queries, scan, cardTries, card, profile, unix(since))
}

func (u unlocks) UseCode(ctx context.Context, request string) (bool, error) {
	return u.changed(ctx, "UPDATE careid_code SET state = 'used' WHERE request = $1 AND state = 'open'", request)
}

func (u unlocks) EndCodes(ctx context.Context, profile string) error {
	_, err := u.changed(ctx, "UPDATE careid_code SET state = 'superseded' WHERE profile = $1 AND state = 'open'", profile)
	return err
}

func (u unlocks) AddReset(ctx context.Context, r careid.ResetAct) error {
	if _, err := u.changed(ctx, endResets, r.Card); err != nil {
		return err
	}
	return u.added(ctx, insertReset, r.Token, r.Card, r.Profile, r.Request, r.AgentKey, string(r.State), r.Opened, r.Next, unix(r.At))
}

func (u unlocks) Reset(ctx context.Context, token []byte) (careid.ResetAct, error) {
	scan := func(row scanner) (r careid.ResetAct, err error) {
		var at int64
		err = row.Scan(&r.Token, &r.Card, &r.Profile, &r.Request, &r.AgentKey, &r.State, &r.Opened, &r.Next, &at)
		r.At = fromUnix(at)
		return r, err
	}
	return one(ctx, u.queries, scan, selectReset, token)
}

func (u unlocks) UpdateReset(ctx context.Context, r careid.ResetAct, from careid.ResetState) (bool, error) {
	return u.changed(ctx, "UPDATE careid_reset SET state = $3, opened = $4 WHERE token = $1 AND state = $2", r.Token, string(from), string(r.State), r.Opened)
}

func (u unlocks) Stale(ctx context.Context, day, reset time.Time) (bool, error) {
	return u.holds(ctx, staleUnlocks, unix(day), unix(reset))
}

func (u unlocks) Drop(ctx context.Context, day, reset time.Time) error {
	if _, err := u.changed(ctx, dropTries, unix(day)); err != nil { // first: its cards are those of the codes
		return err
	}
	if _, err := u.changed(ctx, "DELETE FROM careid_code WHERE expires_at <= $1", unix(day)); err != nil {
		return err
	}
	_, err := u.changed(ctx, "DELETE FROM careid_reset WHERE at <= $1", unix(reset))
	return err
}
