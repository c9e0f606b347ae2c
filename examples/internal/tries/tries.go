// SPDX-License-Identifier: Apache-2.0

// Package tries bounds how often one source tries secrets, whosever they are. What
// one account may have is the account's own limit: this is for who tries one
// password on many.
//
//	sources, err := tries.Of(book, now)
//	if !sources.Allow(r, wall()) {
//		return p.rules.Refuse("rate.refused")
//	}
//
// It counts in memory, for one server. The examples answer on loopback alone, where
// whoever asks chooses the address to ask from: all of loopback is one source. Behind
// a forwarded port an address is one machine or container; what serves a network
// counts the networks of IPv6, as careid/cardhttp does.
package tries

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wardkey-sdk/wardkey"
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

// Of lets a source try as often a minute as the rule rate.password.minute says, and
// after a while of none as often at once as rate.password.burst does. Both are at
// least 1.
func Of(book *wardkey.Rulebook, now time.Time) (*Sources, error) {
	minute, err := book.Int("rate.password.minute", now)
	if err != nil {
		return nil, err
	}
	burst, err := book.Int("rate.password.burst", now)
	if err != nil {
		return nil, err
	}
	return &Sources{every: rate.Every(time.Minute / time.Duration(minute)), burst: burst, buckets: map[string]*rate.Limiter{}}, nil
}

// Allow counts a try of the request's source, and reports whether it may be looked
// at. now is the machine's time, not that of a calendar.
func (s *Sources) Allow(r *http.Request, now time.Time) bool {
	source := sourceOf(r.RemoteAddr)
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

func sourceOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address // such as a Unix socket's
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return "loopback"
	}
	return host
}
