// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"context"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"time"
)

// atMost is how long the gateway may take for a message: as long as a page waits.
const atMost = 30 * time.Second

// answered is a mail gateway's "no".
type answered struct {
	text  string
	cause error
}

func (a *answered) Error() string { return a.cause.Error() }
func (a *answered) Unwrap() error { return a.cause }

// errUnsure: the whole message was handed over and no answer came.
var errUnsure = errors.New("webmail: the gateway may have taken the message")

// submit hands a message to the gateway, to all of its recipients or to none. What
// the gateway says no to is an *answered.
func submit(ctx context.Context, addr string, d draft, raw []byte) error {
	ctx, done := context.WithTimeout(ctx, atMost)
	defer done()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // unblocks whatever waits
	defer stop()
	host, _, _ := net.SplitHostPort(addr) // it was dialled
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return errors.Join(refusedBy(err), conn.Close())
	}
	defer func() { _ = c.Close() }() // after Quit there is nothing to lose
	return refusedBy(handed(c, d, raw))
}

func handed(c *smtp.Client, d draft, raw []byte) error {
	if err := c.Mail(d.From); err != nil {
		return err
	}
	for _, to := range d.To {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // the answer to the message
		var no *textproto.Error
		if !errors.As(err, &no) {
			err = errors.Join(errUnsure, err)
		}
		return err
	}
	_ = c.Quit() // the message is the gateway's by now
	return nil
}

// refusedBy tells an answer from a broken line.
func refusedBy(err error) error {
	var no *textproto.Error
	if errors.As(err, &no) && no.Code >= 500 {
		return &answered{no.Msg, err}
	}
	return err
}
