// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"slices"
	"sync"

	"github.com/wardkey-sdk/wardkey/careid"
)

// maxAlerts bounds the sessions whose alerts are remembered.
const maxAlerts = 1000

// Alerts is the care identity service with a memory: what a sign-in told of
// certificates that end soon, so that the pages of that session can say it too.
type Alerts struct {
	*careid.Service

	mu        sync.Mutex
	bySession map[string][]careid.Alert
}

// Redeem is the service's own.
func (a *Alerts) Redeem(ctx context.Context, result string, cookie []byte) (*careid.SignedIn, error) {
	in, err := a.Service.Redeem(ctx, result, cookie)
	if err == nil && len(in.Alerts) > 0 {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.bySession) >= maxAlerts {
			clear(a.bySession)
		}
		a.bySession[in.Session.ID] = slices.Clone(in.Alerts)
	}
	return in, err
}

// Of are the alerts that the sign-in of a session gave.
func (a *Alerts) Of(session string) []careid.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.bySession[session])
}
