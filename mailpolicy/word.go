// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"slices"
	"strings"
)

// triggers are the words that ask for encryption by themselves: the tag's, and
// those of the tags that other systems are known to have.
var triggers = []string{"secure", "encrypt", "rw4encrypt"}

// cousins are what senders write between brackets who mean the same.
var cousins = []string{
	"encrypted", "encryption", "securemail", "secureemail", "securemessage", "securesend", "sendsecure", "securely", "sendsecurely", "sendencrypted",
	"encryptmail", "encryptemail", "encryptmessage", "encryptedmail", "encryptedemail", "encryptedmessage",
}

// places are what senders write between brackets who talk of a secure place and
// not of their message. Only the whole of it counts: [secure ward 5 results] may
// well be a tag that was closed too late.
var places = []string{
	"secureunit", "secureward", "securehospital", "secureservice", "secureestate", "secureaccommodation", "securechildrenshome",
	"securetrainingcentre", "securementalhealth", "secureboundary",
}

// ownWords are words that lie within two slips of secure and that people write
// for what they say: those of an English dictionary that are in use, a barrier
// cream and a tablet. What else lies there nobody means otherwise. Words of four
// letters, as sure and cure, are never slips.
var ownWords = []string{
	"secured",
	"demure", "insecure", "lecture", "recur", "recurs", "recuse", "scare", "score", "scurf", "secede", "seclude", "secret", "seduce", "segue",
	"seizure", "severe", "sinecure", "spectre", "suture", "tenure", "unsecure",
	"secura", "securon",
}

// maxWord is the length of the longest that spelling compares with.
const maxWord = 24

// spelling gathers the letters that may make a word. Its zero value is empty.
type spelling struct {
	buf [maxWord]byte
	n   int // may be more than buf holds: then it is no word
	// held is what the letters are without those that a key held too long repeats.
	held  [maxWord]byte
	heldN int
}

func (s *spelling) add(t token) {
	if s.n < maxWord {
		s.buf[s.n] = byte(t)
	}
	s.n++
	if s.heldN > 0 && s.heldN <= maxWord && s.held[s.heldN-1] == byte(t) {
		return
	}
	if s.heldN < maxWord {
		s.held[s.heldN] = byte(t)
	}
	s.heldN++
}

// text is what was gathered, and nil where it is too long for any word.
func (s *spelling) text() []byte {
	if s.n > maxWord {
		return nil
	}
	return s.buf[:s.n]
}

// in returns the word of a list that was gathered, or "".
func (s *spelling) in(list []string) string {
	text := s.text()
	for _, w := range list {
		if string(text) == w {
			return w
		}
	}
	return ""
}

func (s *spelling) isPlace() bool {
	return slices.Contains(places, strings.TrimSuffix(string(s.text()), "s"))
}

// meant reports a trigger, or what at most so many slips of the pen make of it
// and is no word of its own. A slip is a letter too many, missing or wrong, or
// two neighbours swapped. Only secure is read with two slips, and only in five
// letters or more: fewer spell too much else.
func (s *spelling) meant(slips int) bool {
	if s.in(triggers) != "" {
		return true
	}
	if slips < 1 {
		return false
	}
	text := s.text()
	for i, w := range triggers {
		most := 1
		if i == 0 && len(text) >= len(w)-1 {
			most = slips
		}
		if within(text, w, most) {
			return s.in(ownWords) == ""
		}
	}
	return s.heldN == len(triggers[0]) && string(s.held[:s.heldN]) == triggers[0] || resembles(text)
}

// within reports that at most n slips lie between two words; less than none
// never do.
func within(a []byte, b string, n int) bool {
	if len(a) > len(b)+n || len(b) > len(a)+n {
		return false
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	if len(a) == 0 || len(b) == 0 {
		return true // what is left over is no more than n
	}
	return within(a[1:], b[1:], n-1) || within(a[1:], b, n-1) || within(a, b[1:], n-1) ||
		(len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] && within(a[2:], b[2:], n-1))
}

// resembles reports secure with up to half of its letters from a script that
// foldRune does not know.
func resembles(text []byte) bool {
	word := triggers[0]
	if len(text) != len(word) {
		return false
	}
	same := 0
	for i := range text {
		switch text[i] {
		case word[i]:
			same++
		case byte(foreign):
		default:
			return false
		}
	}
	return 2*same >= len(word)
}
