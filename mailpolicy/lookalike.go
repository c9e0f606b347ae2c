// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// fold reduces a text to what a hurried reader sees of it: compatibility forms
// (fullwidth, mathematical, accented) become their plain letters, letters of
// other scripts the Latin ones they look like, hidden characters nothing.
func fold(text string) []token {
	tokens := make([]token, 0, len(text))
	for _, r := range norm.NFKD.String(unbox(text)) {
		if t, ok := foldRune(r); ok {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

// unbox writes letters that stand in boxes of their own as plain ones between
// brackets, since the boxes are what a sender may take for brackets.
func unbox(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return boxed(r) != 0 || unicode.Is(unicode.Me, r) || r == acute }) {
		return text
	}
	var b, gap strings.Builder // gap is what may stand between two boxes or after the last
	inside := false
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		letter := boxed(r)
		if i+1 < len(runes) && unicode.Is(unicode.Me, runes[i+1]) { // a box or circle around the letter before it
			letter = r
			i++
		}
		switch {
		case letter != 0:
			if !inside {
				b.WriteRune('(')
			}
			b.WriteString(gap.String())
			gap.Reset()
			b.WriteRune(letter)
			inside = true
			continue
		case r == acute:
			r = '\''
		}
		if inside && unicode.IsSpace(r) {
			gap.WriteRune(r)
			continue
		}
		if inside {
			b.WriteString(")" + gap.String())
			gap.Reset()
			inside = false
		}
		b.WriteRune(r)
	}
	if inside {
		b.WriteString(")" + gap.String())
	}
	return b.String()
}

// acute is typed for a quotation mark. Unicode takes it apart into a blank and
// an accent.
const acute = '\u00b4'

// boxed returns the letter in a circle, a square, between brackets of its own,
// or of a flag, or 0.
func boxed(r rune) rune {
	for _, first := range []rune{0x249c, 0x24b6, 0x24d0, 0x1f110, 0x1f130, 0x1f150, 0x1f170, 0x1f1e6} {
		if first <= r && r < first+26 {
			return 'a' + r - first
		}
	}
	return 0
}

func foldRune(r rune) (token, bool) {
	if r < 0x80 {
		return asciiTokens[r], true
	}
	if t, ok := lookalikes[r]; ok {
		return t, true
	}
	switch {
	case hidden(r):
		return 0, false
	case unicode.Is(unicode.Ps, r):
		return openSquare, true
	case unicode.Is(unicode.Pe, r):
		return closeSquare, true
	case unicode.Is(unicode.Pi, r) || unicode.Is(unicode.Pf, r):
		return quote, true
	case unicode.Is(unicode.Pd, r):
		return dash, true
	case unicode.IsLetter(r):
		return foreign, true
	}
	return sign, true
}

// asciiTokens is foldRune of ASCII.
var asciiTokens = func() (tokens [0x80]token) {
	for r := range tokens {
		c := lowerASCII(byte(r))
		switch t, known := lookalikes[rune(r)]; {
		case known:
			tokens[r] = t
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			tokens[r] = token(c)
		case c == ' ' || c == '\t':
			tokens[r] = blank
		default:
			tokens[r] = sign
		}
	}
	return tokens
}()

// hidden reports characters that show nothing of their own: formats, marks on
// the letter before, controls of Latin-1, Hangul fillers.
func hidden(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0:
		return true
	}
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cc, r)
}

// lookalikes holds brackets and the letters of the tag and of its cousins as
// other scripts and symbols write them.
var lookalikes = func() map[rune]token {
	m := map[rune]token{}
	for t, like := range map[token]string{
		openSquare:  "[⌜⌞⎡⎢⎣┌└├⊏ʗ",
		closeSquare: "]⌝⌟⎤⎥⎦┐┘┤⊐",
		openOther:   "﴾({<«‹≤≪⟨〈◁◀◄",
		closeOther:  "﴿)}>»›≥≫⟩〉▷▶►",
		bar:         "|¦‖│┃ǀ∣❘*∗＊▐▌▏▕❙❚█",
		mark:        `/_~!^\=+%&@`,
		hash:        "#",
		comma:       ",;、",
		stop:        ".?。",
		colon:       ":",
		dash:        "-−",
		quote:       "\"'`‚„′",
		's':         "ѕЅՏꜱʂȿƽ$§ꞅŜꮪꓢᏚᏕᔕ丂",
		'e':         "еЕєЄҽҼεΕɛℯ℮€ɘəǝєэᴇⲉꭼꓰᏋᗴɇꏂ乇",
		'c':         "сСϲϹᴄ¢©ⅽҫƈⲥꓚᏟꮯᑕፈ匚",
		'u':         "υսՍᴜцЦʋµμ∪ҴԱᑌᏬʉ凵",
		'r':         "гГᴦʀꭇꮁ®ɼɽɾяᖇᏒɍ尺",
		'n':         "пПոηɴᴎɴ",
		'y':         "уУүҮγʏ",
		'p':         "рРρΡᴘ",
		't':         "тТτΤᴛ",
		'm':         "мМΜᴍ",
		'a':         "аАαΑᴀ",
		'i':         "іІιΙıɪ",
		'l':         "ӏӀʟ",
		'd':         "ԁᴅ",
		'w':         "ԝѡᴡ",
	} {
		for _, r := range like {
			m[r] = t
		}
	}
	// Digits that stand for letters, as in s3cur3 and 5ecure. RW4ENCRYPT keeps
	// its 4.
	m['3'], m['5'] = 'e', 's'
	return m
}()
