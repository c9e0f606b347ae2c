// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// holder is the person whose card is signed in on this workstation, with the
// sessions that the card keeps alive.
type holder struct {
	serial   string
	sessions map[*session]bool
}

// session is one server's session, seen from the workstation.
type session struct {
	server   server
	presence string
	every    time.Duration
	stop     context.CancelFunc
}

const (
	// tellLimit bounds the word that a card has gone; the lease covers what
	// doesn't get through.
	tellLimit    = 5 * time.Second
	tellTry      = 1500 * time.Millisecond // of one attempt: a dead connection must not use it all up
	commandLimit = 30 * time.Second
	// longestLease keeps a server's number within what a ticker takes.
	longestLease = 3600
)

// signedIn is the serial of the card that is signed in, or "".
func (a *Agent) signedIn() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holder == nil {
		return ""
	}
	return a.holder.serial
}

// hold keeps a session alive as long as the card stays. A card that was pulled
// since the passcode was typed, even if it is back, holds nothing.
func (a *Agent) hold(serial string, pulled uint64, t *task, got answered) error {
	ctx, stop := context.WithCancel(a.life)
	s := &session{
		server: a.server(t.request.Server), presence: got.Presence,
		every: time.Duration(min(max(got.LeaseEvery, 1), longestLease)) * time.Second, stop: stop,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var no error
	switch {
	case a.removals[serial] != pulled || a.life.Err() != nil:
		no = card.ErrRemoved
	case a.holder != nil && a.holder.serial != serial:
		no = a.rules.Refuse("session.busy")
	case t.givenUp():
		no = card.ErrHung
	}
	if no != nil {
		stop()
		go a.tell(s)
		return no
	}
	if a.holder == nil {
		a.holder = &holder{serial: serial, sessions: map[*session]bool{}}
	}
	a.holder.sessions[s] = true
	go a.renewLease(ctx, serial, s)
	return nil
}

// renewLease says at the server, again and again, that the card is there. It
// looks for itself each time: readers that no longer answer renew nothing.
func (a *Agent) renewLease(ctx context.Context, serial string, s *session) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !a.sees(ctx, serial) {
			continue
		}
		once, cancel := context.WithTimeout(ctx, s.every)
		err := s.server.post(once, "lease", s.presence, struct{}{}, nil)
		cancel()
		if ended(err) {
			a.config.Log.Info("the server ended a session", "card", serial, "rule", wardkey.RuleOf(err))
			a.drop(serial, s)
			return
		}
	}
}

// ended tells a server's word that a session is over from one that it is busy.
func ended(err error) bool {
	var no *wardkey.Refusal
	return errors.As(err, &no) && no.Status/100 == 4 && no.Status != http.StatusTooManyRequests
}

// sees says whether a card is in a reader, as the readers tell now. One that a
// hanging call holds is not seen: nobody knows what it does.
func (a *Agent) sees(ctx context.Context, serial string) bool {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	return !a.hangs(serial) && a.readerOf(ctx, serial) >= 0
}

// drop forgets a session that its server has ended.
func (a *Agent) drop(serial string, s *session) {
	s.stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holder == nil || a.holder.serial != serial {
		return
	}
	delete(a.holder.sessions, s)
	if len(a.holder.sessions) == 0 {
		a.holder = nil
	}
}

// endHolder ends every session of the card that is signed in, at once.
func (a *Agent) endHolder(why string) {
	a.mu.Lock()
	h := a.holder
	a.holder = nil
	a.mu.Unlock()
	if h == nil {
		return
	}
	a.config.Log.Info("sessions end", "card", h.serial, "why", why, "sessions", len(h.sessions))
	var all sync.WaitGroup
	for s := range h.sessions {
		s.stop()
		all.Go(func() { a.tell(s) })
	}
	all.Wait()
}

// tell says that the card has gone, a few times if the server is hard to reach.
func (a *Agent) tell(s *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), tellLimit)
	defer cancel()
	err := a.patiently(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tellTry)
		defer cancel()
		return s.server.post(ctx, "removed", s.presence, struct{}{}, nil)
	})
	if err != nil && !ended(err) {
		a.config.Log.Warn("a server was not told of a removal; the lease will run out", "rule", wardkey.RuleOf(err), "cause", err)
	}
}

// afterRemoval runs the command of the workstation's configuration.
func (a *Agent) afterRemoval() {
	command := a.config.RemovalCommand
	if len(command) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), commandLimit)
	defer cancel()
	if err := exec.CommandContext(ctx, command[0], command[1:]...).Run(); err != nil {
		a.config.Log.Warn("the removal command failed", "cause", err)
	}
}
