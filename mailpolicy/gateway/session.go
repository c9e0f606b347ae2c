// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// transaction is what is known of one message when its content begins.
type transaction struct {
	gateway *Gateway
	remote  net.Addr
	helo    string

	from      string
	eightBit  bool
	declared  int64
	recipient []string
}

// session is one connection. A message that comes in chunks is worked on while
// further commands are read, RSET among them.
type session struct {
	conn *inbound

	mu sync.Mutex
	transaction
}

func (g *Gateway) newSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{conn: inboundOf(c.Conn()), transaction: transaction{gateway: g, remote: c.Conn().RemoteAddr(), helo: c.Hostname()}}, nil
}

// Mail takes the envelope's sender.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	if senders := s.gateway.config.Senders; senders != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.gateway.config.Timeout)
		defer cancel()
		if err := senders.CanSend(ctx, from); err != nil {
			return replyFor(err)
		}
	}
	if from != "" {
		if err := mailpolicy.CheckAddress(from); err != nil {
			return replyFor(err)
		}
	}
	// At least a byte: what has no SIZE is not asked for where there is no room at all.
	size := int64(1)
	if opts != nil {
		size = max(size, opts.Size)
	}
	if !s.gateway.spool.fits(size) {
		return s.gateway.noRoom(ErrFull)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = from
	if opts != nil {
		s.eightBit, s.declared = opts.Body == smtp.Body8BitMIME, opts.Size
	}
	return nil
}

// Rcpt takes one recipient; whether it can be written to is decided with the
// whole message.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.recipient, to) {
		s.recipient = append(s.recipient, to)
	}
	return nil
}

// Data decides the message and keeps its copies; nil is the answer 250.
func (s *session) Data(r io.Reader) error {
	t := s.current()
	g := t.gateway
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Timeout)
	defer cancel()
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return replyFor(mailpolicy.Rules().Refuse("mail.busy"))
	}
	result, err := t.relay(context.Background(), whole{r, s.conn})
	if err != nil {
		g.config.Log.Info("mail: not taken", "rule", wardkey.RuleOf(err), "recipients", len(t.recipient))
		g.config.Observe(ctx, Event{Name: EventRefused, Recipients: len(t.recipient), Rule: wardkey.RuleOf(err)})
		if errors.Is(err, ErrFull) {
			return g.noRoom(err)
		}
		return replyFor(err)
	}
	g.config.Log.Info("mail: taken", "passed", result.passed, "encrypted", result.encrypted, "parked", result.parked, "copies", result.copies)
	g.config.Observe(ctx, Event{Name: EventTaken, Recipients: len(t.recipient)})
	if result.warned {
		g.tell(EventWarned, 1)
	}
	return nil
}

// current is a copy of the envelope.
func (s *session) current() transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.transaction
	t.recipient = slices.Clone(t.recipient)
	return t
}

// Reset forgets the envelope.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.eightBit, s.declared, s.recipient = "", false, 0, nil
}

// Logout ends the connection.
func (s *session) Logout() error { return nil }

func reply(code, class, detail int, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, class, detail}, Message: printable(text)}
}

// replyFor turns an error into the reply that the sender's system shows its
// user: what can't be mended by waiting is permanent.
func replyFor(err error) *smtp.SMTPError {
	var done *smtp.SMTPError
	if errors.As(err, &done) {
		return done
	}
	no := firstRefusal(err)
	if no == nil {
		return reply(451, 3, 0, "The message was not taken; your mail system tries again by itself.")
	}
	text := no.Public
	if len(no.Next) > 0 {
		text += " " + no.Next[0]
	}
	rule := fmt.Sprintf(" (%s)", no.Rule)
	text = text[:min(len(text), maxReply-len(rule))] + rule
	switch {
	case no.Rule == "mail.size":
		return reply(552, 3, 4, text)
	case no.Status >= 500:
		return reply(451, 3, 0, text)
	case strings.HasPrefix(no.Rule, "mail.recipient.address"):
		return reply(550, 1, 3, text)
	}
	return reply(550, 7, 1, text)
}

func firstRefusal(err error) *wardkey.Refusal {
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		return no
	}
	return nil
}

// maxReply keeps a reply within one line of RFC 5321 §4.5.3.1.5 (512 octets).
const maxReply = 480

// printable keeps replies to one line of ASCII.
func printable(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return clean[:min(len(clean), maxReply)]
}
