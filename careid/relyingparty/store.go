// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Record is what a relying party remembers: a sign-in under way, a session, or
// that a token was seen. Key and Groups are hashes, and Value is sealed under
// what only the browser has: whoever reads a store can neither take over a session
// nor learn whose it is.
type Record struct {
	Key string
	// Groups are what the record can be removed by besides its key.
	Groups []string
	// Until is when the store may forget it, by Config.Wall.
	Until time.Time
	// Used is when a session was used last, by Config.Now.
	Used time.Time
	// Version counts its updates; the store raises it.
	Version int64
	Value   []byte
}

// Store keeps records for all servers of an application. It is safe for
// concurrent use. rptest.TestStore holds it to this contract.
type Store interface {
	// Add keeps a record with Version 0. ErrTaken: its key is there already, of a
	// record whose Until is after now; exactly one of several callers at once adds
	// it. ErrFull: there is no room. Other errors are the store's own, here and
	// below.
	Add(ctx context.Context, r Record, now time.Time) error
	// Load reads a record. ErrNotFound: it isn't there.
	Load(ctx context.Context, key string) (Record, error)
	// Update replaces Until, Used and Value of the record with that key and
	// version, and raises the version. ErrNotFound: there is none, or it was
	// removed. ErrChanged: it has another version.
	Update(ctx context.Context, r Record) error
	// Remove takes away the record with that key and all with that group, and
	// gives them. Of several callers at once, exactly one gets each. None is no
	// error.
	Remove(ctx context.Context, keyOrGroup string) ([]Record, error)
}

// The errors of a Store, reached by errors.Is.
var (
	ErrTaken    = errors.New("relyingparty: the key is taken")
	ErrNotFound = errors.New("relyingparty: no such record")
	ErrChanged  = errors.New("relyingparty: the record has changed")
	ErrFull     = errors.New("relyingparty: the store is full")
)

// memoryMax bounds a MemoryStore: some 200 MB of sign-ins that nobody finished.
const memoryMax = 200_000

// MemoryStore keeps records in this process.
type MemoryStore struct {
	mu      sync.Mutex
	records map[string]Record
	groups  map[string][]string // keys
	ends    endings
}

// NewMemoryStore makes an empty one.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{records: map[string]Record{}, groups: map[string][]string{}}
}

// Add keeps a record, and forgets those that ended before now.
func (m *MemoryStore) Add(_ context.Context, r Record, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.ends) > 0 && !m.ends[0].until.After(now) {
		if key := heap.Pop(&m.ends).(ending).key; !m.records[key].Until.After(now) {
			m.forget(key)
		}
	}
	if _, there := m.records[r.Key]; there {
		return ErrTaken
	}
	if len(m.ends) >= memoryMax {
		return ErrFull
	}
	r.Version = 0
	m.records[r.Key] = clone(r)
	for _, g := range r.Groups {
		m.groups[g] = append(m.groups[g], r.Key)
	}
	heap.Push(&m.ends, ending{r.Until, r.Key})
	return nil
}

// Load reads a record.
func (m *MemoryStore) Load(_ context.Context, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, there := m.records[key]
	if !there {
		return Record{}, ErrNotFound
	}
	return clone(r), nil
}

// Update replaces a record of the same version.
func (m *MemoryStore) Update(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, there := m.records[r.Key]
	switch {
	case !there:
		return ErrNotFound
	case was.Version != r.Version:
		return ErrChanged
	}
	if r.Until.After(was.Until) {
		heap.Push(&m.ends, ending{r.Until, r.Key})
	}
	was.Until, was.Used, was.Value = r.Until, r.Used, slices.Clone(r.Value)
	was.Version++
	m.records[r.Key] = was
	return nil
}

// Remove takes records away.
func (m *MemoryStore) Remove(_ context.Context, keyOrGroup string) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var removed []Record
	for _, key := range append(slices.Clone(m.groups[keyOrGroup]), keyOrGroup) {
		if r, there := m.records[key]; there {
			removed = append(removed, r)
			m.forget(key)
		}
	}
	return removed, nil
}

func (m *MemoryStore) forget(key string) {
	for _, g := range m.records[key].Groups {
		m.groups[g] = slices.DeleteFunc(m.groups[g], func(k string) bool { return k == key })
		if len(m.groups[g]) == 0 {
			delete(m.groups, g)
		}
	}
	delete(m.records, key)
}

func clone(r Record) Record {
	r.Groups, r.Value = slices.Clone(r.Groups), slices.Clone(r.Value)
	return r
}

// endings are the records by when they end; those of removed records stay until
// then, so they count against the bound.
type endings []ending

type ending struct {
	until time.Time
	key   string
}

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push and Pop are container/heap's.
func (e *endings) Push(x any) { *e = append(*e, x.(ending)) }

// Pop takes the last.
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
