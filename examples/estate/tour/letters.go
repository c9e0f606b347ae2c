// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// letter is a message on its way, with a body that a careless relay would
// change: lines that begin with a dot, spaces at line ends, no line end last.
type letter struct {
	from, subject, mark string
	to                  []string
}

func (l letter) body() []byte {
	return []byte("Dear colleague,\r\n\r\n.starts with a dot\r\n..with two\r\nends with spaces  \r\n\tMark " + l.mark + "\r\n\r\nYours\r\n")
}

func (l letter) bytes(now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", l.from, strings.Join(l.to, ", "), l.subject)
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <%s@nhs.net>\r\n", now.Format(time.RFC1123Z), l.mark)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	b.Write(l.body())
	return b.Bytes()
}

// post submits a letter and opens the inboxes that it may reach beforehand.
func (s *story) post(ctx context.Context, l letter, watched ...string) (map[string]*hospital.Mailbox, error) {
	boxes := map[string]*hospital.Mailbox{}
	for _, address := range watched {
		box, err := s.h.Mailbox(ctx, address)
		if err != nil {
			return nil, must("the inbox opens", err)
		}
		boxes[address] = box
	}
	now, err := s.h.Now(ctx)
	if err != nil {
		return nil, must("the clock is read", err)
	}
	return boxes, s.h.Submit(ctx, l.from, l.to, l.bytes(now))
}

// secureMail is step 14.
func secureMail(ctx context.Context, s *story) error {
	if err := holds(s.sender.address != "", "a mail account from step 13 that may send", "none"); err != nil {
		return err
	}
	outside, err := s.outsiders(ctx)
	if err != nil {
		return must("two outside addresses with certificates", err)
	}
	if err := s.tagged(ctx, outside); err != nil {
		return err
	}
	return s.nearMiss(ctx, outside[0].address)
}

// tagged sends one [secure] letter to both outsiders and to nhs.net.
func (s *story) tagged(ctx context.Context, outside []recipient) error {
	inside := "asha.patel@nhs.net"
	l := letter{
		from: s.sender.address, subject: "[secure] Discharge of a resident", mark: "secure-letter",
		to: []string{outside[0].address, outside[1].address, inside},
	}
	boxes, err := s.post(ctx, l, l.to...)
	if err != nil {
		return must("the gateway takes a [secure] message", err)
	}
	plain, err := boxes[inside].Next(ctx, nil)
	if err != nil {
		return must("the message arrives at nhs.net", err)
	}
	if err := holds(bytes.HasSuffix(plain.Raw, l.body()) && plain.Subject == l.subject,
		"to nhs.net the message as it is", "%q with subject %q", plain.Raw, plain.Subject); err != nil {
		return err
	}
	for _, r := range outside {
		m, err := boxes[r.address].Next(ctx, nil)
		if err != nil {
			return must("the message arrives at "+r.address, err)
		}
		if err := s.encrypted(ctx, r, l, m); err != nil {
			return err
		}
	}
	return nil
}

// encrypted fails unless nothing of the letter can be read on the way and its
// recipient opens it to the same bytes.
func (s *story) encrypted(ctx context.Context, r recipient, l letter, m hospital.Message) error {
	for _, secret := range []string{l.mark + "\r\n\r\nYours", "Discharge of a resident"} {
		if err := holds(!bytes.Contains(m.Raw, []byte(secret)), "nothing to read on the way to "+r.address, "%q stands there", secret); err != nil {
			return err
		}
	}
	opened, err := s.decrypt(ctx, r, m.Raw)
	if err != nil {
		return must("openssl opens the message to "+r.address, err)
	}
	_, body, found := bytes.Cut(opened, []byte("\r\n\r\n"))
	return first(
		holds(found && bytes.Equal(body, l.body()), "the same bytes as were sent", "%q", body),
		holds(bytes.Contains(opened, []byte("Subject: "+l.subject+"\r\n")), "the subject inside", "%q", opened),
	)
}

// nearMiss sends what the sender may have meant to be encrypted. The gateway
// says so at once, in the SMTP dialogue, or by a message to the sender; the
// letter itself goes nowhere.
func (s *story) nearMiss(ctx context.Context, to string) error {
	l := letter{from: s.sender.address, subject: "(secure) Discharge of a resident", mark: "held-letter", to: []string{to}}
	boxes, err := s.post(ctx, l, to, l.from)
	var answer *textproto.Error
	told := ""
	switch {
	case errors.As(err, &answer) && answer.Code/100 == 5:
		told = answer.Msg
	case err != nil:
		return must("the gateway answers", err)
	default:
		m, err := boxes[l.from].Next(ctx, nil)
		if err != nil {
			return must("the sender is told why", err)
		}
		told = m.Body
	}
	if err := holds(strings.Contains(told, "[secure]") && strings.Contains(told, "mail.secure.nearmiss"),
		"the sender is told the rule and to write [secure]", "%q", told); err != nil {
		return err
	}
	arrived, err := boxes[to].New(ctx)
	if err != nil {
		return must("the inbox opens", err)
	}
	return holds(len(arrived) == 0, "nothing arrives outside", "%d messages", len(arrived))
}
