// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"
)

func (t tx) Remember(ctx context.Context, mark []byte, until time.Time) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mailgate_encrypted WHERE ends <= $1", t.Now().Unix()); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, "INSERT INTO mailgate_encrypted (mark, ends) VALUES ($1, $2) ON CONFLICT (mark) DO UPDATE SET ends = $2", mark, until.Unix())
	return err
}

func (t tx) Remembered(ctx context.Context, mark []byte) (known bool, err error) {
	err = t.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM mailgate_encrypted WHERE mark = $1 AND ends > $2)", mark, t.Now().Unix()).Scan(&known)
	return known, err
}
