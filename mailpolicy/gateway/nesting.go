// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
)

const (
	// maxNesting is Postfix's mime_nesting_limit: what its systems let through, and
	// package smime opens.
	maxNesting = 100
	// maxKind bounds a Content-Type field. What it is there for, a boundary, has 70
	// characters at most (RFC 2046 §5.1.1).
	maxKind = 8 << 10
)

// nesting follows how deep the parts of a message are nested while it comes in,
// line by line, so that neither time nor memory depends on it. A Content-Type that
// can't be read holds no parts.
type nesting struct {
	body bool     // the line is none of a header
	line []byte   // so far
	skip bool     // the line is neither a header's nor a boundary
	kind []byte   // the header's first Content-Type, unfolded; nil before it
	more bool     // the next folded line belongs to it
	open []string // the boundaries of what holds this part; "" for a message in a part
}

// follow takes the next bytes, whose lines end in CRLF.
func (n *nesting) follow(p []byte) error {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if n.skip = n.skip || !n.matters(line); !n.skip {
			n.line = append(n.line, line...)
		}
		if !ended {
			return nil
		}
		n.skip = false
		if err := n.end(bytes.TrimSuffix(n.line, []byte{'\r'})); err != nil {
			return err
		}
		n.line, p = n.line[:0], rest
	}
	return nil
}

// matters is false for a line that is no header's and can't be a boundary.
func (n *nesting) matters(next []byte) bool {
	begin := n.line
	if len(begin) == 0 {
		begin = next
	}
	return !n.body || len(n.open) > 0 && (len(begin) < 2 || bytes.HasPrefix(begin, []byte("--")))
}

func (n *nesting) end(line []byte) error {
	switch {
	case n.boundary(line) || n.body:
		return nil
	case len(line) == 0:
		return n.enter()
	case line[0] != ' ' && line[0] != '\t':
		name, value, _ := bytes.Cut(line, []byte{':'})
		n.more = n.kind == nil && strings.EqualFold(string(bytes.TrimRight(name, " \t")), "Content-Type")
		line = value
	}
	if !n.more {
		return nil
	}
	if n.kind = append(n.kind, line...); len(n.kind) > maxKind {
		return formFault(fmt.Sprintf("one of its Content-Type fields is longer than %d characters", maxKind))
	}
	return nil
}

// boundary goes where a line says, if it is the boundary of something open.
func (n *nesting) boundary(line []byte) bool {
	name, ok := bytes.CutPrefix(line, []byte("--"))
	if !ok {
		return false
	}
	name = bytes.TrimRight(name, " \t")
	last, closes := bytes.CutSuffix(name, []byte("--"))
	for i := len(n.open) - 1; i >= 0; i-- {
		switch b := n.open[i]; {
		case b == "":
		case b == string(name):
			n.open, n.body, n.kind, n.more = n.open[:i+1], false, nil, false
			return true
		case closes && b == string(last):
			n.open, n.body, n.kind, n.more = n.open[:i], true, nil, false
			return true
		}
	}
	return false
}

// enter is the end of a header.
func (n *nesting) enter() error {
	kind, parameters, err := mime.ParseMediaType(string(n.kind))
	n.body, n.kind, n.more = true, nil, false
	boundary := parameters["boundary"]
	message := kind == "message/rfc822" || kind == "message/global"
	if err != nil || !message && (!strings.HasPrefix(kind, "multipart/") || boundary == "") {
		return nil
	}
	if len(n.open) == maxNesting {
		return formFault(fmt.Sprintf("its parts are nested more than %d deep", maxNesting))
	}
	if message {
		n.body, boundary = false, ""
	}
	n.open = append(n.open, boundary)
	return nil
}
