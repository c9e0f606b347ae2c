// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

type proofs struct{ queries }

func (p proofs) AddNonce(ctx context.Context, nonce string, purpose careid.Purpose, until time.Time) error {
	return p.added(ctx, "INSERT INTO careid_nonce (nonce, purpose, until_at) VALUES ($1, $2, $3)", nonce, string(purpose), unix(until))
}

func (p proofs) TakeNonce(ctx context.Context, nonce string, purpose careid.Purpose, now time.Time) (bool, error) {
	return p.changed(ctx, "DELETE FROM careid_nonce WHERE nonce = $1 AND purpose = $2 AND until_at > $3", nonce, string(purpose), unix(now))
}

func (p proofs) AddResult(ctx context.Context, r careid.Result) error {
	return p.added(ctx, insertResult, r.Hash, r.Bind, string(r.Purpose), r.Presence, r.Certificate[:], r.Card, r.Profile, unix(r.Until))
}

func (p proofs) TakeResult(ctx context.Context, hash, bind []byte, now time.Time) (careid.Result, error) {
	scan := func(row scanner) (r careid.Result, err error) {
		var certificate []byte
		var until, lease int64
		err = row.Scan(&r.Hash, &r.Bind, &r.Purpose, &r.Presence, &certificate, &r.Card, &r.Profile, &until, &lease, &r.OfSession)
		copy(r.Certificate[:], certificate)
		r.Until, r.Lease = fromUnix(until), fromUnix(lease)
		return r, err
	}
	return one(ctx, p.queries, scan, takeResult, hash, bind, unix(now))
}

func scanPresence(row scanner) (v careid.PresenceLease, err error) {
	var until int64
	err = row.Scan(&v.Hash, &v.Card, &until)
	v.Until = fromUnix(until)
	return v, err
}

func (p proofs) AddPresence(ctx context.Context, v careid.PresenceLease) error {
	return p.added(ctx, "INSERT INTO careid_presence (hash, card, until_at) VALUES ($1, $2, $3)", v.Hash, v.Card, unix(v.Until))
}

func (p proofs) ExtendPresence(ctx context.Context, hash []byte, now, until time.Time) (bool, error) {
	return p.changed(ctx, "UPDATE careid_presence SET until_at = $3 WHERE hash = $1 AND until_at > $2", hash, unix(now), unix(until))
}

func (p proofs) EndPresence(ctx context.Context, hash []byte) (careid.PresenceLease, error) {
	return one(ctx, p.queries, scanPresence, "DELETE FROM careid_presence WHERE hash = $1 RETURNING hash, card, until_at", hash)
}

func (p proofs) Spent(ctx context.Context, wall time.Time) (bool, error) {
	return p.holds(ctx, spentProofs, unix(wall))
}

