// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

// room is the chain's name, and the prefix of its tables.
const room = "mailgate"

func (t tx) Audit(ctx context.Context, actor, action, subject, detail string) error {
	_, err := chain.Append(ctx, t.Tx, room, chain.Entry{Actor: actor, Action: action, Subject: subject, Detail: detail})
	return err
}

func (t tx) AuditRows(ctx context.Context, after int64, limit int) ([]gateway.AuditRow, error) {
	return rowsOf(ctx, t, scanAudit, "SELECT seq, at, actor, action, subject, detail FROM mailgate_audit WHERE seq > $1 ORDER BY seq LIMIT $2", after, limit)
}

func scanAudit(scan func(...any) error) (r gateway.AuditRow, err error) {
	var seconds int64
	err = scan(&r.Seq, &seconds, &r.Actor, &r.Action, &r.Subject, &r.Detail)
	r.At = at(seconds)
	return r, err
}

func (t tx) VerifyAudit(ctx context.Context) (int64, error) { return chain.Verify(ctx, t.Tx, room) }
