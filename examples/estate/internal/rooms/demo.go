// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

// DemoCard is what the front page shows of an invented person: which part they
// play, and the passcode that their card was issued with. No real system knows
// a passcode; this one is in a file of its own beside the databases.
type DemoCard struct {
	Serial   string `json:"serial"`
	Label    string `json:"label"` // what is written on the plastic
	Demo     string `json:"demo"`  // the part played, such as "nurse"
	UserID   string `json:"userID"`
	Passcode string `json:"passcode"`
}

// Demo keeps the demonstration's own notes.
type Demo struct {
	file string

	mu    sync.Mutex
	notes notes
}

type notes struct {
	Cards []DemoCard `json:"cards"`
}

func openDemo(file string) (*Demo, error) {
	d := &Demo{file: file}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	if err := json.Unmarshal(data, &d.notes); err != nil {
		return nil, fmt.Errorf("estate: %s: %w", file, err)
	}
	return d, nil
}

// Note keeps a card's notes, in place of earlier ones of that card.
func (d *Demo) Note(c DemoCard) error {
	if c.Serial == "" {
		return errors.New("estate: a note of no card")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.notes
	next.Cards = slices.DeleteFunc(slices.Clone(next.Cards), func(o DemoCard) bool { return o.Serial == c.Serial })
	next.Cards = append(next.Cards, c)
	return d.keep(next)
}

// keep writes the notes down before they count; d.mu is held.
func (d *Demo) keep(next notes) error {
	data, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := kept.Replace(d.file, data); err != nil {
		return err
	}
	d.notes = next
	return nil
}

// Card finds the notes of a card.
func (d *Demo) Card(serial string) (DemoCard, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.notes.Cards, func(c DemoCard) bool { return c.Serial == serial })
	if i < 0 {
		return DemoCard{}, false
	}
	return d.notes.Cards[i], true
}
