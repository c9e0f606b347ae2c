// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"slices"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// dead says that the module doesn't answer. Some are only the near end of a
// connection to a process that can be ended and started again (p11-kit's client),
// and stay dead until they are initialised anew. C_GetInfo asks nothing of a
// reader, so that its failure says nothing about a card. One that other code
// initialised is left to that code.
func (l *library) dead() bool {
	if l.adopted {
		return false
	}
	err := l.lib.Lives()
	return l.orphaned.Load() || unspecific(err) || code(err) == cryptoki.CryptokiNotInitialized
}

// revive initialises a dead module anew, while nobody works with it; the sessions
// are lost. As long as it can't be, its cards are out of reach.
func (l *library) revive(ctx context.Context) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	tokens := slices.Clone(l.tokens)
	l.slots.leave()
	for _, t := range tokens { // in one order, whoever revives
		if err := t.lock.enter(ctx); err != nil {
			return err
		}
		defer t.lock.leave()
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.slots.leave()
	if !l.dead() { // another goroutine was here
		return nil
	}
	if err := l.settled(ctx); err != nil {
		return err
	}
	for _, t := range tokens {
		t.lost()
		t.stuck = false // its number is no longer its own
	}
	_ = l.lib.Finalize() // of what is dead; only what comes now counts
	if err := l.lib.Initialize(l.args); err != nil {
		return explain("initialize module", &pulled{err})
	}
	// p11-kit's client begins without any reader while its server is away, and
	// stays so: it is asked again next time.
	ids, err := l.lib.SlotList(false)
	l.orphaned.Store(err != nil || len(ids) == 0)
	return nil
}
