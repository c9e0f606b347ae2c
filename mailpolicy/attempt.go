// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"slices"
	"strings"
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
	if plain := unescape(text); plain != text && findAttempt(fold(plain)) != "" {
		return whyEscaped
	}
	if shown := strings.Map(untagged, text); shown != text && findAttempt(fold(shown)) != "" {
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

// findAttempt looks in folded text for a word that is set off from the rest and
// that is meant as secure, or as the tag of another system.
func findAttempt(tokens []token) string {
	open := 0 // brackets opened and not closed before this token
	for i, t := range tokens {
		switch t {
		case openSquare, openOther:
			open++
			if before := trimRight(tokens[:i], token.isBlank); len(before) < i && i+1 < len(tokens) && tokens[i+1].closes() && endsInWord(before) {
				return whyBrackets // "secure []", where a program sets both at once; "[ ]" is a box to tick
			}
			if why := bracketed(tokens[i:]); why != "" {
				return why
			}
		case closeSquare, closeOther:
			if open > 0 {
				open--
			} else if (t == closeSquare && endsInWord(trimRight(tokens[:i], token.isSign))) || endsInWord(tokens[:i]) {
				return whyOpen // before "]" signs may stand between; ":)" is a smile
			}
		case bar, mark, hash:
			if marked(tokens, i) {
				return whyMarks
			}
		}
	}
	switch {
	case split(tokens):
		return whyBrackets
	case setOff(tokens):
		return whyMarks
	}
	return ""
}

func trimRight(tokens []token, cut func(token) bool) []token {
	for len(tokens) > 0 && cut(tokens[len(tokens)-1]) {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

// bracketed judges what follows the bracket that tokens begin with, up to the
// next one or the end. Between brackets, blanks and signs count as one slip.
func bracketed(tokens []token) string {
	var all, lead spelling // the letters, and those of the first word
	first := ""            // the known word that they begin with, if a letter does not follow it
	broken := 0
	end := 1
	for ; end < len(tokens) && !tokens[end].bracket(); end++ {
		if t := tokens[end]; !t.letter() {
			broken = 1
			continue
		}
		all.add(tokens[end])
		if end+1 < len(tokens) && tokens[end+1].letter() {
			continue
		}
		if lead.n == 0 {
			lead = all
		}
		if first == "" {
			first = all.known()
		}
	}
	closed := end < len(tokens) && tokens[end].closes()
	if !closed {
		if first != "" || lead.meant(1) {
			return whyOpen
		}
		return ""
	}
	square := tokens[0] == openSquare && tokens[end] == closeSquare
	word := all.known()
	switch {
	case all.isPlace():
		return ""
	case word == triggers[0] && !square:
		return whyBrackets
	case word == triggers[0]:
		return whyInside
	case word != "" || (square && string(all.text()) == "secured"): // (secured) is talk
		return whyCousin
	case !square && all.meant(1-broken):
		return whyBrackets
	case !square:
		return ""
	case slices.Contains(triggers, first), all.meant(2 - broken), lead.meant(1), lists(tokens[1:end]):
		return whyInside
	}
	return ""
}

// known returns the trigger or cousin that was gathered, or "".
func (s *spelling) known() string {
	if w := s.in(triggers); w != "" {
		return w
	}
	return s.in(cousins)
}

// lists reports brackets that hold a list with a trigger among what is listed:
// [URGENT, SECURE]. Words with blanks between are talk: [not secure].
func lists(tokens []token) bool {
	var item spelling
	for i := 0; i <= len(tokens); i++ {
		switch {
		case i == len(tokens) || tokens[i] == comma || tokens[i] == colon || tokens[i] == mark || tokens[i] == bar:
			if item.meant(1) {
				return true
			}
			item = spelling{}
		case tokens[i].letter():
			item.add(tokens[i])
		}
	}
	return false
}

// endsInWord reports that the last word is meant and nothing follows it.
func endsInWord(tokens []token) bool {
	begin := len(tokens)
	for begin > 0 && tokens[begin-1].letter() {
		begin--
	}
	w, _ := wordAt(tokens, begin)
	return w.meant(1)
}

// split reports a trigger with a bracket inside it or on its wrong side, and
// nothing that joins it to other words: [SEC]URE, ]secure[, []secure, secure[].
// Signs join: is_secure() is the name of something.
func split(tokens []token) bool {
	var w spelling
	wrong, closed := false, false // a bracket that is, and one that is if a letter follows
	for _, t := range tokens {
		switch {
		case t.letter():
			wrong = wrong || closed
			w.add(t)
		case t.bracket():
			closed = t.closes()
			wrong = wrong || (w.n > 0 && t.opens())
		case t == blank:
			if wrong && w.meant(0) {
				return true
			}
			w, wrong, closed = spelling{}, false, false
		}
	}
	return wrong && w.meant(0)
}

// marked reports #secure, /secure/ and its like with the first mark at i: a word
// between two marks that people take for brackets, and nothing that joins it to
// other words.
func marked(tokens []token, i int) bool {
	w, end := wordAt(tokens, i+1)
	if !w.meant(1) {
		return false
	}
	alone := i == 0 || !tokens[i-1].letter()
	next := blank
	if end < len(tokens) {
		next = tokens[end]
	}
	switch tokens[i] {
	case hash:
		return alone
	case bar:
		return next == bar
	}
	return alone && (next == mark || next == hash) && (end+1 == len(tokens) || !tokens[end+1].letter())
}

// wordAt gathers the letters from i on, and says where they end.
func wordAt(tokens []token, i int) (w spelling, end int) {
	for end = i; end < len(tokens) && tokens[end].letter(); end++ {
		w.add(tokens[end])
	}
	return w, end
}

// setOff reports a word at the front of the subject between quotation marks or
// other signs, before a colon, or before another sign, dash or bar with nothing
// behind it. Commas and full stops set nothing off, and a sign between two
// letters joins them.
func setOff(tokens []token) bool {
	i := front(tokens)
	before, glued := blank, false // the last sign before the word, and whether it touches it
	for ; i < len(tokens) && tokens[i].isSign(); i++ {
		if glued = tokens[i] != blank; glued {
			before = tokens[i]
		}
	}
	w, end := wordAt(tokens, i)
	if !w.meant(1) {
		return false
	}
	at := end
	for at < len(tokens) && tokens[at] == blank {
		at++
	}
	rest := at
	for rest < len(tokens) && tokens[rest].isSign() && tokens[rest] != blank {
		rest++
	}
	if rest == at {
		return false
	}
	after, touches := tokens[at], at == end
	switch {
	case after == colon && touches && (rest == len(tokens) || tokens[rest] != closeOther):
		return true
	case rest < len(tokens) && tokens[rest] != blank:
		return false
	case before == quote && after == quote, glued && touches:
		return true
	case after == comma || after == stop:
		return false
	}
	return touches || after == colon || after == dash || after == bar
}

// front returns where a subject begins: after blanks, labels in square brackets,
// and what programs write before a reply or a forward.
func front(tokens []token) int {
	for i := 0; ; {
		for i < len(tokens) && tokens[i] == blank {
			i++
		}
		n := prefix(tokens[i:])
		if n == 0 {
			return i
		}
		i += n
	}
}

// prefix returns the length of [EXTERNAL], Re:, Fwd : or Re[2]: at the start.
func prefix(tokens []token) int {
	n := 0
	for n < len(tokens) && tokens[n].letter() {
		n++
	}
	if n > 3 {
		return 0 // a word of the subject's own
	}
	letters := n
	for n < len(tokens) && tokens[n] == blank {
		n++
	}
	if n < len(tokens) && tokens[n] == openSquare {
		n += slices.Index(tokens[n:], closeSquare) + 1 // none: n stays
		if letters == 0 {
			return n
		}
	}
	if n < len(tokens) && tokens[n] == colon {
		return n + 1
	}
	return 0
}

// token is one character of folded text: a small letter or digit, or one of
// the classes below, all of which are no letters in ASCII.
type token byte

const (
	openSquare  token = '['
	closeSquare token = ']'
	openOther   token = '('
	closeOther  token = ')'
	bar         token = '|' // bars and stars
	hash        token = '#'
	mark        token = '/' // what else somebody may take for a bracket
	quote       token = '"'
	colon       token = ':'
	dash        token = '-'
	comma       token = ',' // what parts a list
	stop        token = '.' // what ends a sentence
	sign        token = '*' // any other sign or symbol
	blank       token = ' '
	foreign     token = '~' // a letter that looks like none of the word's
)

func (t token) letter() bool {
	return ('a' <= t && t <= 'z') || ('0' <= t && t <= '9') || t == foreign
}

func (t token) opens() bool   { return t == openSquare || t == openOther }
func (t token) closes() bool  { return t == closeSquare || t == closeOther }
func (t token) bracket() bool { return t.opens() || t.closes() }
func (t token) isBlank() bool { return t == blank }

// isSign reports what is neither a letter nor a bracket; blanks too.
func (t token) isSign() bool { return !t.letter() && !t.bracket() }
