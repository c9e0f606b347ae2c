// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// token is one card of this process: its one session, and who is logged in.
// PKCS#11 keeps a login for the whole process; holder is what keeps two Cards
// of one process apart. All fields but lock are guarded by lock.
type token struct {
	lib  *library
	self Selector // Serial; and Label, where a module gives several tokens one serial
	lock gate

	open      bool // session is one
	ended     bool // the library was closed
	slot      uint
	removable bool // the slot is a reader, where a card can be swapped
	session   cryptoki.Session
	stuck     bool   // session isn't used any more, and couldn't be closed
	epoch     uint64 // counts sessions; handles of another epoch are dead
	holder    *Card  // who logged in on this session

	// Read without lock.
	pulls  atomic.Uint64 // the times that the card turned out to be gone
	unsure atomic.Bool   // a PIN was refused, and the card's flags tell nothing of it
}

// acquire takes the card for one operation, waiting no longer than ctx.
func (t *token) acquire(ctx context.Context) error {
	if err := t.lock.enter(ctx); err != nil {
		return err
	}
	if t.ended {
		t.release()
		return ErrClosed
	}
	return nil
}

func (t *token) release() { t.lock.leave() }

// drop logs out and closes the session. It is also how a session with an
// unfinished operation ends: no call of the standard does that. Errors mean that
// the session is gone already, which is what is wanted.
func (t *token) drop() {
	if !t.open {
		return
	}
	if t.holder != nil {
		// Closing would do, were ours the last session of this process on it.
		_ = t.lib.lib.Logout(t.session)
	}
	t.stuck = unspecific(t.lib.lib.CloseSession(t.session))
	t.open, t.holder = false, nil
}

// lost is drop after the card was gone.
func (t *token) lost() {
	t.pulls.Add(1)
	t.drop()
}

// present is ensure, and believes in an open session only while the slot has a
// card. OpenSC answers from memory what it has read, whoever has the card now,
// until it is asked for a slot; that costs no other module anything. What sends
// the card something notices by itself, and does without.
func (t *token) present(ctx context.Context) error {
	if t.open {
		switch empty, err := t.empty(); {
		case empty || t.removed(err):
			t.lost()
		case err != nil:
			return explain("reader", err) // not a removal: nothing is lost
		}
	}
	return t.ensure(ctx)
}

// empty says whether the slot has no card any more.
func (t *token) empty() (bool, error) {
	slot, err := t.lib.lib.SlotInfo(t.slot)
	if gone(err) {
		return true, nil
	}
	return err == nil && slot.Flags&cryptoki.FlagTokenPresent == 0, err
}

// ensure opens a session if there is none, on whichever slot has the card now.
func (t *token) ensure(ctx context.Context) error {
	if t.open {
		return ctx.Err()
	}
	slot, info, err := t.find(ctx)
	if err != nil {
		return err
	}
	if t.stuck { // the login that it may have is in the way of the next
		_ = t.lib.lib.CloseSession(t.session)
		t.stuck = false
	}
	if !info.Initialised {
		return ErrBlank // some modules open no session, others one without use
	}
	t.slot = slot
	s, err := t.openSession(slot)
	if t.removed(err) {
		err = &pulled{err}
	}
	if err != nil {
		return explain("open", err)
	}
	t.open, t.session, t.holder = true, s, nil
	t.epoch++
	reader, err := t.lib.lib.SlotInfo(slot)
	t.removable = err != nil || reader.Flags&cryptoki.FlagRemovableDevice != 0
	// The card may have been swapped since it was found.
	raw, err := t.lib.lib.TokenInfo(slot)
	switch {
	case err != nil && !t.removed(err):
		t.drop()
		return explain("open", err)
	case err != nil || !t.self.matches(tokenInfo(raw)):
		t.lost()
		return ErrRemoved
	}
	return nil
}

// openSession is for reading only where the card can't be written to.
func (t *token) openSession(slot uint) (cryptoki.Session, error) {
	s, err := t.lib.lib.OpenSession(slot, cryptoki.FlagSerialSession|cryptoki.FlagRWSession)
	if code(err) == cryptoki.TokenWriteProtected {
		s, err = t.lib.lib.OpenSession(slot, cryptoki.FlagSerialSession)
	}
	return s, err
}

// find is the slot that has the card now. Listing slots also makes modules
// notice what happened at the readers.
func (t *token) find(ctx context.Context) (uint, *TokenInfo, error) {
	if err := t.lib.enter(ctx); err != nil {
		return 0, nil, err
	}
	defer t.lib.slots.leave()
	slots, err := t.lib.list()
	if err != nil && t.lib.dead() {
		return 0, nil, ErrRemoved // out of reach, with its whole module
	}
	if err != nil {
		return 0, nil, err
	}
	slot, err := only(slots, t.self)
	if err == ErrNoCard {
		return 0, nil, ErrRemoved
	}
	if err != nil {
		return 0, nil, err
	}
	return slot.ID, slot.Token, nil
}

// look is what the card in our slot tells, after making sure that it is still
// ours: a card can be swapped between two calls. It ensures a live session.
func (t *token) look(ctx context.Context) (*TokenInfo, error) {
	for again := false; ; again = true {
		if err := t.present(ctx); err != nil {
			return nil, err
		}
		_, err := t.lib.lib.SessionState(t.session)
		var raw cryptoki.TokenInfo
		if err == nil {
			raw, err = t.lib.lib.TokenInfo(t.slot)
		}
		if err == nil && t.self.matches(tokenInfo(raw)) {
			return t.told(tokenInfo(raw)), nil
		}
		if err != nil && !t.removed(err) {
			return nil, explain("info", err) // not a removal: nothing is lost
		}
		t.lost()
		if again {
			return nil, ErrRemoved
		}
	}
}

// told is what the card tells, with what is known of it besides.
func (t *token) told(info *TokenInfo) *TokenInfo {
	if info.PIN == PINReady && t.unsure.Load() {
		info.PIN = PINUnknown
	}
	return info
}

// userIn asks the card whether the holder's login still stands.
func (t *token) userIn() bool {
	state, err := t.lib.lib.SessionState(t.session)
	return err == nil && (state == cryptoki.StateROUser || state == cryptoki.StateRWUser)
}

// settle is what follows a call: after an error the session is not used again,
// because it may hold an unfinished operation, which no call of the standard
// ends. A new session is opened before the old one is closed, so that a login
// lives on; it doesn't if the card is gone, or was reset by another application.
// A sentinel is our own word about a call that succeeded. Where a card that was
// pulled is told as some failure, that it was pulled is what is answered.
func (t *token) settle(err error) error {
	switch own := (*sentinel)(nil); {
	case err == nil, errors.As(err, &own), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case gone(err):
		t.lost()
	case code(err) == cryptoki.UserNotLoggedIn:
		t.drop()
	case t.removed(err):
		t.lost()
		return &pulled{err}
	default:
		t.renew()
	}
	return err
}

// removed says whether a call failed because the card is out, which some modules
// tell as any failure.
func (t *token) removed(err error) bool { return gone(err) || unspecific(err) && t.away() }

// away says whether the slot has no card any more, or the module is gone itself.
func (t *token) away() bool {
	if empty, _ := t.empty(); empty {
		return true
	}
	_, err := t.lib.lib.TokenInfo(t.slot)
	return gone(err) || t.lib.dead()
}

func (t *token) renew() {
	s, err := t.openSession(t.slot)
	if err != nil {
		t.drop()
		return
	}
	_ = t.lib.lib.CloseSession(t.session)
	t.session = s
	t.epoch++
}
