// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
)

// watch follows the readers. A card that was signed in ends its sessions the
// moment it is seen to have gone; any other card's leaving ends nothing.
func (a *Agent) watch(ctx context.Context) error {
	for event := range a.config.Module.Events(ctx) {
		if event.Kind == card.Removed {
			a.removed(event.Serial)
			continue
		}
		a.inserted(ctx, event.Serial)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return card.ErrClosed
}

// inserted notes where a card is. Where the readers can't be asked just then, the
// card counts as seen all the same: from now on its leaving is noticed.
func (a *Agent) inserted(ctx context.Context, serial string) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	slots, err := a.readers(ctx)
	reader := holding(slots, serial)
	if reader < 0 && err == nil {
		return // in a reader of another workstation, or gone again
	}
	a.mu.Lock()
	a.where[serial] = reader
	a.mu.Unlock()
	if reader >= 0 {
		a.events.send("", "inserted", map[string]int{"reader": reader})
	}
}

// removed counts every leaving, also of a card that was never seen to come.
func (a *Agent) removed(serial string) {
	a.mu.Lock()
	a.removals[serial]++
	wasSignedIn := a.holder != nil && a.holder.serial == serial
	reader, here := a.where[serial]
	delete(a.where, serial)
	a.mu.Unlock()
	if here && reader >= 0 {
		a.events.send("", "removed", map[string]any{"reader": reader, "signedIn": wasSignedIn})
	}
	if wasSignedIn {
		// Beside the watch, so that a server that is slow to answer doesn't
		// hide the next event, nor keep the browser open.
		go a.endHolder("the card left its reader")
		go a.afterRemoval()
	}
}

// watched waits until the watch has seen the card, and returns how often it saw
// it leave before. From then on no leaving is missed: a card that nobody watches
// must not hold a session.
func (a *Agent) watched(ctx context.Context, serial string) (uint64, error) {
	for range 100 {
		a.mu.Lock()
		_, seen := a.where[serial]
		pulled := a.removals[serial]
		a.mu.Unlock()
		if seen {
			return pulled, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return 0, card.ErrRemoved
}
