// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// mostKept bounds what is kept of deliveries.
const mostKept = 1000

// Delivery is one try to tell a client of the end of a session.
type Delivery struct {
	At     time.Time `json:"at"` // of the machine's clock
	Client string    `json:"client"`
	SID    string    `json:"sid"`
	Result string    `json:"result"` // accepted, failed (it is tried again), given up
	Reason string    `json:"reason,omitempty"`
}

type deliveries struct {
	now func() time.Time

	mu   sync.Mutex
	kept []Delivery
}

// observe hears what the provider tells.
func (d *deliveries) observe(_ context.Context, e openid.Event) {
	result := map[openid.EventName]string{
		openid.EventLogoutSent: "accepted", openid.EventLogoutFailed: "failed", openid.EventLogoutGivenUp: "given up",
	}[e.Name]
	if result == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = append(d.kept, Delivery{d.now().UTC().Truncate(time.Second), e.Client, e.Session, result, e.Reason})
	if len(d.kept) > mostKept {
		d.kept = slices.Delete(d.kept, 0, 1)
	}
}

// list is what is kept, oldest first.
func (d *deliveries) list() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Delivery{}, d.kept...)
}
