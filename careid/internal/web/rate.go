// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxSources bounds the memory that strangers can fill.
const maxSources = 10_000

// Rates gives each source a bucket of its own.
type Rates struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	sources map[string]*rate.Limiter
}

// NewRates allows n requests in each unit of time, and burst at once.
func NewRates(n int, per time.Duration, burst int) *Rates {
	return &Rates{every: rate.Limit(float64(n) / per.Seconds()), burst: burst, sources: map[string]*rate.Limiter{}}
}

// Take reports whether a source may ask once more now, and if not, when it may.
func (r *Rates) Take(source string, now time.Time) (again time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.sources[source]
	if limiter == nil {
		if len(r.sources) >= maxSources {
			r.forgetIdle(now)
		}
		limiter = rate.NewLimiter(r.every, r.burst)
		r.sources[source] = limiter
	}
	if limiter.AllowN(now, 1) {
		return time.Time{}, true
	}
	wait := time.Duration(float64(time.Second) / float64(r.every))
	return now.Add(max(wait, time.Second)), false
}

// forgetIdle drops the buckets that are full again, and where none is, all: better to
// forget than to refuse everybody who is new.
func (r *Rates) forgetIdle(now time.Time) {
	for source, limiter := range r.sources {
		if limiter.TokensAt(now) >= float64(r.burst) {
			delete(r.sources, source)
		}
	}
	if len(r.sources) >= maxSources {
		clear(r.sources)
	}
}

// Source is the connection's address. One customer of an IPv6 network has a /64 at
// least, so that it stands for all of them.
func Source(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}
