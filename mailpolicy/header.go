// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"iter"
)

const (
	faultLinebreak = "mail.secure.linebreak"
	faultHeader    = "mail.secure.header"
	faultSubjects  = "mail.secure.subjects"
)

// findSubject returns the raw value of the one Subject field, still folded and
// nil where there is none, or the id of the refusal that the header earns. It
// reads the whole block, since what hides a second Subject from one reader and
// not from the next may stand anywhere in it.
func findSubject(header []byte) (subject []byte, fault string) {
	found, inSubject, first := false, false, true
	start := 0
	for pos := 0; pos < len(header); {
		line, next, fault := cutLine(header, pos)
		if fault != "" {
			return nil, fault
		}
		if len(line) == 0 {
			break // the empty line ends the header
		}
		if line[0] == ' ' || line[0] == '\t' {
			// A continuation of nothing, or one of blanks alone, is where
			// readers disagree whether the header has ended.
			if first || len(bytes.Trim(line, " \t")) == 0 {
				return nil, faultHeader
			}
			if inSubject {
				subject = header[start : pos+len(line)]
			}
			pos = next
			continue
		}
		colon := nameEnd(line)
		if colon < 0 {
			return nil, faultHeader
		}
		inSubject = named(line[:colon], "subject")
		if inSubject {
			if found {
				return nil, faultSubjects
			}
			found, start = true, pos+colon+1
			subject = header[start : pos+len(line)]
		}
		first = false
		pos = next
	}
	return subject, ""
}

// cutLine returns the line at pos without its CRLF. The last line may lack
// one. A CR or LF of its own, and a NUL, are faults (RFC 5322 §2.2, RFC 5321
// §2.3.8).
func cutLine(header []byte, pos int) (line []byte, next int, fault string) {
	rest := header[pos:]
	line, next = rest, len(header)
	if lf := bytes.IndexByte(rest, '\n'); lf >= 0 {
		if lf == 0 || rest[lf-1] != '\r' {
			return nil, 0, faultLinebreak
		}
		line, next = rest[:lf-1], pos+lf+1
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return nil, 0, faultLinebreak
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, 0, faultHeader
	}
	return line, next, ""
}

// nameEnd returns the index of the colon after a well-formed field name, which
// obsolete blanks may follow (RFC 5322 §3.6.8 and §4.5), or -1.
func nameEnd(line []byte) int {
	blank := false
	for i, c := range line {
		switch {
		case c == ':':
			if i == 0 {
				return -1
			}
			return i
		case c == ' ' || c == '\t':
			blank = true
		case blank || c < 33 || c > 126:
			return -1
		}
	}
	return -1
}

// named compares a field's name, which blanks may follow, with one in lower
// case.
func named(field []byte, name string) bool {
	if last := len(field) - 1; last >= len(name) && (field[last] == ' ' || field[last] == '\t') {
		field = bytes.TrimRight(field, " \t")
	}
	if len(field) != len(name) {
		return false
	}
	for i, c := range field {
		if lowerASCII(c) != name[i] {
			return false
		}
	}
	return true
}

// fields goes through the fields of a header that findSubject found no fault
// with: their names, and their values still folded.
func fields(header []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for len(header) > 0 {
			end := 0
			for {
				line := bytes.IndexByte(header[end:], '\n')
				if line < 0 {
					end = len(header)
					break
				}
				end += line + 1
				if end == len(header) || (header[end] != ' ' && header[end] != '\t') {
					break
				}
			}
			name, value, ok := bytes.Cut(header[:end], []byte(":"))
			if !ok || !yield(name, bytes.TrimSuffix(value, []byte("\r\n"))) {
				return
			}
			header = header[end:]
		}
	}
}
