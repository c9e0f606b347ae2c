// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Logout tokens. OpenID Connect Back-Channel Logout §2.4 to §2.8.

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutFor is how long a logout token is good: §2.4 asks for two minutes at most.
	logoutFor = 2 * time.Minute
	// retryFirst and retryMost are the waits between tries, each double the one before. The first is longer than a try
	// may take.
	retryFirst = 10 * time.Second
	retryMost  = 10 * time.Minute
	// retryFor is when telling a relying party is given up: its own session is over by then, for the national service
	// allows 12 hours at most.
	retryFor = 12 * time.Hour
	// atOnce is how many tries of one client are under way at once, so that one that hangs holds up no other.
	atOnce = 16
)

// sender counts what is under way.
type sender struct {
	mu    sync.Mutex
	under map[string]int // by client
	wait  sync.WaitGroup
}

// free is how many more tries of a client may begin.
func (s *sender) free(client string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, atOnce-s.under[client])
}

func (s *sender) begin(client string, job func()) {
	s.mu.Lock()
	s.under[client]++
	s.mu.Unlock()
	s.wait.Go(func() {
		defer func() {
			s.mu.Lock()
			s.under[client]--
			s.mu.Unlock()
		}()
		job()
	})
}

// Drain waits for the logout tokens under way, until ctx ends.
func (p *Provider) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() { p.sender.wait.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendDue begins the tries that are due.
func (p *Provider) sendDue(ctx context.Context) error {
	var due []LogoutRow
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) error {
		due = nil
		for id, c := range *p.clients.Load() {
			if c.logout == nil {
				continue
			}
			rows, err := tx.Logouts.DueLogouts(ctx, id, tx.Wall, p.sender.free(id))
			if err != nil {
				return err
			}
			due = append(due, rows...)
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return err
	}
	var mine []LogoutRow
	err = p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		mine = nil
		for _, l := range due {
			next := tx.Wall.Add(min(retryFirst<<min(l.Tries, 10), retryMost))
			claimed, err := tx.Logouts.TryLogout(ctx, l, next)
			if err != nil {
				return err
			}
			if claimed { // and no other server
				l.At = next
				mine = append(mine, l)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range mine {
		if c := p.client(l.Client); c != nil && c.logout != nil { // it may have gone meanwhile
			p.sender.begin(l.Client, func() { p.deliver(context.WithoutCancel(ctx), c, l) })
		}
	}
	return nil
}

// deliver tries once, and notes what came of it. A failure to note it means one more try, which is harmless.
func (p *Provider) deliver(ctx context.Context, c *client, l LogoutRow) {
	status, err := p.post(ctx, c, l)
	event := Event{Name: EventLogoutFailed, Client: l.Client, Session: l.Session, Reason: fmt.Sprintf("status %d", status)}
	if err != nil {
		event.Reason = "not delivered"
	}
	switch {
	case status == http.StatusOK || status == http.StatusNoContent:
		event.Name, event.Reason = EventLogoutSent, ""
		err = p.settle(ctx, l, "client told of end", event)
	case status == http.StatusBadRequest, // the client's last word, §2.8: it knows no such session, say
		!l.At.Before(l.Until): // the next try would come too late
		event.Name = EventLogoutGivenUp
		err = errors.Join(err, p.settle(ctx, l, "client not told of end", event))
	}
	if event.Name != EventLogoutSent || err != nil {
		p.config.Log.WarnContext(ctx, "openid: logout", "client", l.Client, "what", event.Name, "why", event.Reason, "error", err, "tries", l.Tries+1)
	}
	p.config.Observe(ctx, event)
}

// settle notes that nothing more is to be sent.
func (p *Provider) settle(ctx context.Context, l LogoutRow, action string, e Event) error {
	return p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.Logouts.DropLogout(ctx, l.ID); err != nil {
			return err
		}
		return audit(ctx, tx, "system", action, l.Client, strings.TrimSpace("session "+l.SID+" "+e.Reason))
	})
}

// post sends a fresh logout token, so that one that was lost on the way back is not taken for a replay.
func (p *Provider) post(ctx context.Context, c *client, l LogoutRow) (status int, err error) {
	now := p.seconds()
	token, err := p.sign(LogoutToken, c.algorithm, p.mark(LogoutToken, c.ID, map[string]any{
		"iss": p.at.issuer, "sub": l.Profile, "aud": c.ID, "iat": now.Unix(), "exp": now.Add(logoutFor).Unix(), "jti": newID(),
		"sid": l.SID, "events": map[string]any{logoutEvent: map[string]any{}},
	}))
	if err != nil {
		return 0, err
	}
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.LogoutURI, body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.logout.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10)) // so that the connection is kept; what it says is not read
	return answer.StatusCode, nil
}
