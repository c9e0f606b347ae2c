// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
)

// TamperedError says which row of the ledger's tables is not what its audit
// says. No method of a Ledger leaves one like that.
type TamperedError struct {
	Table, Key string // of a shard: issuer/number
	Seq        int64  // the row of the audit that it contradicts; 0 when no row tells of it
	Why        string
}

func (e *TamperedError) Error() string {
	if e.Seq == 0 {
		return fmt.Sprintf("sqlstore: %s, %s: %s", e.Table, e.Key, e.Why)
	}
	return fmt.Sprintf("sqlstore: %s, %s: %s, by row %d of the audit", e.Table, e.Key, e.Why, e.Seq)
}

// VerifyAudit implements pki.Ledger. First the chain is read, and where that isn't
// whole the error names its first bad row. Then each row of the chain, the oldest
// first, is held against the tables, and at last the tables are looked through for
// what no row tells of; the first row that is wrong there is a *TamperedError.
//
// Rows of the first form, in which an act's has no sha256, a status's no change and
// a list's no until, say less, and what they don't say is not compared: an act's
// name, lineage and fingerprint, its certificates' keys, dates, uses and bytes; since
// when a certificate is revoked or on hold; a list's end and what it covers.
//
// It reads one snapshot, a page at a time: memory doesn't grow with the ledger,
// writers are not held up, and ctx ends it. Who can rebuild the chain can rebuild
// the tables to it; that is seen by an anchor alone, which examples/auditcheck
// takes.
func (l *Ledger) VerifyAudit(ctx context.Context) (count int64, err error) {
	err = l.store.Read(ctx, func(ctx context.Context, tx *sqlkit.Tx) error {
		if count, err = chain.Verify(ctx, tx, "pki"); err != nil {
			return err
		}
		c := &comparison{tx: tx, issuers: map[string]entry{}, shards: map[string]int{}, lists: map[string]entry{}, changes: map[string]int64{}}
		return c.run(ctx)
	})
	return count, err
}

// entry is a row of the audit.
type entry struct {
	seq, at                 int64
	action, subject, detail string
}

func (e entry) tampered(table, why string) error {
	return &TamperedError{Table: table, Key: e.subject, Seq: e.seq, Why: why}
}

// comparison holds the tables against the audit.
type comparison struct {
	tx      *sqlkit.Tx
	issuers map[string]entry // what registered them
	shards  map[string]int   // of each issuer
	lists   map[string]entry // the newest of each shard
	changes map[string]int64 // the highest of each shard
	tally   tally
}

// tally counts the rows of the tables that the audit was found to tell of.
type tally struct{ acts, committed, closed, certificates, changed int64 }

// pageRows is how many rows of the audit are looked at together.
const pageRows = 500

