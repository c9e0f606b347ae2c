// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"io"

	"github.com/emersion/go-smtp"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// wire is a message on its way in: it refuses a CR or LF that ends no line,
// which the next system could take for the end of the message, and anything
// beyond the limit.
type wire struct {
	r        io.Reader
	left     int64
	tooLarge error
	cr       bool // the last byte was a CR
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
	if !w.linesAreWhole(p[:n]) || (err == io.EOF && w.cr) {
		w.err = mailpolicy.Rules().Refuse("mail.secure.linebreak")
		return 0, w.err
	}
	switch {
	case errors.Is(err, smtp.ErrDataTooLarge):
		err = w.tooLarge
	case errors.Is(err, smtp.ErrTooLongLine):
		err = formFault("one of its lines is longer than 2000 characters")
	}
	w.err = err
	return n, err
}

func (w *wire) linesAreWhole(p []byte) bool {
	for len(p) > 0 {
		if w.cr {
			if p[0] != '\n' {
				return false
			}
			w.cr = false
			p = p[1:]
			continue
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			return true
		}
		if p[i] == '\n' {
			return false
		}
		w.cr = true
		p = p[i+1:]
	}
	return true
}
