// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"sync"
	"time"
)

// spool bounds what the store holds. The store is asked now and then, and what this
// gateway writes until it is asked again is added. What others write is not known
// until then: they may go over the bound by what they take in a second, or in a minute
// while the store is less than half full.
type spool struct {
	max int64

	mu      sync.Mutex
	held    int64 // when the store was last asked
	before  int64 // of written, what held has in it
	written int64 // by this gateway, in all
	flying  int64 // is being written
	refused bool  // something was, since the store was last asked
}

// fits reports that there is room for so much more.
func (s *spool) fits(bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasRoom(bytes)
}

// most is how much there may be: some of it may be delivered since.
func (s *spool) most() int64 { return s.held + s.flying + s.written - s.before }

func (s *spool) hasRoom(bytes int64) bool {
	has := s.most()+bytes <= s.max
	s.refused = s.refused || !has
	return has
}

// take is fits for what is then written, until it has landed.
func (s *spool) take(bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasRoom(bytes) {
		return false
	}
	s.flying += bytes
	return true
}

// landed ends a writing. What was not written, after all, is given back when the
// store is asked again.
func (s *spool) landed(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying -= bytes
	s.written += bytes
}

// isHalfFull reports that it matters what was delivered meanwhile, and written by
// others.
func (s *spool) isHalfFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most() > s.max/2
}

// asking returns what was written before the store is asked, and whether anything
// was refused since it last was.
func (s *spool) asking() (written int64, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused, s.refused = s.refused, false
	return s.written, refused
}

// answered keeps the store's answer. What was written meanwhile may be counted
// twice until the next one, and never not at all.
func (s *spool) answered(held, written int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.before = held, written
}

// measure asks the store what it holds. Where there was no room for something,
// what a crash has left is deleted first, which is else done with deliveries:
// there may be none.
func (g *Gateway) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	written, refused := g.spool.asking()
	if refused {
		err := g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
			return tx.DeleteBroken(ctx, tx.Wall().Add(-brokenAfter))
		})
		if err != nil {
			return err
		}
	}
	var held int64
	err := g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		held, err = tx.Held(ctx)
		return err
	})
	if err == nil {
		g.spool.answered(held, written)
	}
	return err
}

// watch measures until claiming ends: every pollEvery where the store is half full
// or more, and else, since all copies are looked at for it, once a minute. Where the
// store can't be asked, its last answer stands.
func (g *Gateway) watch() {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-g.claiming.Done():
			return
		case <-ticker.C:
		}
		if !g.spool.isHalfFull() && n%60 != 0 {
			continue
		}
		if err := g.measure(g.claiming); err != nil && g.claiming.Err() == nil {
			g.config.Log.Warn("mail: what the store holds can't be asked", "cause", err)
		}
	}
}

// noRoom answers for a message that the store has no room for (RFC 5321 §4.2.3).
func (g *Gateway) noRoom(cause error) error {
	g.config.Log.Warn("mail: the store is full", "cause", cause)
	g.config.Observe(context.Background(), Event{Name: EventFull})
	return reply(452, 3, 1, "There is no room for the message now; your mail system tries again by itself.")
}
