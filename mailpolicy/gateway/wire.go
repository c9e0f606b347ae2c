// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-smtp"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// maxLine is twice what RFC 5321 §4.5.3.1.6 allows, without the CRLF: what the SMTP
// server takes of a line.
const maxLine = 1998

// wire is a message on its way in: it refuses a CR or LF that ends no line,
// which the next system could take for the end of the message, lines that no
// system needs to take, parts that are nested too deep, and anything beyond the limit.
type wire struct {
	r        io.Reader
	left     int64
	tooLarge error
	cr       bool // the last byte was a CR
	column   int  // how long the line is so far
	nesting  nesting
	err      error
}

func (w *wire) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(p)
	if w.left -= int64(n); w.left < 0 {
		w.err = w.tooLarge
		return 0, w.err
	}
	if w.err = w.check(p[:n]); w.err != nil {
		return 0, w.err
	}
	if w.err = w.nesting.follow(p[:n]); w.err != nil {
		return 0, w.err
	}
	switch {
	case err == io.EOF && w.cr:
		err, n = bareBreak(), 0
	case errors.Is(err, smtp.ErrDataTooLarge):
		err = w.tooLarge
	case errors.Is(err, smtp.ErrTooLongLine):
		err = longLine()
	}
	w.err = err
	return n, err
}

func bareBreak() error { return mailpolicy.Rules().Refuse("mail.secure.linebreak") }

func longLine() error {
	return formFault(fmt.Sprintf("one of its lines is longer than %d characters", maxLine))
}

// check finds a CR or LF alone, and lines that are too long, also those of a chunk
// (BDAT), which the SMTP server does not measure.
func (w *wire) check(p []byte) error {
	for len(p) > 0 {
		if w.cr {
			if p[0] != '\n' {
				return bareBreak()
			}
			w.cr, w.column, p = false, 0, p[1:]
			continue
		}
		i := bytes.IndexAny(p, "\r\n")
		line := i
		if i < 0 {
			line = len(p)
		}
		if w.column += line; w.column > maxLine {
			return longLine()
		}
		if i < 0 {
			return nil
		}
		if p[i] == '\n' {
			return bareBreak()
		}
		w.cr, p = true, p[i+1:]
	}
	return nil
}
