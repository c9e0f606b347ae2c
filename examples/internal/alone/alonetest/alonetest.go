// SPDX-License-Identifier: Apache-2.0

// Package alonetest starts an example for the time of a test.
//
//	r := alonetest.Start(t, program(), "-dir", t.TempDir())
//	r.Shows("/desk", "You are not signed in.")
package alonetest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
)

// Running is a program that runs.
type Running struct {
	URL   string
	First string     // the address of the first RA manager, "" where there is one
	Stop  func() int // ends it and returns its exit status; the test does so by itself

	t      testing.TB
	stderr *buffer
}

// patience is how long a page may take on a busy machine, and startup a program
// that makes all its tables under the race detector.
const (
	patience = time.Minute
	startup  = 5 * time.Minute
)

// Start runs a program at a free port. A status other than 0 fails the test.
func Start(t testing.TB, p alone.Program, args ...string) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{t: t, stderr: new(buffer)}
	stdout, ended := new(buffer), make(chan int, 1)
	go func() { ended <- p.Run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), stdout, r.stderr) }()
	r.Stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() {
		if status := r.Stop(); status != 0 {
			t.Errorf("%s ended with %d: %s", p.Name, status, r.stderr)
		}
	})
	late, done := context.WithTimeout(t.Context(), startup)
	defer done()
	for r.URL == "" && r.stderr.String() == "" && late.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		for line := range strings.Lines(stdout.String()) {
			name, address, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch name {
			case "first":
				r.First = address
			case "ready":
				r.URL = address
			}
		}
	}
	if r.URL == "" {
		t.Fatalf("%s is not ready: %s", p.Name, r.stderr)
	}
	return r
}

// Shows fails the test unless the page at a path says something, beside what all
// pages say.
func (r *Running) Shows(path, words string) {
	r.t.Helper()
	asked, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	asked.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(asked)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, said := range []string{words, "Not affiliated with or approved by the NHS"} {
		if !bytes.Contains(page, []byte(said)) {
			r.t.Errorf("%s does not say %q:\n%s", path, said, page)
		}
	}
}

// Gone fails the test unless the stopped program no longer answers.
func (r *Running) Gone() {
	r.t.Helper()
	if resp, err := http.Get(r.URL); err == nil {
		_ = resp.Body.Close() // it should not be there
		r.t.Errorf("%s still answers", r.URL)
	}
}

// buffer takes writes from many goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
