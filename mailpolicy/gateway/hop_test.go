// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// An answer that comes too late is never taken for the answer about the next
// recipient: nobody is given up, or counted as served, for somebody else.
func TestLateAnswer(t *testing.T) {
	slow := make(chan struct{})
	late := newHop(t, func(line string) string {
		switch {
		case strings.HasPrefix(line, "RCPT TO:<a@"):
			select {
			case <-slow:
			case <-time.After(1500 * time.Millisecond):
			}
		case strings.HasPrefix(line, "RCPT TO:<b@"):
			return "550 5.1.1 nobody here"
		}
		return "250 ok"
	})
	r := startRelay(t, func(c *gateway.Config) { c.NextHop, c.Timeout = late.addr, time.Second })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net", "b@nhs.net", "c@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDeferred, 3)
	require.Zero(t, r.count(gateway.EventBounced))
	close(slow)
	r.wait(time.Minute)
	r.mails()
	require.Equal(t, 1, r.count(gateway.EventBounced))
	require.Equal(t, 1, late.saw("Final-Recipient: rfc822; b@nhs.net"))
	require.Zero(t, late.saw("Final-Recipient: rfc822; c@nhs.net"))
}

// Mail that goes round is known by its Received lines, whoever has folded them
// anew, and by their number where two others send it to and fro.
func TestMailInACircle(t *testing.T) {
	r := startRelay(t, nil)
	before := "Received: from pc by mx.example; Sun, 22 Nov 2026 09:00:00 +0000\r\n"
	for name, fields := range map[string]string{
		"folded anew": "Received: from a (1.2.3.4)\r\n\tby GATE.example\r\n\t(wardkey) with ESMTP; Sun\r\n", "too many": strings.Repeat(before, 101),
	} {
		require.Regexp(t, "^554 5.4.6 ", r.send("home@nhs.net", []string{"a@nhs.net"}, fields+mailTo("x", "a@nhs.net")), name)
	}
	require.Empty(t, r.mails())
	fields := strings.Repeat(before, 100) + "X-Note: by gate.example (wardkey)\r\n"
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, fields+mailTo("x", "a@nhs.net")))
	require.Len(t, r.mails(), 1)
}

// A clock that was put back by a month keeps no mail waiting for that month.
func TestClockPutBack(t *testing.T) {
	r := startRelay(t, nil)
	r.refuse(map[string]int{"*": 451}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDeferred, 1)
	r.refuse(nil, false)
	r.wait(-30 * 24 * time.Hour)
	require.Len(t, r.mails(), 1)
}

// However many recipients are in the way, the reply names its rule, and says of
// none of them what holds for another.
func TestReplyNamesItsRule(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	expired := r.issue(mailtest.Spec{Email: "old@x.example", NotAfter: time.Now().Add(-time.Hour)})
	certs = gateway.Certificates{expired.Certificate}
	reply := r.send("home@nhs.net", []string{"none@x.example", "old@x.example"}, mailTo("[secure] x", gp))
	require.Regexp(t, `^550 .*no certificate is known for none@x.example\. Nor can it be encrypted for old@x.example\..*\(mail.recipient.nocert\)$`, reply)
	require.NotContains(t, reply, "same")

	// What waiting does not mend is said first; of one who has several certificates,
	// what it may mend.
	t.Run("what waiting mends", func(t *testing.T) {
		ask, best := r.issue(mailtest.Spec{Email: gp}), r.issue(mailtest.Spec{Email: "old@x.example"})
		certs = gateway.Certificates{expired.Certificate, ask.Certificate, best.Certificate}
		e, err := smime.New(smime.Config{Roots: r.ca.Roots(), Revoked: func(context.Context, *x509.Certificate) error { return context.DeadlineExceeded }})
		require.NoError(t, err)
		r.end()
		r.config.Encrypter = e
		r.serve()
		for _, to := range [][]string{{gp, "none@x.example"}, {"none@x.example", gp}} {
			require.Regexp(t, `^550 .*known for none@x.example\. Nor can it be encrypted for `+gp+`\..*\(mail.recipient.nocert\)$`, r.send("home@nhs.net", to, mailTo("[secure] x", gp)))
		}
		for _, to := range []string{gp, "old@x.example"} {
			require.Regexp(t, `^451 .*\(mail.recipient.status\)$`, r.send("home@nhs.net", []string{to}, mailTo("[secure] x", gp)))
		}
	})
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("somebody-%d@x.example", i))
	}
	reply = r.send("home@nhs.net", many, mailTo("[secure] x", gp))
	require.Regexp(t, `^550 5.7.1 .*\(mail.recipient.nocert\)$`, reply)
	require.LessOrEqual(t, len(reply), 510)
}

// hop is a next mail server that answers as a test wants it.
type hop struct {
	addr string

	mu    sync.Mutex
	lines []string
}

// newHop answers each command, and the dot after a content, by what answer
// says: "" is silence, "hang up" the end.
func newHop(t *testing.T, answer func(line string) string) *hop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &hop{addr: l.Addr().String()}
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		require.NoError(t, l.Close())
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				h.talk(conn, answer)
			})
		}
	})
	return h
}

func (h *hop) talk(conn net.Conn, answer func(string) string) {
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "220 hop.example\r\n")
	h.converse(conn, answer)
}

func (h *hop) converse(conn net.Conn, answer func(string) string) {
	in, content := bufio.NewScanner(conn), false
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		h.mu.Lock()
		h.lines = append(h.lines, line)
		h.mu.Unlock()
		if content && line != "." {
			continue
		}
		content = line == "DATA"
		reply := answer(line)
		switch {
		case reply == "hang up":
			return
		case content:
			reply = "354 go on"
		}
		if reply != "" {
			_, _ = io.WriteString(conn, reply+"\r\n")
		}
	}
}

// saw counts the lines that begin so.
func (h *hop) saw(start string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.lines {
		if strings.HasPrefix(line, start) {
			n++
		}
	}
	return n
}
