// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
)

// world is one hospital in memory with its provider, from one reset to the next.
type world struct {
	config   Config
	hospital *careidtest.Hospital
	store    *sqlstore.Store
	provider *openid.Provider
	entry    *entry.Entry
	site     http.Handler
	people   []*holder
	heard    *deliveries

	founded time.Time
	before  int64 // rows of careid's audit from before the first day

	mu    sync.Mutex
	added time.Duration // by which the calendar is ahead
	fault string
	next  *persona // whom the next authorization signs in
	last  string   // whose card is meant where nobody is named
}

// persona is what POST /persona asks for.
type persona struct{ Sub, Role string }

// open builds a world.
func open(ctx context.Context, c Config) (*world, error) {
	w := &world{config: c, heard: &deliveries{now: c.Now}}
	for _, p := range c.People {
		w.people = append(w.people, &holder{person: p})
	}
	if err := w.build(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) build(ctx context.Context) (err error) {
	if w.hospital, err = careidtest.Open(careidtest.Config{}); err != nil {
		return err
	}
	h := w.hospital
	w.founded = h.Clock.Now()
	if w.config.Now().Before(w.founded) {
		return fmt.Errorf("mock: the clock of this machine is before %s, when its hospital was founded", w.founded.Format(time.DateOnly))
	}
	if err := w.liveTo(ctx, w.config.Now()); err != nil {
		return err
	}
	w.tick()
	care := h.Config
	care.Servers, care.Origins, care.Observe = append(care.Servers, w.config.base), append(care.Origins, w.config.base), w.observe
	if h.Service, err = careid.New(care); err != nil {
		return err
	}
	if err := w.admit(ctx); err != nil {
		return err
	}
	err = h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		head, err := tx.Audit.Head(ctx)
		w.before = head.Seq
		return err
	})
	if err != nil {
		return err
	}
	return w.serve(ctx)
}

// admit gives everybody of the personas a profile under their own user id.
func (w *world) admit(ctx context.Context) error {
	return w.hospital.Store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		for _, p := range w.people {
			err := tx.People.AddProfile(ctx, careid.Profile{
				ID: p.person.ID, Given: p.person.Given, Family: p.person.Family, Organisation: careidtest.Organisation,
				State: careid.ProfileOpen, OpenedAt: tx.Now,
			})
			if err != nil {
				return fmt.Errorf("mock: %s: %w", p.person.ID, err)
			}
		}
		return nil
	})
}

// serve makes the provider and its pages.
func (w *world) serve(ctx context.Context) (err error) {
	h, c := w.hospital, w.config
	if w.store, err = sqlstore.Open(ctx, sqlstore.Config{DB: h.DB, Now: h.Clock.Now, Wall: h.Wall.Now}); err != nil {
		return err
	}
	cards, err := cardhttp.New(cardhttp.Config{Service: h.Service, Server: c.base, SignInPage: "/signin", Now: h.Clock.Now, Wall: h.Wall.Now, Log: c.Log})
	if err != nil {
		return err
	}
	w.provider, err = openid.New(openid.Config{
		Issuer: c.Issuer, Service: h.Service, Records: h.Store, Store: w.store, People: w,
		Keys: c.Keys, Clients: c.Clients,
		SignIn: entry.Path, SessionToken: cards.Token, Test: &openid.Test{Alter: w.alter},
		Now: h.Clock.Now, Wall: h.Wall.Now, Log: c.Log, Observe: w.heard.observe,
	})
	if err != nil {
		return err
	}
	book, err := careid.Rules()
	if err != nil {
		return err
	}
	site, err := pages.New(pages.Config{
		Name: "Wardkey test sign-in", Care: h.Service, Cards: cards, Book: book, Base: c.base, Now: h.Clock.Now, Log: c.Log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	if err := site.Routes(mux); err != nil {
		return err
	}
	if w.entry, err = entry.New(entry.Config{Site: site, Provider: w.provider, Clients: c.Clients, Virtual: w}); err != nil {
		return err
	}
	w.entry.Routes(mux)
	if err := w.front(site, mux); err != nil {
		return err
	}
	w.site = site.Handler(mux)
	return nil
}

// close gives everything back.
func (w *world) close() error {
	var failed []error
	if w.provider != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second) // one try of a logout takes 5 at most
		defer cancel()
		failed = append(failed, w.provider.Drain(ctx))
	}
	if w.store != nil {
		failed = append(failed, w.store.Close())
	}
	if w.hospital != nil {
		failed = append(failed, w.hospital.Close())
	}
	return errors.Join(failed...)
}

