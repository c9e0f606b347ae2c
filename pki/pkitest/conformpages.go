// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// pages: each certificate comes once, in order, whatever the size of a page.
func (t *ledgerTest) pages() {
	var ids []string
	for i := range 5 { // two acts a second, so that the order needs more than the time
		if i%2 == 0 {
			t.at = t.at.Add(time.Second)
		}
		act := t.newAct()
		t.committed(act)
		ids = append(ids, act.ID)
	}
	t.open(t.newAct()) // pending
	closed := t.open(t.newAct())
	_, err := t.CloseAct(t.ctx, closed.ID, t.at)
	t.ok(err)
	responder := t.newAct()
	responder.Kind, responder.Records[0].Use, responder.Records[1].Use = pki.ActResponder, pki.Responder, pki.Responder
	t.committed(responder)
	revoked, err := t.Act(t.ctx, ids[1])
	t.ok(err)
	t.revoke(revoked.Records[1], pki.Revoked, 1)
	t.revoke(revoked.Records[0], pki.Held, 6)

	for _, size := range []int{1, 2, 3, 100} {
		var issued []string
		t.walk(size, func(last pki.Record) ([]pki.Record, error) { return t.Issued(t.ctx, issuer, last, size) }, func(r pki.Record) {
			issued = append(issued, r.Act+" "+string(r.Use))
		})
		var want []string
		for _, id := range ids {
			want = append(want, id+" authentication", id+" signing")
		}
		t.equal(issued, want)
	}
	ends := revoked.Records[0].NotAfter
	for _, c := range []struct {
		from, to time.Time
		want     int
	}{
		{t.at, ends.Add(time.Hour), 9}, // ten, less the revoked one
		{ends, ends, 3}, {ends.Add(time.Second), ends.Add(time.Hour), 6}, {t.at, ends.Add(-time.Second), 0},
	} {
		for _, size := range []int{1, 4, 100} {
			var seen []pki.Record
			t.walk(size, func(last pki.Record) ([]pki.Record, error) {
				return t.Expiring(t.ctx, issuer, c.from, c.to, last, size)
			}, func(r pki.Record) { seen = append(seen, r) })
			t.equal(len(seen), c.want)
			t.equal(slices.IsSortedFunc(seen, byEnd), true)
		}
	}
	none, err := t.Issued(t.ctx, "issuer-2", pki.Record{}, 10)
	t.ok(err)
	t.equal(len(none), 0)
}

// walk reads all pages, and fails when they don't end.
func (t *ledgerTest) walk(size int, page func(last pki.Record) ([]pki.Record, error), see func(pki.Record)) {
	t.Helper()
	var last pki.Record
	for range 100 {
		records, err := page(last)
		t.ok(err)
		for _, r := range records {
			see(r)
			last = r
		}
		if len(records) < size {
			return
		}
	}
	t.Fatal("the pages don't end")
}

func (t *ledgerTest) lineage() {
	first := t.committed(t.newAct())
	act, renews := t.next(first)
	second := t.committed(act, renews...)
	t.committed(t.newAct())
	t.revoke(second.Records[0], pki.Revoked, 5)
	all, err := t.Lineage(t.ctx, first.Lineage)
	t.ok(err)
	var got []string
	for _, r := range all {
		got = append(got, r.Act+" "+string(r.Use))
	}
	t.equal(got, []string{first.ID + " authentication", first.ID + " signing", second.ID + " authentication", second.ID + " signing"})
	t.equal(all[3].Generation, 2)
	none, err := t.Lineage(t.ctx, "nothing")
	t.ok(err)
	t.equal(len(none), 0)
}

func (t *ledgerTest) reminders() {
	next, err := t.NextReminder(t.ctx, issuer)
	t.ok(err)
	t.equal(next.IsZero(), true)
	at := t.at.Add(time.Hour)
	remind := func(when time.Time) pki.Act {
		act := t.newAct()
		act.Records[0].RemindAt = when
		return t.committed(act)
	}
	late, early, pending := remind(at.Add(time.Second)), remind(at), t.newAct()
	pending.Records[0].RemindAt = at
	t.open(pending)
	next, err = t.NextReminder(t.ctx, issuer)
	t.ok(err)
	t.equal(next, at)
	due := func(when time.Time, limit int) []string {
		records, err := t.DueReminders(t.ctx, issuer, when, limit)
		t.ok(err)
		var acts []string
		for _, r := range records {
			acts = append(acts, r.Act+" "+string(r.Use))
		}
		return acts
	}
	t.equal(len(due(at.Add(-time.Second), 9)), 0)
	t.equal(due(at, 9), []string{early.ID + " authentication"})
	t.equal(due(at.Add(time.Second), 9), []string{early.ID + " authentication", late.ID + " authentication"})
	t.equal(due(at.Add(time.Second), 1), []string{early.ID + " authentication"})

	serial := early.Records[0].Serial
	won := make([]bool, 10)
	var wg sync.WaitGroup
	for i := range won {
		wg.Go(func() {
			moved, err := t.MoveReminder(t.ctx, serial, at, at.Add(time.Hour))
			won[i] = moved && err == nil
		})
	}
	wg.Wait()
	t.equal(len(slices.DeleteFunc(won, func(w bool) bool { return !w })), 1)
	r, err := t.Record(t.ctx, serial)
	t.ok(err)
	t.equal(r.RemindAt, at.Add(time.Hour))
	moved, err := t.MoveReminder(t.ctx, serial, at.Add(time.Hour), time.Time{})
	t.ok(err)
	t.equal(moved, true)
	t.equal(due(at.Add(24*time.Hour), 9), []string{late.ID + " authentication"})
	t.revoke(late.Records[0], pki.Held, 6)
	t.equal(len(due(at.Add(24*time.Hour), 9)), 0)
	moved, _ = t.MoveReminder(t.ctx, big.NewInt(7), at, at)
	t.equal(moved, false)
}
