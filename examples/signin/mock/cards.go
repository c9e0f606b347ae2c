// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
)

// holder is a person and the reader in which their card is.
type holder struct {
	person openid.Person

	mu        sync.Mutex
	card      *careidtest.Card // issued when it is first used
	pulled    bool
	presences []string  // of the sessions that the card holds up
	leased    time.Time // Wall
}

// leaseEvery is how often an agent tells that the card is still there; three times as long ends the session.
const leaseEvery = 10 * time.Second

// issued is the person's card; the RA manager issues it the first time that it is needed. p.mu is held.
func (w *world) issued(ctx context.Context, p *holder) (*careidtest.Card, error) {
	if p.card != nil {
		return p.card, nil
	}
	card, err := w.hospital.Issue(ctx, p.person.ID, "")
	if err == nil {
		p.card = card
	}
	return card, err
}

// SignIn is the whole way from the card to a session, without an agent. It implements entry.Virtual.
func (w *world) SignIn(ctx context.Context, sub string) (*careid.SignedIn, error) {
	p, err := w.holder(sub)
	if err != nil {
		return nil, err
	}
	w.meant(sub)
	if w.faulty("closed-profile") {
		if err := w.closeProfile(ctx, sub); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	card, err := w.issued(ctx, p)
	if err != nil {
		return nil, err
	}
	if p.pulled {
		return nil, w.config.rules.Refuse("card.pulled", "name", p.person.DisplayName)
	}
	in, err := w.hospital.SignInWith(ctx, card, card.Passcode)
	if err != nil {
		return nil, err
	}
	p.presences = append(p.presences, in.Presence)
	return &in.SignedIn, nil
}

// meant makes somebody the one whose card POST /card does something with.
func (w *world) meant(sub string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = sub
}

func (w *world) closeProfile(ctx context.Context, sub string) error {
	manager, err := w.manager(ctx)
	if err != nil {
		return err
	}
	err = w.hospital.Service.CloseProfile(ctx, manager, sub)
	if wardkey.RuleOf(err) == "profile.closed" {
		return nil
	}
	return err
}

// manager is the RA manager at work.
func (w *world) manager(ctx context.Context) (careid.Actor, error) {
	return w.hospital.Actor(ctx, w.hospital.RAManager, careid.RAManager)
}

// Cards lists the personas for a page. It implements entry.Virtual.
func (w *world) Cards(context.Context) ([]entry.VirtualCard, error) {
	list := make([]entry.VirtualCard, len(w.people))
	for i, p := range w.people {
		list[i] = entry.VirtualCard{UserID: p.person.ID, Name: p.person.DisplayName, Roles: roles(p.person), State: p.state()}
	}
	return list, nil
}

func (p *holder) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pulled {
		return "card pulled"
	}
	return "card inserted"
}

// roles is what somebody does, in a line.
func roles(p openid.Person) string {
	var list []string
	for _, r := range p.Roles {
		name := r.Name[strings.LastIndex(strings.TrimRight(r.Name, `"`), `"`)+1:]
		list = append(list, strings.Trim(name, `"`)+" at "+r.Organisation)
	}
	return strings.Join(list, ", ")
}

// handle does something with a card, as its holder, a thief or the desk would.
func (w *world) handle(ctx context.Context, p *holder, do string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch do {
	case "insert":
		p.pulled = false
		return nil
	case "pull":
		return w.pull(ctx, p)
	case "lock":
		return w.lock(ctx, p)
	case "lose":
		return w.lose(ctx, p)
	}
	return w.config.rules.Refuse("card.do", "do", do)
}

// pull takes the card out of its reader; the agent tells at once. p.mu is held.
func (w *world) pull(ctx context.Context, p *holder) error {
	p.pulled = true
	for _, presence := range p.presences {
		if err := w.hospital.Service.Removed(ctx, presence); err != nil && !saidNo(err) {
			return err
		}
	}
	p.presences = nil
	return nil
}

// lock types wrong passcodes until the card takes none any more. p.mu is held.
func (w *world) lock(ctx context.Context, p *holder) error {
	card, err := w.issued(ctx, p)
	if err != nil {
		return err
	}
	for range careidtest.MaxTries {
		_, err = w.hospital.SignInWith(ctx, card, []byte("000000"))
	}
	if wardkey.RuleOf(err) != "card.locked" {
		return fmt.Errorf("mock: the card is not locked: %w", err)
	}
	return nil
}

// lose has the desk take the card out of use for good. p.mu is held.
func (w *world) lose(ctx context.Context, p *holder) error {
	card, err := w.issued(ctx, p)
	if err != nil {
		return err
	}
	manager, err := w.manager(ctx)
	if err != nil {
		return err
	}
	_, err = w.hospital.Service.ReportLoss(ctx, manager, careid.LossReport{Profile: p.person.ID, Card: card.Serial})
	if wardkey.RuleOf(err) == "card.notlive" {
		return nil // it is out of use already
	}
	return err
}

// lease tells of each card that it is still there, as its agent does.
func (w *world) lease(ctx context.Context) {
	now := w.hospital.Wall.Now()
	for _, p := range w.people {
		p.mu.Lock()
		if len(p.presences) > 0 && now.Sub(p.leased) >= leaseEvery {
			p.leased = now
			p.presences = w.living(ctx, p.presences)
		}
		p.mu.Unlock()
	}
}

// living renews leases and leaves out those whose session has ended.
func (w *world) living(ctx context.Context, presences []string) []string {
	var kept []string
	for _, presence := range presences {
		err := w.hospital.Service.Lease(ctx, presence)
		if saidNo(err) {
			continue
		}
		if err != nil {
			w.config.Log.ErrorContext(ctx, "a lease was not renewed", "cause", err)
		}
		kept = append(kept, presence)
	}
	return kept
}
