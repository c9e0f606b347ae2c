// SPDX-License-Identifier: Apache-2.0

package mailtest

import (
	"context"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Mail is one message as an Inbox got it.
type Mail struct {
	From string
	To   []string
	// Data is the whole message, as on the wire after dots were undone.
	Data []byte
}

// Inbox is a mail server on loopback that keeps what it gets.
type Inbox struct {
	server   *smtp.Server
	listener net.Listener

	mu     sync.Mutex
	mails  []Mail
	refuse func(recipient string, atEnd bool) int
}

// OpenInbox starts an Inbox on a free port. Close it.
func OpenInbox() (*Inbox, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	in := &Inbox{listener: l}
	in.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &inboxSession{inbox: in}, nil }))
	in.server.Domain = "inbox.test"
	in.server.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = in.server.Serve(l) }()
	return in, nil
}

// Addr is its host:port.
func (in *Inbox) Addr() string { return in.listener.Addr().String() }

// Close stops it. The listener is closed here as well: the server may not have
// begun to serve it.
func (in *Inbox) Close() error {
	err := in.server.Close()
	_ = in.listener.Close()
	return err
}

// Mails returns what came, in order of arrival.
func (in *Inbox) Mails() []Mail {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.mails)
}

// Refuse makes the Inbox answer with the code that ask returns, where it is not
// 0: at RCPT for each recipient, and with atEnd after the content, for the first
// recipient.
func (in *Inbox) Refuse(ask func(recipient string, atEnd bool) int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.refuse = ask
}

func (in *Inbox) code(recipient string, atEnd bool) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.refuse == nil {
		return nil
	}
	if code := in.refuse(recipient, atEnd); code != 0 {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 2, 0}, Message: "as the test wants it"}
	}
	return nil
}

type inboxSession struct {
	inbox *Inbox
	mail  Mail
}

func (s *inboxSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = Mail{From: from}
	return nil
}

func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return s.inbox.code(to, false)
}

func (s *inboxSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.inbox.code(s.mail.To[0], true); err != nil {
		return err
	}
	s.mail.Data = data
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	s.inbox.mails = append(s.inbox.mails, s.mail)
	return nil
}

func (s *inboxSession) Reset()        { s.mail = Mail{} }
func (s *inboxSession) Logout() error { return nil }

// Text is one text message.
type Text struct{ To, Body string }

// Phone is a mailpolicy.Sender that keeps what it is to send.
type Phone struct {
	mu    sync.Mutex
	texts []Text
}

// Send keeps a text.
func (p *Phone) Send(_ context.Context, _, to, _, body string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts = append(p.texts, Text{To: to, Body: body})
	return nil
}

// Wait returns the n-th text, counted from 1, as soon as it was sent. Texts go
// out outside the call that makes them; after half a minute without one it
// returns an empty Text.
func (p *Phone) Wait(n int) Text {
	const every, most = 5 * time.Millisecond, 30 * time.Second
	for range most / every {
		if texts := p.Texts(); len(texts) >= n {
			return texts[n-1]
		}
		time.Sleep(every)
	}
	return Text{}
}

// Texts returns what was sent, in order.
func (p *Phone) Texts() []Text {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.texts)
}

// LastLine is the last line of a text, where mailpolicy puts an activation
// password.
func (t Text) LastLine() string { return t.Body[strings.LastIndexByte(t.Body, '\n')+1:] }
