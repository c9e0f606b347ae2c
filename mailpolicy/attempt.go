// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"slices"
	"strings"
	"unicode"
)

// Why a subject has something like the tag and not the tag.
const (
	whyBrackets = "the brackets around the word are not [ and ]"
	whyOpen     = "one of the brackets is missing"
	whyInside   = "between the brackets stands a space, a hidden character, another letter that looks right or a slip of the pen"
	whyCousin   = "the word between the brackets is not secure"
	whyEscaped  = "the brackets are written as codes"
	whyMarks    = "what stands around the word is not [ and ]"
	whyPlace    = "it does not stand before the subject"
	whyTurned   = "a character that turns the direction of reading can make other letters look like it"
)

// nearMiss says what a text without the tag has that a person could have meant
// as the tag, or "".
func nearMiss(text string) string {
	if strings.ContainsRune(text, turnsAround) {
		return whyTurned
	}
	if why := findAttempt(fold(text)); why != "" {
		return why
	}
	if plain := unescape(text); plain != text && (hasTag(plain) || findAttempt(fold(plain)) != "") {
		return whyEscaped
	}
	if shown := strings.Map(untagged, text); shown != text && (hasTag(shown) || findAttempt(fold(shown)) != "") {
		return whyInside
	}
	return ""
}

// turnsAround makes what follows it read from right to left, Latin letters too
// (Unicode Standard Annex 9, 2.2). No subject needs it, and any text can be made
// to look like the tag by it.
const turnsAround = '\u202e'

// untagged returns the letter of an invisible tag character (U+E0020 to
// U+E007E), which repeats ASCII.
func untagged(r rune) rune {
	if 0xe0020 <= r && r <= 0xe007e {
		return r - 0xe0000
	}
	return r
}

// words are what senders write who mean the tag: the word itself, and the tags
// of other systems.
var words = []string{
	"secure", "encrypt", "encrypted", "encryption", "rw4encrypt", "securemail", "secureemail", "securemessage", "securesend", "sendsecure",
	"securely", "sendsecurely", "sendencrypted", "encryptmail", "encryptemail", "encryptmessage", "encryptedmail", "encryptedemail", "encryptedmessage",
}

// openers are those that count as meant where more follows them between square
// brackets. "[encrypted backup]" and "[encryption at rest]" are talk.
var openers = []string{"secure", "encrypt", "rw4encrypt"}

// places are what senders write between brackets who talk of a secure place and
// not of their message. Only the whole of it counts: [secure ward 5 results] may
// well be a tag that was closed too late.
var places = []string{
	"secureunit", "secureward", "securehospital", "secureservice", "secureestate", "secureaccommodation", "securechildrenshome",
	"securetrainingcentre", "securementalhealth", "secureboundary",
}

func isPlace(letters string) bool {
	return slices.Contains(places, strings.TrimSuffix(letters, "s")) || slices.Contains(places, letters)
}

// findAttempt looks for an attempt at the tag in folded text.
func findAttempt(tokens []token) string {
	open := 0 // brackets opened and not closed before this token
	for i, t := range tokens {
		switch t {
		case openSquare, openOther:
			open++
			if why := attemptAt(tokens[i:]); why != "" {
				return why
			}
		case bar:
			if barred(tokens[i+1:]) {
				return whyBrackets
			}
		case closeSquare, closeOther:
			if open > 0 {
				open--
			} else if endsInWord(tokens[:i]) || t == closeSquare && endsInWord(trimNoise(tokens[:i])) {
				return whyOpen
			}
			if outsideBrackets(tokens, i) {
				return whyBrackets
			}
		case mark, hash:
			if marked(tokens, i) {
				return whyMarks
			}
		}
	}
	return ""
}

// attemptAt judges the bracket that tokens begin with.
func attemptAt(tokens []token) string {
	letters, first, lead, end := bracketed(tokens)
	closed := end < len(tokens) && (tokens[end] == closeSquare || tokens[end] == closeOther)
	square := tokens[0] == openSquare && (!closed || tokens[end] == closeSquare)
	named := ""
	for _, w := range words {
		if letters == w || (first == w && (!closed || (square && slices.Contains(openers, w)))) {
			named = w
			break
		}
	}
	switch {
	case closed && isPlace(letters):
		return ""
	case named == "" && closed && square && mistyped(letters):
		return whyInside
	case named == "" && closed && square && listsWord(tokens[1:end]):
		return whyInside
	case named == "" && !closed && square && slip(lead, words[0]):
		return whyOpen
	case named == "":
		return ""
	case !closed:
		return whyOpen
	case named != words[0]:
		return whyCousin
	case !square:
		return whyBrackets
	}
	return whyInside
}

// listsWord reports brackets that hold a list with the word among what is listed:
// [URGENT, SECURE]. Words with blanks between are talk: [not secure].
func listsWord(tokens []token) bool {
	var item []byte
	for _, t := range append(slices.Clone(tokens), comma) {
		switch {
		case t.letter():
			item = append(item, byte(t))
		case t == comma || t == mark || t == bar:
			if slices.Contains(openers, string(item)) {
				return true
			}
			item = item[:0]
		}
	}
	return false
}

