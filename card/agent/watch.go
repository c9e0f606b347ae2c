// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/wardkey-sdk/wardkey/card"
)

// watch follows the readers. A card that was signed in ends its sessions the
// moment it is seen to have gone; any other card's leaving ends nothing.
func (a *Agent) watch(ctx context.Context) error {
	where := map[string]int{} // serial to reader, as last seen
	for event := range a.config.Module.Events(ctx) {
		if event.Kind == card.Removed {
			a.removed(event.Serial, where)
			delete(where, event.Serial)
			continue
		}
		if reader := a.readerOf(ctx, event.Serial); reader >= 0 {
			where[event.Serial] = reader
			a.events.send("", "inserted", map[string]int{"reader": reader})
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return card.ErrClosed
}

// removed counts every leaving, also of a card that was never seen to come.
func (a *Agent) removed(serial string, where map[string]int) {
	a.mu.Lock()
	a.removals[serial]++
	wasSignedIn := a.holder != nil && a.holder.serial == serial
	a.mu.Unlock()
	if reader, here := where[serial]; here {
		a.events.send("", "removed", map[string]any{"reader": reader, "signedIn": wasSignedIn})
	}
	if wasSignedIn {
		// Beside the watch, so that a server that is slow to answer doesn't
		// hide the next event.
		go func() {
			a.endHolder("the card left its reader")
			a.afterRemoval()
		}()
	}
}
