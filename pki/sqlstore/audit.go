// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

// What the rows of the audit say. VerifyAudit makes these texts again from the
// tables and compares: they hold or pin, by a hash, every column that decides
// something, but when the next reminder is due. These texts are an interface: a row
// stays as it was written, so what it says is never changed, and a new form stands
// beside the old (firstform.go).
const (
	issuerRegistered = "issuer.registered"
	actOpened        = "act.opened"
	actCommitted     = "act.committed"
	actClosed        = "act.closed"
	listStored       = "crl.stored"
	statusChanged    = "certificate." // and the state
)

// audit records what a transaction did, last in it.
func audit(ctx context.Context, tx *sqlkit.Tx, at time.Time, action, subject, detail string) error {
	_, err := chain.Append(ctx, tx, "pki", chain.Entry{At: at, Actor: "pki", Action: action, Subject: subject, Detail: detail})
	return err
}

func registeredDetail(shards int) string { return fmt.Sprintf("shards=%d", shards) }

// openedDetail pins what never changes of an act and its certificates.
func openedDetail(a pki.Act) string {
	h := sha256.New()
	// %q and %x keep what stands side by side apart. A hash never fails.
	_, _ = fmt.Fprintf(h, "%q %q %x %x %q %q %d %d", a.ID, a.Issuer, a.Fingerprint, a.Subject, a.UserID, a.Lineage, a.Generation, a.Opened.Unix())
	for _, r := range a.Records {
		_, _ = fmt.Fprintf(h, "\n%s %q %d %x %d %d", serialText(r.Serial), r.Use, r.Shard, r.PublicKey, r.NotBefore.Unix(), r.NotAfter.Unix())
	}
	return fmt.Sprintf("kind=%s user=%s serials=%s sha256=%x", a.Kind, a.UserID, serials(a), h.Sum(nil))
}

// committedDetail pins the certificates as they were signed.
func committedDetail(a pki.Act) string {
	var sums []string
	for _, r := range a.Records {
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(r.DER)))
	}
	return "serials=" + serials(a) + " sha256=" + strings.Join(sums, ",")
}

// closedDetail says at which changes of their shards the certificates became
// revoked, and from when on.
func closedDetail(a pki.Act, changes []int64) string {
	counts := make([]string, len(changes))
	for i, n := range changes {
		counts[i] = fmt.Sprint(n)
	}
	return fmt.Sprintf("changes=%s serials=%s reason=%d from=%d", strings.Join(counts, ","), serials(a), a.Records[0].Reason, unixOrZero(a.Records[0].RevokedAt))
}

// statusDetail says at which change of its shard a certificate became what it is.
func statusDetail(change int64, reason int, from int64, act string) string {
	return fmt.Sprintf("change=%d reason=%d from=%d act=%s", change, reason, from, act)
}

func listDetail(number, covers, nextUpdate int64, der []byte) string {
	return fmt.Sprintf("number=%d covers=%d until=%d sha256=%x", number, covers, nextUpdate, sha256.Sum256(der))
}

func shardName(issuer string, shard int) string { return fmt.Sprintf("%s/%d", issuer, shard) }
