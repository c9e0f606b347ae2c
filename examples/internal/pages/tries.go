// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net/http"
	"time"
)

// MayTry counts that somebody tries the password of a mail account, before it is
// looked at, and refuses a source that has tried too often. Refusal: rate.refused.
func (s *Site) MayTry(r *http.Request) error {
	now := s.Wall()
	if !s.tries.Allow(r, now) {
		return s.Refuse("rate.refused").RetryAfter(now.Add(time.Minute))
	}
	return nil
}
