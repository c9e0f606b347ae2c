// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"cmp"
	"context"
	"math/big"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// pick returns the records that a question is about, in an order, behind one,
// and not more than so many.
func (m *Memory) pick(keep func(pki.Record) bool, order func(a, b pki.Record) int, after pki.Record, limit int) []pki.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []pki.Record
	for _, a := range m.acts {
		for _, r := range a.Records {
			if keep(r) && (after.Serial == nil || order(r, after) > 0) {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, order)
	return out[:min(limit, len(out))]
}

func byEnd(a, b pki.Record) int {
	return cmp.Or(a.NotAfter.Compare(b.NotAfter), a.Serial.Cmp(b.Serial))
}

func byIssue(a, b pki.Record) int {
	return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Act, b.Act), cmp.Compare(a.Use, b.Use)) // "authentication" < "signing"
}

func byReminder(a, b pki.Record) int {
	return cmp.Or(a.RemindAt.Compare(b.RemindAt), a.Serial.Cmp(b.Serial))
}

func onCard(r pki.Record, issuer string) bool {
	return r.Issuer == issuer && r.Use != pki.Responder && len(r.DER) > 0
}

// Expiring implements pki.Ledger.
func (m *Memory) Expiring(_ context.Context, issuer string, from, to time.Time, after pki.Record, limit int) ([]pki.Record, error) {
	return m.pick(func(r pki.Record) bool {
		return onCard(r, issuer) && (r.State == pki.Good || r.State == pki.Held) && !r.NotAfter.Before(from) && !r.NotAfter.After(to)
	}, byEnd, after, limit), nil
}

// Issued implements pki.Ledger.
func (m *Memory) Issued(_ context.Context, issuer string, after pki.Record, limit int) ([]pki.Record, error) {
	return m.pick(func(r pki.Record) bool { return onCard(r, issuer) }, byIssue, after, limit), nil
}

// Lineage implements pki.Ledger.
func (m *Memory) Lineage(_ context.Context, lineage string) ([]pki.Record, error) {
	return m.pick(func(r pki.Record) bool { return onCard(r, r.Issuer) && r.Lineage == lineage }, func(a, b pki.Record) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), byIssue(a, b))
	}, pki.Record{}, len(m.acts)*2), nil
}

// DueReminders implements pki.Ledger.
func (m *Memory) DueReminders(_ context.Context, issuer string, at time.Time, limit int) ([]pki.Record, error) {
	return m.pick(func(r pki.Record) bool {
		return r.Issuer == issuer && r.State == pki.Good && !r.RemindAt.IsZero() && !r.RemindAt.After(at)
	}, byReminder, pki.Record{}, limit), nil
}

// NextReminder implements pki.Ledger.
func (m *Memory) NextReminder(_ context.Context, issuer string) (time.Time, error) {
	next := m.pick(func(r pki.Record) bool {
		return r.Issuer == issuer && r.State == pki.Good && !r.RemindAt.IsZero()
	}, byReminder, pki.Record{}, 1)
	if len(next) == 0 {
		return time.Time{}, nil
	}
	return next[0].RemindAt, nil
}

// MoveReminder implements pki.Ledger.
func (m *Memory) MoveReminder(_ context.Context, serial *big.Int, from, to time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(serial)
	if r == nil {
		return false, pki.ErrUnknownCertificate
	}
	if !r.RemindAt.Equal(from) {
		return false, nil
	}
	r.RemindAt = to
	return true, nil
}