func (c *comparison) run(ctx context.Context) error {
	for last := int64(0); ; {
		page, err := c.page(ctx, last)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		first := last + 1
		last = page[len(page)-1].seq
		if err := c.compare(ctx, page, first, last); err != nil {
			return err
		}
	}
	for _, last := range []func(context.Context) error{c.compareIssuers, c.compareShards, c.strays} {
		if err := last(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) page(ctx context.Context, after int64) (page []entry, err error) {
	err = c.each(ctx, func(rows *sql.Rows) error {
		var e entry
		err := rows.Scan(&e.seq, &e.at, &e.action, &e.subject, &e.detail)
		page = append(page, e)
		return err
	}, selectAudit, after, pageRows)
	return page, err
}

// compare looks at the rows of a page, with what the tables hold of them.
func (c *comparison) compare(ctx context.Context, page []entry, first, last int64) error {
	acts, err := c.actsTold(ctx, first, last)
	if err != nil {
		return err
	}
	statuses, err := c.statusesTold(ctx, first, last)
	if err != nil {
		return err
	}
	for _, e := range page {
		var err error
		switch e.action {
		case issuerRegistered:
			c.issuers[e.subject] = e
		case listStored:
			c.lists[e.subject] = e
		case actOpened, actCommitted, actClosed:
			err = c.compareAct(e, acts[e.seq])
		default:
			err = c.compareStatus(e, statuses[e.seq])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// toldAct is an act as the tables hold it.
type toldAct struct {
	pki.Act
	changes []int64
	why     string // what is wrong with it whatever the audit says
}

func (c *comparison) actsTold(ctx context.Context, first, last int64) (map[int64]*toldAct, error) {
	told := map[int64]*toldAct{}
	return told, c.each(ctx, func(rows *sql.Rows) error {
		var seq, ordinal, change int64
		var issuer string
		var hash []byte
		act, r, err := scan(rows, &seq, &ordinal, &issuer, &hash, &change)
		if err != nil {
			return err
		}
		t := told[seq]
		if t == nil {
			t = &toldAct{Act: act}
			told[seq] = t
		}
		if ordinal != int64(len(t.Records)) || issuer != act.Issuer || !bytes.Equal(hash, keyHash(r)) || !coherent(act, r, change) {
			t.why = fmt.Sprintf("certificate %s doesn't belong there as it is", serialText(r.Serial))
		}
		t.Records = append(t.Records, r)
		t.changes = append(t.changes, change)
		return nil
	}, selectActsTold, first, last)
}

// coherent reports whether a certificate can be what it is in its act.
func coherent(a pki.Act, r pki.Record, change int64) bool {
	switch a.State {
	case pki.Pending:
		return r.State == pki.Pending && r.DER == nil && change == 0
	case pki.Revoked:
		return r.State == pki.Revoked && r.DER == nil && change > 0
	}
	return len(r.DER) > 0 && (change > 0 || r.State == pki.Good && r.Reason == 0)
}

func (c *comparison) compareAct(e entry, t *toldAct) error {
	const table = "pki_acts"
	switch {
	case t == nil:
		return e.tampered(table, "it or its certificates are missing")
	case t.why != "":
		return e.tampered(table, t.why)
	case e.action == actOpened && (e.detail != openedDetail(t.Act) && e.detail != openedFirst(t.Act) || e.at != t.Opened.Unix()):
		return e.tampered(table, "it or a certificate of it was changed")
	case e.action == actCommitted && t.State != pki.Good:
		return e.tampered(table, "it is not committed")
	case e.action == actCommitted && e.detail != committedDetail(t.Act) && e.detail != settledFirst(t.Act):
		return e.tampered(table, "a certificate of it is another")
	case e.action == actClosed && (t.State != pki.Revoked || !c.closed(e, t)):
		return e.tampered(table, "it is not closed as it was")
	}
	switch e.action {
	case actOpened:
		c.tally.acts++
		c.tally.certificates += int64(len(t.Records))
	case actCommitted:
		c.tally.committed++
	case actClosed:
		c.tally.closed++
		for i, r := range t.Records {
			c.changed(r.Issuer, r.Shard, t.changes[i])
			c.tally.changed++
		}
	}
	return nil
}

// status is how a certificate stands in the tables.
type status struct {
	issuer, act, state string
	shard, reason      int
	revokedAt, change  int64
}

func (c *comparison) statusesTold(ctx context.Context, first, last int64) (map[int64]status, error) {
	told := map[int64]status{}
	return told, c.each(ctx, func(rows *sql.Rows) error {
		var seq int64
		var s status
		err := rows.Scan(&seq, &s.issuer, &s.act, &s.state, &s.shard, &s.reason, &s.revokedAt, &s.change)
		told[seq] = s
		return err
	}, selectStatusesTold, first, last)
}

// compareStatus: a row of the audit is what the certificate is now, or a later one
// is.
func (c *comparison) compareStatus(e entry, s status) error {
	const table = "pki_certificates"
	change, now := c.changeTold(e, s)
	if change == 0 {
		return fmt.Errorf("sqlstore: row %d of the audit, %s: not one that is known", e.seq, e.action)
	}
	switch {
	case s.act == "":
		return e.tampered(table, "it is missing")
	case s.change < change:
		return e.tampered(table, "its status was put back")
	case s.change == change && (e.action != statusChanged+s.state || e.detail != now):
		return e.tampered(table, "its status was changed")
	case s.change == change:
		c.tally.changed++
	}
	c.changed(s.issuer, s.shard, change)
	return nil
}

func (c *comparison) changed(issuer string, shard int, change int64) {
	name := shardName(issuer, shard)
	c.changes[name] = max(c.changes[name], change)
}

func (c *comparison) compareIssuers(ctx context.Context) error {
	err := c.each(ctx, func(rows *sql.Rows) error {
		var issuer string
		var shards int
		var registered, known int64
		if err := rows.Scan(&issuer, &shards, &registered, &known); err != nil {
			return err
		}
		e := c.issuers[issuer]
		c.shards[issuer] = shards
		if e.detail != registeredDetail(shards) || e.at != registered || int(known) != shards {
			return &TamperedError{"pki_issuers", issuer, e.seq, "it was not registered as it is"}
		}
		return nil
	}, selectIssuers)
	if err != nil {
		return err
	}
	for _, e := range c.issuers {
		if c.shards[e.subject] == 0 {
			return e.tampered("pki_issuers", "it is missing")
		}
	}
	return nil
}

// compareShards holds the newest lists and the counts of changes against the last
// that the audit says of them.
func (c *comparison) compareShards(ctx context.Context) error {
	return c.each(ctx, func(rows *sql.Rows) error {
		var issuer string
		var shard int
		var changed, reserved, number, covers, thisUpdate, nextUpdate int64
		var der []byte
		if err := rows.Scan(&issuer, &shard, &changed, &reserved, &number, &covers, &thisUpdate, &nextUpdate, &der); err != nil {
			return err
		}
		name := shardName(issuer, shard)
		e, is := c.lists[name]
		why := ""
		switch {
		case shard < 0 || shard >= c.shards[issuer]:
			why = "its issuer has no such shard"
		case changed != c.changes[name]:
			why = fmt.Sprintf("it counts %d changes of certificates and not %d", changed, c.changes[name])
		case reserved < number:
			why = "numbers of lists were put back"
		case is && (e.at != thisUpdate || e.detail != listDetail(number, covers, nextUpdate, der) && e.detail != listFirst(number, der)):
			why = "its list is not the last one kept"
		case !is && number != 0:
			why = "its list was never kept"
		default:
			return nil
		}
		return &TamperedError{"pki_shards", name, e.seq, why}
	}, selectShards)
}

// strays looks for rows that the audit doesn't tell of. Each row of it tells of
// another act or change, so where there are as many as it told of, there is none.
func (c *comparison) strays(ctx context.Context) error {
	var t tally
	err := c.tx.QueryRowContext(ctx, countTables).Scan(&t.acts, &t.committed, &t.closed, &t.certificates, &t.changed)
	if err != nil {
		return err
	}
	looks := []struct{ table, query, why string }{{"pki_certificates", selectMislisted, "that a list after its end has it, or hasn't, was changed"}}
	if t != c.tally {
		looks = append(looks, []struct{ table, query, why string }{
			{"pki_acts", selectStrayAct, "no row of the audit tells of it, or of how it ended"},
			{"pki_certificates", selectStrayCertificate, "it has no act"},
			{"pki_certificates", selectStrayStatus, "no row of the audit tells of its status"},
		}...)
	}
	for _, look := range looks {
		var key string
		err := c.tx.QueryRowContext(ctx, look.query).Scan(&key)
		if err == nil {
			return &TamperedError{Table: look.table, Key: key, Why: look.why}
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	if t != c.tally {
		return fmt.Errorf("sqlstore: the audit tells of %+v, the tables hold %+v", c.tally, t)
	}
	return nil
}

// each calls do for each row of an answer.
func (c *comparison) each(ctx context.Context, do func(*sql.Rows) error, query string, args ...any) error {
	rows, err := c.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
