// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wardkey-sdk/wardkey"
)

// maxSources bounds the memory that strangers can fill: some two megabytes.
const maxSources = 10_000

// tries gives each source a bucket of its own. It is this server's alone, and runs
// on the machine's clock.
type tries struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	sources map[string]*rate.Limiter
}

func newTries(rules *wardkey.Rulebook, now time.Time) (*tries, error) {
	n, err := rules.Int("rate.password.minute", now)
	if err != nil {
		return nil, err
	}
	burst, err := rules.Int("rate.password.burst", now)
	return &tries{every: rate.Every(time.Minute / time.Duration(n)), burst: burst, sources: map[string]*rate.Limiter{}}, err
}

// MayTry counts that somebody tries the password of a mail account, before it is
// looked at, and refuses a source that has tried too often. The examples answer on loopback
// alone, where an address is one machine or container; what serves a network counts
// the networks of IPv6, as careid/cardhttp does. Refusal: rate.refused.
func (s *Site) MayTry(r *http.Request) error {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr // such as a Unix socket's
	}
	t, now := s.tries, s.Wall()
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter := t.sources[source]
	if limiter == nil {
		if len(t.sources) >= maxSources {
			clear(t.sources) // better to forget than to refuse everybody who is new
		}
		limiter = rate.NewLimiter(t.every, t.burst)
		t.sources[source] = limiter
	}
	if !limiter.AllowN(now, 1) {
		return s.Refuse("rate.refused").RetryAfter(now.Add(time.Minute))
	}
	return nil
}
