// SPDX-License-Identifier: Apache-2.0

package wardkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

var durations = map[string]time.Duration{
	"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour,
}

// fits reports whether the value is of the shape that its unit and direction
// promise.
func (r Rule) fits() error {
	switch r.Unit {
	case "list":
		var list []string
		if json.Unmarshal(r.Value, &list) != nil || (r.Tighter != "subset" && r.Tighter != "never") {
			return errors.New("is no list of strings that may become a subset or never change")
		}
	case "flag":
		var flag bool
		if json.Unmarshal(r.Value, &flag) != nil || r.Tighter == "subset" {
			return errors.New("is no flag that may become lower (false), higher (true) or never change")
		}
	case "text":
		var text string
		if json.Unmarshal(r.Value, &text) != nil || r.Tighter != "never" {
			return errors.New("is no text that never changes")
		}
	default:
		var n int64
		if json.Unmarshal(r.Value, &n) != nil || n < 0 || r.Tighter == "subset" {
			return errors.New("is no whole number of its unit, zero or more")
		}
	}
	return nil
}

func (b *Rulebook) value(id string, t time.Time, into any, units ...string) (Rule, error) {
	r, ok := b.At(id, t)
	if !ok {
		return r, fmt.Errorf("wardkey: rule %q is not in force on %s", id, t.UTC().Format(time.DateOnly))
	}
	if !slices.Contains(units, r.Unit) {
		return r, fmt.Errorf("wardkey: rule %q is in %s", id, r.Unit)
	}
	return r, json.Unmarshal(r.Value, into)
}

// Duration returns the value in force at t of a rule in seconds, minutes,
// hours or days of 24 hours. Years are not durations: read them with Int.
func (b *Rulebook) Duration(id string, t time.Time) (time.Duration, error) {
	var n int64
	r, err := b.value(id, t, &n, slices.Collect(maps.Keys(durations))...)
	return time.Duration(n) * durations[r.Unit], err
}

// Int returns the value in force at t of a rule in years, digits or a count.
func (b *Rulebook) Int(id string, t time.Time) (int, error) {
	var n int
	_, err := b.value(id, t, &n, "years", "count", "digits")
	return n, err
}

// Strings returns the list in force at t.
func (b *Rulebook) Strings(id string, t time.Time) ([]string, error) {
	var list []string
	_, err := b.value(id, t, &list, "list")
	return list, err
}

// Text returns the text in force at t.
func (b *Rulebook) Text(id string, t time.Time) (string, error) {
	var text string
	_, err := b.value(id, t, &text, "text")
	return text, err
}

// Bool returns the flag in force at t.
func (b *Rulebook) Bool(id string, t time.Time) (bool, error) {
	var flag bool
	_, err := b.value(id, t, &flag, "flag")
	return flag, err
}

// Overlay returns the book as an organisation has tightened it. Each rule of
// the overlay must exist, carry a source of the overlay's own, and lie, on its
// first day and on every later day on which the base changes, where the base's
// direction allows: an overlay never loosens. Refusals can't be changed.
func (b *Rulebook) Overlay(data []byte) (*Rulebook, error) {
	over, err := ParseRulebook(data)
	if err != nil {
		return nil, err
	}
	if len(over.refusals) > 0 {
		return nil, errors.New("wardkey: overlay: refusals belong to the base book")
	}
	sources := maps.Clone(b.sources)
	for key, s := range over.sources {
		if _, taken := sources[key]; taken {
			return nil, fmt.Errorf("wardkey: overlay: source %q belongs to the base book", key)
		}
		sources[key] = s
	}
	merged := &Rulebook{sources: sources, rules: maps.Clone(b.rules), refusals: b.refusals}
	for id, rules := range over.rules {
		for _, r := range rules {
			if err := b.tightens(r); err != nil {
				return nil, err
			}
		}
		// From the overlay's first day on its values stand alone: a later
		// change of the base is checked above to be no tighter.
		merged.rules[id] = mergeByDay(b.rules[id], rules)
	}
	return merged, nil
}

// mergeByDay puts the overlay's values in place of the base's from the
// overlay's first day on.
func mergeByDay(base, over []Rule) []Rule {
	var merged []Rule
	for _, r := range base {
		if r.From < over[0].From {
			merged = append(merged, r)
		}
	}
	return append(merged, over...)
}

func (b *Rulebook) tightens(r Rule) error {
	refuse := func(why string) error { return fmt.Errorf("wardkey: overlay of %q: %s", r.ID, why) }
	first, dated := r.start()
	if !dated {
		return refuse("needs its first day")
	}
	if _, ok := b.At(r.ID, first); !ok {
		return refuse("the base has no value on its first day")
	}
	for _, base := range b.rules[r.ID] {
		from, dated := base.start()
		current, _ := b.At(r.ID, first)
		if !dated || (from.Before(first) && base.From != current.From) {
			continue // ended before the overlay began
		}
		if base.Unit != r.Unit || base.Tighter != r.Tighter {
			return refuse("has another unit or direction than the base")
		}
		if !tighterThan(base, r) {
			return refuse("would loosen the value of " + base.From)
		}
	}
	return nil
}

func tighterThan(base, over Rule) bool {
	switch base.Unit {
	case "list":
		var was, is []string
		_ = json.Unmarshal(base.Value, &was) // shapes were checked when parsed
		_ = json.Unmarshal(over.Value, &is)
		return base.Tighter == "subset" && !slices.ContainsFunc(is, func(s string) bool { return !slices.Contains(was, s) })
	case "flag":
		var was, is bool
		_ = json.Unmarshal(base.Value, &was)
		_ = json.Unmarshal(over.Value, &is)
		return base.Tighter != "never" && (was == is || is == (base.Tighter == "higher"))
	case "text":
		return false
	}
	var was, is int64
	_ = json.Unmarshal(base.Value, &was)
	_ = json.Unmarshal(over.Value, &is)
	switch base.Tighter {
	case "lower":
		return is <= was
	case "higher":
		return is >= was
	}
	return false
}
