// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// Memory is a pki.Ledger that ends with the process, for tests. It passes
// TestLedger. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	issuers map[string][]*memoryShard
	acts    []*pki.Act
	audit   []auditRow
}

var _ pki.Ledger = (*Memory)(nil)

type memoryShard struct {
	pki.Shard
	reserved int64
	list     pki.CRL
	changes  map[string]int64 // serial → the shard's count at its last change
	listed   map[string]bool  // on a list signed after its end
}

type auditRow struct {
	text string
	hash [sha256.Size]byte
}

// note appends to the audit.
func (m *Memory) note(format string, args ...any) {
	var before []byte
	if n := len(m.audit); n > 0 {
		before = m.audit[n-1].hash[:]
	}
	text := fmt.Sprintf(format, args...)
	m.audit = append(m.audit, auditRow{text, sha256.Sum256(append(bytes.Clone(before), text...))})
}

// VerifyAudit implements pki.Ledger.
func (m *Memory) VerifyAudit(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var before []byte
	for i, row := range m.audit {
		if sha256.Sum256(append(bytes.Clone(before), row.text...)) != row.hash {
			return int64(i), fmt.Errorf("pkitest: audit row %d was changed", i+1)
		}
		before = row.hash[:]
	}
	return int64(len(m.audit)), nil
}

// Revision implements pki.Ledger.
func (m *Memory) Revision(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.audit)), nil
}

// Register implements pki.Ledger.
func (m *Memory) Register(_ context.Context, issuer string, shards int, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.issuers[issuer]; ok {
		if len(known) != shards {
			return fmt.Errorf("pkitest: the issuing CA has %d shards, which can't become %d", len(known), shards)
		}
		return nil
	}
	if m.issuers == nil {
		m.issuers = map[string][]*memoryShard{}
	}
	for range shards {
		m.issuers[issuer] = append(m.issuers[issuer], &memoryShard{changes: map[string]int64{}, listed: map[string]bool{}})
	}
	m.note("registered %s %d", issuer, shards)
	return nil
}

