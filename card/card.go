// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"crypto/x509"
	"errors"
	"sync/atomic"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Selector says which card is meant. Empty fields match any card.
type Selector struct {
	Serial string // as printed on the card: the token's serial number
	Label  string

	Manufacturer, Model string

	// Certificate is of the card that holds it, or another certificate of its
	// key, or the key. Every card that the rest of the Selector leaves is read for
	// it, without a PIN: one that is in use is waited for. Anyone can copy a
	// certificate; that a card has the private key shows when it signs.
	Certificate *x509.Certificate
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

	prompter atomic.Pointer[Prompter]
	asking   gate          // one prompt at a time
	asked    atomic.Uint64 // prompts that were answered; written under asking
	refusal  error         // of the last prompt; guarded by asking
}

// Card finds the card in the readers. ErrNoCard: none matches. ErrAmbiguous:
// more than one does, or two have the same serial and label. A card that can't be
// read, where no other matches, is the error: it might be the one.
func (m *Module) Card(ctx context.Context, sel Selector) (*Card, error) {
	candidates, mute, err := m.candidates(ctx, sel)
	if err != nil {
		return nil, err
	}
	var found *token
	for _, t := range candidates {
		switch is, err := t.holds(ctx, sel.Certificate); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, ErrRemoved), errors.Is(err, ErrBlank):
		case err != nil:
			mute = err
		case is && found != nil:
			return nil, ErrAmbiguous
		case is:
			found = t
		}
	}
	if found == nil {
		return nil, mute
	}
	return &Card{module: m, token: found, asking: newGate()}, nil
}

// candidates are the tokens that match before they are read, and the error to
// answer with if none of them is meant.
func (m *Module) candidates(ctx context.Context, sel Selector) (all []*token, mute error, err error) {
	if err := m.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer m.lib.slots.leave()
	slots, err := m.lib.list()
	if err != nil {
		return nil, nil, err
	}
	mute = ErrNoCard
	for _, s := range slots {
		if s.Err != nil { // it might be the one
			mute = s.Err
		}
		if sel.matches(s.Token) {
			all = append(all, m.lib.token(slots, s.Token))
		}
	}
	return all, mute, nil
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

// token is the card's, made if need be; slots is held. Where another card has
// the same serial (both tokens of NSS softokn do), the label tells them apart.
func (l *library) token(slots []Slot, info *TokenInfo) *token {
	if t := l.known(info); t != nil {
		return t
	}
	self := Selector{Serial: info.Serial}
	for _, s := range slots {
		if s.Token != info && self.matches(s.Token) {
			self.Label = info.Label
			break
		}
	}
	t := &token{lib: l, self: self, lock: newGate()}
	l.tokens = append(l.tokens, t)
	return t
}

// holds reads whether the card shows the certificate's key; nil asks for none. It
// leaves a card that nobody of this process uses as it was, without a session.
func (t *token) holds(ctx context.Context, certificate *x509.Certificate) (bool, error) {
	if certificate == nil {
		return true, nil
	}
	if err := t.acquire(ctx); err != nil {
		return false, err
	}
	defer t.release()
	if !t.open {
		defer t.drop()
	}
	var all []found
	err := t.reading(ctx, "find card", func(lib *cryptoki.Lib, s cryptoki.Session) (err error) {
		all, err = publicKeys(ctx, lib, s)
		return err
	})
	for _, k := range all {
		if publicEqual(k.public, certificate.PublicKey) {
			return true, nil
		}
	}
	return false, err
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
func (c *Card) Serial() string { return c.token.self.Serial }

// Info is what the card tells without a PIN. ErrRemoved: it is in no reader.
func (c *Card) Info(ctx context.Context) (TokenInfo, error) {
	if err := c.acquire(ctx); err != nil {
		return TokenInfo{}, err
	}
	defer c.token.release()
	_, info, err := c.token.find(ctx)
	if err != nil {
		return TokenInfo{}, err
	}
	return *info, nil
}

// acquire is the token's, for an open module that answers. The module is asked
// only when it is this call's turn: some take one call at a time, and one that
// hangs would keep those who wait longer than their context.
func (c *Card) acquire(ctx context.Context) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	if !c.module.lib.dead() {
		return nil
	}
	c.token.release() // nobody may work with the module while it is revived
	if err := c.module.lib.revive(ctx); err != nil {
		return err
	}
	return c.enter(ctx)
}

func (c *Card) enter(ctx context.Context) error {
	if err := c.module.open(); err != nil {
		return err
	}
	if err := c.token.acquire(ctx); err != nil {
		return err
	}
	if err := c.module.open(); err != nil { // closed while this waited
		c.token.release()
		return err
	}
	return nil
}

// read runs what may be repeated (finding and reading objects) on the card's
// session, once more when the session turns out to be gone.
func (c *Card) read(ctx context.Context, op string, do func(*cryptoki.Lib, cryptoki.Session) error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	return c.token.reading(ctx, op, do)
}

func (t *token) reading(ctx context.Context, op string, do func(*cryptoki.Lib, cryptoki.Session) error) error {
	for again := false; ; again = true {
		if err := t.present(ctx); err != nil {
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
	if _, err := c.token.look(ctx); err != nil {
		return err
	}
	if login && c.token.holder != c {
		return ErrNotLoggedIn
	}
	return explain(op, c.token.settle(do(c.token.lib.lib, c.token.session)))
}
