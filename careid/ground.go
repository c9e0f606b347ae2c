// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Ground is what an answer rests on: the value of the rulebook that gave it. The zero Ground is no rule at all.
type Ground struct {
	Rule   string // its id in the rulebook
	From   string // first day in force, 2006-01-02, from midnight where the rule applies
	Until  string // first day of the next value; "" when none is known
	Source wardkey.Source
	Note   string
}

// ground finds the value in force at t; false where none is.
func ground(book *wardkey.Rulebook, id string, t time.Time) (Ground, bool) {
	rule, ok := book.At(id, t)
	if !ok {
		return Ground{}, false
	}
	return groundOf(book, rule), true
}

func groundOf(book *wardkey.Rulebook, rule wardkey.Rule) Ground {
	g := Ground{Rule: rule.ID, From: rule.From, Source: book.Source(rule.Source), Note: rule.Note}
	for _, other := range book.History(rule.ID) { // in order of From
		if other.From > rule.From {
			g.Until = other.From
			break
		}
	}
	return g
}

// groundList reads a rule of a list with its ground. Where no value is in force, or it is no list, it is false: what
// asks then refuses.
func groundList(book *wardkey.Rulebook, id string, t time.Time) ([]string, Ground, bool) {
	rule, ok := book.At(id, t)
	var list []string
	if !ok || rule.Unit != "list" || json.Unmarshal(rule.Value, &list) != nil {
		return nil, Ground{}, false
	}
	return list, groundOf(book, rule), true
}

// lists reports whether a rule of a list is in force and has a value in it.
func lists(book *wardkey.Rulebook, id, value string, t time.Time) (Ground, bool) {
	list, g, ok := groundList(book, id, t)
	return g, ok && slices.Contains(list, value)
}

// refuseBy is the refusal of that id, by the very publication that the ground cites.
func refuseBy(book *wardkey.Rulebook, g Ground, id string, facts ...string) *wardkey.Refusal {
	no := book.Refuse(id, facts...)
	if g.Source != (wardkey.Source{}) {
		no.Source = g.Source
	}
	return no
}
