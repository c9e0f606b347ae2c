// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// letter is a message on its way, with a body that a careless relay would
// change: lines that begin with a dot, spaces at line ends. Its header names those
// of bcc too, as a careless mail program's does.
type letter struct {
	from, subject, mark string
	to, bcc             []string
}

func (l letter) body() []byte {
	return []byte("Dear colleague,\r\n\r\n.starts with a dot\r\n..with two\r\nends with spaces  \r\n\tMark " + l.mark + "\r\n\r\nYours\r\n")
}

func (l letter) bytes(now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", l.from, strings.Join(l.to, ", "), l.subject)
	if len(l.bcc) > 0 {
		fmt.Fprintf(&b, "Bcc: %s\r\n", strings.Join(l.bcc, ", "))
	}
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <%s@nhs.net>\r\n", now.Format(time.RFC1123Z), rand.Text())
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
	return boxes, s.h.Submit(ctx, l.from, slices.Concat(l.to, l.bcc), l.bytes(now))
}

// hasSender fails where no earlier step has left somebody who may send.
func (s *story) hasSender() error {
	return holds(s.sender.address != "", "a mail account from step 15 that may send", "none")
}

// secureMail is step 16.
func secureMail(ctx context.Context, s *story) error {
	if err := s.hasSender(); err != nil {
		return err
	}
	var err error
	if s.outside, err = s.outsiders(ctx); err != nil {
		return must("two outside addresses with certificates", err)
	}
	l := letter{
		from: s.sender.address, subject: "[secure] Discharge of a resident", mark: secureMark,
		to: []string{s.outside[0].address, s.outside[1].address, insider},
	}
	boxes, err := s.post(ctx, l, l.to...)
	if err != nil {
		return must("the gateway takes a [secure] message", err)
	}
	if _, err := asItIs(ctx, boxes[insider], l); err != nil {
		return err
	}
	for _, r := range s.outside {
		if _, _, err := s.encrypted(ctx, boxes[r.address], r, l); err != nil {
			return err
		}
	}
	return nil
}

// insider is somebody at an address that is secure by itself.
const insider = "asha.patel@nhs.net"

// asItIs waits for a letter at nhs.net, which nobody may have changed.
func asItIs(ctx context.Context, box *hospital.Mailbox, l letter) (hospital.Message, error) {
	m, err := box.Next(ctx, nil)
	if err != nil {
		return m, must("the message arrives at nhs.net", err)
	}
	return m, holds(bytes.HasSuffix(m.Raw, l.body()) && m.Subject == l.subject,
		"to nhs.net the message as it is", "%q with subject %q", m.Raw, m.Subject)
}

// encrypted waits for a letter and fails unless nothing of it can be read on the
// way and its recipient opens it, with openssl, to the same bytes.
func (s *story) encrypted(ctx context.Context, box *hospital.Mailbox, r recipient, l letter) (sent, opened []byte, err error) {
	m, err := box.Next(ctx, nil)
	if err != nil {
		return nil, nil, must("the message arrives at "+r.address, err)
	}
	_, title, _ := strings.Cut(l.subject, "] ")
	for _, secret := range []string{l.mark, title} {
		if err := holds(!bytes.Contains(m.Raw, []byte(secret)), "nothing to read on the way to "+r.address, "%q stands there", secret); err != nil {
			return nil, nil, err
		}
	}
	opened, err = s.decrypt(ctx, r, m.Raw)
	if err != nil {
		return nil, nil, must("openssl opens the message to "+r.address, err)
	}
	_, body, found := bytes.Cut(opened, []byte("\r\n\r\n"))
	return m.Raw, opened, first(
		holds(found && bytes.Equal(body, l.body()), "the same bytes as were sent", "%q", body),
		holds(bytes.Contains(opened, []byte("Subject: "+l.subject+"\r\n")), "the subject inside", "%q", opened),
	)
}

// corrected is step 19: what the sender may have meant to be encrypted is held and
// goes nowhere until its tag is what the refusal asks for; first from a mail
// program, then in the mail portal.
func corrected(ctx context.Context, s *story) error {
	if err := holds(len(s.outside) > 0, "outside addresses from step 16", "none"); err != nil {
		return err
	}
	if err := s.correctedInProgram(ctx, s.outside[0]); err != nil {
		return err
	}
	return s.correctedInPortal(ctx, s.outside[1])
}

// correctedInProgram has the refusal in the SMTP dialogue.
func (s *story) correctedInProgram(ctx context.Context, to recipient) error {
	l := letter{from: s.sender.address, subject: "(secure) Change of medicines", mark: correctedMark, to: []string{to.address}}
	boxes, err := s.post(ctx, l, to.address)
	var answer *textproto.Error
	if err := holds(errors.As(err, &answer) && answer.Code/100 == 5, "the gateway refuses (secure)", "%v", err); err != nil {
		return err
	}
	for _, told := range []string{"mail.secure.nearmiss", "Write [secure]"} {
		if err := holds(strings.Contains(answer.Msg, told), "the sender is told "+told, "%q", answer.Msg); err != nil {
			return err
		}
	}
	arrived, err := boxes[to.address].New(ctx)
	if err != nil {
		return must("the inbox opens", err)
	}
	if err := holds(len(arrived) == 0, "nothing arrives outside", "%d messages", len(arrived)); err != nil {
		return err
	}
	l.subject = "[secure] Change of medicines"
	if boxes, err = s.post(ctx, l, to.address); err != nil {
		return must("the gateway takes the message with its tag corrected", err)
	}
	_, _, err = s.encrypted(ctx, boxes[to.address], to, l)
	return err
}

// correctedInPortal has the decision while the sender types, and the refusal when
// they send all the same.
func (s *story) correctedInPortal(ctx context.Context, to recipient) error {
	const title, body = "Change of a visit", "It is on Tuesday. " + portalMark
	portal := s.sender.portal
	inbox, err := s.h.Mailbox(ctx, to.address)
	if err != nil {
		return must("the inbox opens", err)
	}
	for tag, verdict := range map[string]string{"(secure) ": "hold", "[secure] ": "encrypt"} {
		typed, err := portal.Typing(ctx, to.address, tag+title)
		if err != nil {
			return must("the mail portal decides while somebody types", err)
		}
		if err := holds(typed.Verdict == verdict, tag+"as it is typed: "+verdict, "%+v", *typed); err != nil {
			return err
		}
	}
	no := portal.SendMail(ctx, to.address, "(secure) "+title, body)
	if err := refused(no, "sending (secure)", "mail.secure.nearmiss"); err != nil {
		return err
	}
	if err := holds(why(no).Fixer == "sender" && strings.Contains(strings.Join(why(no).Next, " "), "Write [secure]"),
		"the refusal says who can mend it and how", "%q, %v", why(no).Fixer, why(no).Next); err != nil {
		return err
	}
	if err := must("the corrected message is sent", portal.SendMail(ctx, to.address, "[secure] "+title, body)); err != nil {
		return err
	}
	m, err := inbox.Next(ctx, nil)
	if err != nil {
		return must("the corrected message arrives, and nothing before it", err)
	}
	opened, err := s.decrypt(ctx, to, m.Raw)
	return first(
		must("openssl opens it", err),
		holds(!bytes.Contains(m.Raw, []byte(portalMark)) && bytes.Contains(opened, []byte(body)), "it is encrypted, and says what was written", "%q", opened),
	)
}
