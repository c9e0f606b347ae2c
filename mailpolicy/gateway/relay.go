// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

type relayed struct {
	passed, encrypted, parked, copies int
	warned                            bool
}

// batch is one copy of the message: the recipients who get it, and, where it is
// encrypted, for whom. A parked one is for a single recipient to fetch.
type batch struct {
	to        []string
	encrypted []smime.Recipient
	parked    bool
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
	asking, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	decision := mailpolicy.Decide(policy, mailpolicy.Message{Header: header, Recipients: t.recipient, Encrypted: g.wasEncrypted(asking)})
	if err := decision.Err(); err != nil {
		return relayed{}, err
	}
	batches, err := g.batches(asking, decision, header)
	if err != nil {
		return relayed{}, err
	}
	result := count(batches)
	result.warned = decision.Warning != nil && t.from != "" && !automatic(header)
	in := &intake{gateway: g}
	if result.encrypted+result.parked > 0 {
		if err := in.remember(header); err != nil {
			return relayed{}, err
		}
	}
	if result.warned {
		if err := t.warn(ctx, in, decision, header); err != nil {
			return relayed{}, err
		}
	}
	return result, t.keep(ctx, in, batches, header, body)
}

func count(batches []batch) relayed {
	n := relayed{copies: len(batches)}
	for _, b := range batches {
		switch {
		case b.parked:
			n.parked++
		case b.encrypted == nil:
			n.passed += len(b.to)
		default:
			n.encrypted += len(b.to)
		}
	}
	return n
}

// keep puts every copy into the store as it is to go out: what can't be
// encrypted is found now, while the sender's system still has the message.
func (t *transaction) keep(ctx context.Context, in *intake, batches []batch, header []byte, body io.Reader) error {
	err := t.fill(ctx, in, batches, header, body)
	if err == nil {
		err = in.commit(ctx)
	}
	if err != nil {
		in.drop()
	}
	return err
}

// fill writes the content to all copies at once.
func (t *transaction) fill(ctx context.Context, in *intake, batches []batch, header []byte, body io.Reader) error {
	outer := outerOf(header)
	var ends []io.Closer
	var copies []io.Writer
	for _, b := range batches {
		w, err := t.begin(ctx, in, b, header, outer)
		if err != nil {
			return err
		}
		ends, copies = append(ends, w), append(copies, w)
	}
	to := struct{ io.Writer }{io.MultiWriter(copies...)}
	if _, err := io.CopyBuffer(to, struct{ io.Reader }{body}, make([]byte, 64<<10)); err != nil {
		return err
	}
	for _, end := range ends {
		if err := end.Close(); err != nil {
			return err
		}
	}
	return nil
}

// begin writes the header of one copy, and returns what its body is written to.
func (t *transaction) begin(ctx context.Context, in *intake, b batch, header []byte, outer string) (io.WriteCloser, error) {
	e := envelope{From: t.from, To: b.to, EightBit: t.eightBit && b.encrypted == nil, Outer: outer, Arrived: t.gateway.config.Now()}
	open := in.begin
	if b.parked {
		open = in.park
	}
	w, err := open(ctx, e)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, t.receivedLine()); err != nil {
		return nil, err
	}
	if b.encrypted != nil {
		return t.gateway.config.Encrypter.EncryptTo(ctx, w, header, b.encrypted)
	}
	_, err = w.Write(withoutBcc(header))
	return w, err
}

func tooLarge(limit int64) *wardkey.Refusal {
	return mailpolicy.Rules().Refuse("mail.size", "megabytes", strconv.FormatInt(limit>>20, 10))
}

func formFault(why string) *wardkey.Refusal {
	return mailpolicy.Rules().Refuse("mail.form", "why", why)
}

// maxHops is how many systems a message may have come through (RFC 5321 §6.3).
const maxHops = 100

// looped reports that a Received line of this gateway is already in the header,
// however it was folded since, or that there are too many of anyone's.
func (g *Gateway) looped(header []byte) bool {
	mark := []byte(" by " + strings.ToLower(g.config.Hostname) + " (wardkey) ")
	hops := 0
	for name, raw := range fields(header) {
		if name != "received" {
			continue
		}
		hops++
		line := bytes.Join(bytes.Fields(bytes.ToLower(raw)), []byte(" "))
		if hops > maxHops || bytes.Contains(line, mark) {
			return true
		}
	}
	return false
}

// batches groups the recipients by the copy they get, and finds a certificate
// for everyone who needs one. All who lack one are named in one Refusal.
func (g *Gateway) batches(ctx context.Context, d mailpolicy.Decision, header []byte) ([]batch, error) {
	var pass, open batch
	var hidden []batch
	shown := addressees(header)
	var refused []without
	for _, r := range d.Recipients {
		if r.Verdict == mailpolicy.Pass {
			pass.to = append(pass.to, r.Address)
			continue
		}
		recipient, err := g.certificate(ctx, r.Address)
		if g.config.PickupURL != "" && wardkey.RuleOf(err) == "mail.recipient.nocert" {
			hidden = append(hidden, batch{to: []string{r.Address}, parked: true})
			continue
		}
		if err != nil {
			no := firstRefusal(err)
			if no == nil {
				return nil, err
			}
			refused = append(refused, without{r.Address, no})
			continue
		}
		if shown[strings.ToLower(r.Address)] {
			open.to, open.encrypted = append(open.to, r.Address), append(open.encrypted, recipient)
		} else {
			hidden = append(hidden, batch{to: []string{r.Address}, encrypted: []smime.Recipient{recipient}})
		}
	}
	if len(refused) > 0 {
		return nil, oneRefusal(refused)
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

// without is somebody for whom nothing can be encrypted, and why.
type without struct {
	address string
	why     *wardkey.Refusal
}

// oneRefusal is the first that waiting does not mend, or else the first, and names
// the others.
func oneRefusal(refused []without) *wardkey.Refusal {
	at := max(0, slices.IndexFunc(refused, func(w without) bool { return !mayWait(w.why) }))
	var others []string
	for i, w := range refused {
		if i != at {
			others = append(others, w.address)
		}
	}
	no := refused[at].why
	if len(others) > 0 {
		no.Public += " Nor can it be encrypted for " + strings.Join(others, ", ") + "."
	}
	return no
}

// mayWait reports that the system before tries again, and may get another answer.
func mayWait(err error) bool {
	no := firstRefusal(err)
	return no == nil || no.Status >= 500
}

// certificate returns the first certificate of the directory that passes the
// check, or why none does: of the first that may pass later, or else of the first.
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
		if first == nil || mayWait(err) && !mayWait(first) {
			first = err
		}
	}
	if first == nil {
		first = g.config.Encrypter.Check(ctx, nil, address)
	}
	return smime.Recipient{}, first
}
