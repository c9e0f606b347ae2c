// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

func (t tx) InsertCopy(ctx context.Context, c gateway.Copy) error {
	return t.insert(ctx, "INSERT INTO mailgate_copy (id, envelope, whole, begun, try_at, tries, parked, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		c.ID, c.Envelope, c.Whole, c.Begun.Unix(), c.Try.Unix(), int64(c.Tries), c.Parked, c.Bytes)
}

func (t tx) UpdateCopy(ctx context.Context, c gateway.Copy) error {
	return changed(t.ExecContext(ctx, "UPDATE mailgate_copy SET envelope = $2, whole = $3, begun = $4, try_at = $5, tries = $6, parked = $7, bytes = $8 WHERE id = $1",
		c.ID, c.Envelope, c.Whole, c.Begun.Unix(), c.Try.Unix(), int64(c.Tries), c.Parked, c.Bytes))
}

const selectCopy = "SELECT id, envelope, whole, begun, try_at, tries, parked, bytes FROM mailgate_copy"

func scanCopy(scan func(...any) error) (c gateway.Copy, err error) {
	var begun, try int64
	err = scan(&c.ID, &c.Envelope, &c.Whole, &begun, &try, &c.Tries, &c.Parked, &c.Bytes)
	c.Begun, c.Try = at(begun), at(try)
	return c, err
}

func (t tx) Copy(ctx context.Context, id string) (gateway.Copy, error) {
	c, err := scanCopy(t.QueryRowContext(ctx, selectCopy+" WHERE id = $1", id).Scan)
	if err != nil {
		return gateway.Copy{}, missing(err)
	}
	return c, nil
}

func (t tx) DeleteCopy(ctx context.Context, id string) error {
	_, err := t.ExecContext(ctx, "DELETE FROM mailgate_copy WHERE id = $1", id)
	return err
}

func (t tx) DueCopies(ctx context.Context, limit int) ([]gateway.Copy, error) {
	return rowsOf(ctx, t, scanCopy, selectCopy+" WHERE whole AND NOT parked AND (try_at <= $1 OR try_at > $2) ORDER BY try_at LIMIT $3",
		t.Wall().Unix(), t.Wall().Add(gateway.MaxPause).Unix(), limit)
}

// rowsOf reads all rows of a query.
func rowsOf[T any](ctx context.Context, t tx, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var found []T
	for rows.Next() {
		one, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

func (t tx) DeleteBroken(ctx context.Context, begunBefore time.Time) error {
	_, err := t.ExecContext(ctx, "DELETE FROM mailgate_copy WHERE NOT whole AND begun < $1", begunBefore.Unix())
	return err
}

func (t tx) Held(ctx context.Context) (bytes int64, err error) {
	err = t.QueryRowContext(ctx, "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM mailgate_copy").Scan(&bytes)
	return bytes, err
}

func (t tx) InsertPiece(ctx context.Context, id string, n int, data []byte) error {
	return t.insert(ctx, "INSERT INTO mailgate_piece (copy, n, data) VALUES ($1, $2, $3)", id, int64(n), data)
}

func (t tx) Piece(ctx context.Context, id string, n int) (data []byte, err error) {
	err = t.QueryRowContext(ctx, "SELECT data FROM mailgate_piece WHERE copy = $1 AND n = $2", id, int64(n)).Scan(&data)
	return data, missing(err)
}

func (t tx) KeyCheck(ctx context.Context) (check []byte, err error) {
	err = t.QueryRowContext(ctx, "SELECT key_check FROM mailgate_key WHERE id = 1").Scan(&check)
	return check, missing(err)
}

func (t tx) SetKeyCheck(ctx context.Context, check []byte) error {
	_, err := t.ExecContext(ctx, "INSERT INTO mailgate_key (id, key_check) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET key_check = $1", check)
	return err
}

func (t tx) Empty(ctx context.Context) (bool, error) {
	var found bool
	err := t.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM mailgate_copy)").Scan(&found)
	return !found, err
}