// bracketed returns the letters after an opening bracket up to the next bracket
// or the end; the known word they begin with, if a letter does not follow it;
// what they begin with up to the first that is no letter; and where they end.
func bracketed(tokens []token) (letters, first, lead string, end int) {
	var b strings.Builder
	for end = 1; end < len(tokens); end++ {
		t := tokens[end]
		if t == openSquare || t == openOther || t == closeSquare || t == closeOther {
			break
		}
		if !t.letter() {
			continue
		}
		b.WriteByte(byte(t))
		last := end+1 == len(tokens) || !tokens[end+1].letter()
		if last && lead == "" {
			lead = b.String()
		}
		if last && first == "" && isWord(b.String()) {
			first = b.String()
		}
	}
	return b.String(), first, lead, end
}

func isWord(s string) bool { return slices.Contains(words, s) }

// barred reports |secure| with nothing but the word between two bars.
func barred(tokens []token) bool {
	word := words[0]
	if len(tokens) <= len(word) || tokens[len(word)] != bar {
		return false
	}
	return spells(tokens[:len(word)], word)
}

// endsInWord reports a text that ends in the word itself, as before a bracket
// that was never opened.
func endsInWord(tokens []token) bool {
	word := words[0]
	at := len(tokens) - len(word)
	return at >= 0 && spells(tokens[at:], word) && (at == 0 || !tokens[at-1].letter())
}

// trimNoise takes the blanks and signs at the end away.
func trimNoise(tokens []token) []token {
	for len(tokens) > 0 && tokens[len(tokens)-1] == noise {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

// outsideBrackets reports []secure, secure[] and ]secure[, with the closing
// bracket at i: what is left where a program sets both brackets at once.
func outsideBrackets(tokens []token, i int) bool {
	if i > 0 && tokens[i-1] == openSquare && tokens[i] == closeSquare && endsInWord(trimNoise(tokens[:i-1])) {
		return true
	}
	word, rest := words[0], tokens[i+1:]
	if len(rest) < len(word) || !spells(rest, word) {
		return false
	}
	if rest = rest[len(word):]; len(rest) > 0 && (rest[0] == openSquare || rest[0] == openOther) {
		return true
	}
	before := trimNoise(tokens[:i])
	i = len(before) - 1
	return i >= 0 && (before[i] == openSquare || before[i] == openOther) && (len(rest) == 0 || !rest[0].letter())
}

// marked reports #secure, and /secure/ and its like: a word between two marks
// that people take for brackets, and nothing that joins it to other words.
func marked(tokens []token, i int) bool {
	if i > 0 && tokens[i-1].letter() {
		return false
	}
	for _, word := range markable {
		rest := tokens[i+1:]
		if len(rest) < len(word) || !spells(rest, word) {
			continue
		}
		rest = rest[len(word):]
		switch {
		case len(rest) == 0 || !rest[0].letter() && tokens[i] == hash:
			return tokens[i] == hash
		case rest[0] == mark || rest[0] == hash:
			return len(rest) == 1 || !rest[1].letter()
		}
	}
	return false
}

// markable are the words that marked looks for; mayBeMarked knows them too.
var markable = []string{"secure", "encrypt"}

func spells(tokens []token, word string) bool {
	for i := range len(word) {
		if tokens[i] != token(word[i]) {
			return false
		}
	}
	return true
}

// mistyped reports what a hurried hand or other letters make of the word.
func mistyped(s string) bool {
	word := words[0]
	return slip(s, word) || resembles(s, word) || string(slices.Compact([]byte(s))) == word
}

// resembles reports the word with up to half of its letters from a script that
// foldRune does not know.
func resembles(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	same := 0
	for i := range len(s) {
		switch s[i] {
		case word[i]:
			same++
		case byte(foreign):
		default:
			return false
		}
	}
	return 2*same >= len(word)
}

// slip reports a word that one slip of the pen makes of the other: a letter too
// many, too few, wrong, or two neighbours swapped.
func slip(s, word string) bool {
	if len(s) < len(word)-1 || len(s) > len(word)+1 {
		return false
	}
	i := 0
	for i < len(s) && i < len(word) && s[i] == word[i] {
		i++
	}
	a, b := s[i:], word[i:]
	switch {
	case len(a) > len(b):
		return a[1:] == b
	case len(a) < len(b):
		return a == b[1:]
	case len(a) == 0:
		return true
	}
	return a[1:] == b[1:] || (len(a) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:])
}

// token is one character of folded text: a small letter or digit, or one of
// the classes below, all of which are no letters in ASCII.
type token byte

const (
	openSquare  token = '['
	closeSquare token = ']'
	openOther   token = '('
	closeOther  token = ')'
	bar         token = '|'
	hash        token = '#'
	mark        token = '/' // what somebody may take for a bracket
	comma       token = ',' // what parts a list
	noise       token = ' ' // a space, a sign, a symbol
	foreign     token = '~' // a letter that looks like none of the word's
)

func (t token) letter() bool {
	return t == foreign || unicode.IsLower(rune(t)) || unicode.IsDigit(rune(t))
}
