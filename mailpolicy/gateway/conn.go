// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// listener gives connections of those who may connect, as many at once as there
// is room for, that end for good.
type listener struct {
	net.Listener
	room       chan struct{}
	mayConnect func(net.Addr) bool
}

// notHere is the greeting of a server that takes no mail (RFC 5321 §3.1).
const notHere = "554 5.7.1 This gateway takes no mail from your network.\r\n"

func (l listener) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.room
			return nil, err
		}
		if l.mayConnect(conn.RemoteAddr()) {
			return &inbound{Conn: conn, leave: sync.OnceFunc(func() { <-l.room })}, nil
		}
		_, _ = io.WriteString(conn, notHere) // whether it is heard or not
		_ = conn.Close()
	}
}

// inbound is a connection from which nothing is read after a reading failed.
// The SMTP server goes on to the next command when a message's content stops
// coming in time; what came later would be content that is taken for commands.
type inbound struct {
	net.Conn
	leave  func()
	broken atomic.Bool
	err    error // of the reading that failed; the reader's own
}

func (c *inbound) Close() error {
	c.leave()
	return c.Conn.Close()
}

func (c *inbound) Read(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, c.err
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		c.err = err
		c.broken.Store(true)
	}
	return n, err
}

// inboundOf finds the connection under STARTTLS. Serve brings no other kind.
func inboundOf(c net.Conn) *inbound {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	in, _ := c.(*inbound)
	return in
}

// whole reads a message's content and reports an end that came because the
// connection ended: the SMTP server takes the end of the connection for the end
// of a chunk (RFC 3030 §2).
type whole struct {
	r    io.Reader
	from *inbound
}

func (w whole) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err == io.EOF && w.from.broken.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
