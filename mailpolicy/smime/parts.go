// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

const (
	// maxNesting is Postfix's mime_nesting_limit: what its systems let through.
	maxNesting = 100
	// maxParts bounds what costs more than its octets: 35 MB have room for a
	// million headers, and the message of a person has no reason for so many.
	maxParts = 10_000
	// maxBoundary is RFC 2046 §5.1.1.
	maxBoundary = 70
)

// walk judges the MIME structure below an entity, line by line and without
// recursion, so that its time and memory do not depend on how it is nested.
func walk(e entity) error {
	w := &walker{rest: e.bytes, open: map[string]int{}}
	if err := w.enter(e); err != nil {
		return err
	}
	for len(w.rest) > 0 {
		if err := w.line(); err != nil {
			return err
		}
	}
	return nil
}

// walker is a walk under way.
type walker struct {
	rest  []byte
	stack []string       // boundaries of the open multiparts; "" for a message in a part
	open  map[string]int // where each is in the stack
	parts int
	bare  bool // the last line ended in LF alone
}

// enter judges an entity's own fields, and opens it if it holds others.
func (w *walker) enter(e entity) error {
	how, err := e.encoding()
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(e.kind, "multipart/"):
		boundary := e.params["boundary"]
		if _, twice := w.open[boundary]; twice || boundary == "" || len(boundary) > maxBoundary || strings.HasSuffix(boundary, " ") || encodes(how) {
			return errBER
		}
		return w.push(boundary)
	case (e.kind == "message/rfc822" || e.kind == "message/global") && !encodes(how):
		if err := w.push(""); err != nil {
			return err
		}
		return w.part()
	case strings.HasPrefix(e.kind, "text/") && !knownCharset(e.params["charset"]):
		return errBER
	}
	return nil
}

// encodes says that lines of the body aren't those of what it holds. RFC 2045
// §6.4 forbids that for what holds others.
func encodes(how string) bool { return how == "base64" || how == "quoted-printable" }

func (w *walker) push(boundary string) error {
	if len(w.stack) == maxNesting {
		return errBER
	}
	if boundary != "" {
		w.open[boundary] = len(w.stack)
	}
	w.stack = append(w.stack, boundary)
	return nil
}

// line takes one line of a body, and goes where its boundary says. A boundary
// between lines that end in LF alone is one for some programs and not for others.
func (w *walker) line() error {
	line, rest, ended := bytes.Cut(w.rest, []byte{'\n'})
	bare := w.bare
	w.rest, w.bare = rest, ended && !bytes.HasSuffix(line, []byte{'\r'})
	if !bytes.HasPrefix(line, []byte("--")) {
		return nil
	}
	name := bytes.TrimRight(line[2:], " \t\r")
	at, begins := w.open[string(name)]
	end, ends := 0, false
	if before, ok := bytes.CutSuffix(name, []byte("--")); ok {
		end, ends = w.open[string(before)]
	}
	switch {
	case begins && ends: // the end of one reader's multipart begins another's part
		return errBER
	case (begins || ends) && (bare || w.bare):
		return errBER
	case begins:
		w.pop(at + 1)
		return w.part()
	case ends:
		w.pop(end)
	}
	return nil
}

func (w *walker) pop(to int) {
	for _, boundary := range w.stack[to:] {
		delete(w.open, boundary)
	}
	w.stack = w.stack[:to]
}

// part reads the header of a part, or of a message in one.
func (w *walker) part() error {
	if w.parts++; w.parts > maxParts {
		return errBER
	}
	e, err := inner(w.rest)
	if err != nil {
		return err
	}
	for _, f := range e.fields {
		if strings.HasPrefix(f.name, "--") {
			return errBER // a boundary with a colon, for some
		}
	}
	w.rest, w.bare = e.bytes, false
	return w.enter(e)
}

// knownCharset reports that x/text can decode a charset by one of its
// registered names. What it does not know holds a few that were made to
// compress (SCSU, BOCU-1) and some that hide ASCII (UTF-7).
func knownCharset(name string) bool {
	switch strings.ToLower(name) {
	case "", "us-ascii", "utf-8":
		return true
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return true
	}
	_, err := htmlindex.Get(name)
	return err == nil
}

// signedParts takes multipart/signed apart: what is signed, and the part with
// the signature. RFC 1847 §2.1: two parts and no more.
func signedParts(body []byte, boundary string) (content, signature []byte, err error) {
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, nil, errBER
	}
	_, rest, last, ok := cutDelimiter(body, boundary)
	if !ok || last {
		return nil, nil, errBER
	}
	content, rest, last, ok = cutDelimiter(rest, boundary)
	if !ok || last {
		return nil, nil, errBER
	}
	signature, rest, last, ok = cutDelimiter(rest, boundary)
	if !ok || !last {
		return nil, nil, errBER
	}
	if _, _, _, more := cutDelimiter(rest, boundary); more {
		return nil, nil, errBER
	}
	return content, signature, nil
}

// cutDelimiter finds the next line that is a boundary. The line break before it
// is a part of it; last says that it is the closing one. RFC 2046 §5.1.1.
func cutDelimiter(body []byte, boundary string) (before, after []byte, last, ok bool) {
	mark := []byte("--" + boundary)
	for pos := 0; ; {
		i := bytes.Index(body[pos:], mark)
		if i < 0 {
			return nil, nil, false, false
		}
		start := pos + i
		pos = start + len(mark)
		if start > 0 && !bytes.HasSuffix(body[:start], []byte("\r\n")) {
			continue // before the line is looked for: there may be a million in one
		}
		line, rest, _ := bytes.Cut(body[pos:], []byte("\r\n"))
		if tail := string(bytes.TrimRight(line, " \t")); tail == "" || tail == "--" {
			return body[:max(start-2, 0)], rest, tail == "--", true
		}
	}
}
