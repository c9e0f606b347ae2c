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
	for _, r := range norm.NFKD.String(strings.Map(opened, text)) {
		if t, ok := foldRune(r); ok {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

// opened returns the letter in a circle, a square, between brackets of its own,
// or of a flag, most of which Unicode does not take apart.
func opened(r rune) rune {
	for _, first := range []rune{0x249c, 0x1f110, 0x1f130, 0x1f150, 0x1f170, 0x1f1e6} {
		if first <= r && r < first+26 {
			return 'a' + r - first
		}
	}
	return r
}

func foldRune(r rune) (token, bool) {
	if t, ok := lookalikes[r]; ok {
		return t, true
	}
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return token(r), true
	case 'A' <= r && r <= 'Z':
		return token(r + 'a' - 'A'), true
	case r < 0x80:
		return noise, true
	case hidden(r):
		return 0, false
	case unicode.Is(unicode.Ps, r):
		return openSquare, true
	case unicode.Is(unicode.Pe, r):
		return closeSquare, true
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return foreign, true
	}
	return noise, true
}

// hidden reports characters that show nothing of their own: formats, marks on
// the letter before, controls of Latin-1, Hangul fillers.
func hidden(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0:
		return true
	}
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) || unicode.Is(unicode.Cc, r)
}

// lookalikes holds brackets and the letters of the tag and of its cousins as
// other scripts and symbols write them.
var lookalikes = func() map[rune]token {
	m := map[rune]token{}
	for t, like := range map[token]string{
		openSquare:  "[⌜⌞⎡⎢⎣┌└├⊏ʗ",
		closeSquare: "]⌝⌟⎤⎥⎦┐┘┤⊐",
		openOther:   "({<«‹≤≪⟨〈◁◀◄",
		closeOther:  ")}>»›≥≫⟩〉▷▶►",
		bar:         "|¦‖│┃ǀ∣❘*∗＊▐▌▏▕❙❚█",
		mark:        `/_~!^\=+%&@`,
		hash:        "#",
		comma:       ",;、",
		noise:       "‘’“”‚‛„‟",
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
