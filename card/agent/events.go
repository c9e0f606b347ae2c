// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// maxListeners bounds the pages that listen at once.
const maxListeners = 64

// broadcast hands events to the pages that listen.
type broadcast struct {
	mu        sync.Mutex
	listeners map[chan []byte]string // to the origin that listens
	closed    bool
}

func newBroadcast() *broadcast { return &broadcast{listeners: map[chan []byte]string{}} }

// send gives an event to the listeners of origin, or to all where it is "". A
// listener that doesn't keep up is let go; its page connects again.
func (b *broadcast) send(origin, name string, data any) {
	body, err := json.Marshal(data)
	if err != nil {
		return // plain maps of strings, numbers and flags
	}
	message := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, body)
	b.mu.Lock()
	defer b.mu.Unlock()
	for listener, at := range b.listeners {
		if origin != "" && origin != at {
			continue
		}
		select {
		case listener <- message:
		default:
			delete(b.listeners, listener)
			close(listener)
		}
	}
}

func (b *broadcast) listen(origin string) (chan []byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.listeners) >= maxListeners {
		return nil, false
	}
	listener := make(chan []byte, 16)
	b.listeners[listener] = origin
	return listener, true
}

func (b *broadcast) leave(listener chan []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.listeners[listener]; there {
		delete(b.listeners, listener)
		close(listener)
	}
}

func (b *broadcast) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for listener := range b.listeners {
		delete(b.listeners, listener)
		close(listener)
	}
}

// getEvents is a stream of server-sent events (HTML §9.2).
func (a *Agent) getEvents(w http.ResponseWriter, r *http.Request) {
	listener, ok := a.events.listen(r.Header.Get("Origin"))
	if !ok {
		wardkey.WriteProblem(w, a.rules.Refuse("task.many"))
		return
	}
	defer a.events.leave(listener)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	quiet := time.NewTicker(15 * time.Second)
	defer quiet.Stop()
	message := []byte(": wardkey\n\n")
	for {
		if _, err := w.Write(message); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-quiet.C:
			message = []byte(":\n\n")
		case next, more := <-listener:
			if !more {
				return
			}
			message = next
		}
	}
}
