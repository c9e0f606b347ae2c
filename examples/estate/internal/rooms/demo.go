// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// DemoSite is a mail site that was opened here, with its mailboxes in the order
// in which they were opened. The accounts themselves are mailpolicy's.
type DemoSite struct {
	ODS      string   `json:"ods"`
	Name     string   `json:"name"`
	Accounts []string `json:"accounts"`
	Shared   []string `json:"shared"`
}

// Demo keeps the demonstration's own notes.
type Demo struct {
	file string

	mu    sync.Mutex
	notes notes
}

type notes struct {
	Cards []DemoCard `json:"cards"`
	Sites []DemoSite `json:"sites"`
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
	if err := replaceFile(d.file, data); err != nil {
		return err
	}
	d.notes = next
	return nil
}

// NoteSite changes what is known of a site; it is made where it isn't known.
func (d *Demo) NoteSite(ods string, change func(*DemoSite)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.notes
	next.Sites = slices.Clone(next.Sites)
	i := slices.IndexFunc(next.Sites, func(s DemoSite) bool { return s.ODS == ods })
	if i < 0 {
		i = len(next.Sites)
		next.Sites = append(next.Sites, DemoSite{ODS: ods})
	}
	site := next.Sites[i]
	site.Accounts, site.Shared = slices.Clone(site.Accounts), slices.Clone(site.Shared)
	change(&site)
	next.Sites[i] = site
	return d.keep(next)
}

// Sites are the mail sites, in the order in which they were opened.
func (d *Demo) Sites() []DemoSite {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.notes.Sites)
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

// replaceFile writes a private file in one step: the old text stays until the
// new one is on disk.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // already renamed, or no use
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	return nil
}
