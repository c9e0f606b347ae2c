// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// A sender that stalls in the middle of a message gives it up: what comes later
// is content, and must never be read as commands.
func TestContentIsNeverCommands(t *testing.T) {
	second := "Subject: forged\r\n\r\nhello\r\n"
	smuggled := fmt.Sprintf("RSET\r\nMAIL FROM:<boss@nhs.net>\r\nRCPT TO:<a@nhs.net>\r\nBDAT %d LAST\r\n%s", len(second), second)
	for _, start := range []string{"DATA\r\n", "BDAT 9999\r\n"} {
		t.Run(start[:4], func(t *testing.T) {
			r := startRelay(t, func(c *gateway.Config) { c.Timeout = 300 * time.Millisecond })
			c := dial(t, r.addr)
			c.cmd("MAIL FROM:<home@nhs.net>")
			c.cmd("RCPT TO:<a@nhs.net>")
			_, err := io.WriteString(c.conn, start+mailTo("x", "a@nhs.net"))
			require.NoError(t, err)
			time.Sleep(600 * time.Millisecond)
			_, _ = io.WriteString(c.conn, smuggled)
			_, _ = io.ReadAll(c.r)
			require.Empty(t, r.mails())
		})
	}
}

// Who sends a message byte by byte, for ever, is left at the time-out, and keeps
// nobody else from being served.
func TestSlowSender(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) { c.Timeout, c.MaxAtOnce, c.MaxConnections = 500*time.Millisecond, 2, 3 })
	slow := dial(t, r.addr)
	slow.cmd("MAIL FROM:<home@nhs.net>")
	slow.cmd("RCPT TO:<a@nhs.net>")
	slow.cmd("DATA")
	_, err := io.WriteString(slow.conn, mailTo("x", "a@nhs.net"))
	require.NoError(t, err)
	begun := time.Now()
	for err == nil && time.Since(begun) < 20*time.Second {
		_, err = io.WriteString(slow.conn, "x\r\n")
		time.Sleep(20 * time.Millisecond)
	}
	require.Error(t, err, "the connection is ended")
	require.Empty(t, r.mails())
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Len(t, r.mails(), 1)
}

// A chunk that breaks off is no message, though it was to be the last.
func TestChunkThatBreaksOff(t *testing.T) {
	r := startRelay(t, nil)
	c := dial(t, r.addr)
	c.cmd("MAIL FROM:<home@nhs.net>")
	c.cmd("RCPT TO:<a@nhs.net>")
	_, err := io.WriteString(c.conn, "BDAT 5000 LAST\r\n"+mailTo("x", "a@nhs.net"))
	require.NoError(t, err)
	require.NoError(t, c.conn.(*net.TCPConn).CloseWrite())
	_, _ = io.ReadAll(c.r)
	require.Empty(t, r.mails())
}

// RSET while a message comes in chunks ends it; what follows is another's.
func TestResetWithinChunks(t *testing.T) {
	r := startRelay(t, nil)
	for range 20 {
		c := dial(t, r.addr)
		chunk := mailTo("x", "a@nhs.net")
		_, err := io.WriteString(c.conn, fmt.Sprintf("MAIL FROM:<home@nhs.net>\r\nRCPT TO:<a@nhs.net>\r\nBDAT %d\r\n%sRSET\r\n"+
			"MAIL FROM:<home@nhs.net>\r\nRCPT TO:<b@nhs.net>\r\nRSET\r\n", len(chunk), chunk))
		require.NoError(t, err)
		for range 7 {
			require.Regexp(t, "^250", c.reply())
		}
		require.Regexp(t, "^502", c.cmd("BDAT 0 LAST"))
	}
	require.Empty(t, r.mails())
}

// Everything at once: each message is decided by its own envelope and header.
func TestPipelined(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	id := r.issue(mailtest.Spec{Email: gp})
	certs = gateway.Certificates{id.Certificate}
	c := dial(t, r.addr)
	var all strings.Builder
	for _, m := range []struct{ to, subject string }{{"a@nhs.net", "x"}, {gp, "[secure] x"}, {gp, "(secure) x"}, {gp, "x\r\nSUBJECT: [secure]"}, {gp, "=?utf-8?B?W3Nl?=\r\n =?utf-8?B?Y3VyZV0=?="}} {
		all.WriteString("MAIL FROM:<home@nhs.net>\r\nRCPT TO:<" + m.to + ">\r\nDATA\r\n" + mailTo(m.subject, m.to) + ".\r\n")
	}
	_, err := io.WriteString(c.conn, all.String()+"QUIT\r\n")
	require.NoError(t, err)
	var ends []string
	for range 5 {
		for _, want := range []string{"^250", "^250", "^354"} {
			require.Regexp(t, want, c.reply())
		}
		ends = append(ends, c.reply()[:3])
	}
	require.Equal(t, []string{"250", "250", "550", "550", "250"}, ends)
	got := r.mails()
	require.Len(t, got, 3)
	require.Contains(t, string(got[0].Data), secret)
	require.Equal(t, []string{"a@nhs.net"}, got[0].To)
	for _, m := range got[1:] {
		require.NotContains(t, string(m.Data), secret)
		clear, err := openssl(t, m.Data, id)
		require.NoError(t, err)
		require.Contains(t, clear, secret)
	}
}

