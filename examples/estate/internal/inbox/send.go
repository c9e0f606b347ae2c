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
		letter := Letter{
			At: s.box.config.Now(), Name: "Care identity service (demonstration)", From: From,
			To: to, Subject: subject, Body: body,
		}
		recipients, raw, err := letter.Compose()
		if err != nil {
			return err
		}
		if len(recipients) != 1 {
			return errors.New("inbox: a message goes to one person")
		}
		return Submit(ctx, s.addr, From, recipients, raw)
	}
	return fmt.Errorf("inbox: %q is not a channel", channel)
}

// Letter is a plain message in the making.
type Letter struct {
	At            time.Time
	Name, From    string // of the sender
	To            string // addresses, with commas between them
	Subject, Body string
}

// Compose writes the letter as a message (RFC 5322) and returns whom it goes
// to. Text beyond ASCII is encoded, and so is whatever could pass for another
// header line.
func (l Letter) Compose() (to []string, raw []byte, err error) {
	recipients, err := mail.ParseAddressList(l.To)
	if err != nil {
		return nil, nil, errors.New("inbox: the recipient is not an address")
	}
	for _, r := range recipients {
		to = append(to, r.Address)
	}
	var h mail.Header
	h.SetDate(l.At)
	h.SetAddressList("From", []*mail.Address{{Name: l.Name, Address: l.From}})
	h.SetAddressList("To", recipients)
	h.SetSubject(l.Subject)
	h.SetMessageID(rand.Text() + "@estate.test")
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	var message bytes.Buffer
	w, err := mail.CreateSingleInlineWriter(&message, h)
	if err != nil {
		return nil, nil, fmt.Errorf("inbox: composing: %w", err)
	}
	if _, err = w.Write([]byte(l.Body)); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("inbox: composing: %w", err)
	}
	return to, message.Bytes(), nil
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
