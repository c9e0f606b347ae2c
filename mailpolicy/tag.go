// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"html"
	"slices"
	"strings"
	"unicode"

	"github.com/wardkey-sdk/wardkey"
)

// Tag is what a sender writes into the subject to have a message encrypted.
const Tag = "[secure]"

// quickTag decides a subject that is one line of plain ASCII without anything
// that could be an attempt at the tag. sure is false where only slowTag can
// tell.
func quickTag(subject []byte) (tagged, sure bool) {
	bracket := false
	for _, c := range subject {
		if quickClass[c] == 0 {
			continue
		}
		if quickClass[c] == 2 {
			return false, false
		}
		bracket = true
	}
	if !bracket {
		return false, true
	}
	return hasTag(subject), hasTag(subject)
}

// quickClass is 0 for the bytes of ordinary talk, 1 for brackets and bars and 2
// for what needs decoding or may be an escape.
var quickClass = func() (class [256]uint8) {
	for i := range class {
		if (i < 0x20 && i != '\t') || i >= 0x7f {
			class[i] = 2
		}
	}
	for _, c := range "[](){}<>|*" {
		class[c] = 1
	}
	for _, c := range "=&%+\\" {
		class[c] = 2
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
	tagged := hasTag(raw) || hasTag(d.bytes) // whatever a charset makes of it
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
	for _, text := range d.texts {
		if why := nearMiss(text); why != "" {
			return false, Rules().Refuse("mail.secure.nearmiss", "why", why)
		}
	}
	return false, nil
}

func breaksLine(r rune) bool {
	return r == '\r' || r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029
}

func isControl(r rune) bool { return (r < 0x20 && r != '\t') || r == 0x7f }

const (
	whyBrackets = "the brackets around the word are not [ and ]"
	whyOpen     = "one of the brackets is missing"
	whyInside   = "between the brackets stands a space, a hidden character, another letter that looks right or a slip of the pen"
	whyCousin   = "the word between the brackets is not secure"
	whyEscaped  = "the brackets are written as codes"
	whyTurned   = "characters that turn the direction of reading make other letters look like it"
)

// nearMiss says what a text without the tag has that a person could have meant
// as the tag, or "".
func nearMiss(text string) string {
	tokens := fold(text)
	if why := findAttempt(tokens); why != "" {
		return why
	}
	if plain := unescape(text); plain != text && (hasTag(plain) || findAttempt(fold(plain)) != "") {
		return whyEscaped
	}
	if strings.ContainsFunc(text, turns) && (findAttempt(turned(tokens, false)) != "" || findAttempt(turned(tokens, true)) != "") {
		return whyTurned
	}
	return ""
}

var escapes = strings.NewReplacer(
	"%5B", "[", "%5b", "[", "%5D", "]", "%5d", "]", "=5B", "[", "=5b", "[", "=5D", "]", "=5d", "]",
	"+AFs-", "[", "+AF0-", "]", `\[`, "[", `\]`, "]", `\u005b`, "[", `\u005d`, "]", `\u005B`, "[", `\u005D`, "]",
	`\x5b`, "[", `\x5d`, "]", `\x5B`, "[", `\x5D`, "]")

// unescape undoes the ways in which a system along the way may have written a
// bracket.
func unescape(text string) string { return escapes.Replace(html.UnescapeString(text)) }

// turns reports whether r changes the direction of reading by force.
func turns(r rune) bool { return r == 0x202e || r == 0x202b || r == 0x2067 }

func turned(tokens []token, mirror bool) []token {
	back := make([]token, len(tokens))
	for i, t := range tokens {
		if m, ok := mirrors[t]; ok && mirror {
			t = m
		}
		back[len(tokens)-1-i] = t
	}
	return back
}

var mirrors = map[token]token{openSquare: closeSquare, closeSquare: openSquare, openOther: closeOther, closeOther: openOther}

// words are what senders write who mean the tag: the word itself, and the tags
// of other systems.
var words = []string{
	"secure", "encrypt", "encrypted", "encryption", "rw4encrypt", "securemail", "secureemail", "securemessage", "securesend", "sendsecure",
}

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
			} else if endsInWord(tokens[:i]) {
				return whyOpen
			}
			if outsideBrackets(tokens, i) {
				return whyBrackets
			}
		}
	}
	return ""
}

// attemptAt judges the bracket that tokens begin with.
func attemptAt(tokens []token) string {
	letters, first, end := bracketed(tokens)
	closed := end < len(tokens) && (tokens[end] == closeSquare || tokens[end] == closeOther)
	square := tokens[0] == openSquare && (!closed || tokens[end] == closeSquare)
	named := ""
	for _, w := range words {
		if letters == w || (first == w && (!closed || (square && w == words[0]))) {
			named = w
			break
		}
	}
	switch {
	case closed && isPlace(letters):
		return ""
	case named == "" && closed && square && (slip(letters, words[0]) || resembles(letters, words[0])):
		return whyInside
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

// bracketed returns the letters after an opening bracket up to the next bracket
// or the end; the word they begin with, taken as far as one of the known words
// goes and only if a letter does not follow it; and where they end.
func bracketed(tokens []token) (letters, first string, end int) {
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
		if last && first == "" && isWord(b.String()) {
			first = b.String()
		}
	}
	return b.String(), first, end
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

// outsideBrackets reports []secure and ]secure[, with the closing bracket at i:
// what is left where a program sets both brackets at once.
func outsideBrackets(tokens []token, i int) bool {
	word, rest := words[0], tokens[i+1:]
	if len(rest) < len(word) || !spells(rest, word) {
		return false
	}
	if rest = rest[len(word):]; len(rest) > 0 && (rest[0] == openSquare || rest[0] == openOther) {
		return true
	}
	i--
	for i >= 0 && tokens[i] == noise {
		i--
	}
	return i >= 0 && (tokens[i] == openSquare || tokens[i] == openOther) && (len(rest) == 0 || !rest[0].letter())
}

func spells(tokens []token, word string) bool {
	for i := range len(word) {
		if tokens[i] != token(word[i]) {
			return false
		}
	}
	return true
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
	noise       token = ' ' // a space, a mark, a symbol
	foreign     token = '~' // a letter that looks like none of the word's
)

func (t token) letter() bool {
	return t == foreign || unicode.IsLower(rune(t)) || unicode.IsDigit(rune(t))
}
