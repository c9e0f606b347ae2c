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
			a.removed(event.Serial, where[event.Serial])
			delete(where, event.Serial)
			continue
		}
		reader := a.readerOf(ctx, event.Serial)
		where[event.Serial] = reader
		a.events.send("", "inserted", map[string]int{"reader": reader})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return card.ErrClosed
}

func (a *Agent) removed(serial string, reader int) {
	a.mu.Lock()
	a.removals[serial]++
	wasSignedIn := a.holder != nil && a.holder.serial == serial
	a.mu.Unlock()
	a.events.send("", "removed", map[string]any{"reader": reader, "signedIn": wasSignedIn})
	if wasSignedIn {
		// Beside the watch, so that a server that is slow to answer doesn't
		// hide the next event.
		go func() {
			a.endHolder("the card left its reader")
			a.afterRemoval()
		}()
	}
}

// readerOf is the number of the reader that holds a card, -1 when it has gone
// again.
func (a *Agent) readerOf(ctx context.Context, serial string) int {
	slots, err := a.config.Module.Slots(ctx)
	if err != nil {
		return -1
	}
	for i, s := range slots {
		if s.Token != nil && s.Token.Serial == serial {
			return i
		}
	}
	return -1
}
