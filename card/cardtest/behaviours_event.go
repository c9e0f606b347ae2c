// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// What C_WaitForSlotEvent tells of a card that comes and goes.
func eventBehaviours() []behaviour {
	return []behaviour{
		{"pulled-event", "§5.5 C_WaitForSlotEvent", removal | slotEvents, func(p *probe) error {
			if err := p.drain(); err != nil {
				return err
			}
			slot := p.slot
			return p.away(func(cryptoki.Session) error { return p.told(slot, false) })
		}},
		{"put-back-event", "§5.5 C_WaitForSlotEvent", removal | slotEvents, func(p *probe) error {
			if err := p.drain(); err != nil {
				return err
			}
			slot := p.slot
			if err := p.away(func(cryptoki.Session) error { return p.told(slot, false) }); err != nil {
				return err
			}
			return p.eventually(func() error { return p.told(p.slot, true) })
		}},
		{"events-end", "§5.5 CKR_NO_EVENT", removal | slotEvents, func(p *probe) error {
			if err := p.away(func(cryptoki.Session) error { return nil }); err != nil {
				return err
			}
			return p.drain()
		}},
		{"event-wakes-who-waits", "§5.5 C_WaitForSlotEvent", removal | slotEvents, (*probe).woken},
	}
}

// told polls for an event at the slot, and looks whether the slot is as it must be
// after that.
func (p *probe) told(slot uint, present bool) error {
	got, err := p.lib.WaitForSlotEvent(false)
	if err != nil {
		return err
	}
	if got != slot {
		return fmt.Errorf("an event at the slot %d instead of %d", got, slot)
	}
	info, err := p.lib.SlotInfo(slot)
	if err != nil {
		return err
	}
	return holds(info.Flags&cryptoki.FlagTokenPresent != 0 == present, "flags 0x%X of the slot", info.Flags)
}

// woken is somebody who waits for an event that comes. Who is not woken stays
// until the suite ends.
func (p *probe) woken() error {
	if err := p.drain(); err != nil {
		return err
	}
	slot := p.slot
	answer := make(chan error, 1)
	go func() {
		got, err := p.lib.WaitForSlotEvent(true)
		if err == nil {
			err = holds(got == slot, "an event at the slot %d instead of %d", got, slot)
		}
		answer <- err
	}()
	if err := p.Remove(); err != nil {
		return err
	}
	woken := errors.New("nobody was woken")
	pending := p.eventually(func() error {
		select {
		case woken = <-answer:
			return nil
		default:
			return woken
		}
	})
	if pending == nil {
		pending = woken
	}
	return errors.Join(pending, p.Insert(), p.found(), p.drain())
}

// drain takes the events of before.
func (p *probe) drain() error {
	for range 64 {
		if _, err := p.lib.WaitForSlotEvent(false); err != nil {
			return is(err, noEvent)
		}
	}
	return fmt.Errorf("events without end")
}
