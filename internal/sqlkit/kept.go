// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"maps"
	"slices"
)

// kept is what is remembered of one transaction, by key.
type kept map[string]keptValue

type keptValue struct {
	value any
	last  func(context.Context, *Tx) error
}

// Keep remembers a value until the transaction ends, which on SQLite is that of
// all Writes that share the commit: what each of them would have to read, and
// write back for the next one, is read by the first and written once. last runs
// before the commit, with a context and a Tx for its statements, unless another
// value was kept under the key meanwhile, whose last runs then. Its error is that of
// every Write of the transaction. What a Write kept that is taken back is
// forgotten, so a kept value must not be changed, only replaced. Keys need the
// room's name. Keep is for the function of a Write.
func (t *Tx) Keep(key string, value any, last func(ctx context.Context, tx *Tx) error) {
	if t.kept != nil {
		t.kept[key] = keptValue{value, last}
	}
}

// Kept returns what was kept under a key in this transaction, or nil.
func (t *Tx) Kept(key string) any { return t.kept[key].value }

// write runs what is to run before the commit.
func (k kept) write(ctx context.Context, tx *Tx) error {
	for _, key := range slices.Sorted(maps.Keys(k)) {
		if err := k[key].last(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}
