// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

type relayed struct{ passed, encrypted, copies int }

// batch is one copy of the message: the recipients who get it, and, where it is
// encrypted, for whom.
type batch struct {
	to        []string
	encrypted []smime.Recipient
}

// relay reads a message, decides it and sends its copies.
func (t *transaction) relay(ctx context.Context, r io.Reader) (relayed, error) {
	g := t.gateway
	policy, err := g.policy()
	if err != nil {
		return relayed{}, err
	}
	limit := g.limit(policy)
	if t.declared > limit {
		return relayed{}, tooLarge(limit)
	}
	checked := &wire{r: r, left: limit, tooLarge: tooLarge(limit)}
	header, body, err := smime.ReadHeader(checked)
	if err != nil {
		return relayed{}, err
	}
	if g.looped(header) {
		return relayed{}, reply(554, 4, 6, "This message was here before: mail is going round in a circle.")
	}
	decision := mailpolicy.Decide(policy, mailpolicy.Message{Header: header, Recipients: t.recipient})
	if err := decision.Err(); err != nil {
		return relayed{}, err
	}
	asking, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	batches, err := g.batches(asking, decision, header)
	if err != nil {
		return relayed{}, err
	}
	result := relayed{copies: len(batches)}
	for _, b := range batches {
		if b.encrypted == nil {
			result.passed += len(b.to)
		} else {
			result.encrypted += len(b.to)
		}
	}
	return result, t.send(ctx, batches, header, body)
}

func tooLarge(limit int64) *wardkey.Refusal {
	return mailpolicy.Rules().Refuse("mail.size", "megabytes", strconv.FormatInt(limit>>20, 10))
}

func formFault(why string) *wardkey.Refusal {
	return mailpolicy.Rules().Refuse("mail.form", "why", why)
}

// looped reports that a Received line of this gateway is already in the header.
func (g *Gateway) looped(header []byte) bool {
	mark := []byte(" by " + strings.ToLower(g.config.Hostname) + " (wardkey)")
	return bytes.Contains(bytes.ToLower(header), mark)
}

// batches groups the recipients by the copy they get, and finds a certificate
// for everyone who needs one. All who lack one are named in the first Refusal.
func (g *Gateway) batches(ctx context.Context, d mailpolicy.Decision, header []byte) ([]batch, error) {
	var pass, open batch
	var hidden []batch
	shown := addressees(header)
	var refused []string
	var first error
	for _, r := range d.Recipients {
		if r.Verdict == mailpolicy.Pass {
			pass.to = append(pass.to, r.Address)
			continue
		}
		recipient, err := g.certificate(ctx, r.Address)
		if err != nil && firstRefusal(err) == nil {
			return nil, err
		}
		if err != nil {
			refused = append(refused, r.Address)
			if first == nil {
				first = err
			}
			continue
		}
		if shown[strings.ToLower(r.Address)] {
			open.to, open.encrypted = append(open.to, r.Address), append(open.encrypted, recipient)
		} else {
			hidden = append(hidden, batch{to: []string{r.Address}, encrypted: []smime.Recipient{recipient}})
		}
	}
	if len(refused) > 1 {
		no := *firstRefusal(first)
		no.Public += " The same holds for " + strings.Join(refused[1:], ", ") + "."
		return nil, &no
	}
	if first != nil {
		return nil, first
	}
	var all []batch
	for _, b := range append([]batch{pass, open}, hidden...) {
		if len(b.to) > 0 {
			all = append(all, b)
		}
	}
	if len(all) > g.config.MaxCopies {
		return nil, formFault(fmt.Sprintf("it needs more than %d separate copies", g.config.MaxCopies))
	}
	return all, nil
}

// certificate returns the first certificate of the directory that passes the
// check, or the Refusal of the first that does not.
func (g *Gateway) certificate(ctx context.Context, address string) (smime.Recipient, error) {
	known, err := g.config.Directory.Certificates(ctx, address)
	if err != nil {
		return smime.Recipient{}, mailpolicy.Rules().Refuse("mail.directory").Because(err)
	}
	var first error
	for _, cert := range known {
		err := g.config.Encrypter.Check(ctx, cert, address)
		if err == nil {
			return smime.Recipient{Address: address, Certificate: cert}, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = g.config.Encrypter.Check(ctx, nil, address)
	}
	return smime.Recipient{}, first
}

// addressees returns the addresses of To and Cc in lower case. A field that
// can't be read names nobody: its recipients then get copies of their own.
func addressees(header []byte) map[string]bool {
	shown := map[string]bool{}
	m, err := mail.ReadMessage(bytes.NewReader(header))
	if err != nil {
		return shown
	}
	for _, name := range []string{"To", "Cc"} {
		for _, value := range m.Header[name] {
			list, err := mail.ParseAddressList(value)
			if err != nil {
				continue
			}
			for _, a := range list {
				shown[strings.ToLower(a.Address)] = true
			}
		}
	}
	return shown
}

// receivedLine names no recipient (RFC 5321 §4.4 has "for" as an option).
func (t *transaction) receivedLine() string {
	from := printable(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ();<>\\\"", r) {
			return '?'
		}
		return r
	}, t.helo))
	return fmt.Sprintf("Received: from %s (%s)\r\n by %s (wardkey) with ESMTP;\r\n %s\r\n",
		from, remoteIP(t.remote), t.gateway.config.Hostname, t.gateway.config.Now().Format(time.RFC1123Z))
}

func remoteIP(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return "local"
}

// namesHidden are the fields in which systems write envelope addresses.
var namesHidden = map[string]bool{
	"bcc": true, "resent-bcc": true, "apparently-to": true, "envelope-to": true, "x-envelope-to": true, "x-original-to": true, "x-rcpt-to": true,
	"delivered-to": true,
}

// withoutBcc drops the fields that name hidden recipients.
func withoutBcc(header []byte) []byte {
	var out []byte
	dropping := false
	for line := range bytes.Lines(header) {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			lower := strings.ToLower(strings.TrimRight(string(name), " \t"))
			dropping = namesHidden[lower]
		}
		if !dropping {
			out = append(out, line...)
		}
	}
	return out
}

// wire is a message on its way in: it refuses a CR or LF that ends no line,
// which the next system could take for the end of the message, and anything
// beyond the limit.
type wire struct {
	r        io.Reader
	left     int64
	tooLarge error
	cr       bool // the last byte was a CR
	err      error
}

func (w *wire) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(p)
	if w.left -= int64(n); w.left < 0 {
		w.err = w.tooLarge
		return 0, w.err
	}
	if !w.linesAreWhole(p[:n]) || (err == io.EOF && w.cr) {
		w.err = mailpolicy.Rules().Refuse("mail.secure.linebreak")
		return 0, w.err
	}
	switch {
	case errors.Is(err, smtp.ErrDataTooLarge):
		err = w.tooLarge
	case errors.Is(err, smtp.ErrTooLongLine):
		err = formFault("one of its lines is longer than 2000 characters")
	}
	w.err = err
	return n, err
}

func (w *wire) linesAreWhole(p []byte) bool {
	for len(p) > 0 {
		if w.cr {
			if p[0] != '\n' {
				return false
			}
			w.cr = false
			p = p[1:]
			continue
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			return true
		}
		if p[i] == '\n' {
			return false
		}
		w.cr = true
		p = p[i+1:]
	}
	return true
}
