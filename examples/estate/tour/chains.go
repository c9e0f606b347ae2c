// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"fmt"
)

// audit is step 20.
func audit(ctx context.Context, s *story) error {
	chains, err := s.h.VerifyAudits(ctx)
	if err != nil {
		return must("the audit chains verify", err)
	}
	for _, room := range []string{"careid", "openid", "pki", "mail", "mailgate"} {
		rows := chains[room].Rows
		if err := holds(rows > 0, "an audit of "+room, "%d rows", rows); err != nil {
			return err
		}
		changed := (rows + 1) / 2
		found, err := s.h.TamperWithCopy(ctx, room, changed)
		if err != nil {
			return must("a copy with one row changed is verified", err)
		}
		if err := holds(found.Found && found.Room == room && found.Seq == changed,
			fmt.Sprintf("row %d of %s is named", changed, room), "%+v", *found); err != nil {
			return err
		}
	}
	if _, err := s.h.VerifyAudits(ctx); err != nil {
		return must("the estate's own chains still verify", err)
	}
	return nil
}
