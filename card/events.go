// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"
)

// Kind is what happened at a reader.
type Kind int

// The kinds of Event.
const (
	Inserted Kind = iota + 1
	Removed
)

// String is the kind's name.
func (k Kind) String() string {
	switch k {
	case Inserted:
		return "inserted"
	case Removed:
		return "removed"
	}
	return "unknown"
}

// Event is a card that came or went.
type Event struct {
	Kind          Kind
	Serial, Label string
}

// presence is a card as one look at the readers saw it. Another number of pulls
// means that it was away in between.
type presence struct {
	label string
	slot  uint
	pulls uint64
}

// Events tells of cards that come and go, until ctx ends or the module is
// closed. It begins with an Inserted for each card that is in a reader.
//
// It compares what is seen every Config.Poll, because the events of modules
// can't be relied on: some have none, some send stale ones. A card that was
// pulled and put back between two looks is told as Removed and Inserted if this
// process had a session on it, and is not noticed otherwise. A look that fails
// changes nothing: an error is not a removal.
func (m *Module) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		seen := map[string]presence{}
		tick := time.NewTicker(m.config.Poll)
		defer tick.Stop()
		for {
			if now, err := m.look(seen); err == nil {
				for _, e := range differences(seen, now) {
					m.config.Log.InfoContext(ctx, "card "+e.Kind.String(), "serial", e.Serial)
					if !yield(e) {
						return
					}
				}
				seen = now
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			case <-m.closed:
				return
			}
		}
	}
}

// look is what the readers hold now. Of a slot that can't be read, what was seen
// there before is believed.
func (m *Module) look(before map[string]presence) (map[string]presence, error) {
	if err := m.open(); err != nil {
		return nil, err
	}
	l := m.lib
	l.slots.Lock()
	slots, err := l.list()
	tokens := maps.Clone(l.tokens)
	l.slots.Unlock()
	if err != nil {
		return nil, err
	}
	now := map[string]presence{}
	for _, s := range slots {
		if s.Token != nil && s.Token.Serial != "" {
			now[s.Token.Serial] = presence{s.Token.Label, s.ID, tokens[s.Token.Serial].noticed()}
		}
		for serial, p := range before {
			if s.Err != nil && p.slot == s.ID {
				now[serial] = p
			}
		}
	}
	return now, nil
}

// noticed counts the card's pulls, after asking whether its session still
// lives. It doesn't wait for a call that is under way: that call will notice.
func (t *token) noticed() uint64 {
	if t == nil {
		return 0
	}
	select {
	case t.lock <- struct{}{}:
		defer t.release()
	default:
		return t.pulls.Load()
	}
	if t.open {
		if _, err := t.lib.lib.SessionState(t.session); gone(err) {
			t.lost()
		}
	}
	return t.pulls.Load()
}

// differences are the events between two looks: removals first, so that a swap
// in one reader is told in its order; otherwise by serial.
func differences(before, now map[string]presence) []Event {
	var events []Event
	for _, serial := range slices.Sorted(maps.Keys(before)) {
		p := before[serial]
		if q, here := now[serial]; !here || q.pulls != p.pulls {
			events = append(events, Event{Removed, serial, p.label})
		}
	}
	for _, serial := range slices.Sorted(maps.Keys(now)) {
		q := now[serial]
		if p, was := before[serial]; !was || q.pulls != p.pulls {
			events = append(events, Event{Inserted, serial, q.label})
		}
	}
	return events
}
