// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// endings are the open pages of signed-in people, each of which hears when the
// provider has ended its session. They can't keep asking, since that counts as use;
// so does beginning to listen, but not to go on, however long.
type endings struct {
	mu    sync.Mutex
	pages map[*openPage]struct{}

	hangUp sync.Once
	hungUp chan struct{} // closed when no page is to be told any more
}

// HangUp ends the streams of the open pages, which don't end by themselves: for
// http.Server.RegisterOnShutdown. The pages try again, and so find the next server.
func (p *Portal) HangUp() { p.endings.hangUp.Do(func() { close(p.endings.hungUp) }) }

// openPage is one of them. Session is the provider's name of it (sid), "" where it
// told none.
type openPage struct {
	person, session string
	over            chan struct{} // closed once the session has ended
}

func (e *endings) add(c relyingparty.Claims) *openPage {
	page := &openPage{person: c.Subject, session: c.SessionID, over: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pages[page] = struct{}{}
	return page
}

func (e *endings) remove(page *openPage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pages, page)
}

// tell has those pages hear that a logout token speaks of; it is the relying party's
// Config.Ended. A page that hears only looks, so one too many does no harm.
func (e *endings) tell(_ context.Context, person, session string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for page := range e.pages {
		theirs := person == "" || page.person == person
		if theirs && (session == "" || page.session == "" || page.session == session) {
			close(page.over)
			delete(e.pages, page)
		}
	}
}

// beat is how often a stream has a line: proxies give up one that is silent for 30
// or 60 seconds, and a page that had to listen anew each time would never be idle.
const beat = 25 * time.Second

// ended is a stream of events that has one, when the provider has ended the session
// of the page that listens.
func (p *Portal) ended(w http.ResponseWriter, r *http.Request) {
	claims, _ := relyingparty.ClaimsOf(r.Context()) // Protect let this through
	page := p.endings.add(claims)
	defer p.endings.remove(page)
	stream := http.NewResponseController(w)
	_ = stream.SetWriteDeadline(time.Time{}) // a page may be open all day; what has no deadline needs none
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if stream.Flush() != nil {
		return
	}
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-p.endings.hungUp:
			return
		case <-page.over:
			_, _ = fmt.Fprint(w, "event: ended\ndata: session\n\n") // the page has gone; there is nobody left to tell
			return
		case <-beats.C:
			if _, err := fmt.Fprint(w, ":\n\n"); err != nil || stream.Flush() != nil { // a comment: no event
				return
			}
		}
	}
}
