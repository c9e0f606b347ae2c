// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
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
			require.Empty(t, r.inbox.Mails())
		})
	}
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
	require.Empty(t, r.inbox.Mails())
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
	require.Empty(t, r.inbox.Mails())
}
