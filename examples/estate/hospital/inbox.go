// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// Message is an e-mail or a text that the estate sent.
type Message struct {
	Channel string    `json:"channel"` // email or text
	To      string    `json:"to"`
	From    string    `json:"from"`
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
	Body    string    `json:"body"`
	Raw     []byte    `json:"raw"` // the e-mail as it came over SMTP
}

// Mailbox is one address of the inbox and how far it was read.
type Mailbox struct {
	h    *Hospital
	to   string
	read int
}

// Mailbox opens the inbox of an e-mail address or mobile number after all that
// is there already.
func (h *Hospital) Mailbox(ctx context.Context, to string) (*Mailbox, error) {
	all, err := h.inbox(ctx, to)
	return &Mailbox{h: h, to: to, read: len(all)}, err
}

func (h *Hospital) inbox(ctx context.Context, to string) ([]Message, error) {
	var all []Message
	return all, h.control(ctx, http.MethodGet, "/api/inbox?to="+url.QueryEscape(to), nil, &all)
}

// New lists the messages that were not read yet, without waiting, and reads
// none of them.
func (m *Mailbox) New(ctx context.Context) ([]Message, error) {
	all, err := m.h.inbox(ctx, m.to)
	if err != nil {
		return nil, err
	}
	return all[min(m.read, len(all)):], nil
}

// Next waits for the next message that fits and reads on behind it; those
// before it are passed over. A nil fits takes any.
func (m *Mailbox) Next(ctx context.Context, fits func(Message) bool) (Message, error) {
	var found Message
	err := m.h.await(ctx, "a message to "+m.to, func(ctx context.Context) (bool, error) {
		fresh, err := m.New(ctx)
		if err != nil {
			return false, err
		}
		for i, message := range fresh {
			if fits == nil || fits(message) {
				found = message
				m.read += i + 1
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}

var (
	eightDigits = regexp.MustCompile(`\b[0-9]{8}\b`)
	anyLink     = regexp.MustCompile(`https?://[^\s<>"]+`)
)

// HasCode reports whether a message carries an unlock code.
func HasCode(m Message) bool { return eightDigits.MatchString(m.Body) }

// Code is the 8-digit unlock code in a message.
func (m Message) Code() (string, error) {
	if code := eightDigits.FindString(m.Body); code != "" {
		return code, nil
	}
	return "", fmt.Errorf("hospital: the message %q to %s has no 8-digit code", m.Subject, m.To)
}

// Link is the first link in a message.
func (m Message) Link() (string, error) {
	if link := anyLink.FindString(m.Body); link != "" {
		return link, nil
	}
	return "", fmt.Errorf("hospital: the message %q to %s has no link", m.Subject, m.To)
}
