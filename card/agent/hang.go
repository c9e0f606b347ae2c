// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// The module is other people's code in this process, and a call that hangs in it
// can't be stopped. It is left behind, and with it the one card that it hangs on:
// package card lets nobody else in there, so that no second call joins it.

// lookLimit bounds a look at the readers, and statusLimit the looks of one status.
const (
	lookLimit   = 5 * time.Second
	statusLimit = 3 * time.Second
)

// within asks what may hang in the module, and waits no longer than ctx: with its
// deadline the error is card.ErrHung, otherwise ctx's.
func within[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := ask()
		answers <- answer{value, err}
	}()
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		got.err = ctx.Err()
	}
	if errors.Is(got.err, context.DeadlineExceeded) && ctx.Err() != nil {
		got.err = card.ErrHung
	}
	return got.value, got.err
}

// pulse stops a step that has been in the module for too long. What it waits for
// outside, a server, doesn't count.
type pulse struct {
	mu     sync.Mutex
	timer  *time.Timer
	limit  time.Duration
	abroad int // waits for servers that are under way, one in another
	over   bool
}

func newPulse(limit time.Duration, dead func()) *pulse {
	return &pulse{limit: limit, timer: time.AfterFunc(limit, dead)}
}

func (p *pulse) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
}

// restart begins the time anew; p.mu is held.
func (p *pulse) restart(limit time.Duration) {
	if !p.over && p.abroad == 0 && p.timer.Stop() {
		p.timer.Reset(limit)
	}
}

type pulseKey struct{}

// slowCall gives the next call of the module the time of a whole step, as for
// keys that a card makes, and ends that with done.
func slowCall(ctx context.Context) (done func()) {
	p, ok := ctx.Value(pulseKey{}).(*pulse)
	if !ok {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restart(stepLimit)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.restart(p.limit)
	}
}

// outside says that a step waits for a server, until it is back.
func outside(ctx context.Context) (back func()) {
	p, ok := ctx.Value(pulseKey{}).(*pulse)
	if !ok {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abroad++
	if p.abroad == 1 && !p.timer.Stop() {
		p.over = true // it has just been given up
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.abroad--
		if p.abroad == 0 && !p.over {
			p.timer.Reset(p.limit)
		}
	}
}

// overseen runs a step, which is given up where it hangs in the module.
func (a *Agent) overseen(t *task, do func(context.Context)) {
	ctx, cancel := a.working()
	dead, done := make(chan struct{}), make(chan struct{})
	p := newPulse(a.config.CallLimit, func() { close(dead) })
	go func() {
		defer close(done)
		defer cancel()
		defer p.end()
		do(context.WithValue(ctx, pulseKey{}, p))
	}()
	select {
	case <-done:
	case <-dead:
		given := t.giveUp(a.rules.Refuse("module.hung"))
		cancel() // where the module answers after all, nothing more is done
		if given {
			a.config.Log.Error("the module does not answer", "kind", t.request.Kind, "card", a.cardOf(t))
			a.announce(t, Refused, "")
		}
	}
}

// giveUp refuses a task whose step hangs in the module, unless it was just done. The
// card stays taken until the call returns.
func (t *task) giveUp(no *wardkey.Refusal) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != Working {
		return false
	}
	t.given = true
	t.state, t.step, t.refusal, t.result = Refused, "", no, ""
	return true
}

// cardOf is the card that a task works with, "" where it has none yet.
func (a *Agent) cardOf(t *task) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for serial, by := range a.busy {
		if by == t {
			return serial
		}
	}
	return ""
}

// hangs says that a task was given up with this card and its call still hangs.
func (a *Agent) hangs(serial string) bool {
	a.mu.Lock()
	by := a.busy[serial]
	a.mu.Unlock()
	return by != nil && by.givenUp()
}

func (t *task) givenUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.given
}
