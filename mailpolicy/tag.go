// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wardkey-sdk/wardkey"
)

// Tag is what a sender writes into the subject to have a message encrypted.
const Tag = "[secure]"

// quickTag decides a subject that is one line of plain ASCII without anything
// that could be an attempt at the tag. sure is false where only slowTag can
// tell.
func quickTag(subject []byte) (tagged, sure bool) {
	var seen uint8
	for _, c := range subject {
		seen |= quickClass[c]
	}
	switch {
	case seen&quickSlow != 0:
		return false, false
	case seen&quickBracket != 0:
		tagged = hasTag(subject)
		return tagged, tagged
	}
	return false, seen&quickMark == 0 || !mayBeMarked(subject)
}

// The bytes that are not ordinary talk.
const (
	quickBracket uint8 = 1 << iota // brackets and bars
	quickMark                      // what somebody may take for a bracket
	quickSlow                      // what needs decoding or may be an escape
)

var quickClass = func() (class [256]uint8) {
	for i := range class {
		if (i < 0x20 && i != '\t') || i >= 0x7f {
			class[i] = quickSlow
		}
	}
	for _, c := range "[](){}<>|*" {
		class[c] = quickBracket
	}
	for _, c := range "#/_~!^@" {
		class[c] = quickMark
	}
	for _, c := range "=&%+\\" {
		class[c] = quickSlow
	}
	return class
}()

// mayBeMarked is false where plain ASCII spells none of the words that marked
// looks for: their middles can't be written with the digits that stand for
// letters.
func mayBeMarked(subject []byte) bool {
	for i := 0; i+3 <= len(subject); i++ {
		if lowerASCII(subject[i]) != 'c' {
			continue
		}
		if next := [2]byte{lowerASCII(subject[i+1]), lowerASCII(subject[i+2])}; next == [2]byte{'u', 'r'} || next == [2]byte{'r', 'y'} {
			return true
		}
	}
	return false
}

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
	if utf8.ValidString(d.bytes) {
		d.texts = append(d.texts, d.bytes)
	}
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
