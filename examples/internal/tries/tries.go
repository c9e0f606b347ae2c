// SPDX-License-Identifier: Apache-2.0

// Package tries bounds how often one source tries secrets, whosever they are. What
// one account may have is the account's own limit: this is for who tries one
// password on many.
//
//	sources := tries.New(30, 60) // a minute, and at once
//	if !sources.Allow(r, wall()) {
//		return p.rules.Refuse("rate.refused")
//	}
//
// It counts in memory, for one server. The examples answer on loopback alone, where
// an address is one machine or container; what serves a network counts the networks
// of IPv6, as careid/cardhttp does.
package tries

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxSources bounds the memory that strangers can fill: some two megabytes.
const maxSources = 10_000

// Sources gives each source a bucket of its own.
type Sources struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// New lets a source try so often a minute, and burst times at once after a while of
// none. Both are at least 1.
func New(minute, burst int) *Sources {
	return &Sources{every: rate.Every(time.Minute / time.Duration(minute)), burst: burst, buckets: map[string]*rate.Limiter{}}
}

// Allow counts a try of the request's source, and reports whether it may be looked
// at. now is the machine's time, not that of a calendar.
func (s *Sources) Allow(r *http.Request, now time.Time) bool {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr // such as a Unix socket's
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket := s.buckets[source]
	if bucket == nil {
		if len(s.buckets) >= maxSources {
			clear(s.buckets) // better to forget than to refuse everybody who is new
		}
		bucket = rate.NewLimiter(s.every, s.burst)
		s.buckets[source] = bucket
	}
	return bucket.AllowN(now, 1)
}
