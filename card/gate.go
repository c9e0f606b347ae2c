// SPDX-License-Identifier: Apache-2.0

package card

import "context"

// gate lets one through at a time. Unlike a mutex it is waited for no longer
// than a context lasts: what is inside may be a call that hangs.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.try() {
		return nil
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait is enter for what must be done, however long it takes.
func (g gate) wait() { g <- struct{}{} }

func (g gate) try() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) leave() { <-g }
