// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// listCache keeps the newest list of each shard that this process has seen. What
// the ledger says about a shard decides whether it may be used.
type listCache struct {
	shards []listSlot
}

type listSlot struct {
	mu   sync.Mutex // one signature at a time for a shard
	list CRL
	etag string
}

func newListCache(shards int) *listCache { return &listCache{shards: make([]listSlot, shards)} }

// listDue is when a list is to be signed again: after three fifths of its life, or
// at its end if nothing can outlive that. Two thirds is the latest that is
// promised: even of the shortest life, a minute, that leaves Due four seconds.
func (ca *CA) listDue(s Shard) time.Time {
	if s.NextUpdate.Equal(ca.ends) {
		return s.NextUpdate
	}
	return s.ThisUpdate.Add((s.NextUpdate.Sub(s.ThisUpdate) / 5 * 3).Truncate(time.Second))
}

// freshList makes sure that a shard has a list that is complete and not due, and
// returns how the shard stands.
func (ca *CA) freshList(ctx context.Context, shard int) (Shard, error) {
	state, err := ca.ledger.Shard(ctx, ca.keyID, shard)
	if err != nil || !ca.needsList(state) {
		return state, err
	}
	slot := &ca.lists.shards[shard]
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if state, err = ca.ledger.Shard(ctx, ca.keyID, shard); err != nil || !ca.needsList(state) {
		return state, err // signed while this call waited
	}
	list, err := ca.signList(ctx, shard, state)
	if err != nil {
		return state, fmt.Errorf("pki: list %d: %w", shard, err)
	}
	// Another server may have kept a later one meanwhile, and numbers never go
	// back.
	if state, err = ca.ledger.Shard(ctx, ca.keyID, shard); err == nil && state.Number == list.Number {
		slot.list, slot.etag = list, etagOf(list.DER)
	}
	return state, err
}

func (ca *CA) needsList(s Shard) bool {
	return s.Number == 0 || s.Covers < s.Changed || !second(ca.now()).Before(ca.listDue(s))
}

// signList takes a number, signs what the ledger says at that moment, and keeps
// the result. A server whose clock is a little behind the one that signed the
// list before dates its own like that: a revocation doesn't wait for clocks.
// RFC 5280 §5.1, §5.2.3, §5.2.5.
func (ca *CA) signList(ctx context.Context, shard int, before Shard) (CRL, error) {
	now := second(ca.now())
	if ahead := before.ThisUpdate.Sub(now); ahead > 0 && ahead <= ClockTolerance {
		now = before.ThisUpdate
	}
	nextUpdate := earlier(now.Add(ca.crlLife), ca.ends)
	if !nextUpdate.After(now) {
		return CRL{}, ErrIssuerExpiring
	}
	plan, err := ca.ledger.ReserveCRL(ctx, ca.keyID, shard, now)
	if err != nil {
		return CRL{}, err
	}
	scope, err := asn1.Marshal(issuingDistributionPoint{distributionPointName{[]asn1.RawValue{uriName(ca.profile.crlURL(shard))}}})
	if err != nil {
		return CRL{}, err
	}
	template := &x509.RevocationList{
		Number: big.NewInt(plan.Number), ThisUpdate: now, NextUpdate: nextUpdate,
		RevokedCertificateEntries: make([]x509.RevocationListEntry, len(plan.Entries)),
		ExtraExtensions:           []pkix.Extension{{Id: oidIssuingDistPoint, Critical: true, Value: scope}},
	}
	for i, e := range plan.Entries {
		if !validSerial(e.Serial) {
			return CRL{}, fmt.Errorf("pki: ledger: serial number %x can't be listed", e.Serial)
		}
		template.RevokedCertificateEntries[i] = x509.RevocationListEntry{
			SerialNumber: e.Serial, RevocationTime: e.RevokedAt, ReasonCode: e.Reason,
		}
	}
	der, lines, err := ca.signLines(ctx, template, plan.Entries)
	if err != nil {
		return CRL{}, err
	}
	list := CRL{
		Issuer: ca.keyID, Shard: shard, Number: plan.Number, Covers: plan.Covers,
		ThisUpdate: now, NextUpdate: nextUpdate, DER: der,
	}
	if err := ca.checkList(list, lines, scope); err != nil {
		return CRL{}, fmt.Errorf("%w: %w", ErrSignerUnavailable, err)
	}
	if err := ca.ledger.StoreCRL(ctx, list); err != nil {
		return CRL{}, err
	}
	ca.log.InfoContext(ctx, "list signed", "shard", shard, "number", plan.Number, "entries", len(plan.Entries))
	ca.observe(ctx, Event{Name: EventCRL, Shard: shard})
	return list, nil
}

// signLines has a list signed and beside it encodes its lines, to compare: with
// many of them both take long.
func (ca *CA) signLines(ctx context.Context, template *x509.RevocationList, entries []RevokedEntry) (der, lines []byte, err error) {
	encoded := make(chan error, 1)
	go func() {
		var err error
		lines, err = listLines(entries)
		encoded <- err
	}()
	der, err = ca.signer.SignCRL(ctx, template)
	if other := <-encoded; err == nil {
		err = other
	}
	return der, lines, err
}

// publishedList returns the list to serve. When a new one can't be signed, the
// last one serves until its nextUpdate.
func (ca *CA) publishedList(ctx context.Context, shard int) (CRL, string, error) {
	state, err := ca.freshList(ctx, shard)
	if err != nil {
		ca.log.ErrorContext(ctx, "list not signed", "shard", shard, "error", err.Error())
		if state.Number == 0 || !second(ca.now()).Before(state.NextUpdate) {
			return CRL{}, "", err
		}
	}
	slot := &ca.lists.shards[shard]
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.list.Number < state.Number {
		list, err := ca.ledger.CRL(ctx, ca.keyID, shard)
		if err != nil {
			return CRL{}, "", err
		}
		slot.list, slot.etag = list, etagOf(list.DER)
	}
	return slot.list, slot.etag, nil
}

func etagOf(der []byte) string {
	sum := sha256.Sum256(der)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}
