// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"fmt"
	"iter"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"time"
)

// addressees returns the addresses of To and Cc in lower case. A field that
// can't be read names nobody: its recipients then get copies of their own.
func addressees(header []byte) map[string]bool {
	shown := map[string]bool{}
	m, err := mail.ReadMessage(bytes.NewReader(header))
	if err != nil {
		return shown
	}
	for _, name := range []string{"To", "Cc"} {
		for _, value := range m.Header[name] {
			list, err := mail.ParseAddressList(value)
			if err != nil {
				continue
			}
			for _, a := range list {
				shown[strings.ToLower(a.Address)] = true
			}
		}
	}
	return shown
}

// receivedLine names no recipient (RFC 5321 §4.4 has "for" as an option).
func (t *transaction) receivedLine() string {
	from := printable(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ();<>\\\"", r) {
			return '?'
		}
		return r
	}, t.helo))
	return fmt.Sprintf("Received: from %s (%s)\r\n by %s (wardkey) with ESMTP;\r\n %s\r\n",
		from, remoteIP(t.remote), t.gateway.config.Hostname, t.gateway.config.Now().Format(time.RFC1123Z))
}

func remoteIP(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return "local"
}

// namesHidden are the fields in which systems write envelope addresses.
var namesHidden = map[string]bool{
	"bcc": true, "resent-bcc": true, "apparently-to": true, "envelope-to": true, "x-envelope-to": true, "x-original-to": true, "x-rcpt-to": true,
	"delivered-to": true,
}

// forClause is where a system before has written in its Received line for whom
// the message came: of many recipients often the first, hidden or not (RFC 5321
// §4.4 has it as an option, and §7.6 warns of it).
var forClause = regexp.MustCompile(`(?i)\s+for(?:[\s,]+(?:<[^<>]*>|[^\s,;<>()]+@[^\s,;<>()]+))+`)

// withoutBcc drops what names hidden recipients.
func withoutBcc(header []byte) []byte {
	var out []byte
	for name, raw := range fields(header) {
		switch {
		case name == "received":
			out = append(out, forClause.ReplaceAll(raw, nil)...)
		case !namesHidden[name]:
			out = append(out, raw...)
		}
	}
	return out
}

// fields gives each field of a header with its name in lower case, and all else
// that stands there, the empty line at the end too, under whatever name it
// seems to have.
func fields(header []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		name, start, pos := "", 0, 0
		for line := range bytes.Lines(header) {
			if line[0] != ' ' && line[0] != '\t' {
				if pos > start && !yield(name, header[start:pos]) {
					return
				}
				before, _, _ := bytes.Cut(line, []byte(":"))
				name, start = strings.ToLower(strings.TrimRight(string(before), " \t")), pos
			}
			pos += len(line)
		}
		if pos > start {
			yield(name, header[start:])
		}
	}
}