// One recipient whose certificate was revoked holds the message for all.
func TestRevokedRecipient(t *testing.T) {
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	good, err := ca.Issue(mailtest.Spec{Email: gp})
	require.NoError(t, err)
	revoked, err := ca.Issue(mailtest.Spec{Email: dean})
	require.NoError(t, err)
	e, err := smime.New(smime.Config{Roots: ca.Roots(), Revoked: func(_ context.Context, c *x509.Certificate) error {
		if c.Equal(revoked.Certificate) {
			return errors.New("revoked on Monday")
		}
		return nil
	}})
	require.NoError(t, err)
	r := startRelay(t, func(c *gateway.Config) {
		c.Encrypter, c.Directory = e, gateway.Certificates{good.Certificate, revoked.Certificate}
	})
	t.Run("threat046", func(t *testing.T) {
		require.Regexp(t, "^550 .*"+dean+".*mail.recipient.cert", r.send("home@nhs.net", []string{"a@nhs.net", gp, dean}, mailTo("[secure] x", gp, dean)))
		require.Empty(t, r.mails())
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net", gp}, mailTo("[secure] x", gp)))
		require.Len(t, r.mails(), 2)
	})
}

// What can't be encrypted for good is refused for good: the sender's system
// doesn't try it again for days.
func TestWhatCannotBeEncrypted(t *testing.T) {
	var certs gateway.Certificates
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	id, err := ca.Issue(mailtest.Spec{Email: gp})
	require.NoError(t, err)
	e, err := smime.New(smime.Config{Roots: ca.Roots(), GCM: true, MaxGCMBytes: 1 << 20})
	require.NoError(t, err)
	r := startRelay(t, func(c *gateway.Config) { c.Directory, c.Encrypter = &certs, e })
	certs = gateway.Certificates{id.Certificate}
	to := []string{"a@nhs.net", gp}
	require.Regexp(t, "^550 5.7.1 .*mail.secure.header", r.send("home@nhs.net", to, "Content-Type: text/plain\r\nContent-Type: text/html\r\n"+mailTo("[secure] x", gp)))
	require.Regexp(t, "^552 5.3.4 .*1 MB.*mail.size", r.send("home@nhs.net", to, mailTo("[secure] x", gp)+strings.Repeat("more and more\r\n", 100_000)))
	require.Empty(t, r.mails())
	require.Regexp(t, "^250", r.send("home@nhs.net", to, mailTo("[secure] x", gp)))
}

// Neither copy, in clear or not, names whom To and Cc do not name, however the
// sender's system wrote it down.
func TestHiddenRecipients(t *testing.T) {
	t.Run("threat047", hiddenRecipients)
}

func hiddenRecipients(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	id, d, blind := r.issue(mailtest.Spec{Email: gp}), r.issue(mailtest.Spec{Email: dean}), r.issue(mailtest.Spec{Email: "blind@x.example"})
	certs = gateway.Certificates{id.Certificate, d.Certificate, blind.Certificate}
	to := []string{gp, dean, "blind@x.example", "a@nhs.net"}
	hidden := "Received: from pc (pc.example [192.0.2.1])\r\n\tby mx.example with ESMTP id 7 for <blind@x.example>;\r\n\tSun, 22 Nov 2026 09:00:00 +0000\r\nReceived: from a by b\r\n FOR x@x.example, <blind@x.example>; Sun, 22 Nov 2026 09:00:00 +0000\r\nBCC : x@x.example,\r\n\tblind@x.example\r\nApparently-To: blind@x.example\r\nX-Envelope-To: blind@x.example\r\nResent-Bcc:\r\n blind@x.example\r\n"
	for _, named := range []string{
		"To: Team: " + gp + ", " + dean + ";\r\n", "To: " + gp + "\r\nCC: \"D, D\" <" + strings.ToUpper(dean) + ">\r\n", // one shared copy
	} {
		before := r.mails()
		require.Regexp(t, "^250", r.send("home@nhs.net", to, hidden+named+"Subject: [secure] x\r\n\r\nhello\r\n"))
		got := r.mails(before...)
		require.Len(t, got, 3)
		require.Equal(t, []string{"blind@x.example"}, got[1].To)
		require.Equal(t, []string{gp, dean}, got[2].To)
		require.Contains(t, string(got[0].Data), "by mx.example with ESMTP id 7;\r\n\tSun, 22 Nov", "the rest of the trace stays")
		for i, key := range []mailtest.Identity{blind, id} {
			clear, err := openssl(t, got[1+i].Data, key)
			require.NoError(t, err)
			require.NotContains(t, clear+string(got[0].Data)+string(got[1].Data)+string(got[2].Data), "blind")
		}
		_, err := openssl(t, got[2].Data, blind)
		require.Error(t, err)
	}
	// What can't be read names nobody: everyone gets a copy of their own.
	before := r.mails()
	require.Regexp(t, "^250", r.send("home@nhs.net", to, "To: "+gp+", <<"+dean+">\r\nSubject: [secure] x\r\n\r\nhello\r\n"))
	require.Len(t, r.mails(before...), 4)
}

func TestWhoMayConnect(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) { c.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	conn, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	said, err := io.ReadAll(conn)
	require.NoError(t, err, "and that is all")
	require.Regexp(t, "^554 ", string(said))
}

func TestConnectionsAreBounded(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) { c.MaxConnections = 2 })
	first := dial(t, r.addr)
	dial(t, r.addr)
	late, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer func() { _ = late.Close() }()
	require.NoError(t, late.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = late.Read(make([]byte, 100))
	require.Error(t, err, "it waits")
	require.NoError(t, first.conn.Close())
	require.NoError(t, late.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, err := late.Read(make([]byte, 100))
	require.NoError(t, err)
	require.NotZero(t, n)
}
