// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

// reportFields are all that a report repeats of a message: what an encrypted
// message shows everyone on the way, without its subject, which an unencrypted
// one has in clear.
var reportFields = map[string]bool{"from": true, "to": true, "cc": true, "date": true, "message-id": true}

// maxOuter bounds what is repeated: a message may have hundreds in To.
const maxOuter = 8 << 10

// outerOf returns those fields of a header that a report may show, as far as
// they are plain text and fit.
func outerOf(header []byte) string {
	var out strings.Builder
	for name, raw := range fields(header) {
		if reportFields[name] && out.Len()+len(raw) <= maxOuter && isPlain(raw) {
			out.Write(raw)
		}
	}
	return out.String()
}

// isPlain: lines of printable ASCII that end in CRLF.
func isPlain(raw []byte) bool {
	text := strings.ReplaceAll(string(raw), "\r\n", "")
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' && r != '\t') || r > '~' })
}

// report is what a delivery status notification (RFC 3464) says.
type report struct {
	action           string // §2.3.3
	subject          string
	opening, closing string
	of               []failure
	until            time.Time // when trying ends, by the calendar; zero where it has
}

// givenUp reports those who never get it.
func givenUp(of []failure) report {
	return report{
		action: "failed", subject: "Your message was not delivered", of: of,
		opening: "A message of yours was not delivered to:", closing: "The mail gateway does not try again for them.",
	}
}

// delayed reports those who did not get it yet. Whatever the next hop has said so
// far is for the time being (RFC 3463 §2).
func delayed(of []failure, until time.Time) report {
	for i, f := range of {
		_, detail, _ := strings.Cut(f.status, ".")
		of[i].status = "4." + detail
	}
	return report{
		action: "delayed", subject: "Your message is still waiting", of: of, until: until,
		opening: "A message of yours has not yet been delivered to:",
		closing: "The mail gateway goes on trying until " + until.UTC().Format("2 January 2006, 15:04 MST") + ".\r\nYou need not send it again.",
	}
}

// insertReport puts a report for the sender of e into the store, from nobody, so
// that no report is ever made of it. It is kept though the store be full.
func (g *Gateway) insertReport(ctx context.Context, tx StoreTx, e envelope, r report) error {
	id := newID()
	text := g.reportText(id, e, r)
	row := Copy{ID: id, Whole: true, Begun: tx.Wall(), Try: tx.Wall()}
	var err error
	if row.Envelope, err = g.sealEnvelope(id, envelope{To: []string{e.From}, Arrived: g.config.Now()}); err != nil {
		return err
	}
	row.Bytes = int64(len(row.Envelope) + len(text))
	if err := tx.InsertCopy(ctx, row); err != nil {
		return err
	}
	key, err := g.contentKey(id)
	if err != nil {
		return err
	}
	w, err := sealed.NewWriter(key, func(n int, data []byte) error { return tx.InsertPiece(ctx, id, n, data) })
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

// reportText is a multipart/report (RFC 6522): a text for a person, the status of
// each recipient, and the few fields of the message by which its sender knows
// it. Nothing of its content or subject is in it.
func (g *Gateway) reportText(id string, e envelope, r report) string {
	host, boundary := g.config.Hostname, "report-"+id
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	part := func(kind string) { line("\r\n--%s\r\nContent-Type: %s\r\n", boundary, kind) }
	line("From: Mail gateway <MAILER-DAEMON@%s>", host)
	line("To: <%s>", e.From)
	line("Date: %s", g.config.Now().Format(time.RFC1123Z))
	line("Message-ID: <%s@%s>", id, host)
	line("Subject: %s", r.subject)
	line("Auto-Submitted: auto-replied")
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"", boundary)

	part("text/plain; charset=us-ascii")
	line("%s", r.opening)
	for _, f := range r.of {
		line("\r\n  %s\r\n  because %s.", f.to, f.why)
		if f.text != "" {
			line("  It said: %s", printable(f.text))
		}
	}
	line("\r\n%s What the gateway can show of the message\r\nwithout telling what it says is at the end of this report.", r.closing)

	part("message/delivery-status")
	line("Reporting-MTA: dns; %s\r\nArrival-Date: %s", host, e.Arrived.Format(time.RFC1123Z))
	for _, f := range r.of {
		line("\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s", f.to, r.action, f.status)
		if f.text != "" {
			line("Diagnostic-Code: smtp; %s", printable(f.text))
		}
		if !r.until.IsZero() {
			line("Will-Retry-Until: %s", r.until.Format(time.RFC1123Z))
		}
	}

	part("text/rfc822-headers")
	b.WriteString(e.Outer)
	line("\r\n--%s--", boundary)
	return b.String()
}
