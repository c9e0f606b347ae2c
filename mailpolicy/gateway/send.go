// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// copyOut is one copy on its way to the next hop.
type copyOut struct {
	batch  batch
	client *smtp.Client
	data   *smtp.DataCommand
	body   io.WriteCloser // what the body is written to
}

// send opens every copy up to its recipients, and only when the next hop has
// accepted all of them sends the content to all at once.
func (t *transaction) send(ctx context.Context, batches []batch, header []byte, body io.Reader) error {
	var copies []*copyOut
	defer func() {
		for _, c := range copies {
			_ = c.client.Close() // without QUIT: an open DATA must not be ended
		}
	}()
	for _, b := range batches {
		c, err := t.open(ctx, b)
		if err != nil {
			return err
		}
		copies = append(copies, c)
	}
	for _, c := range copies {
		if err := t.begin(ctx, c, header); err != nil {
			return err
		}
	}
	writers := make([]io.Writer, len(copies))
	for i, c := range copies {
		writers[i] = c.body
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(writers...)}, struct{ io.Reader }{body}, make([]byte, 64<<10)); err != nil {
		return err
	}
	return finish(copies)
}

// open connects and names the envelope.
func (t *transaction) open(ctx context.Context, b batch) (*copyOut, error) {
	c, err := t.gateway.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.envelope(c, b); err != nil {
		_ = c.Close()
		return nil, err
	}
	return &copyOut{batch: b, client: c}, nil
}

func (t *transaction) envelope(c *smtp.Client, b batch) error {
	if ok, _ := c.Extension("8BITMIME"); t.eightBit && b.encrypted == nil && !ok {
		return reply(554, 6, 3, "The message was not sent: the next mail server takes plain 7-bit text only.")
	}
	if err := c.Mail(t.from, nil); err != nil {
		return nextHop(err, "the sender")
	}
	for _, to := range b.to {
		if err := c.Rcpt(to, nil); err != nil {
			return nextHop(err, to)
		}
	}
	return nil
}

// begin sends the header of one copy.
func (t *transaction) begin(ctx context.Context, c *copyOut, header []byte) error {
	var err error
	if c.data, err = c.client.Data(); err != nil {
		return nextHop(err, strings.Join(c.batch.to, ", "))
	}
	if _, err := io.WriteString(c.data, t.receivedLine()); err != nil {
		return err
	}
	if c.batch.encrypted == nil {
		c.body = nopCloser{c.data}
		_, err = c.data.Write(withoutBcc(header))
		return err
	}
	c.body, err = t.gateway.config.Encrypter.EncryptTo(ctx, c.data, header, c.batch.encrypted)
	return err
}

// finish ends the copies one by one. The first failure stops it: where no copy
// was taken yet, the message can be tried again as a whole; otherwise the reply
// names who did not get it, for good, so that nobody gets it twice.
func finish(copies []*copyOut) error {
	for _, c := range copies {
		if err := c.body.Close(); err != nil {
			return err
		}
	}
	for i, c := range copies {
		err := c.data.Close()
		if err == nil {
			continue
		}
		if i == 0 {
			return nextHop(err, strings.Join(c.batch.to, ", "))
		}
		var missed []string
		for _, rest := range copies[i:] {
			missed = append(missed, rest.batch.to...)
		}
		return reply(554, 5, 0, "The message went to some of its recipients, but not to: "+strings.Join(missed, ", "))
	}
	return nil
}

func (g *Gateway) dial(ctx context.Context) (*smtp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", g.config.NextHop)
	if err != nil {
		return nil, fmt.Errorf("gateway: next hop: %w", err)
	}
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

// nextHop passes on what the next hop said, as permanent or not as it was.
func nextHop(err error, about string) error {
	var said *smtp.SMTPError
	if !errors.As(err, &said) {
		return fmt.Errorf("gateway: next hop: %w", err)
	}
	code := 451
	if said.Code/100 == 5 {
		code = 554
	}
	return reply(code, 0, 0, fmt.Sprintf("The next mail server did not take the message for %s: %s", about, said.Message))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

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
