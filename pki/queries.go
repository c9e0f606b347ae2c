// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"iter"
	"math/big"
	"time"
)

// pageSize is how many records are read at a time: a walk over a million
// certificates holds no transaction open and little memory.
const pageSize = 500

// Expiring walks the certificates of cards that are good or on hold and end
// between Now and Now + within, both inclusive, the first to end first. It reads
// by an index, a page at a time, so what changes meanwhile may or may not show.
// An error ends the walk; ExpiringAfter goes on where it stood.
func (ca *CA) Expiring(ctx context.Context, within time.Duration) iter.Seq2[Record, error] {
	return ca.ExpiringAfter(ctx, within, Record{})
}

// ExpiringAfter is Expiring from behind a record that it gave, in this process or
// another. Now is that of the call.
func (ca *CA) ExpiringAfter(ctx context.Context, within time.Duration, last Record) iter.Seq2[Record, error] {
	from := second(ca.now())
	to := second(from.Add(within))
	return walk(last, func(last Record) ([]Record, error) {
		return ca.ledger.Expiring(ctx, ca.keyID, from, to, last, pageSize)
	})
}

// Issued walks all certificates of cards that were ever issued, whatever became
// of them, in the order of their acts. An act that a crash interrupted is in the
// place of its beginning, where a walk may have passed when it was finished.
func (ca *CA) Issued(ctx context.Context) iter.Seq2[Record, error] {
	return ca.IssuedAfter(ctx, Record{})
}

// IssuedAfter is Issued from behind a record that it gave, in this process or
// another.
func (ca *CA) IssuedAfter(ctx context.Context, last Record) iter.Seq2[Record, error] {
	return walk(last, func(last Record) ([]Record, error) {
		return ca.ledger.Issued(ctx, ca.keyID, last, pageSize)
	})
}

// Lineage walks the certificates of the lineage that a serial number belongs to,
// the first pair first. ErrUnknownCertificate when this authority has none.
func (ca *CA) Lineage(ctx context.Context, serial *big.Int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r, err := ca.record(ctx, serial)
		var all []Record
		if err == nil {
			all, err = ca.ledger.Lineage(ctx, r.Lineage)
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// walk reads pages until one isn't full.
func walk(last Record, page func(Record) ([]Record, error)) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for last := last; ; {
			records, err := page(last)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if len(records) < pageSize {
				return
			}
			last = records[len(records)-1]
		}
	}
}
