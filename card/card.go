// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"errors"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Selector says which card is meant. Empty fields match any card.
type Selector struct {
	Serial string // as printed on the card: the token's serial number
	Label  string

	Manufacturer, Model string
}

// Card is one smartcard, known by its serial: it stays usable when the card is
// pulled and inserted again, in whichever reader. It is safe for concurrent
// use; a card works on one call at a time and the others wait, as long as their
// context does. A call that runs inside the module can't be interrupted.
//
// A login belongs to the Card value that made it. Another Card of the same
// serial in the same process can't sign with it, and takes it over by logging
// in itself.
type Card struct {
	module *Module
	token  *token

	asking   chan struct{} // capacity 1: one prompt at a time
	prompter Prompter      // guarded by asking
}

// Card finds the card in the readers. ErrNoCard: none matches. ErrAmbiguous:
// more than one does, or two have the same serial.
func (m *Module) Card(ctx context.Context, sel Selector) (*Card, error) {
	if err := errors.Join(ctx.Err(), m.open()); err != nil {
		return nil, err
	}
	l := m.lib
	l.slots.Lock()
	defer l.slots.Unlock()
	slots, err := l.list()
	if err != nil {
		return nil, err
	}
	slot, err := only(slots, sel)
	if err != nil {
		return nil, err
	}
	found := slot.Token
	t := l.tokens[found.Serial]
	if t == nil {
		t = &token{lib: l, serial: found.Serial, lock: make(chan struct{}, 1)}
		l.tokens[found.Serial] = t
	}
	return &Card{module: m, token: t, asking: make(chan struct{}, 1)}, nil
}

// only is the one slot with such a card. A card that can't be read might be it.
func only(slots []Slot, sel Selector) (*Slot, error) {
	var found *Slot
	mute := ErrNoCard
	for i, s := range slots {
		if s.Err != nil {
			mute = s.Err
		}
		if !sel.matches(s.Token) {
			continue
		}
		if found != nil {
			return nil, ErrAmbiguous
		}
		found = &slots[i]
	}
	if found == nil {
		return nil, mute
	}
	return found, nil
}

// matches never takes a token without a serial for a card: it couldn't be found
// again. SoftHSM and others show such a token for a free place.
func (sel Selector) matches(t *TokenInfo) bool {
	return t != nil && t.Serial != "" &&
		(sel.Serial == "" || sel.Serial == t.Serial) &&
		(sel.Label == "" || sel.Label == t.Label) &&
		(sel.Manufacturer == "" || sel.Manufacturer == t.Manufacturer) &&
		(sel.Model == "" || sel.Model == t.Model)
}

// Serial is the card's serial number.
func (c *Card) Serial() string { return c.token.serial }

// Info is what the card tells without a PIN. ErrRemoved: it is in no reader.
func (c *Card) Info(ctx context.Context) (TokenInfo, error) {
	if err := c.acquire(ctx); err != nil {
		return TokenInfo{}, err
	}
	defer c.token.release()
	_, info, err := c.token.find()
	if err != nil {
		return TokenInfo{}, err
	}
	return *info, nil
}

// acquire is the token's, for an open module.
func (c *Card) acquire(ctx context.Context) error {
	if err := c.module.open(); err != nil {
		return err
	}
	return c.token.acquire(ctx)
}

// read runs what may be repeated (finding and reading objects) on the card's
// session, once more when the session turns out to be gone.
func (c *Card) read(ctx context.Context, op string, do func(*cryptoki.Lib, cryptoki.Session) error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	return c.token.reading(op, do)
}

func (t *token) reading(op string, do func(*cryptoki.Lib, cryptoki.Session) error) error {
	for again := false; ; again = true {
		if err := t.ensure(); err != nil {
			return err
		}
		err := t.settle(do(t.lib.lib, t.session))
		if (gone(err) || stale(err)) && !again {
			continue
		}
		return explain(op, err)
	}
}

// write runs what must not be repeated: it makes sure first that the session
// lives and that the card is ours. With login, the Card must have logged in.
func (c *Card) write(ctx context.Context, op string, login bool, do func(*cryptoki.Lib, cryptoki.Session) error) error {
	for asked := false; ; asked = true {
		err := c.writeOnce(ctx, op, login, do)
		if asked || !errors.Is(err, ErrNotLoggedIn) {
			return err
		}
		if refused := c.ask(ctx, op); refused != nil {
			return refused
		}
	}
}

func (c *Card) writeOnce(ctx context.Context, op string, login bool, do func(*cryptoki.Lib, cryptoki.Session) error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	if _, err := c.token.look(); err != nil {
		return err
	}
	if login && c.token.holder != c {
		return ErrNotLoggedIn
	}
	return explain(op, c.token.settle(do(c.token.lib.lib, c.token.session)))
}
