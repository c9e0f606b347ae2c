// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // old character sets, so that a subject reads as it was meant
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

const (
	maxMessage    = 36 << 20 // a little above the gateway's own limit
	maxRecipients = 100
	// maxBody bounds the text shown of a message; Raw keeps all of it.
	maxBody = 64 << 10
)

func (b *Box) newServer() *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{box: b}, nil
	}))
	s.Domain = "inbox.estate.test"
	s.MaxMessageBytes = maxMessage
	s.MaxRecipients = maxRecipients
	s.EnableSMTPUTF8 = true
	s.ReadTimeout = time.Minute
	s.WriteTimeout = time.Minute
	s.ErrorLog = logger{b}
	return s
}

// Serve receives e-mail on l until Close; it then returns nil.
func (b *Box) Serve(l net.Listener) error {
	if err := b.server.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return err
	}
	return nil
}

// Close lets messages under way arrive, until ctx ends.
func (b *Box) Close(ctx context.Context) error {
	if err := b.server.Shutdown(ctx); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return err
	}
	return nil
}

// logger keeps a peer's text out of the log: it may quote a message.
type logger struct{ box *Box }

func (l logger) Printf(string, ...any) { l.box.config.Log.Warn("inbox: an SMTP conversation failed") }

func (l logger) Println(...any) { l.box.config.Log.Warn("inbox: an SMTP conversation failed") }

// session is one SMTP conversation.
type session struct {
	box  *Box
	from string
	to   []string
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	subject, body := readable(raw)
	messages := make([]Message, len(s.to))
	for i, to := range s.to {
		messages[i] = Message{Channel: Email, To: to, From: s.from, Subject: subject, Body: body, Raw: raw}
	}
	if err := s.box.put(messages...); err != nil {
		s.box.config.Log.Error("inbox: a message was not kept", "err", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "The message could not be kept. Try again."}
	}
	return nil
}

// readable is the subject and first text of a message, as a person sees them.
// A message that can't be read is still kept: its raw form says all.
func readable(raw []byte) (subject, body string) {
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil && !message.IsUnknownCharset(err) {
		return "", ""
	}
	header := mail.Header{Header: entity.Header}
	if subject, err = header.Subject(); err != nil {
		subject = entity.Header.Get("Subject")
	}
	_ = entity.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil && !message.IsUnknownCharset(err) {
			return err // what was found before it is what can be shown
		}
		kind, _, _ := part.Header.ContentType()
		if body != "" || !strings.HasPrefix(kind, "text/plain") {
			return nil
		}
		text, _ := io.ReadAll(io.LimitReader(part.Body, maxBody))
		body = strings.ToValidUTF8(strings.ReplaceAll(string(text), "\r\n", "\n"), "�")
		return nil
	})
	return subject, body
}
