// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// Readers is the number of readers, 1 to 3 to people.
const Readers = 3

// Workstation is one computer of the hospital: an agent with readers of its
// own. One person at a time is signed in at each.
type Workstation struct {
	Name    string `json:"name"`
	Address string `json:"address"` // base URL of its agent
	Readers []int  `json:"readers"` // their numbers
}

// The workstations: the Registration Authority's desk, where a holder's card
// goes beside the agent's own, and one on a ward.
const (
	DeskStation = "desk"
	WardStation = "ward"
)

// What can stand in the way of a card that is moved by hand.
var (
	ErrNoCard    = errors.New("estate: there is no such card")
	ErrElsewhere = errors.New("estate: the card is in another reader")
	ErrTaken     = errors.New("estate: there is a card in the reader")
	ErrEmpty     = errors.New("estate: there is no card in the reader")
)

// Desk is where the cards are: a tray of virtual cards, the readers, and the
// agents that speak for them. Hands move cards here; whatever is done with a
// card is done by an agent over HTTP.
type Desk struct {
	dir      string
	config   agent.Config
	stations []Workstation

	mu     sync.RWMutex // held for writing while the workstations restart
	tray   *cardtest.Tray
	module *card.Module
	agents map[string]*agent.Agent // by workstation; nil while stopped
	stop   context.CancelFunc
	ended  *sync.WaitGroup
}

func openDesk(dir string, config agent.Config, stations []Workstation) (*Desk, error) {
	d := &Desk{dir: dir, config: config, stations: stations}
	return d, d.start()
}

// start opens the tray and the agents; d.mu is held, or nobody else has d yet.
func (d *Desk) start() error {
	tray, err := cardtest.Open(cardtest.Config{Dir: d.dir, Readers: Readers})
	if errors.Is(err, cardtest.ErrNoShim) {
		return fmt.Errorf("%w (%w)", ErrNoTools, err)
	}
	if err != nil {
		return fmt.Errorf("estate: the tray of cards: %w", err)
	}
	module, err := card.Open(card.Config{Module: tray.Module(), Poll: 100 * time.Millisecond, Log: d.config.Log})
	if err != nil {
		return errors.Join(fmt.Errorf("estate: the card readers: %w", err), tray.Close())
	}
	d.tray, d.module, d.agents = tray, module, map[string]*agent.Agent{}
	ctx, stop := context.WithCancel(context.Background())
	d.stop, d.ended = stop, new(sync.WaitGroup)
	for _, station := range d.stations {
		if err := d.startAgent(ctx, station); err != nil {
			return errors.Join(fmt.Errorf("estate: the agent of the %s: %w", station.Name, err), d.end())
		}
	}
	return nil
}

func (d *Desk) startAgent(ctx context.Context, station Workstation) error {
	config := d.config
	config.Module = d.module
	for _, reader := range station.Readers {
		config.Readers = append(config.Readers, uint(reader-1)) // slot ids count from 0
	}
	a, err := agent.New(config)
	if err != nil {
		return err
	}
	d.agents[station.Name] = a
	d.ended.Go(func() {
		if err := a.Run(ctx); err != nil && ctx.Err() == nil {
			d.config.Log.Error("an agent ended", "workstation", station.Name, "cause", err)
		}
	})
	return nil
}

// end closes what start opened; d.mu is held.
func (d *Desk) end() error {
	if d.agents == nil {
		return nil
	}
	d.stop()
	d.ended.Wait()
	d.agents = nil
	return errors.Join(d.module.Close(), d.tray.Close())
}

// Close ends the agents, and with them the sessions of cards that are signed in.
// A card module that doesn't come back, as when somebody took its folder away,
// is left behind after closePatience.
func (d *Desk) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closePatience)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		ended <- d.end()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.New("estate: the workstations did not end in time, and are left behind")
	}
}

// closePatience leaves the other rooms the rest of the program's time to close.
const closePatience = 5 * time.Second

// Restart closes the agents and the tray and opens them again. The cards stay
// as and where they are.
func (d *Desk) Restart(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.end(); err != nil {
		return err
	}
	return d.start()
}

// Handler is the agent's of a workstation, whichever runs.
func (d *Desk) Handler(station string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.RLock()
		now := d.agents[station]
		d.mu.RUnlock()
		if now == nil {
			http.Error(w, "the card service is restarting", http.StatusServiceUnavailable)
			return
		}
		now.Handler().ServeHTTP(w, r)
	})
}

// At is the workstation of a reader, and which of its readers that is, from 0
// as agents count.
func (d *Desk) At(reader int) (station Workstation, index int) {
	for _, w := range d.stations {
		if i := slices.Index(w.Readers, reader); i >= 0 {
			return w, i
		}
	}
	return Workstation{}, -1
}

// Stations are the workstations.
func (d *Desk) Stations() []Workstation { return slices.Clone(d.stations) }

// Card is a card of the tray. Reader is 0 in the drawer.
type Card struct {
	Serial string
	Reader int
}

// Cards are all cards, in readers and in the drawer, by serial.
func (d *Desk) Cards() ([]Card, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.cards()
}

func (d *Desk) cards() ([]Card, error) {
	if d.agents == nil {
		return nil, errors.New("estate: the workstation is stopped")
	}
	all, err := d.tray.Cards()
	if err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	cards := make([]Card, len(all))
	for i, c := range all {
		cards[i] = Card{Serial: c.Serial, Reader: c.Reader + 1}
	}
	return cards, nil
}

// Blank takes a card out of its box, with a serial and nothing else.
func (d *Desk) Blank() (string, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.agents == nil {
		return "", errors.New("estate: the workstation is stopped")
	}
	return d.tray.Blank()
}

// Insert puts a card from the drawer into a reader. Errors: ErrNoCard,
// ErrElsewhere, ErrTaken.
func (d *Desk) Insert(reader int, serial string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	cards, err := d.cards()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(cards, func(c Card) bool { return c.Serial == serial })
	switch {
	case at < 0:
		return ErrNoCard
	case cards[at].Reader == reader:
		return nil
	case cards[at].Reader != 0:
		return ErrElsewhere
	case slices.ContainsFunc(cards, func(c Card) bool { return c.Reader == reader }):
		return ErrTaken
	}
	return d.tray.Insert(reader-1, serial)
}

// Remove pulls the card out of a reader. Error: ErrEmpty.
func (d *Desk) Remove(reader int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	cards, err := d.cards()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(cards, func(c Card) bool { return c.Reader == reader }) {
		return ErrEmpty
	}
	return d.tray.Remove(reader - 1)
}
