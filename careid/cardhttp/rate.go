// SPDX-License-Identifier: Apache-2.0

package cardhttp

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxSources bounds the memory that strangers can fill.
const maxSources = 10_000

// rates gives each source its own bucket.
type rates struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	sources map[string]*rate.Limiter
}

// rates reads a pair of rules: so many in each unit of time, so many at once.
func (h *Handler) rates(count string, per time.Duration, burst string) (*rates, error) {
	n, err := h.rules.Int(count, h.config.Now())
	if err != nil {
		return nil, err
	}
	b, err := h.rules.Int(burst, h.config.Now())
	if err != nil {
		return nil, err
	}
	return &rates{every: rate.Limit(float64(n) / per.Seconds()), burst: b, sources: map[string]*rate.Limiter{}}, nil
}

// tooMany says when the next request may come.
type tooMany struct{ at time.Time }

func (r *rates) take(source string, now time.Time) *tooMany {
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
		return nil
	}
	wait := time.Duration(float64(time.Second) / float64(r.every))
	return &tooMany{at: now.Add(max(wait, time.Second))}
}

// forgetIdle drops the buckets that are full again, and where none is, all:
// better to forget than to refuse everybody who is new.
func (r *rates) forgetIdle(now time.Time) {
	for source, limiter := range r.sources {
		if limiter.TokensAt(now) >= float64(r.burst) {
			delete(r.sources, source)
		}
	}
	if len(r.sources) >= maxSources {
		clear(r.sources)
	}
}

// address is the default Source.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Is4() || ip.Is4In6() {
		return host
	}
	// One customer of a network has a /64 at least.
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}
