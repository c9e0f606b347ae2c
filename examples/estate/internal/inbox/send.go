// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

// From is who the estate's own messages come from.
const From = "care-identity@estate.test"

// Sender carries the rooms' messages: e-mails over SMTP to the server at addr,
// texts straight into the box. It satisfies careid's Sender.
type Sender struct {
	box  *Box
	addr string
}

// Sender sends e-mail through the SMTP server at addr.
func (b *Box) Sender(addr string) *Sender { return &Sender{box: b, addr: addr} }

// Send delivers one message by channel "email" or "text".
func (s *Sender) Send(ctx context.Context, channel, to, subject, body string) error {
	switch channel {
	case Text:
		return s.box.PutText(to, body)
	case Email:
		recipient, raw, err := s.compose(to, subject, body)
		if err != nil {
			return err
		}
		return Submit(ctx, s.addr, From, []string{recipient}, raw)
	}
	return fmt.Errorf("inbox: %q is not a channel", channel)
}

// compose writes a message (RFC 5322) to one person and returns their address.
// Text beyond ASCII is encoded, and so is whatever could pass for another header
// line.
func (s *Sender) compose(to, subject, body string) (recipient string, raw []byte, err error) {
	parsed, err := mail.ParseAddress(to)
	if err != nil {
		return "", nil, errors.New("inbox: the recipient is not an address")
	}
	var h mail.Header
	h.SetDate(s.box.config.Now())
	h.SetAddressList("From", []*mail.Address{{Name: "Care identity service (demonstration)", Address: From}})
	h.SetAddressList("To", []*mail.Address{parsed})
	h.SetSubject(subject)
	h.SetMessageID(rand.Text() + "@estate.test")
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	var message bytes.Buffer
	w, err := mail.CreateSingleInlineWriter(&message, h)
	if err != nil {
		return "", nil, fmt.Errorf("inbox: composing: %w", err)
	}
	if _, err = w.Write([]byte(body)); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", nil, fmt.Errorf("inbox: composing: %w", err)
	}
	return parsed.Address, message.Bytes(), nil
}

// Submit hands one message to the SMTP server at addr, in clear: it is for a
// server on this machine. A refusal by that server is a *Refused.
func Submit(ctx context.Context, addr, from string, to []string, raw []byte) error {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("inbox: reaching the mail server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // unblocks whatever waits
	defer stop()
	client := smtp.NewClient(conn)
	defer func() { _ = client.Close() }() // after Quit it is closed already
	if err := client.SendMail(from, to, bytes.NewReader(raw)); err != nil {
		var answer *smtp.SMTPError
		if errors.As(err, &answer) {
			return &Refused{Code: answer.Code, Text: answer.Message}
		}
		return fmt.Errorf("inbox: sending: %w", err)
	}
	return client.Quit()
}

// Refused is a mail server's "no".
type Refused struct {
	Code int
	Text string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("inbox: the mail server answered %d %s", r.Code, r.Text)
}
