// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"fmt"
	"sync"
)

// sharedRead lets callers that come while a reading is under way share the next
// one. Nobody gets the result of a reading that began before they asked, so what
// they see is as new as if each had read alone.
type sharedRead struct {
	read func(context.Context) (int64, error)

	mu      sync.Mutex
	running bool
	next    *reading
}

type reading struct {
	done  chan struct{}
	value int64
	err   error
}

// do returns a value read after this call began.
func (s *sharedRead) do(ctx context.Context) (int64, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &reading{done: make(chan struct{})}
	}
	mine, lead := s.next, !s.running
	s.running = true
	s.mu.Unlock()
	if lead {
		// The leader reads once, for itself; what others ask for meanwhile is
		// read beside it, and doesn't end with its request.
		if s.step(context.WithoutCancel(ctx)) {
			go s.drain(context.WithoutCancel(ctx))
		}
	}
	select {
	case <-mine.done:
		return mine.value, mine.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// drain reads until nobody waits.
func (s *sharedRead) drain(ctx context.Context) {
	for s.step(ctx) {
	}
}

// step does one reading for those who wait, and reports whether others came
// meanwhile.
func (s *sharedRead) step(ctx context.Context) (more bool) {
	s.mu.Lock()
	r := s.next
	s.next = nil
	s.mu.Unlock()
	s.fill(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.next != nil
	return s.running
}

// fill reads. Others wait for it, and it may have a goroutine of its own: a panic is
// an error for each of them, and not the end of the process or a wait for ever.
func (s *sharedRead) fill(ctx context.Context, r *reading) {
	defer close(r.done)
	defer func() {
		if v := recover(); v != nil {
			r.err = fmt.Errorf("pki: the ledger panicked: %v", v)
		}
	}()
	r.value, r.err = s.read(ctx)
}