func (m *Memory) act(id string) *pki.Act {
	for _, a := range m.acts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

func (m *Memory) find(serial *big.Int) *pki.Record {
	for _, a := range m.acts {
		for i := range a.Records {
			if a.Records[i].Serial.Cmp(serial) == 0 {
				return &a.Records[i]
			}
		}
	}
	return nil
}

// copied keeps callers from changing what is stored.
func copied(a *pki.Act) pki.Act {
	c := *a
	c.Records = slices.Clone(a.Records)
	return c
}

// OpenAct implements pki.Ledger.
func (m *Memory) OpenAct(_ context.Context, act pki.Act, renews []*big.Int) (pki.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.act(act.ID); known != nil {
		return copied(known), nil
	}
	if err := m.mayOpen(act, renews); err != nil {
		return pki.Act{}, err
	}
	act.State = pki.Pending
	act = copied(&act)
	for i := range act.Records {
		r := &act.Records[i]
		r.State = pki.Pending
		r.Act, r.Issuer, r.UserID, r.Lineage, r.Generation, r.Opened = act.ID, act.Issuer, act.UserID, act.Lineage, act.Generation, act.Opened
	}
	m.acts = append(m.acts, &act)
	m.note("opened %s", act.ID)
	return copied(&act), nil
}

func (m *Memory) mayOpen(act pki.Act, renews []*big.Int) error {
	for _, a := range m.acts {
		if a.Opened.Sub(act.Opened) > pki.ClockTolerance {
			return pki.ErrClock
		}
	}
	if act.Kind == pki.ActRenew {
		if err := m.mayRenew(renews); err != nil {
			return err
		}
	}
	taken := false
	for _, r := range act.Records {
		for _, a := range m.acts {
			for _, other := range a.Records {
				if bytes.Equal(other.PublicKey, r.PublicKey) {
					return pki.ErrKeyReused
				}
			}
		}
		taken = taken || m.find(r.Serial) != nil
	}
	if taken {
		return pki.ErrSerialTaken
	}
	return nil
}

func (m *Memory) mayRenew(renews []*big.Int) error {
	for _, serial := range renews {
		r := m.find(serial)
		switch {
		case r == nil:
			return pki.ErrUnknownCertificate
		case r.State == pki.Held:
			return pki.ErrHeld
		case r.State == pki.Revoked:
			return pki.ErrRevoked
		}
		for _, a := range m.acts {
			newer := a.Lineage == r.Lineage && a.Generation > r.Generation
			if newer && slices.ContainsFunc(a.Records, func(o pki.Record) bool { return o.State != pki.Revoked }) {
				return pki.ErrSuperseded
			}
		}
	}
	return nil
}

// CommitAct implements pki.Ledger.
func (m *Memory) CommitAct(_ context.Context, act pki.Act, at time.Time) (pki.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.act(act.ID)
	if a == nil {
		return pki.Act{}, pki.ErrUnknownAct
	}
	if a.State != pki.Pending {
		return copied(a), nil
	}
	switch former := m.former(a); {
	case a.Kind != pki.ActRenew:
	case former == nil:
		m.close(a, at)
		return copied(a), nil
	case slices.ContainsFunc(former.Records, func(r pki.Record) bool { return r.State == pki.Held }):
		return pki.Act{}, pki.ErrHeld
	}
	if len(act.Records) != len(a.Records) {
		return pki.Act{}, fmt.Errorf("pkitest: act %s has %d certificates, not %d", a.ID, len(a.Records), len(act.Records))
	}
	a.State = pki.Good
	for i := range a.Records {
		a.Records[i].State, a.Records[i].DER = pki.Good, bytes.Clone(act.Records[i].DER)
	}
	m.note("committed %s", a.ID)
	return copied(a), nil
}

// CloseAct implements pki.Ledger.
func (m *Memory) CloseAct(_ context.Context, id string, at time.Time) (pki.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.act(id)
	if a == nil {
		return pki.Act{}, pki.ErrUnknownAct
	}
	if a.State == pki.Pending {
		m.close(a, at)
	}
	return copied(a), nil
}

// former returns the act that an act renews, nil when it was revoked.
func (m *Memory) former(act *pki.Act) *pki.Act {
	revoked := func(r pki.Record) bool { return r.State == pki.Revoked }
	for _, a := range m.acts {
		if a.Lineage == act.Lineage && a.Generation == act.Generation-1 && !slices.ContainsFunc(a.Records, revoked) {
			return a
		}
	}
	return nil
}

func (m *Memory) close(a *pki.Act, at time.Time) {
	a.State = pki.Revoked
	for i := range a.Records {
		r := a.Records[i]
		r.State, r.Reason, r.RevokedAt = pki.Revoked, 5, at
		m.change(&a.Records[i], r)
	}
	m.note("closed %s", a.ID)
}

// change writes a record's status and counts the change of its shard.
func (m *Memory) change(r *pki.Record, to pki.Record) {
	*r = to
	s := m.issuers[r.Issuer][r.Shard]
	s.Changed++
	s.changes[r.Serial.String()] = s.Changed
	s.listed[r.Serial.String()] = false
}

// Act implements pki.Ledger.
func (m *Memory) Act(_ context.Context, id string) (pki.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.act(id); a != nil {
		return copied(a), nil
	}
	return pki.Act{}, pki.ErrUnknownAct
}

// PendingActs implements pki.Ledger.
func (m *Memory) PendingActs(_ context.Context, issuer string, opened time.Time) ([]pki.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []pki.Act
	for _, a := range m.acts {
		if a.State == pki.Pending && a.Issuer == issuer && !a.Opened.After(opened) {
			out = append(out, copied(a))
		}
	}
	return out, nil
}

// Record implements pki.Ledger.
func (m *Memory) Record(_ context.Context, serial *big.Int) (pki.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.find(serial); r != nil {
		return *r, nil
	}
	return pki.Record{}, pki.ErrUnknownCertificate
}

// Revise implements pki.Ledger.
func (m *Memory) Revise(_ context.Context, serial *big.Int, _ time.Time, revise func(pki.Record) (pki.Record, error)) (pki.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(serial)
	if r == nil {
		return pki.Record{}, pki.ErrUnknownCertificate
	}
	to, err := revise(*r)
	if err != nil {
		return pki.Record{}, err
	}
	if to.State != r.State || to.Reason != r.Reason || !to.RevokedAt.Equal(r.RevokedAt) {
		after := *r
		after.State, after.Reason, after.RevokedAt = to.State, to.Reason, to.RevokedAt
		m.change(r, after)
		m.note("%s %x %d", r.State, serial, r.Reason)
	}
	return *r, nil
}

func (m *Memory) shard(issuer string, shard int) (*memoryShard, error) {
	shards := m.issuers[issuer]
	if shard < 0 || shard >= len(shards) {
		return nil, pki.ErrUnknownCertificate
	}
	return shards[shard], nil
}

// Shard implements pki.Ledger.
func (m *Memory) Shard(_ context.Context, issuer string, shard int) (pki.Shard, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.shard(issuer, shard)
	if err != nil {
		return pki.Shard{}, err
	}
	return s.Shard, nil
}

// ReserveCRL implements pki.Ledger.
func (m *Memory) ReserveCRL(_ context.Context, issuer string, shard int, at time.Time) (pki.CRLPlan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.shard(issuer, shard)
	if err != nil {
		return pki.CRLPlan{}, err
	}
	if s.ThisUpdate.After(at) {
		return pki.CRLPlan{}, pki.ErrClock
	}
	s.reserved++
	plan := pki.CRLPlan{Number: s.reserved, Covers: s.Changed}
	for _, r := range m.revoked(issuer, shard) {
		if !r.NotAfter.Before(at) || !s.listed[r.Serial.String()] {
			plan.Entries = append(plan.Entries, pki.RevokedEntry{Serial: r.Serial, RevokedAt: r.RevokedAt, Reason: r.Reason})
		}
	}
	return plan, nil
}

func (m *Memory) revoked(issuer string, shard int) []pki.Record {
	var out []pki.Record
	for _, a := range m.acts {
		for _, r := range a.Records {
			if r.Issuer == issuer && r.Shard == shard && (r.State == pki.Held || r.State == pki.Revoked) {
				out = append(out, r)
			}
		}
	}
	return out
}

// StoreCRL implements pki.Ledger.
func (m *Memory) StoreCRL(_ context.Context, list pki.CRL) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.shard(list.Issuer, list.Shard)
	if err != nil || list.Number <= s.Number || list.ThisUpdate.Before(s.ThisUpdate) {
		return err
	}
	s.list = list
	s.Number, s.Covers, s.ThisUpdate, s.NextUpdate = list.Number, list.Covers, list.ThisUpdate, list.NextUpdate
	for _, r := range m.revoked(list.Issuer, list.Shard) {
		serial := r.Serial.String()
		if r.NotAfter.Before(list.ThisUpdate) && s.changes[serial] <= list.Covers {
			s.listed[serial] = true
		}
	}
	m.note("list %s/%d %d", list.Issuer, list.Shard, list.Number)
	return nil
}

// CRL implements pki.Ledger.
func (m *Memory) CRL(_ context.Context, issuer string, shard int) (pki.CRL, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.shard(issuer, shard)
	if err != nil {
		return pki.CRL{}, err
	}
	if s.Number == 0 {
		return pki.CRL{}, pki.ErrUnknownCertificate
	}
	return s.list, nil
}
