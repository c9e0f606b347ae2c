// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"encoding/base64"
	"html"
	"regexp"
	"strconv"
	"strings"
)

// maxEscapes is how often a text is taken to have been escaped: once by each of
// two systems along the way, and once by the program that it was typed into.
const maxEscapes = 3

// unescape undoes the ways in which a system along the way may have written a
// character: as HTML, in a URL, in quoted-printable, in a program's text, in
// UTF-7 (RFC 2152) or in the UTF-7 of IMAP (RFC 3501 §5.1.3).
func unescape(text string) string {
	for range maxEscapes {
		if !strings.ContainsAny(text, `=&%+\`) {
			break
		}
		plain := escapes.ReplaceAllStringFunc(html.UnescapeString(text), unescapeOne)
		if plain == text {
			break
		}
		text = plain
	}
	return text
}

// escapes finds %5B =5B \x5b \x{5b} \u005b \u{5b} \U0000005b U+005B \133 and +AFs-.
var escapes = regexp.MustCompile(`(?i)[%=][0-9a-f]{2}|(?:\\[xu]|U\+)\{?(?:0{6}|00)?[0-9a-f]{2}\}?|\\[01][0-7]{2}|[+&][a-z0-9/,]{3,}-?`)

func unescapeOne(escape string) string {
	digits := strings.TrimLeft(strings.Trim(escape, `%=\xuU+{}`), "{")
	base := 16
	switch {
	case escape[0] == '+' || escape[0] == '&':
		return unescapeUTF7(escape)
	case escape[0] == '\\' && !strings.ContainsAny(escape[1:2], "xuU"):
		base = 8
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return escape
	}
	return string(rune(code))
}

func unescapeUTF7(escape string) string {
	run := strings.ReplaceAll(strings.TrimSuffix(escape[1:], "-"), ",", "/")
	data, err := base64.RawStdEncoding.DecodeString(run)
	if err != nil {
		return escape
	}
	text, ok := charsetText("utf-16be", data)
	if !ok {
		return escape
	}
	return text
}
