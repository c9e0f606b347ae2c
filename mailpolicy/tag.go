// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// Tag is what a sender writes into the subject to have a message encrypted.
const Tag = "[secure]"

// quickTag decides a subject that is one line of plain ASCII, without writing
// anything down, where it has the tag or nothing like it. sure is false where
// only slowTag can tell.
func quickTag(subject []byte) (tagged, sure bool) {
	var seen uint8
	for _, c := range subject {
		seen |= quickClass[c]
	}
	switch {
	case seen&quickSlow != 0:
		return false, false
	case seen == 0:
		return false, true
	case hasTag(subject):
		return true, true
	case len(subject) > maxQuick:
		return false, false
	}
	var buf [maxQuick]token
	for i, c := range subject {
		buf[i] = asciiTokens[c]
	}
	return false, findAttempt(buf[:len(subject)]) == ""
}

// maxQuick is more than subjects that people type are long.
const maxQuick = 256

// The bytes that are not ordinary talk.
const (
	quickSign uint8 = 1 << iota // what can set a word off
	quickSlow                   // what needs decoding or may be an escape
)

var quickClass = func() (class [256]uint8) {
	for i := range class {
		switch {
		case (i < 0x20 && i != '\t') || i >= 0x7f || strings.IndexByte("=&%+\\", byte(i)) >= 0:
			class[i] = quickSlow
		case asciiTokens[i].isSign() && asciiTokens[i] != blank, asciiTokens[i].bracket():
			class[i] = quickSign
		}
	}
	return class
}()

// hasTag looks for the tag itself: ASCII letters in any case, nothing folded.
func hasTag[T string | []byte](s T) bool {
	for i := 0; i+len(Tag) <= len(s); i++ {
		if s[i] != '[' {
			continue
		}
		n := 1
		for n < len(Tag) && lowerASCII(s[i+n]) == Tag[n] {
			n++
		}
		if n == len(Tag) {
			return true
		}
	}
	return false
}

// slowTag decides any subject: whether it has the tag, or why the message is
// held.
func slowTag(raw []byte) (bool, *wardkey.Refusal) {
	d := decodeSubject(raw)
	tagged := hasTag(d.bytes) // whatever a charset makes of it
	for _, text := range d.texts {
		if strings.ContainsFunc(text, breaksLine) {
			return false, Rules().Refuse(faultLinebreak)
		}
		if strings.ContainsFunc(text, isControl) {
			return false, Rules().Refuse("mail.secure.undecodable")
		}
		tagged = tagged || hasTag(text)
	}
	if tagged {
		return true, nil
	}
	if !d.whole {
		return false, Rules().Refuse("mail.secure.undecodable")
	}
	d.texts = append(d.texts, d.bytes)
	for i, text := range d.texts {
		if slices.Contains(d.texts[:i], text) {
			continue
		}
		if why := nearMiss(text); why != "" {
			return false, nearMissRefusal(why)
		}
	}
	return false, nil
}

func nearMissRefusal(why string) *wardkey.Refusal {
	return Rules().Refuse("mail.secure.nearmiss", "why", why)
}

func breaksLine(r rune) bool {
	return r == '\r' || r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029
}

func isControl(r rune) bool { return (r < 0x20 && r != '\t') || r == 0x7f }
