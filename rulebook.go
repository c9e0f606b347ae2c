// SPDX-License-Identifier: Apache-2.0

package wardkey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	// A rule changes at midnight where it applies, which must be known on
	// systems without a zone database too.
	_ "time/tzdata"
)

// Rule is one dated value of a policy. The value in force on a day is the one
// whose From is the latest not after it.
type Rule struct {
	// ID is shared by all the values that a rule has had.
	ID string `json:"id"`
	// Value is a JSON number, string, boolean or list of strings.
	Value json.RawMessage `json:"value"`
	// Unit is one of seconds, minutes, hours, days, years, count, digits,
	// list, flag and text.
	Unit string `json:"unit"`
	// From is the first day in force (2006-01-02, inclusive, from midnight in
	// Zone). A rule without a date is known but never in force.
	From string `json:"from"`
	// Zone is an IANA name; empty means UTC.
	Zone string `json:"zone,omitempty"`
	// Source is a key of the book's sources.
	Source string `json:"source"`
	// Supersedes says in words what this value replaced.
	Supersedes string `json:"supersedes,omitempty"`
	// Tighter says which way an organisation may move the value: lower,
	// higher, subset or never.
	Tighter string `json:"tighter"`
	// Note explains a choice.
	Note string `json:"note,omitempty"`

	starts time.Time // From in Zone; read once, since zones are files
}

// start returns the instant from which the rule is in force.
func (r Rule) start() (at time.Time, dated bool) { return r.starts, r.From != "" }

// date reads From in Zone.
func (r *Rule) date() error {
	if r.From == "" {
		return nil
	}
	zone, err := time.LoadLocation(r.Zone)
	if err == nil {
		r.starts, err = time.ParseInLocation(time.DateOnly, r.From, zone)
	}
	return err
}

// sentence is a rulebook's row for one refusal.
type sentence struct {
	ID       string   `json:"id"`
	Status   int      `json:"status"`
	Source   string   `json:"source"`
	Public   string   `json:"public"`
	Fixer    string   `json:"fixer"`
	Next     []string `json:"next"`
	InPerson bool     `json:"inPerson,omitempty"`
}

type bookFile struct {
	Sources  map[string]Source `json:"sources"`
	Rules    []Rule            `json:"rules"`
	Refusals []sentence        `json:"refusals"`
}

// Rulebook is a room's policy as data: dated values with their sources, and a
// row for each refusal. It is immutable and safe for concurrent use.
type Rulebook struct {
	sources  map[string]Source
	rules    map[string][]Rule // by id, in order of From, undated first
	refusals map[string]sentence
}

var (
	units   = []string{"seconds", "minutes", "hours", "days", "years", "count", "digits", "list", "flag", "text"}
	tighter = []string{"lower", "higher", "subset", "never"}
	fixers  = []string{"holder", "ra-manager", "ra-agent", "sponsor", "local-administrator", "helpdesk", "sender", "system"}
)

