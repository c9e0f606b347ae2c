// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"encoding/base64"
	"io"
)

const (
	lineBytes = 57      // of one line
	lineChars = 76 + 2  // as base64, with CRLF
	lineBatch = 1 << 10 // lines that are written at once
)

// base64Lines writes base64 in lines of 76 characters. RFC 2045 §6.8.
type base64Lines struct {
	w    io.Writer
	rest []byte // less than a line
	out  []byte
}

func (b *base64Lines) Write(p []byte) (int, error) {
	n := len(p)
	if b.out == nil {
		b.out = make([]byte, lineBatch*lineChars)
	}
	if len(b.rest) > 0 {
		m := min(lineBytes-len(b.rest), len(p))
		b.rest = append(b.rest, p[:m]...)
		p = p[m:]
		if len(b.rest) < lineBytes {
			return n, nil
		}
		if err := b.lines(b.rest); err != nil {
			return 0, err
		}
		b.rest = b.rest[:0]
	}
	for len(p) >= lineBytes {
		m := min(len(p)/lineBytes, lineBatch) * lineBytes
		if err := b.lines(p[:m]); err != nil {
			return 0, err
		}
		p = p[m:]
	}
	b.rest = append(b.rest, p...)
	return n, nil
}

// lines writes whole lines, a batch at most.
func (b *base64Lines) lines(p []byte) error {
	end := 0
	for ; len(p) > 0; p = p[lineBytes:] {
		base64.StdEncoding.Encode(b.out[end:], p[:lineBytes])
		end += lineChars
		b.out[end-2], b.out[end-1] = '\r', '\n'
	}
	_, err := b.w.Write(b.out[:end])
	return err
}

// Close writes the last, shorter line.
func (b *base64Lines) Close() error {
	if len(b.rest) == 0 {
		return nil
	}
	last := base64.StdEncoding.AppendEncode(nil, b.rest)
	b.rest = nil
	_, err := b.w.Write(append(last, "\r\n"...))
	return err
}
