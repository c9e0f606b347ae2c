// SPDX-License-Identifier: Apache-2.0

package card

import (
	"cmp"
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

// presence is a card as one look at the readers saw it, in one slot: a card in
// another was out in between.
type presence struct {
	serial string
	slot   uint
}

// sighting is what was seen of it. Another number of pulls means that it was
// away in between.
type sighting struct {
	label string
	pulls uint64
}

type sightings map[presence]sighting

// Events tells of cards that come and go, until ctx ends or the module is
// closed. It begins with an Inserted for each card that is in a reader.
//
// It compares what is seen every Config.Poll, because the events of modules
// can't be relied on: some have none, some send stale ones. A card that was
// pulled and put back between two looks is told as Removed and Inserted if this
// process had a session on it, and is not noticed otherwise. A look that fails
// changes nothing: an error is not a removal. While the module hangs nothing is
// told, and ctx still ends it.
func (m *Module) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		seen := sightings{}
		tick := time.NewTicker(m.config.Poll)
		defer tick.Stop()
		for {
			if now, err := m.watch(ctx, seen); err == nil {
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

// watch is look, waited for no longer than the context: a module that hangs tells
// nothing, and keeps nobody.
func (m *Module) watch(ctx context.Context, before sightings) (sightings, error) {
	type answer struct {
		now sightings
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		now, err := m.look(ctx, before)
		answers <- answer{now, err}
	}()
	select {
	case a := <-answers:
		return a.now, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-m.closed:
		return nil, ErrClosed
	}
}

// look is what the readers hold now. Of a slot that can't be read, what was seen
// there before is believed.
func (m *Module) look(ctx context.Context, before sightings) (sightings, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	l := m.lib
	slots, err := l.list()
	tokens := make([]*token, len(slots))
	for i, s := range slots {
		tokens[i] = l.known(s.Token)
	}
	l.slots.leave()
	if err != nil {
		return nil, err
	}
	now := sightings{}
	for i, s := range slots {
		if s.Token != nil && s.Token.Serial != "" {
			now[presence{s.Token.Serial, s.ID}] = sighting{s.Token.Label, tokens[i].noticed()}
		}
		for p, was := range before {
			if s.Err != nil && p.slot == s.ID {
				now[p] = was
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
	if !t.lock.try() {
		return t.pulls.Load()
	}
	defer t.release()
	if t.open {
		if _, err := t.lib.lib.SessionState(t.session); gone(err) {
			t.lost()
		}
	}
	return t.pulls.Load()
}

// differences are the events between two looks: removals first, so that a swap
// in one reader is told in its order; otherwise by serial.
func differences(before, now sightings) []Event {
	var events []Event
	for _, p := range before.sorted() {
		if s, here := now[p]; !here || s.pulls != before[p].pulls {
			events = append(events, Event{Removed, p.serial, before[p].label})
		}
	}
	for _, p := range now.sorted() {
		if s, was := before[p]; !was || s.pulls != now[p].pulls {
			events = append(events, Event{Inserted, p.serial, now[p].label})
		}
	}
	return events
}

func (s sightings) sorted() []presence {
	return slices.SortedFunc(maps.Keys(s), func(a, b presence) int {
		return cmp.Or(cmp.Compare(a.serial, b.serial), cmp.Compare(a.slot, b.slot))
	})
}
