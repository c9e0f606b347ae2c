// SPDX-License-Identifier: Apache-2.0

package alonetest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// Workstation is a tray of virtual cards with two readers, and a card service at
// an address of its own, which the programs are told by -agent.
type Workstation struct {
	Tray *cardtest.Tray
	URL  string

	mu      sync.Mutex
	handler http.Handler
}

// NewWorkstation listens; Serve begins when the programs' addresses are known.
func NewWorkstation(t *testing.T) *Workstation {
	t.Helper()
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Workstation{Tray: cardtest.New(t, cardtest.Config{Readers: 2}), URL: "http://" + l.Addr().String()}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		h := w.handler
		w.mu.Unlock()
		h.ServeHTTP(rw, r)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return w
}

// Serve starts the card service for these programs.
func (w *Workstation) Serve(t *testing.T, sites ...string) {
	t.Helper()
	module, err := card.Open(card.Config{Module: w.Tray.Module(), Poll: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Config{Module: module, Servers: sites, Origins: sites})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx) // it ends with ctx alone
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	w.mu.Lock()
	w.handler = a.Handler()
	w.mu.Unlock()
}
