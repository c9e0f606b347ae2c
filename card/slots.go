// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Slot is a reader. Its ID may change with the next card or the next start;
// cards are addressed by serial.
type Slot struct {
	ID          uint
	Description string
	Token       *TokenInfo // nil: no card in the reader, or Err
	Err         error      // the card, or the reader itself, can't be read
}

// TokenInfo is what a card tells without a PIN.
type TokenInfo struct {
	Label, Serial       string // without padding
	Manufacturer, Model string
	Initialised         bool // false: blank, Initialize comes first
	PINPad              bool // the reader asks for the PIN; Login takes nil
	MinPIN, MaxPIN      int  // bytes, inclusive
	PIN, SOPIN          PINState
}

// PINState is what the card tells of a PIN's tries. PKCS#11 has no number of
// tries left, and a card that tells nothing may still be near its lock.
type PINState int

// The states. PINReady is of a card that tells of no wrong PIN, which not every
// card does; one that was seen to tell nothing after a refusal is PINUnknown until
// the right PIN is shown.
const (
	PINReady    PINState = iota // more tries than one, as far as is known
	PINLow                      // at least one wrong PIN since the last right one
	PINFinalTry                 // one try left
	PINLocked                   // no try left
	PINNotSet                   // never set
	PINExpired                  // must be changed before use
	PINUnknown                  // a PIN was refused, and the card doesn't tell what that means for its tries
)

// String is the state's name.
func (s PINState) String() string {
	names := [...]string{"ready", "low", "final try", "locked", "not set", "expired", "unknown"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("PINState(%d)", int(s))
	}
	return names[s]
}

// Slots lists the readers, with the card in each. A card that doesn't answer within
// five seconds is told by the Slot's Err, ErrHung, and hides no other; a module that
// doesn't even list its readers keeps Slots as long as it takes.
func (m *Module) Slots(ctx context.Context) ([]Slot, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.lib.slots.leave()
	return m.lib.list()
}

// list reads all slots; slots is held.
func (l *library) list() ([]Slot, error) {
	ids, err := l.lib.SlotList(false)
	if err != nil {
		return nil, explain("slots", err)
	}
	slots := make([]Slot, 0, len(ids))
	for _, id := range ids {
		info, err := l.lib.SlotInfo(id)
		if gone(err) { // the reader was unplugged meanwhile
			continue
		}
		s := Slot{ID: id, Description: info.Description}
		if err != nil { // one bad reader doesn't hide the others
			s.Err = explain("slots", err)
		}
		if info.Flags&cryptoki.FlagTokenPresent != 0 {
			t, err := l.tokenIn(id)
			switch {
			case err == nil:
				s.Token = l.told(tokenInfo(t))
			case !gone(err): // else it was pulled meanwhile
				s.Err = explain("slots", err)
			}
		}
		slots = append(slots, s)
	}
	return slots, nil
}

// readLimit is how long a list waits for one card. The first look at a card that was
// just put in takes some modules a few seconds.
const readLimit = 5 * time.Second

// reading is a C_GetTokenInfo that is under way until done is closed.
type reading struct {
	done chan struct{}
	info cryptoki.TokenInfo
	err  error
}

// tokenIn is what the card in a slot tells, if it does in time. While a call for it
// hangs, no other joins it; slots is held.
func (l *library) tokenIn(id uint) (cryptoki.TokenInfo, error) {
	if hung := l.hung[id]; hung != nil {
		select {
		case <-hung.done: // but what it told may be old
			delete(l.hung, id)
		default:
			return cryptoki.TokenInfo{}, ErrHung
		}
	}
	r := &reading{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.info, r.err = l.lib.TokenInfo(id)
	}()
	limit := time.NewTimer(readLimit)
	defer limit.Stop()
	select {
	case <-r.done:
		return r.info, r.err
	case <-limit.C:
		l.hung[id] = r
		return cryptoki.TokenInfo{}, ErrHung
	}
}

// settled waits for the calls that were left behind, so that the module can be
// finalised; slots is held.
func (l *library) settled(ctx context.Context) error {
	for _, r := range l.hung {
		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// told is what a card tells, with what is known of it besides; slots is held.
func (l *library) told(info *TokenInfo) *TokenInfo {
	if t := l.known(info); t != nil {
		return t.told(info)
	}
	return info
}

// known is the card's token, if it has one; slots is held.
func (l *library) known(info *TokenInfo) *token {
	i := slices.IndexFunc(l.tokens, func(t *token) bool { return t.self.matches(info) })
	if i < 0 {
		return nil
	}
	return l.tokens[i]
}

// tokenInfo is the module's answer in our words.
func tokenInfo(t cryptoki.TokenInfo) *TokenInfo {
	info := &TokenInfo{
		Label: t.Label, Serial: t.Serial, Manufacturer: t.Manufacturer, Model: t.Model,
		Initialised: t.Flags&cryptoki.FlagTokenInitialized != 0,
		PINPad:      t.Flags&cryptoki.FlagProtectedAuthPath != 0,
		MinPIN:      t.MinPIN, MaxPIN: t.MaxPIN,
		PIN:   PINNotSet,
		SOPIN: PINNotSet,
	}
	if !info.Initialised {
		// SoftHSM sets CKF_SO_PIN_LOCKED here; it says nothing about a card.
		return info
	}
	info.SOPIN = pinState(t.Flags, cryptoki.FlagSOPINLocked, cryptoki.FlagSOPINFinalTry, cryptoki.FlagSOPINCountLow, cryptoki.FlagSOPINToBeChanged)
	if t.Flags&cryptoki.FlagUserPINInitialized != 0 {
		info.PIN = pinState(t.Flags, cryptoki.FlagUserPINLocked, cryptoki.FlagUserPINFinalTry, cryptoki.FlagUserPINCountLow, cryptoki.FlagUserPINToBeChanged)
	}
	return info
}

func pinState(flags, locked, final, low, change uint) PINState {
	switch {
	case flags&locked != 0:
		return PINLocked
	case flags&final != 0:
		return PINFinalTry
	case flags&low != 0:
		return PINLow
	case flags&change != 0:
		return PINExpired
	}
	return PINReady
}
