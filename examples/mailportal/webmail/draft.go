// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"bytes"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// mostRecipients is what every mail server takes at once (RFC 5321 §4.5.3.1.8).
const mostRecipients = 100

// idDomain stands in the Message-IDs, and is nobody's (RFC 2606 §2).
const idDomain = "mailportal.invalid"

// draft is a message that somebody writes.
type draft struct {
	Name, From    string // of the sender
	To            []string
	Subject, Body string
}

// written reads a draft as far as it is typed. Between recipients stand commas,
// semicolons or lines.
func written(v *visit) draft {
	d := draft{Subject: v.form.Get("subject"), Body: v.form.Get("body")}
	for to := range strings.FieldsFuncSeq(v.form.Get("to"), func(r rune) bool { return r == ',' || r == ';' || r == '\n' || r == '\r' }) {
		if to = strings.TrimSpace(to); to != "" {
			d.To = append(d.To, to)
		}
	}
	return d
}

// from fills in who writes: of the addresses that a holder may write from the one
// that was chosen, in its own spelling, or else the first, which is the holder's. It
// is false where another was asked for.
func (d *draft) from(chosen string, senders []string, holder string) bool {
	for _, shared := range senders[1:] {
		if strings.EqualFold(chosen, shared) {
			d.From, d.Name = shared, ""
			return true
		}
	}
	d.From, d.Name = senders[0], holder
	return chosen == "" || strings.EqualFold(chosen, d.From)
}

// check refuses what is not even looked at.
func (p *Portal) check(d draft) error {
	if len(d.To) > mostRecipients {
		return p.rules.Refuse("compose.recipients", "limit", strconv.Itoa(mostRecipients))
	}
	return nil
}

// message is the draft as it goes out (RFC 5322). A character that could begin
// another line of the header is encoded; what is no address is left out of To,
// and is refused by the decision.
func (d draft) message(at time.Time) ([]byte, error) {
	var to []*mail.Address
	for _, address := range d.To {
		if mailpolicy.CheckAddress(address) == nil {
			to = append(to, &mail.Address{Address: address})
		}
	}
	var h mail.Header
	h.SetDate(at)
	h.SetAddressList("From", []*mail.Address{{Name: d.Name, Address: d.From}})
	if len(to) > 0 {
		h.SetAddressList("To", to)
	}
	h.SetSubject(d.Subject)
	h.SetMessageID(rand.Text() + "@" + idDomain)
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	var out bytes.Buffer
	w, err := mail.CreateSingleInlineWriter(&out, h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(d.Body)); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// decide asks what would become of the draft if it went out as it is.
func (p *Portal) decide(d draft) (mailpolicy.Decision, []byte, error) {
	policy, err := p.Accounts.Policy()
	if err != nil {
		return mailpolicy.Decision{}, nil, err
	}
	raw, err := d.message(p.Now())
	if err != nil {
		return mailpolicy.Decision{}, nil, err
	}
	return mailpolicy.Decide(policy, mailpolicy.Message{Header: raw, Recipients: d.To}), raw, nil
}
