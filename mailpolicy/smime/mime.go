// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// OuterSubject is the subject that everyone on the way may read. The package
// comment says why.
const OuterSubject = "[secure] [...]"

// outerFields are the fields that an encrypted message shows besides its
// subject and its MIME fields.
var outerFields = map[string]bool{"from": true, "to": true, "cc": true, "date": true, "message-id": true}

// droppedFields are in neither header: those that name hidden recipients, and
// those that would claim what this package says itself.
var droppedFields = map[string]bool{
	"bcc": true, "resent-bcc": true, "apparently-to": true, "envelope-to": true, "x-envelope-to": true, "x-original-to": true, "x-rcpt-to": true,
	"hp-outer": true,
}

// wayFields are written by the systems on the way, about it and about the
// message as they saw it; so they are in neither header that is written, and
// nothing inside is read as one. RFC 5321 §4.4, RFC 9228, RFC 8601, RFC 7208
// §9.1, RFC 6376, RFC 8617.
var wayFields = map[string]bool{
	"return-path": true, "received": true, "delivered-to": true, "authentication-results": true, "received-spf": true, "dkim-signature": true,
	"arc-authentication-results": true, "arc-message-signature": true, "arc-seal": true,
}

// outerMIME is the MIME part of the outer header, but for the smime-type (RFC
// 8551 §3.2.2).
const outerMIME = "MIME-Version: 1.0\r\n" +
	"Content-Type: application/pkcs7-mime; smime-type=%s;\r\n name=\"smime.p7m\"\r\n" +
	"Content-Transfer-Encoding: base64\r\n" +
	"Content-Disposition: attachment; filename=\"smime.p7m\"\r\n" +
	"\r\n"

// ReadHeader reads a message's header block with its empty line, and returns a
// reader for what follows. A header without an end, or without one within
// MaxHeaderBytes, is a Refusal (mail.form) and ErrHeader.
func ReadHeader(message io.Reader) (header []byte, rest io.Reader, err error) {
	r := bufio.NewReaderSize(message, chunk)
	for len(header) <= MaxHeaderBytes {
		line, err := r.ReadSlice('\n')
		header = append(header, line...)
		switch {
		case err == io.EOF:
			return nil, nil, formFault("its header has no end")
		case err != nil && err != bufio.ErrBufferFull:
			return nil, nil, err
		}
		if bytes.HasSuffix(header, []byte("\r\n\r\n")) || string(header) == "\r\n" {
			return header, r, nil
		}
	}
	return nil, nil, formFault(fmt.Sprintf("its header is longer than %d kB", MaxHeaderBytes>>10))
}

func formFault(why string) *wardkey.Refusal {
	return mailpolicy.Rules().Refuse("mail.form", "why", why).Because(ErrHeader)
}

// headerFault is for a header that two readers can take for two.
func headerFault() *wardkey.Refusal {
	return mailpolicy.Rules().Refuse("mail.secure.header").Because(ErrHeader)
}

// field is one header field: its name in lower case, and all its lines, which
// are a part of the header that it was split from.
type field struct {
	name string
	raw  []byte
}

func splitFields(header []byte) ([]field, error) {
	var fields []field
	start := 0 // of the field that the line belongs to
	for pos := 0; pos < len(header); {
		end := bytes.Index(header[pos:], []byte("\r\n"))
		if end < 0 {
			return nil, headerFault()
		}
		line, next := header[pos:pos+end], pos+end+2
		switch {
		case bytes.ContainsAny(line, "\r\n\x00"):
			return nil, headerFault() // one reader's line is another's two
		case len(line) == 0:
			if next < len(header) {
				return nil, headerFault()
			}
			return fields, nil
		case line[0] == ' ' || line[0] == '\t':
			if len(fields) == 0 {
				return nil, headerFault()
			}
			fields[len(fields)-1].raw = header[start:next]
		default:
			name, ok := fieldName(line)
			if !ok {
				return nil, headerFault()
			}
			start = pos
			fields = append(fields, field{name: name, raw: header[start:next]})
		}
		pos = next
	}
	return fields, nil
}

func fieldName(line []byte) (string, bool) {
	name, _, ok := strings.Cut(string(line), ":")
	name = strings.ToLower(strings.TrimRight(name, " \t"))
	return name, ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// protect parts a header into the one that goes outside, with its empty line,
// and the one that goes inside with the body. RFC 9788 §4 and §5.
func protect(header []byte, authenticated bool) (outer, inner []byte, err error) {
	fields, err := splitFields(header)
	if err != nil {
		return nil, nil, err
	}
	var out, in, claims bytes.Buffer
	typed, versioned := 0, false
	show := func(raw []byte) {
		out.Write(raw)
		claims.WriteString("HP-Outer: ")
		claims.Write(raw)
	}
	for _, f := range fields {
		if droppedFields[f.name] || wayFields[f.name] {
			continue
		}
		if outerFields[f.name] {
			show(f.raw)
		}
		switch f.name {
		case "content-type":
			typed++
			in.Write(withCipher(f.raw))
			continue
		case "mime-version":
			versioned = true
		}
		in.Write(f.raw)
	}
	if typed > 1 {
		return nil, nil, headerFault()
	}
	show([]byte("Subject: " + OuterSubject + "\r\n"))
	kind := "enveloped-data"
	if authenticated {
		kind = "authEnveloped-data"
	}
	fmt.Fprintf(&out, outerMIME, kind)
	if !versioned {
		in.WriteString("MIME-Version: 1.0\r\n")
	}
	if typed == 0 {
		in.WriteString("Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"\r\n")
	}
	in.Write(claims.Bytes())
	in.WriteString("\r\n")
	return out.Bytes(), in.Bytes(), nil
}

// withCipher adds hp="cipher" to a Content-Type field, on a line of its own.
func withCipher(raw []byte) []byte {
	_, now, _ := bytes.Cut(raw, []byte(":"))
	if _, parameters, err := mime.ParseMediaType(string(now)); err == nil && parameters["hp"] != "" {
		return raw // protected before
	}
	value := bytes.TrimRight(raw, " \t\r\n;")
	return append(value[:len(value):len(value)], ";\r\n hp=\"cipher\"\r\n"...)
}
