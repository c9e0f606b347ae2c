// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

const forMark = "encrypted message"

// mark is what is remembered of a Message-ID: without Config.Key nobody can tell
// from it which message it was.
func (g *Gateway) mark(messageID string) ([]byte, error) {
	return sealed.Key(g.config.Key, messageID, forMark)
}

var blanks = strings.NewReplacer("\r\n", "", " ", "", "\t", "")

// remember keeps the mark of a message, where it has a Message-ID, with its last
// write.
func (in *intake) remember(header []byte) (err error) {
	if id := messageIDOf(header); id != "" {
		in.mark, err = in.gateway.mark(id)
	}
	return err
}

// messageIDOf returns the Message-ID without its angle brackets, "" for none.
func messageIDOf(header []byte) string {
	for name, raw := range fields(header) {
		if name != "message-id" {
			continue
		}
		_, value, _ := bytes.Cut(raw, []byte("<"))
		if id, _, closed := bytes.Cut(value, []byte(">")); closed {
			return blanks.Replace(string(id))
		}
	}
	return ""
}

// wasEncrypted answers mailpolicy.Message.Encrypted. Where the store can't be
// asked, it may have been.
func (g *Gateway) wasEncrypted(ctx context.Context) func(messageID string) bool {
	return func(messageID string) (known bool) {
		mark, err := g.mark(messageID)
		if err == nil {
			err = g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
				known, err = tx.Remembered(ctx, mark)
				return err
			})
		}
		return known || err != nil
	}
}

// automatic reports that a program wrote the message: nobody is there to be
// warned (RFC 3834 §2).
func automatic(header []byte) bool {
	said := headerOf(header).Get("Auto-Submitted")
	return said != "" && !strings.EqualFold(said, "no")
}

// warn adds a mail to the sender, who may not have meant the message to go in
// clear. It comes from the empty sender, so that nothing ever answers it.
func (t *transaction) warn(ctx context.Context, in *intake, d mailpolicy.Decision, header []byte) error {
	w, err := in.begin(ctx, envelope{To: []string{t.from}, Arrived: t.gateway.config.Now()})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, t.gateway.warning(t.from, d, outerOf(header)))
	return err
}

// warning says what became of the message and nothing of what is in it.
func (g *Gateway) warning(to string, d mailpolicy.Decision, outer string) string {
	var b strings.Builder
	b.WriteString(g.letter(to, "Your message went out without encryption"))
	b.WriteString(printable(d.Warning.Text) + "\r\nIt went as it is, not encrypted, to:\r\n\r\n")
	for _, r := range d.Recipients {
		if r.Verdict == mailpolicy.Pass && !r.Secure {
			b.WriteString("  " + r.Address + "\r\n")
		}
	}
	b.WriteString("\r\nIt can't be called back. " + printable(d.Warning.Next) + " (" + d.Warning.Rule + ")\r\n" +
		"It was this message:\r\n\r\n" + outer)
	return b.String()
}
