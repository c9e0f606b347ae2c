// SPDX-License-Identifier: Apache-2.0

// Package inbox is every mailbox and telephone of the estate: an SMTP server
// that takes a message for anybody and sends none on, and a box of texts.
//
//	box, err := inbox.Open(inbox.Config{Dir: dir, Now: calendar.Now})
//	go box.Serve(listener)                      // SMTP
//	var sender careid.Sender = box.Sender(addr) // e-mail over that SMTP, texts straight into the box
//	for _, m := range box.Messages("nurse@example.test") { … }
//
// A message is answered with 250 only when it is on disk, one file each, so
// the box is the same after a restart. It is the world outside the SDK: what
// stands here was sent to a person, codes included.
package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

// Channels of a message.
const (
	Email = "email"
	Text  = "text"
)

// Message is one e-mail for one recipient, or one text. Raw is the e-mail as
// it came over SMTP, nil for a text; Body is what a person reads of it.
type Message struct {
	ID      int       `json:"id"`
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	From    string    `json:"from"`
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
	Body    string    `json:"body"`
	Raw     []byte    `json:"raw,omitempty"`
}

// Config says where messages are kept and when they came. Dir is needed.
type Config struct {
	Dir string           // made where it doesn't exist
	Now func() time.Time // the calendar; default time.Now
	Log *slog.Logger     // nil is silent
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Box is safe for concurrent use.
type Box struct {
	config Config
	server *smtp.Server

	mu       sync.RWMutex
	messages []Message
}

// Open reads the messages kept in the folder.
func Open(c Config) (*Box, error) {
	if c.Dir == "" {
		return nil, errors.New("inbox: no folder to keep messages in")
	}
	b := &Box{config: c.withDefaults()}
	b.server = b.newServer()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(c.Dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	slices.Sort(files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
		var m Message
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, fmt.Errorf("inbox: %s: %w", file, err)
		}
		b.messages = append(b.messages, m)
	}
	return b, nil
}

// Messages are those to one address or number, newest last; all for "".
func (b *Box) Messages(to string) []Message {
	b.mu.RLock()
	defer b.mu.RUnlock()
	found := []Message{}
	for _, m := range b.messages {
		if to == "" || strings.EqualFold(m.To, to) {
			found = append(found, m)
		}
	}
	return found
}

// Message finds one by its id.
func (b *Box) Message(id int) (Message, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, m := range b.messages {
		if m.ID == id {
			return m, true
		}
	}
	return Message{}, false
}

// PutText drops a text into the box.
func (b *Box) PutText(to, body string) error {
	return b.put(Message{Channel: Text, To: to, Body: body})
}

// put numbers messages and keeps all of them, or none.
func (b *Box) put(messages ...Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := 1
	if n := len(b.messages); n > 0 {
		next = b.messages[n-1].ID + 1
	}
	at := b.config.Now().UTC().Truncate(time.Second)
	for i := range messages {
		messages[i].ID, messages[i].At = next+i, at
		if err := b.write(messages[i]); err != nil {
			for _, m := range messages[:i] {
				_ = os.Remove(b.file(m.ID)) // the sender is told that none arrived
			}
			return err
		}
	}
	b.messages = append(b.messages, messages...)
	return nil
}

func (b *Box) file(id int) string { return filepath.Join(b.config.Dir, fmt.Sprintf("%08d.json", id)) }

func (b *Box) write(m Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	err = kept.Replace(b.file(m.ID), data)
	if err != nil {
		return fmt.Errorf("inbox: keeping a message: %w", err)
	}
	return nil
}
