// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Message is one that left.
type Message struct{ Channel, To, Subject, Body string }

// Code finds an unlock code in it.
func (m Message) Code() string { return regexp.MustCompile(`\b\d{8}\b`).FindString(m.Body) }

// Token finds an invitation's token in it: its last word.
func (m Message) Token() string { return m.Body[strings.LastIndexByte(m.Body, ' ')+1:] }

// Inbox is a careid.Sender that keeps what it is given.
type Inbox struct {
	mu       sync.Mutex
	messages []Message
}

// Send implements careid.Sender.
func (i *Inbox) Send(_ context.Context, channel, to, subject, body string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.messages = append(i.messages, Message{channel, to, subject, body})
	return nil
}

// All returns what arrived so far, oldest first.
func (i *Inbox) All() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.messages)
}

// Last waits for what is under way and returns the newest message to an address. from is what delivers, a
// *careid.Service.
func (i *Inbox) Last(ctx context.Context, from interface{ Drain(context.Context) error }, to string) (Message, error) {
	if err := from.Drain(ctx); err != nil {
		return Message{}, err
	}
	for _, m := range slices.Backward(i.All()) {
		if m.To == to {
			return m, nil
		}
	}
	return Message{}, fmt.Errorf("careidtest: nothing arrived for %s", to)
}

// Mailbox is how a mail account stands.
type Mailbox struct{ Active, Locked, PolicyAccepted bool }

// Mail is a careid.MailDirectory that a test writes.
type Mail struct {
	mu       sync.Mutex
	accounts map[string]Mailbox
}

// Set writes an account.
func (m *Mail) Set(address string, b Mailbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts == nil {
		m.accounts = map[string]Mailbox{}
	}
	m.accounts[address] = b
}

// LinkState implements careid.MailDirectory.
func (m *Mail) LinkState(_ context.Context, address string) (active, locked, policyAccepted bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, known := m.accounts[address]
	if !known {
		return false, false, true, nil // what is not there lacks nothing but itself
	}
	return b.Active, b.Locked, b.PolicyAccepted, nil
}
