// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"crypto/sha256"
	"fmt"

	"github.com/wardkey-sdk/wardkey/pki"
)

// Rows of the audit were first written in a shorter form, and stand in ledgers of
// that time for ever. No row is written so any more. A first row doesn't say at
// which change of its shard a certificate became what it is; but each change has one
// row, in that order, so counting them says it.

func openedFirst(a pki.Act) string {
	return fmt.Sprintf("kind=%s user=%s serials=%s", a.Kind, a.UserID, serials(a))
}

// settledFirst is of a committed act and of a closed one.
func settledFirst(a pki.Act) string { return "serials=" + serials(a) }

func statusFirst(reason int, act string) string { return fmt.Sprintf("reason=%d act=%s", reason, act) }

func listFirst(number int64, der []byte) string {
	return fmt.Sprintf("number=%d sha256=%x", number, sha256.Sum256(der))
}

// closed reports whether an act was closed as its row says, in either form.
func (c *comparison) closed(e entry, t *toldAct) bool {
	for i, r := range t.Records {
		if r.Reason != t.Records[0].Reason || !r.RevokedAt.Equal(t.Records[0].RevokedAt) {
			return false
		}
		if e.detail != settledFirst(t.Act) {
			continue
		}
		if r.Reason != pki.CessationOfOperation || r.RevokedAt.Unix() != e.at || t.changes[i] != c.nextChange(r.Issuer, r.Shard) {
			return false
		}
		c.changed(r.Issuer, r.Shard, t.changes[i])
	}
	return e.detail == settledFirst(t.Act) || e.detail == closedDetail(t.Act, t.changes)
}

// changeTold returns the change of its shard that a row is about, and what the row
// would say if the certificate still were what that change made it. It returns 0 for
// a row that is in neither form.
func (c *comparison) changeTold(e entry, s status) (change int64, now string) {
	if _, err := fmt.Sscanf(e.detail, "change=%d ", &change); err == nil {
		return change, statusDetail(s.change, s.reason, s.revokedAt, s.act)
	}
	var reason int
	if _, err := fmt.Sscanf(e.detail, "reason=%d ", &reason); err == nil {
		return c.nextChange(s.issuer, s.shard), statusFirst(s.reason, s.act)
	}
	return 0, ""
}

// nextChange is what the next change of a shard is counted as.
func (c *comparison) nextChange(issuer string, shard int) int64 {
	return c.changes[shardName(issuer, shard)] + 1
}
