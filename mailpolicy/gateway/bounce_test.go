// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// report is a delivery status notification taken apart.
type report struct {
	text       string
	perMessage textproto.MIMEHeader
	recipients []textproto.MIMEHeader
	original   mail.Header
}

func readReport(t *testing.T, m mailtest.Mail) report {
	t.Helper()
	require.Empty(t, m.From, "a report comes from nobody")
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Data))
	require.NoError(t, err)
	require.Equal(t, "auto-replied", parsed.Header.Get("Auto-Submitted"))
	require.NotEmpty(t, parsed.Header.Get("Message-ID"))
	_, err = parsed.Header.Date()
	require.NoError(t, err)
	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/report", kind)
	require.Equal(t, "delivery-status", parameters["report-type"])
	parts := multipart.NewReader(parsed.Body, parameters["boundary"])
	next := func(kind string) string {
		p, err := parts.NextPart()
		require.NoError(t, err)
		require.Contains(t, p.Header.Get("Content-Type"), kind)
		body, err := io.ReadAll(p)
		require.NoError(t, err)
		return string(body)
	}
	r := report{text: next("text/plain")}
	status := textproto.NewReader(bufio.NewReader(strings.NewReader(next("message/delivery-status") + "\r\n\r\n")))
	r.perMessage, err = status.ReadMIMEHeader()
	require.NoError(t, err)
	for {
		h, err := status.ReadMIMEHeader()
		if len(h) == 0 {
			break
		}
		require.NoError(t, err)
		r.recipients = append(r.recipients, h)
	}
	original, err := mail.ReadMessage(strings.NewReader(next("text/rfc822-headers") + "\r\n\r\n"))
	require.NoError(t, err)
	r.original = original.Header
	_, err = parts.NextPart()
	require.ErrorIs(t, err, io.EOF)
	return r
}

// Each recipient has an end of their own: delivered, tried again, given up.
func TestRecipientByRecipient(t *testing.T) {
	r := startRelay(t, nil)
	to := []string{"a@nhs.net", "gone@nhs.net", "busy@nhs.net", "many@nhs.net"}
	r.refuse(map[string]int{"gone@nhs.net": 550, "busy@nhs.net": 450, "many@nhs.net": 552}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", to, mailTo("Discharge", to...)))
	r.await(gateway.EventBounced, 1)
	r.await(gateway.EventDeferred, 2)
	r.await(gateway.EventDelivered, 2) // with the report
	r.refuse(nil, false)
	r.wait(time.Minute)
	got := r.mails()
	require.Len(t, got, 3)
	require.Equal(t, to, got[0].To, "all were offered")
	require.Equal(t, []string{"busy@nhs.net", "many@nhs.net"}, got[1].To)
	require.Equal(t, got[0].Data, got[1].Data, "the same message")
	require.Equal(t, []string{"home@nhs.net"}, got[2].To)

	said := readReport(t, got[2])
	require.Equal(t, "dns; gate.example", said.perMessage.Get("Reporting-MTA"))
	require.Len(t, said.recipients, 1)
	require.Equal(t, textproto.MIMEHeader{
		"Final-Recipient": {"rfc822; gone@nhs.net"}, "Action": {"failed"}, "Status": {"5.2.0"},
		"Diagnostic-Code": {"smtp; 550 as the test wants it"},
	}, said.recipients[0])
	require.Contains(t, said.text, "gone@nhs.net")
	require.NotContains(t, said.text, "busy@nhs.net")
}

// A report tells nothing of what a message says, encrypted or not.
func TestReportTellsNothing(t *testing.T) {
	t.Run("threat048", func(t *testing.T) {
		var certs gateway.Certificates
		r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
		certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate, r.issue(mailtest.Spec{Email: dean}).Certificate}
		r.refuse(map[string]int{"*": 554, "home@nhs.net": 0}, true)
		header := "X-Patient: Jones\r\nThread-Topic: Jones\r\nReferences: <jones@nhs.net>\r\nComments: Jones\r\nContent-Description: Jones\r\n"
		for _, subject := range []string{"Mrs Jones", "[secure] Mrs Jones"} {
			before := r.mails()
			require.Regexp(t, "^250", r.send("home@nhs.net", []string{gp, dean}, header+mailTo(subject, gp)))
			got := r.mails(before...)
			require.NotEmpty(t, got)
			for _, m := range got {
				require.Equal(t, []string{"home@nhs.net"}, m.To)
				require.NotContains(t, strings.ToLower(string(m.Data)), "jones")
				require.NotContains(t, string(m.Data), "hidden@x.example")
				said := readReport(t, m)
				require.Equal(t, "<1@nhs.net>", said.original.Get("Message-ID"))
				for name := range said.original {
					require.Contains(t, []string{"From", "To", "Cc", "Date", "Message-Id"}, name)
				}
			}
		}
	})
}

