// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

// answer is what became of a recipient, in the words of RFC 3463 and of the
// next hop.
type answer struct {
	status string // such as 5.1.1
	text   string // of the next hop, "" where it said nothing
	why    string // for a person
}

// failure is an answer for good.
type failure struct {
	to string
	answer
}

// tooLate is the answer for one who was waited for long enough.
func (a answer) tooLate() answer {
	a.status, a.why = "5.4.7", "the next mail server could not be given the message for too long"
	return a
}

// outcome says for each recipient of an attempt where it ended.
type outcome struct {
	done          []string
	failed, later map[string]answer
	damaged       bool // the content, in the store
	interrupted   bool // by this gateway's end: no fault of the next hop
	unreached     bool // the next hop
}

func (o *outcome) all(to []string, a answer, forGood bool) {
	into := o.later
	if forGood {
		into = o.failed
	}
	for _, one := range to {
		into[one] = a
	}
}

// quitTimeout bounds the politeness after a delivery, which is kept only then.
const quitTimeout = 5 * time.Second

// attempt offers a copy to the next hop. Content goes out only where a
// recipient was taken. A connection that breaks off before the last answer may
// mean that they get it twice, and never that they get none.
func (g *Gateway) attempt(ctx context.Context, c Copy, e envelope) outcome {
	o := outcome{failed: map[string]answer{}, later: map[string]answer{}}
	client, err := g.dial(ctx)
	if err != nil {
		o.all(e.To, answer{status: "4.4.1", why: "the next mail server could not be reached"}, false)
		o.unreached, o.interrupted = true, ctx.Err() != nil
		return o
	}
	defer func() { _ = client.Close() }() // after QUIT, or without: an open DATA must not be ended
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	taken := g.offer(client, e, &o)
	if len(taken) > 0 {
		err = g.transmit(ctx, client, c)
	}
	switch {
	case err == nil:
		o.done = taken
		client.CommandTimeout = quitTimeout
		_ = client.Quit() // there is nothing to lose any more
	case errors.Is(err, sealed.ErrDamaged):
		o.damaged = true
		o.all(taken, answer{status: "5.3.0", why: "the message was damaged while the gateway kept it"}, true)
	default:
		a, forGood := answerOf(err)
		o.all(taken, a, forGood)
	}
	o.interrupted = ctx.Err() != nil
	return o
}

// offer names the envelope and returns who was taken.
func (g *Gateway) offer(client *smtp.Client, e envelope, o *outcome) (taken []string) {
	if ok, _ := client.Extension("8BITMIME"); e.EightBit && !ok {
		o.all(e.To, answer{status: "5.6.3", why: "the next mail server takes plain 7-bit text only"}, true)
		return nil
	}
	if err := client.Mail(e.From, nil); err != nil {
		a, forGood := answerOf(err)
		o.all(e.To, a, forGood)
		return nil
	}
	for _, to := range e.To {
		err := client.Rcpt(to, nil)
		if err == nil {
			taken = append(taken, to)
			continue
		}
		a, forGood := answerOf(err)
		if !isAnswer(err) {
			// What is read from here on could be the answer about somebody before.
			o.undecided(e.To, a)
			return nil
		}
		// RFC 5321 §4.5.3.1.10: 552 means that there are too many at once.
		o.all([]string{to}, a, forGood && !saidCode(err, 552))
	}
	return taken
}

// undecided tries those again about whom there is no final answer yet.
func (o *outcome) undecided(to []string, a answer) {
	for _, one := range to {
		if _, failed := o.failed[one]; !failed {
			o.later[one] = a
		}
	}
}

// transmit sends the content. No final dot is sent before the last piece has
// shown that nothing was altered.
func (g *Gateway) transmit(ctx context.Context, client *smtp.Client, c Copy) error {
	key, err := g.contentKey(c.ID)
	if err != nil {
		return err
	}
	content, err := g.contentReader(ctx, c.ID, key)
	if err != nil {
		return err
	}
	// A short message is known to be good, or not, before anything of it goes out.
	first := make([]byte, sealed.PieceBytes)
	n, err := io.ReadFull(content, first)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	data, err := client.Data()
	if err != nil {
		return err
	}
	all := io.MultiReader(bytes.NewReader(first[:n]), content)
	if _, err := io.CopyBuffer(struct{ io.Writer }{data}, struct{ io.Reader }{all}, make([]byte, 64<<10)); err != nil {
		return err
	}
	return data.Close()
}

// answerOf reads what the next hop said. Whatever it did not say is tried again.
func answerOf(err error) (a answer, forGood bool) {
	var said *smtp.SMTPError
	if !errors.As(err, &said) {
		return answer{status: "4.4.2", why: "the connection to the next mail server broke off"}, false
	}
	class := said.Code / 100
	if class != 4 && class != 5 {
		return answer{status: "4.5.0", text: fmt.Sprintf("%d %s", said.Code, said.Message), why: "the next mail server did not keep to the protocol"}, false
	}
	status := said.EnhancedCode
	if status[0] != class || status[1] < 0 || status[2] < 0 {
		status = smtp.EnhancedCode{class, 0, 0}
	}
	return answer{
		status: fmt.Sprintf("%d.%d.%d", status[0], status[1], status[2]),
		text:   fmt.Sprintf("%d %s", said.Code, said.Message),
		why:    "the next mail server did not take it",
	}, class == 5
}

// isAnswer reports that the next hop has said it.
func isAnswer(err error) bool {
	var said *smtp.SMTPError
	return errors.As(err, &said)
}

func saidCode(err error, code int) bool {
	var said *smtp.SMTPError
	return errors.As(err, &said) && said.Code == code
}

func (g *Gateway) dial(ctx context.Context) (*smtp.Client, error) {
	dialing, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dialing, "tcp", g.config.NextHop)
	if err != nil {
		return nil, fmt.Errorf("gateway: next hop: %w", err)
	}
	defer context.AfterFunc(dialing, func() { _ = conn.Close() })() // the greeting too is to come in time
	timed := &timedConn{Conn: conn, timeout: g.config.Timeout}
	var c *smtp.Client
	if g.config.NextHopTLS != nil {
		c, err = smtp.NewClientStartTLS(timed, g.config.NextHopTLS)
	} else {
		c = smtp.NewClient(timed)
	}
	if err == nil {
		c.CommandTimeout, c.SubmissionTimeout = g.config.Timeout, g.config.Timeout
		err = c.Hello(g.config.Hostname)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("gateway: next hop: %w", err)
	}
	return c, nil
}

// timedConn gives up a writing that the next hop does not take within timeout.
// Readings are timed by the client.
type timedConn struct {
	net.Conn
	timeout time.Duration
}

func (c *timedConn) Write(p []byte) (int, error) {
	stop := time.AfterFunc(c.timeout, func() { _ = c.Conn.Close() })
	defer stop.Stop()
	return c.Conn.Write(p)
}
