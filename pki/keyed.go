// SPDX-License-Identifier: Apache-2.0

package pki

import "sync"

// keyedMutex makes callers with one key wait for each other, so that an act
// asked for many times at once is signed once. Across processes the ledger's
// first commit decides.
type keyedMutex struct {
	mu   sync.Mutex
	held map[string]*keyHolder
}

type keyHolder struct {
	mu      sync.Mutex
	waiting int
}

func newKeyedMutex() *keyedMutex { return &keyedMutex{held: map[string]*keyHolder{}} }

// lock waits for the key and returns the function that gives it back.
func (k *keyedMutex) lock(key string) (unlock func()) {
	k.mu.Lock()
	h := k.held[key]
	if h == nil {
		h = &keyHolder{}
		k.held[key] = h
	}
	h.waiting++
	k.mu.Unlock()
	h.mu.Lock()
	return func() {
		h.mu.Unlock()
		k.mu.Lock()
		if h.waiting--; h.waiting == 0 {
			delete(k.held, key)
		}
		k.mu.Unlock()
	}
}

// busy reports whether someone holds the key or waits for it.
func (k *keyedMutex) busy(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held[key] != nil
}