// Whoever can't be reached for five days is given up.
func TestGivenUp(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) { c.DelayedAfter = 5 * 24 * time.Hour }) // never
	r.refuse(map[string]int{"busy@nhs.net": 450}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"busy@nhs.net"}, mailTo("x", "busy@nhs.net")))
	r.await(gateway.EventDeferred, 1)
	r.wait(5*24*time.Hour - time.Minute)
	r.await(gateway.EventDeferred, 2)
	require.Empty(t, r.inbox.Mails())
	r.wait(time.Hour)
	got := r.mails()
	require.Len(t, got, 1)
	said := readReport(t, got[0])
	require.Equal(t, "5.4.7", said.recipients[0].Get("Status"))
	require.Equal(t, "smtp; 450 as the test wants it", said.recipients[0].Get("Diagnostic-Code"))
}

// There is no report of a report, and none of what nobody sent.
func TestNobodyToTell(t *testing.T) {
	r := startRelay(t, nil)
	r.refuse(map[string]int{"*": 550}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Empty(t, r.mails())
	r.await(gateway.EventBounced, 1)
	r.await(gateway.EventUndeliverable, 1)
	require.Regexp(t, "^250", r.send("", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Empty(t, r.mails())
	r.await(gateway.EventBounced, 1)
	r.await(gateway.EventUndeliverable, 2)
}

// Reports can't be aimed at strangers with words of one's own: who may not send
// as an address gets no report sent to it, and what is held or malformed is
// refused to whoever sends it, never reported.
func TestBackscatter(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) {
		c.Senders = gate{"victim@nhs.net": mailpolicy.Rules().Refuse("mail.capability"), "": mailpolicy.Rules().Refuse("mail.capability")}
	})
	r.refuse(map[string]int{"*": 550, "home@nhs.net": 0}, false)
	require.Regexp(t, "^550", r.send("victim@nhs.net", nil, ""))
	for _, subject := range []string{"(secure) x", "[secure] x"} {
		require.Regexp(t, "^550", r.send("home@nhs.net", []string{gp}, mailTo(subject, gp)))
	}
	for _, to := range []string{"victim%nhs.net@nhs.net", "victim!x@nhs.net", "victim@[192.0.2.1]", "victim@nhs.net.", "\"vic tim\"@nhs.net"} {
		require.Regexp(t, "^5", r.send("home@nhs.net", []string{to}, mailTo("x", "a@nhs.net")), to)
	}
	require.Empty(t, r.mails())
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net", "b@nhs.net"}, mailTo("Buy now", "a@nhs.net")+"Buy now at once\r\n"))
	got := r.mails()
	require.Len(t, got, 1, "one report, however many recipients")
	require.Len(t, readReport(t, got[0]).recipients, 2)
	require.NotContains(t, string(got[0].Data), "Buy")
}

// What the next server says, and what a header has, can't end a line of a report.
func TestNothingInjected(t *testing.T) {
	t.Run("threat017", func(t *testing.T) {
		evil := newHop(t, func(line string) string {
			switch {
			case strings.HasPrefix(line, "RCPT TO:<a@nhs.net>"):
				return "550-5.1.1 no\r\n550-5.1.1 Subject: forged\r\n550 5.1.1 \x00\x1b[2J\r--report\x80" + strings.Repeat("long ", 200)
			}
			return "250 ok"
		})
		r := startRelay(t, func(c *gateway.Config) { c.NextHop = evil.addr })
		header := "X\rFrom: forged@nhs.net\r\n"
		require.Regexp(t, "^550", r.send("home@nhs.net", []string{"a@nhs.net"}, header+mailTo("x", "a@nhs.net")))
		require.Regexp(t, "^5", dial(t, r.addr).cmd("MAIL FROM:<home@nhs.net\rX: y>"))
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, "Cc: caf\xc3\xa9 <c@nhs.net>\r\n"+mailTo("x", "a@nhs.net")))
		r.mails()
		r.await(gateway.EventBounced, 1)
		require.Equal(t, 1, evil.saw("Subject:"), "the report's own")
		require.Equal(t, 1, evil.saw("Diagnostic-Code: smtp; 550 no?"))
		require.Zero(t, evil.saw("Cc:"))
		evil.mu.Lock()
		defer evil.mu.Unlock()
		for _, line := range evil.lines {
			require.Less(t, len(line), 998)
		}
	})
}