func (p proofs) Purge(ctx context.Context, wall time.Time) error {
	var failed []error
	for _, table := range []string{"careid_nonce", "careid_result", "careid_presence"} {
		_, err := p.changed(ctx, "DELETE FROM "+table+" WHERE until_at <= $1", unix(wall))
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

type sessions struct{ queries }

func scanSession(row scanner) (v careid.SessionRow, err error) {
	var certificate []byte
	var auth, expires, seen, lease int64
	var used string
	err = row.Scan(&v.Hash, &v.Profile, &v.Card, &certificate, &v.Presence, &v.Binding, &auth, &expires, &v.Ended, &seen, &v.Locked, &used, &lease)
	if err != nil {
		return v, err
	}
	copy(v.Certificate[:], certificate)
	v.AuthTime, v.ExpiresAt, v.Seen, v.Lease = fromUnix(auth), fromUnix(expires), fromUnix(seen), fromUnix(lease)
	v.Used, err = usedFrom(used)
	return v, err
}

func (s sessions) AddSession(ctx context.Context, v careid.SessionRow) error {
	used, err := usedText(v.Used)
	if err != nil {
		return err
	}
	presence := v.Presence
	if presence == nil {
		presence = []byte{} // without a card there is none, and the column has no NULL
	}
	return s.added(ctx, insertSession, v.Hash, v.Profile, v.Card, v.Certificate[:], presence, string(v.Binding), unix(v.AuthTime), unix(v.ExpiresAt), v.Ended,
		unix(v.Seen), v.Locked, used)
}

func (s sessions) Session(ctx context.Context, hash []byte) (careid.SessionRow, error) {
	return one(ctx, s.queries, scanSession, selectSession+" WHERE s.hash = $1", hash)
}

func (s sessions) EndSessions(ctx context.Context, f careid.SessionFilter, why string) ([]careid.SessionRow, error) {
	// One filter, one index: the most telling field finds the rows, the others are compared here.
	where, key := "s.hash = $1", any(f.Hash)
	switch {
	case len(f.Hash) > 0:
	case len(f.Presence) > 0:
		where, key = "s.presence = $1", f.Presence
	case f.Card != "":
		where, key = "s.card = $1", f.Card
	case f.Profile != "":
		where, key = "s.profile = $1", f.Profile
	default:
		return nil, nil
	}
	rows, err := all(ctx, s.queries, scanSession, selectSession+" WHERE "+where+" AND s.ended = ''", key)
	if err != nil {
		return nil, err
	}
	var ended []careid.SessionRow
	for _, row := range rows {
		if f.Card != "" && row.Card != f.Card || f.Profile != "" && row.Profile != f.Profile || f.Bound && row.Binding == careid.BindingKeep ||
			f.Authenticator != "" && !slices.ContainsFunc(row.Used, func(one careid.Shown) bool { return one.Authenticator == f.Authenticator }) {
			continue
		}
		done, err := s.changed(ctx, "UPDATE careid_session SET ended = $2 WHERE hash = $1 AND ended = ''", row.Hash, why)
		if err != nil {
			return nil, err
		}
		if done {
			row.Ended = why
			ended = append(ended, row)
		}
	}
	return ended, nil
}

func (s sessions) Overdue(ctx context.Context, now, wall time.Time, limit int) ([]careid.SessionRow, error) {
	return all(ctx, s.queries, scanSession, selectOverdue, unix(now), unix(wall), limit)
}

func (s sessions) NextExpiry(ctx context.Context) (time.Time, error) {
	scan := func(row scanner) (n int64, err error) { err = row.Scan(&n); return n, err }
	n, err := one(ctx, s.queries, scan, "SELECT COALESCE(MIN(expires_at), 0) FROM careid_session WHERE ended = ''")
	return fromUnix(n), err
}

func (s sessions) SeeSession(ctx context.Context, hash []byte, idle, now time.Time) (bool, error) {
	return s.changed(ctx, "UPDATE careid_session SET seen_at = $3 WHERE hash = $1 AND seen_at > $2 AND seen_at < $3 AND ended = '' AND NOT locked", hash, unix(idle), unix(now))
}

func (s sessions) WithCard(ctx context.Context, after []byte, limit int) ([]careid.SessionRow, error) {
	return all(ctx, s.queries, scanSession, selectSession+" WHERE s.ended = '' AND s.card <> '' AND s.hash > $1 ORDER BY s.hash LIMIT $2", append([]byte{}, after...), limit)
}

func (s sessions) IdleSessions(ctx context.Context, idle time.Time, limit int) ([]careid.SessionRow, error) {
	return all(ctx, s.queries, scanSession, selectSession+" WHERE s.ended = '' AND NOT s.locked AND s.seen_at <= $1 ORDER BY s.seen_at, s.hash LIMIT $2", unix(idle), limit)
}

func (s sessions) LockSession(ctx context.Context, hash []byte, idle time.Time) (bool, error) {
	return s.changed(ctx, "UPDATE careid_session SET locked = TRUE WHERE hash = $1 AND seen_at <= $2 AND ended = '' AND NOT locked", hash, unix(idle))
}

func (s sessions) Stale(ctx context.Context, t time.Time) (bool, error) {
	return s.holds(ctx, "SELECT EXISTS (SELECT 1 FROM careid_session WHERE ended <> '' AND expires_at <= $1)", unix(t))
}

func (s sessions) Drop(ctx context.Context, t time.Time, limit int) error {
	_, err := s.changed(ctx, dropSessions, unix(t), limit)
	return err
}

type acceptances struct{ queries }

func (a acceptances) AddAcceptance(ctx context.Context, v careid.Acceptance) (bool, error) {
	return a.changed(ctx, "INSERT INTO careid_acceptance (profile, version, mode, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		v.Profile, v.Version, string(v.Mode), unix(v.At))
}

func (a acceptances) AcceptancesOf(ctx context.Context, profile string) ([]careid.Acceptance, error) {
	scan := func(row scanner) (v careid.Acceptance, err error) {
		var at int64
		err = row.Scan(&v.Profile, &v.Version, &v.Mode, &at)
		v.At = fromUnix(at)
		return v, err
	}
	return all(ctx, a.queries, scan, "SELECT profile, version, mode, at FROM careid_acceptance WHERE profile = $1 ORDER BY at, version, mode", profile)
}
