// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
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

// tell has the pages hear that a logout token speaks of. Whoever calls it knows that
// the token was good.
func (e *endings) tell(token string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var of struct {
		Person  string `json:"sub"`
		Session string `json:"sid"`
	}
	if err != nil || json.Unmarshal(body, &of) != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for page := range e.pages {
		ended := page.session == of.Session
		if page.session == "" || of.Session == "" {
			ended = page.person == of.Person
		}
		if ended {
			close(page.over)
			delete(e.pages, page)
		}
	}
}

// maxLogout bounds the provider's message: a logout token is some 900 bytes.
const maxLogout = 16 << 10

// heard has the relying party take the provider's logout tokens, and the pages hear
// of those that it took.
func (p *Portal) heard(login http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || path.Base(r.URL.Path) != relyingparty.BackChannelName {
			login.ServeHTTP(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
		token := r.PostFormValue("logout_token") // the form stays with the request
		answer := &answered{ResponseWriter: w}
		login.ServeHTTP(answer, r)
		if answer.status == http.StatusOK {
			p.endings.tell(token)
		}
	})
}

// answered knows the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
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
