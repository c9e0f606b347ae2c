// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"io"
	"sync"
)

// body is what a request sends, which may hold an unlock code. A transport may
// go on reading it when the call is over already (http.RoundTripper); from then
// on it finds nothing.
type body struct {
	mu   sync.Mutex
	text []byte
	over bool
}

var errOver = errors.New("agent: the call is over")

// erase clears the text, also for readers that are under way.
func (b *body) erase() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.text)
	b.over = true
}

// open reads it from the beginning; a transport opens it again for another
// connection.
func (b *body) open() (io.ReadCloser, error) { return io.NopCloser(&bodyReader{body: b}), nil }

type bodyReader struct {
	body *body
	at   int
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	if r.body.over {
		return 0, errOver
	}
	if r.at == len(r.body.text) {
		return 0, io.EOF
	}
	n := copy(p, r.body.text[r.at:])
	r.at += n
	return n, nil
}