// ParseRulebook reads a rules.json strictly: an unknown member, unit, source,
// zone or date, a value that does not fit its unit, a refusal without a
// sentence or a next step, or a rule given twice for a day is an error that
// names the row.
func ParseRulebook(data []byte) (*Rulebook, error) {
	var file bookFile
	if err := decodeStrictly(data, &file); err != nil {
		return nil, err
	}
	b := &Rulebook{sources: file.Sources, rules: map[string][]Rule{}, refusals: map[string]sentence{}}
	for key, s := range file.Sources {
		if s.Document == "" {
			return nil, fmt.Errorf("wardkey: source %q has no document", key)
		}
	}
	for _, r := range file.Rules {
		if err := b.addRule(r); err != nil {
			return nil, err
		}
	}
	for _, s := range file.Refusals {
		if err := b.addSentence(s); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func decodeStrictly(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("wardkey: rulebook: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("wardkey: rulebook: something follows the book")
	}
	return nil
}

func (b *Rulebook) addRule(r Rule) error {
	refuse := func(why string) error { return fmt.Errorf("wardkey: rule %q from %q: %s", r.ID, r.From, why) }
	if r.ID == "" || !slices.Contains(units, r.Unit) || !slices.Contains(tighter, r.Tighter) {
		return refuse("needs an id, a known unit and a known direction")
	}
	if _, ok := b.sources[r.Source]; !ok {
		return refuse("names no source of the book")
	}
	if err := r.date(); err != nil {
		return refuse("has no such date or zone")
	}
	if err := r.fits(); err != nil {
		return refuse(err.Error())
	}
	for _, other := range b.rules[r.ID] {
		if other.From == r.From {
			return refuse("is given twice")
		}
		if other.Unit != r.Unit || other.Tighter != r.Tighter {
			return refuse("has another unit or direction on another day")
		}
	}
	b.rules[r.ID] = append(b.rules[r.ID], r)
	slices.SortFunc(b.rules[r.ID], func(x, y Rule) int { return strings.Compare(x.From, y.From) })
	return nil
}

func (b *Rulebook) addSentence(s sentence) error {
	refuse := func(why string) error { return fmt.Errorf("wardkey: refusal %q: %s", s.ID, why) }
	if _, twice := b.refusals[s.ID]; twice || s.ID == "" {
		return refuse("needs an id of its own")
	}
	if _, ok := b.sources[s.Source]; !ok {
		return refuse("names no source of the book")
	}
	if s.Status < 400 || s.Status > 599 || http.StatusText(s.Status) == "" {
		return refuse("needs an HTTP error status")
	}
	if s.Public == "" || len(s.Next) == 0 || !slices.Contains(fixers, s.Fixer) {
		return refuse("needs a sentence, a next step and a known fixer")
	}
	b.refusals[s.ID] = s
	return nil
}

// Refuse returns the refusal of that id. Pairs of key and value fill {key} in
// its sentences and become its Facts. An id without a row still refuses: it
// names the id and sends the person to the help desk.
func (b *Rulebook) Refuse(id string, facts ...string) *Refusal {
	row, ok := b.refusals[id]
	if !ok {
		return &Refusal{
			Rule: id, Status: http.StatusForbidden, Public: "This is not allowed.",
			Fixer: "helpdesk", Next: []string{"Ask the help desk and quote " + id + "."},
		}
	}
	r := &Refusal{
		Rule: id, Status: row.Status, Source: b.sources[row.Source], Public: row.Public,
		Fixer: row.Fixer, Next: slices.Clone(row.Next), InPerson: row.InPerson,
	}
	if len(facts) < 2 {
		return r
	}
	r.Facts = map[string]string{}
	var pairs []string
	for i := 0; i+1 < len(facts); i += 2 {
		r.Facts[facts[i]] = facts[i+1]
		pairs = append(pairs, "{"+facts[i]+"}", facts[i+1])
	}
	fill := strings.NewReplacer(pairs...)
	r.Public = fill.Replace(r.Public)
	for i := range r.Next {
		r.Next[i] = fill.Replace(r.Next[i])
	}
	return r
}

// IDs lists the ids of the book's refusals in order.
func (b *Rulebook) IDs() []string {
	ids := make([]string, 0, len(b.refusals))
	for id := range b.refusals {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Source returns the publication behind a key of the book.
func (b *Rulebook) Source(key string) Source { return b.sources[key] }

// At returns the value of a rule in force at t; false where none is.
func (b *Rulebook) At(id string, t time.Time) (Rule, bool) {
	var found Rule
	var ok bool
	for _, r := range b.rules[id] {
		if from, dated := r.start(); dated && !from.After(t) {
			found, ok = r, true
		}
	}
	return found, ok
}

// History returns all the values that a rule has had or is to have, undated
// ones first.
func (b *Rulebook) History(id string) []Rule { return slices.Clone(b.rules[id]) }

// Change is a rule whose value differs between two days. Before or After is
// nil where the rule was not in force.
type Change struct {
	ID            string
	Before, After *Rule
}

// Diff lists the rules whose value in force differs between two instants, by
// id.
func (b *Rulebook) Diff(from, to time.Time) []Change {
	var changes []Change
	for id := range b.rules {
		change := Change{ID: id}
		if r, ok := b.At(id, from); ok {
			change.Before = &r
		}
		if r, ok := b.At(id, to); ok {
			change.After = &r
		}
		same := change.Before == nil && change.After == nil
		if change.Before != nil && change.After != nil {
			same = bytes.Equal(change.Before.Value, change.After.Value)
		}
		if !same {
			changes = append(changes, change)
		}
	}
	slices.SortFunc(changes, func(x, y Change) int { return strings.Compare(x.ID, y.ID) })
	return changes
}
