// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"context"
	"slices"
	"sync"
	"time"
)

// mostKept bounds the messages that are kept in memory.
const mostKept = 200

// Outbox is where the messages of a demonstration go instead of out: they are
// shown on a page. It satisfies careid's Sender.
type Outbox struct {
	now func() time.Time

	mu   sync.Mutex
	sent []Message
}

// Message is one that a person would have got, by e-mail or by text.
type Message struct {
	Number  int       `json:"number"` // from 1
	At      time.Time `json:"at"`
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Body    string    `json:"body"`
}

// Send keeps a message.
func (o *Outbox) Send(_ context.Context, channel, to, subject, body string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	number := 1
	if n := len(o.sent); n > 0 {
		number = o.sent[n-1].Number + 1
	}
	o.sent = append(o.sent, Message{number, o.now(), channel, to, subject, body})
	if len(o.sent) > mostKept {
		o.sent = slices.Delete(o.sent, 0, 1)
	}
	return nil
}

// Messages are those that are kept, newest first.
func (o *Outbox) Messages() []Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	newest := slices.Clone(o.sent)
	slices.Reverse(newest)
	return newest
}