// tick sets both clocks of the hospital by the machine's: what runs until the next tick sees one moment.
func (w *world) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.config.Now()
	w.hospital.Wall.Set(now)
	w.hospital.Clock.Set(now.Add(w.added))
}

// liveTo moves the calendar on, and has the one person renew in time whose card the others' depend on.
func (w *world) liveTo(ctx context.Context, at time.Time) error {
	h := w.hospital
	for {
		due := h.RAManager.Card.Certificates[0].NotAfter.AddDate(0, 0, -45)
		if !due.Before(at) {
			break
		}
		if due.After(h.Clock.Now()) {
			h.Clock.Set(due)
		}
		if err := h.Renew(ctx, h.RAManager.Card); err != nil {
			return fmt.Errorf("mock: the calendar can't be moved on to %s: %w", at.Format(time.DateOnly), err)
		}
	}
	h.Clock.Set(at)
	return nil
}

// lived is how many years after its founding the hospital's calendar ends: the certificate that issues cards is good for
// twenty, and a card for three.
const lived = 16

// move moves the calendar on, and does what falls due by it.
func (w *world) move(ctx context.Context, by time.Duration) (time.Time, error) {
	to, err := w.ahead(ctx, by)
	if err != nil {
		return time.Time{}, err
	}
	return to, w.settle(ctx)
}

func (w *world) ahead(ctx context.Context, by time.Duration) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	to := w.config.Now().Add(w.added).Add(by)
	if last := w.founded.AddDate(lived, 0, 0); to.After(last) {
		return time.Time{}, w.config.rules.Refuse("clock.far", "add", by.String(), "last", last.Format(time.DateOnly))
	}
	if err := w.liveTo(ctx, to); err != nil {
		return time.Time{}, err
	}
	w.added += by
	return to, nil
}

// due does what clocks ask for.
func (w *world) due(ctx context.Context) error {
	w.tick()
	w.lease(ctx)
	_, care := w.hospital.Service.Due(ctx)
	_, provider := w.provider.Due(ctx)
	return errors.Join(care, provider)
}

// settle does what is due and waits for the logout tokens under way, so that whoever asked finds them delivered.
func (w *world) settle(ctx context.Context) error {
	return errors.Join(w.due(ctx), w.provider.Drain(ctx))
}

// observe hears of the ends of sessions.
func (w *world) observe(ctx context.Context, e careid.Event) {
	if w.provider != nil {
		w.provider.OnEvent(ctx, e)
	}
}

// Person implements openid.People: the persona as it stands in the file, without roles where that is the fault.
func (w *world) Person(_ context.Context, profile string) (*openid.Person, error) {
	p, err := w.holder(profile)
	if err != nil {
		return nil, err
	}
	told := p.person
	if w.faulty("role-less") {
		told.Roles = nil
	}
	return &told, nil
}

// holder is one of the personas.
func (w *world) holder(sub string) (*holder, error) {
	at := slices.IndexFunc(w.people, func(p *holder) bool { return p.person.ID == sub })
	if at < 0 {
		return nil, w.config.rules.Refuse("persona.unknown", "sub", sub)
	}
	return w.people[at], nil
}

// saidNo reports whether an error is a refusal, and no failure of this program.
func saidNo(err error) bool {
	var one *wardkey.Refusal
	return errors.As(err, &one)
}
