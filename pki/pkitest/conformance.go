// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// TestLedger checks that a ledger keeps what pki.Ledger promises. open returns a
// new, empty ledger each time it is called; it closes it with t.Cleanup.
func TestLedger(t *testing.T, open func(t *testing.T) pki.Ledger) {
	for _, c := range []struct {
		name string
		test func(*ledgerTest)
	}{
		{"register", (*ledgerTest).register},
		{"commit", (*ledgerTest).commit},
		{"close", (*ledgerTest).closeAct},
		{"pending", (*ledgerTest).pending},
		{"keys", (*ledgerTest).keys},
		{"serials", (*ledgerTest).serials},
		{"clock", (*ledgerTest).clock},
		{"renewal", (*ledgerTest).renewal},
		{"renewal revoked", (*ledgerTest).renewalRevoked},
		{"renewal at once", (*ledgerTest).renewalAtOnce},
		{"revise", (*ledgerTest).revise},
		{"lists", (*ledgerTest).lists},
		{"list after the end", (*ledgerTest).listAfterEnd},
		{"pages", (*ledgerTest).pages},
		{"lineage", (*ledgerTest).lineage},
		{"reminders", (*ledgerTest).reminders},
	} {
		t.Run(c.name, func(t *testing.T) {
			lt := &ledgerTest{T: t, Ledger: open(t), ctx: context.Background(), at: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
			lt.ok(lt.Register(lt.ctx, issuer, shards, lt.at))
			c.test(lt)
			if _, err := lt.VerifyAudit(lt.ctx); err != nil {
				t.Errorf("VerifyAudit: %v", err)
			}
		})
	}
}

const (
	issuer = "issuer-1"
	shards = 4
)

type ledgerTest struct {
	*testing.T
	pki.Ledger
	ctx  context.Context
	at   time.Time
	acts int
}

func (t *ledgerTest) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *ledgerTest) is(err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func (t *ledgerTest) equal(got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// newAct returns an act with two fresh keys in shard 1 that lasts a day.
func (t *ledgerTest) newAct() pki.Act {
	t.acts++
	id := fmt.Sprintf("act-%d", t.acts)
	act := pki.Act{
		ID: id, Kind: pki.ActIssue, Issuer: issuer, Fingerprint: []byte(id), Subject: []byte("subject"),
		UserID: "123456789012", Lineage: id, Generation: 1, Opened: t.at,
	}
	for i, use := range []pki.Use{pki.Authentication, pki.Signing} {
		var serial [16]byte
		_, err := rand.Read(serial[:])
		t.ok(err)
		act.Records = append(act.Records, pki.Record{
			Serial: new(big.Int).SetBytes(serial[:]), Use: use, Shard: 1, PublicKey: fmt.Appendf(nil, "key %s %d", id, i),
			NotBefore: t.at, NotAfter: t.at.Add(24*time.Hour - time.Second), State: pki.Pending,
		})
	}
	return act
}

func (t *ledgerTest) open(act pki.Act) pki.Act {
	t.Helper()
	stored, err := t.OpenAct(t.ctx, act, nil)
	t.ok(err)
	return stored
}

// committed opens and commits an act.
func (t *ledgerTest) committed(act pki.Act, renews ...*big.Int) pki.Act {
	t.Helper()
	opened, err := t.OpenAct(t.ctx, act, renews)
	t.ok(err)
	done, err := t.CommitAct(t.ctx, signed(opened), t.at)
	t.ok(err)
	return done
}

// signed fills in what stands for the certificates.
func signed(act pki.Act) pki.Act {
	act.Records = slices.Clone(act.Records)
	act.Records[0].DER, act.Records[1].DER = []byte(act.ID+" a"), []byte(act.ID+" s")
	return act
}

func (t *ledgerTest) register() {
	t.ok(t.Register(t.ctx, issuer, shards, t.at))
	if t.Register(t.ctx, issuer, shards*2, t.at) == nil {
		t.Fatal("the number of shards could be changed")
	}
	t.ok(t.Register(t.ctx, "issuer-2", shards*2, t.at))
	_, err := t.Shard(t.ctx, issuer, shards)
	t.is(err, pki.ErrUnknownCertificate)
}

func (t *ledgerTest) commit() {
	act := t.newAct()
	_, err := t.Act(t.ctx, act.ID)
	t.is(err, pki.ErrUnknownAct)
	_, err = t.CommitAct(t.ctx, signed(act), t.at)
	t.is(err, pki.ErrUnknownAct)
	before, err := t.Revision(t.ctx)
	t.ok(err)
	opened := t.open(act)
	t.equal(opened.State, pki.Pending)
	r, err := t.Record(t.ctx, act.Records[0].Serial)
	t.ok(err)
	t.equal(r.State, pki.Pending)
	t.equal(len(r.DER), 0)
	done, err := t.CommitAct(t.ctx, signed(opened), t.at)
	t.ok(err)
	t.equal(done.State, pki.Good)
	t.equal(done.Records[1].State, pki.Good)
	t.equal(done.Records[1].Lineage, act.Lineage)
	after, err := t.Revision(t.ctx)
	t.ok(err)
	if after <= before {
		t.Fatal("the revision did not grow")
	}
	late := signed(act)
	late.Records[0].DER = []byte("another signature")
	again, err := t.CommitAct(t.ctx, late, t.at)
	t.ok(err)
	t.equal(string(again.Records[0].DER), act.ID+" a") // the first commit wins
	other := t.newAct()
	other.ID = act.ID
	t.equal(string(t.open(other).Fingerprint), string(act.Fingerprint))
	r, err = t.Record(t.ctx, act.Records[1].Serial)
	t.ok(err)
	want := act.Records[1]
	want.State, want.DER = pki.Good, []byte(act.ID+" s")
	want.Act, want.Issuer, want.UserID, want.Lineage, want.Generation, want.Opened = act.ID, issuer, act.UserID, act.Lineage, 1, act.Opened
	t.equal(r, want)
	_, err = t.Record(t.ctx, big.NewInt(7))
	t.is(err, pki.ErrUnknownCertificate)
}

func (t *ledgerTest) closeAct() {
	act := t.newAct()
	t.open(act)
	closed, err := t.CloseAct(t.ctx, act.ID, t.at)
	t.ok(err)
	t.equal(closed.State, pki.Revoked)
	done, err := t.CommitAct(t.ctx, signed(act), t.at)
	t.ok(err)
	t.equal(done.State, pki.Revoked)
	plan, err := t.ReserveCRL(t.ctx, issuer, 1, t.at)
	t.ok(err)
	t.equal(len(plan.Entries), 2)
	good := t.committed(t.newAct())
	kept, err := t.CloseAct(t.ctx, good.ID, t.at)
	t.ok(err)
	t.equal(kept.State, pki.Good)
	_, err = t.CloseAct(t.ctx, "nothing", t.at)
	t.is(err, pki.ErrUnknownAct)
}

func (t *ledgerTest) pending() {
	first := t.open(t.newAct())
	t.committed(t.newAct())
	t.at = t.at.Add(time.Hour)
	t.open(t.newAct())
	for at, want := range map[time.Time]int{t.at.Add(-time.Second): 1, t.at: 2} {
		acts, err := t.PendingActs(t.ctx, issuer, at)
		t.ok(err)
		t.equal(len(acts), want)
		t.equal(acts[0].ID, first.ID)
		t.equal(len(acts[0].Records), 2)
		t.equal(acts[0].Records[1].PublicKey, first.Records[1].PublicKey)
	}
	acts, err := t.PendingActs(t.ctx, "issuer-2", t.at)
	t.ok(err)
	t.equal(len(acts), 0)
}

func (t *ledgerTest) keys() {
	act := t.newAct()
	t.open(act)
	for i := range 2 {
		again := t.newAct()
		again.Records[1-i].PublicKey = act.Records[i].PublicKey
		_, err := t.OpenAct(t.ctx, again, nil)
		t.is(err, pki.ErrKeyReused)
		_, err = t.Act(t.ctx, again.ID)
		t.is(err, pki.ErrUnknownAct)
	}
	_, err := t.CloseAct(t.ctx, act.ID, t.at)
	t.ok(err)
	again := t.newAct()
	again.Records[0].PublicKey = act.Records[0].PublicKey
	_, err = t.OpenAct(t.ctx, again, nil)
	t.is(err, pki.ErrKeyReused)
}

func (t *ledgerTest) serials() {
	act := t.newAct()
	t.open(act)
	again := t.newAct()
	again.Records[1].Serial = act.Records[0].Serial
	_, err := t.OpenAct(t.ctx, again, nil)
	t.is(err, pki.ErrSerialTaken)
	_, err = t.Act(t.ctx, again.ID)
	t.is(err, pki.ErrUnknownAct)
	again.Records[1].Serial = big.NewInt(1)
	t.open(again)
}

func (t *ledgerTest) clock() {
	t.open(t.newAct())
	early := t.newAct()
	early.Opened = t.at.Add(-pki.ClockTolerance - time.Second)
	_, err := t.OpenAct(t.ctx, early, nil)
	t.is(err, pki.ErrClock)
	early.Opened = t.at.Add(-pki.ClockTolerance)
	t.open(early)
}

// next is the act that renews another.
func (t *ledgerTest) next(old pki.Act) (pki.Act, []*big.Int) {
	act := t.newAct()
	act.Kind, act.Lineage, act.Generation = pki.ActRenew, old.Lineage, old.Generation+1
	return act, []*big.Int{old.Records[0].Serial, old.Records[1].Serial}
}

func (t *ledgerTest) revoke(r pki.Record, state pki.State, reason int) {
	t.Helper()
	_, err := t.Revise(t.ctx, r.Serial, t.at, func(r pki.Record) (pki.Record, error) {
		r.State, r.Reason, r.RevokedAt = state, reason, t.at
		return r, nil
	})
	t.ok(err)
}

func (t *ledgerTest) renewal() {
	first := t.committed(t.newAct())
	act, renews := t.next(first)
	second := t.committed(act, renews...)
	act, renews = t.next(first)
	_, err := t.OpenAct(t.ctx, act, renews)
	t.is(err, pki.ErrSuperseded)

	t.revoke(second.Records[0], pki.Revoked, 5)
	_, err = t.OpenAct(t.ctx, act, renews)
	t.is(err, pki.ErrSuperseded) // half a pair still counts
	t.revoke(second.Records[1], pki.Revoked, 5)
	_, err = t.OpenAct(t.ctx, act, renews)
	t.ok(err)

	third := t.committed(t.newAct())
	act, renews = t.next(third)
	t.revoke(third.Records[1], pki.Held, 6)
	_, err = t.OpenAct(t.ctx, act, renews)
	t.is(err, pki.ErrHeld)
	t.revoke(third.Records[1], pki.Revoked, 1)
	_, err = t.OpenAct(t.ctx, act, renews)
	t.is(err, pki.ErrRevoked)
}

// renewalRevoked: what a pending renewal renews is revoked before it is committed.
func (t *ledgerTest) renewalRevoked() {
	first := t.committed(t.newAct())
	act, renews := t.next(first)
	opened, err := t.OpenAct(t.ctx, act, renews)
	t.ok(err)
	t.revoke(first.Records[0], pki.Held, 6)
	_, err = t.CommitAct(t.ctx, signed(opened), t.at)
	t.is(err, pki.ErrHeld)
	waiting, err := t.Act(t.ctx, act.ID)
	t.ok(err)
	t.equal([]any{waiting.State, len(waiting.Records[0].DER)}, []any{pki.Pending, 0})
	t.revoke(first.Records[0], pki.Revoked, 1)
	done, err := t.CommitAct(t.ctx, signed(opened), t.at)
	t.ok(err)
	t.equal(done.State, pki.Revoked)
	t.equal(done.Records[1].State, pki.Revoked)
	r, err := t.Record(t.ctx, act.Records[0].Serial)
	t.ok(err)
	t.equal([]any{r.State, r.Reason, len(r.DER)}, []any{pki.Revoked, 5, 0})

	// The pair may be of any act of that generation.
	third := t.committed(t.newAct())
	act, renews = t.next(third)
	given := t.committed(act, renews...)
	t.revoke(given.Records[0], pki.Revoked, 5)
	t.revoke(given.Records[1], pki.Revoked, 5)
	act, renews = t.next(third)
	fourth := t.committed(act, renews...)
	act, renews = t.next(fourth)
	fifth := t.committed(act, renews...)
	t.equal(fifth.State, pki.Good)

	// What was committed before the hold stays, and what waited for the release
	// goes on.
	t.revoke(fourth.Records[1], pki.Held, 6)
	again, err := t.CommitAct(t.ctx, signed(act), t.at)
	t.ok(err)
	t.equal(again.State, pki.Good)
	act, renews = t.next(fifth)
	opened, err = t.OpenAct(t.ctx, act, renews)
	t.ok(err)
	t.revoke(fifth.Records[1], pki.Held, 6)
	_, err = t.CommitAct(t.ctx, signed(opened), t.at)
	t.is(err, pki.ErrHeld)
	t.revoke(fifth.Records[1], pki.Good, 0)
	done, err = t.CommitAct(t.ctx, signed(opened), t.at)
	t.ok(err)
	t.equal(done.State, pki.Good)
}

func (t *ledgerTest) renewalAtOnce() {
	first := t.committed(t.newAct())
	const callers = 20
	results := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		act, renews := t.next(first)
		wg.Go(func() { _, results[i] = t.OpenAct(t.ctx, act, renews) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
			continue
		}
		t.is(err, pki.ErrSuperseded)
	}
	t.equal(won, 1)
}

func (t *ledgerTest) revise() {
	act := t.committed(t.newAct())
	serial := act.Records[0].Serial
	t.revoke(act.Records[0], pki.Held, 6)
	s, err := t.Shard(t.ctx, issuer, 1)
	t.ok(err)
	t.equal(s.Changed, 1)
	revision, err := t.Revision(t.ctx)
	t.ok(err)
	same := func(r pki.Record) (pki.Record, error) { return r, nil }
	r, err := t.Revise(t.ctx, serial, t.at, same)
	t.ok(err)
	t.equal(r.State, pki.Held)
	unchanged, err := t.Revision(t.ctx)
	t.ok(err)
	t.equal(unchanged, revision)
	_, err = t.Revise(t.ctx, serial, t.at, func(r pki.Record) (pki.Record, error) { return r, pki.ErrRevoked })
	t.is(err, pki.ErrRevoked)
	_, err = t.Revise(t.ctx, big.NewInt(7), t.at, same)
	t.is(err, pki.ErrUnknownCertificate)
	r, err = t.Revise(t.ctx, serial, t.at, func(r pki.Record) (pki.Record, error) {
		r.State, r.Reason, r.RevokedAt = pki.Good, 0, time.Time{}
		return r, nil
	})
	t.ok(err)
	stored, err := t.Record(t.ctx, serial)
	t.ok(err)
	t.equal(stored, r)
	t.equal(stored.RevokedAt.IsZero(), true)
}

func (t *ledgerTest) store(plan pki.CRLPlan, at time.Time) {
	t.Helper()
	t.ok(t.StoreCRL(t.ctx, pki.CRL{
		Issuer: issuer, Shard: 1, Number: plan.Number, Covers: plan.Covers,
		ThisUpdate: at, NextUpdate: at.Add(time.Hour), DER: fmt.Appendf(nil, "list %d", plan.Number),
	}))
}

func (t *ledgerTest) reserve(at time.Time) pki.CRLPlan {
	t.Helper()
	plan, err := t.ReserveCRL(t.ctx, issuer, 1, at)
	t.ok(err)
	return plan
}

func (t *ledgerTest) lists() {
	_, err := t.CRL(t.ctx, issuer, 1)
	t.is(err, pki.ErrUnknownCertificate)
	act := t.committed(t.newAct())
	t.revoke(act.Records[0], pki.Revoked, 1)
	first := t.reserve(t.at)
	t.revoke(act.Records[1], pki.Held, 6)
	second := t.reserve(t.at)
	t.equal([]any{first.Number, second.Number}, []any{1, 2})
	t.equal([]any{len(first.Entries), len(second.Entries)}, []any{1, 2})
	t.equal([]any{first.Covers, second.Covers}, []any{1, 2})
	t.store(second, t.at)
	t.store(first, t.at) // late: must not replace the newer
	list, err := t.CRL(t.ctx, issuer, 1)
	t.ok(err)
	t.equal([]any{list.Number, list.Covers, string(list.DER)}, []any{2, 2, "list 2"})
	s, err := t.Shard(t.ctx, issuer, 1)
	t.ok(err)
	t.equal(s, pki.Shard{Changed: 2, Number: 2, Covers: 2, ThisUpdate: t.at, NextUpdate: t.at.Add(time.Hour)})
	_, err = t.ReserveCRL(t.ctx, issuer, 1, t.at.Add(-time.Second))
	t.is(err, pki.ErrClock)
	third, fourth := t.reserve(t.at), t.reserve(t.at.Add(time.Second))
	if third.Number <= second.Number || fourth.Number <= third.Number {
		t.Fatal("a list number was given twice")
	}
	t.store(third, t.at.Add(time.Second))
	t.store(fourth, t.at) // a server whose clock is behind
	list, err = t.CRL(t.ctx, issuer, 1)
	t.ok(err)
	t.equal([]any{list.Number, list.ThisUpdate}, []any{third.Number, t.at.Add(time.Second)})
}

// listAfterEnd: RFC 5280 §3.3.
func (t *ledgerTest) listAfterEnd() {
	act := t.committed(t.newAct())
	t.revoke(act.Records[0], pki.Revoked, 1)
	plan := t.reserve(t.at)
	t.store(plan, t.at)
	after := t.at.Add(48 * time.Hour)
	plan = t.reserve(after)
	t.equal(len(plan.Entries), 1) // not on a list after its end yet
	t.revoke(act.Records[1], pki.Revoked, 1)
	t.store(plan, after)
	plan = t.reserve(after)
	t.equal(len(plan.Entries), 1) // the one revoked meanwhile
	t.equal(plan.Entries[0].Serial, act.Records[1].Serial)
	t.store(plan, after)
	t.equal(len(t.reserve(after).Entries), 0)
}
