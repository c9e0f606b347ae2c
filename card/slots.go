// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Slot is a reader. Its ID may change with the next card or the next start;
// cards are addressed by serial.
type Slot struct {
	ID          uint
	Description string
	Token       *TokenInfo // nil: no card in the reader, or Err
	Err         error      // there is a card, and it can't be read
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

// The states; PINReady also where the card doesn't tell.
const (
	PINReady    PINState = iota
	PINLow               // at least one wrong PIN since the last right one
	PINFinalTry          // one try left
	PINLocked            // no try left
	PINNotSet            // never set
	PINExpired           // must be changed before use
)

// String is the state's name.
func (s PINState) String() string {
	names := [...]string{"ready", "low", "final try", "locked", "not set", "expired"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("PINState(%d)", int(s))
	}
	return names[s]
}

// Slots lists the readers, with the card in each.
func (m *Module) Slots(ctx context.Context) ([]Slot, error) {
	if err := errors.Join(ctx.Err(), m.open()); err != nil {
		return nil, err
	}
	m.lib.slots.Lock()
	defer m.lib.slots.Unlock()
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
		if err != nil {
			if gone(err) { // the reader was unplugged meanwhile
				continue
			}
			return nil, explain("slots", err)
		}
		s := Slot{ID: id, Description: info.Description}
		if info.Flags&cryptoki.FlagTokenPresent != 0 {
			t, err := l.lib.TokenInfo(id)
			switch {
			case err == nil:
				s.Token = tokenInfo(t)
			case !gone(err): // else it was pulled meanwhile
				s.Err = explain("slots", err)
			}
		}
		slots = append(slots, s)
	}
	return slots, nil
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
