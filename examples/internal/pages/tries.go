// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/tries"
)

func newTries(rules *wardkey.Rulebook, now time.Time) (*tries.Sources, error) {
	minute, err := rules.Int("rate.password.minute", now)
	if err != nil {
		return nil, err
	}
	burst, err := rules.Int("rate.password.burst", now)
	if err != nil {
		return nil, err
	}
	return tries.New(minute, burst), nil
}

// MayTry counts that somebody tries the password of a mail account, before it is
// looked at, and refuses a source that has tried too often. Refusal: rate.refused.
func (s *Site) MayTry(r *http.Request) error {
	now := s.Wall()
	if !s.tries.Allow(r, now) {
		return s.Refuse("rate.refused").RetryAfter(now.Add(time.Minute))
	}
	return nil
}
