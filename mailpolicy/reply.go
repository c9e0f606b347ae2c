// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAncestors bounds how many messages Decide asks about. Mail programs shorten
// longer threads (RFC 5536 §3.2.10 lets them), so a message that names more is
// answered as if one of them had been encrypted.
const maxAncestors = 100

// obscured is the subject that stands outside an encrypted message (RFC 9788
// §3.2.1): its reader's program may know no other to answer with.
const obscured = "[...]"

// lostTag reports that an untagged message answers or passes on one that was
// encrypted: the caller knows one that it names, its subject is what stood
// outside of one, or a field that keeps the subject of the thread has the tag.
func (m Message) lostTag(subject []byte) bool {
	if answersObscured(subject) {
		return true
	}
	asked := 0
	for name, value := range fields(m.Header) {
		switch {
		case m.Encrypted != nil && (named(name, "in-reply-to") || named(name, "references")):
			for id := range bytes.SplitSeq(value, []byte("<")) {
				id, _, closed := bytes.Cut(id, []byte(">"))
				if !closed {
					continue // words before the first, or no id at all
				}
				if asked++; asked > maxAncestors || m.Encrypted(unfolder.Replace(string(id))) {
					return true
				}
			}
		case named(name, "thread-topic") || named(name, "resent-subject"):
			d := decodeSubject(value)
			for _, text := range append(d.texts, d.bytes) {
				if hasTag(text) {
					return true
				}
			}
		}
	}
	return false
}

var unfolder = strings.NewReplacer("\r\n", "", " ", "", "\t", "")

// answersObscured reports "Re: [...]" and the like. A subject of [...] alone is
// that of a message that its own sender has encrypted.
func answersObscured(subject []byte) bool {
	if !bytes.Contains(subject, []byte("[.")) && !bytes.Contains(subject, []byte("=?")) {
		return false // most messages, without decoding
	}
	for _, text := range decodeSubject(subject).texts {
		for replied := false; ; {
			text = strings.TrimSpace(text)
			if text == obscured {
				if replied {
					return true
				}
				break
			}
			label := strings.HasPrefix(text, "[")
			rest, ok := cutMark(text)
			if !ok {
				break
			}
			text, replied = rest, replied || !label
		}
	}
	return false
}

// leads reports that the tag stands before the subject: after blanks, what
// programs write before a reply, and labels in square brackets.
func leads(text string) bool {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if hasTag(text[:min(len(text), len(Tag))]) {
			return true
		}
		rest, ok := cutMark(text)
		if !ok {
			return false
		}
		text = rest
	}
}

// maxMark is the length in letters of the longest word that a mail program is
// known to write before a reply or forward: Weitergeleitet.
const maxMark = 14

// cutMark cuts one such word with its colon ("Re:", "RE :", "Re[2]:") or one
// label ("[EXTERNAL]") off the beginning of a text.
func cutMark(text string) (rest string, ok bool) {
	if strings.HasPrefix(text, "[") {
		_, rest, ok = strings.Cut(text, "]")
		return rest, ok
	}
	letters, ended := 0, false
	for i, r := range text {
		switch {
		case r == ':' || r == '：':
			return text[i+utf8.RuneLen(r):], letters > 0
		case unicode.IsLetter(r) && letters < maxMark && !ended:
			letters++
		case letters > 0 && (unicode.IsSpace(r) || unicode.IsDigit(r) || r == '[' || r == ']'):
			ended = true
		default:
			return "", false
		}
	}
	return "", false
}
