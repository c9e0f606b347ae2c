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
	lib    *library
	serial string
	lock   chan struct{} // capacity 1; a channel, so that waiting ends with a context

	open    bool // session is one
	ended   bool // the library was closed
	slot    uint
	session cryptoki.Session
	epoch   uint64        // counts sessions; handles of another epoch are dead
	pulls   atomic.Uint64 // counts the times that the card turned out to be gone; read without lock
	holder  *Card         // who logged in on this session
}

// acquire takes the card for one operation, waiting no longer than ctx.
func (t *token) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t.lock <- struct{}{}:
	default:
		select {
		case t.lock <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if t.ended {
		t.release()
		return ErrClosed
	}
	return nil
}

func (t *token) release() { <-t.lock }

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
	_ = t.lib.lib.CloseSession(t.session)
	t.open, t.holder = false, nil
}

// lost is drop after the card was gone.
func (t *token) lost() {
	t.pulls.Add(1)
	t.drop()
}

// ensure opens a session if there is none, on whichever slot has the card now.
func (t *token) ensure() error {
	if t.open {
		return nil
	}
	slot, info, err := t.find()
	if err != nil {
		return err
	}
	if !info.Initialised {
		return ErrBlank // some modules open no session, others one without use
	}
	s, err := t.openSession(slot)
	if err != nil {
		return explain("open", err)
	}
	t.open, t.slot, t.session, t.holder = true, slot, s, nil
	t.epoch++
	// The card may have been swapped since it was found.
	raw, err := t.lib.lib.TokenInfo(slot)
	switch {
	case err != nil && !gone(err):
		t.drop()
		return explain("open", err)
	case err != nil || tokenInfo(raw).Serial != t.serial:
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
func (t *token) find() (uint, *TokenInfo, error) {
	t.lib.slots.Lock()
	defer t.lib.slots.Unlock()
	slots, err := t.lib.list()
	if err != nil {
		return 0, nil, err
	}
	slot, err := only(slots, Selector{Serial: t.serial})
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
func (t *token) look() (*TokenInfo, error) {
	for again := false; ; again = true {
		if err := t.ensure(); err != nil {
			return nil, err
		}
		_, err := t.lib.lib.SessionState(t.session)
		var raw cryptoki.TokenInfo
		if err == nil {
			raw, err = t.lib.lib.TokenInfo(t.slot)
		}
		if err == nil && tokenInfo(raw).Serial == t.serial {
			return tokenInfo(raw), nil
		}
		if err != nil && !gone(err) {
			return nil, explain("info", err) // not a removal: nothing is lost
		}
		t.lost()
		if again {
			return nil, ErrRemoved
		}
	}
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
// A sentinel is our own word about a call that succeeded.
func (t *token) settle(err error) error {
	switch own := (*sentinel)(nil); {
	case err == nil, errors.As(err, &own):
	case gone(err):
		t.lost()
	case code(err) == cryptoki.UserNotLoggedIn:
		t.drop()
	default:
		t.renew()
	}
	return err
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
