// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the longest name or purpose that is kept, in characters.
const maxText = 200

// textFault says why a line of text is not kept, or "". A line break, a NUL or
// a character that turns the direction of reading would make another line of a
// report or a message out of it, and one that is not seen another name that looks
// the same. The joiners are let through.
func textFault(text string) string {
	bad := func(r rune) bool {
		const joiner, nonJoiner = 0x200d, 0x200c // which names in some scripts need
		return r != joiner && r != nonJoiner &&
			unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	}
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, bad):
		return "a name or a text has a character that can't be shown"
	case utf8.RuneCountInString(text) > maxText:
		return fmt.Sprintf("a name or a text has more than %d characters", maxText)
	}
	return ""
}

// parseMobile returns a UK mobile number as +447 and nine digits. Blanks,
// hyphens and a leading 0, 0044 or +44 are understood; anything else is refused:
// other countries, digits of other scripts, and what begins with 7 and is no
// mobile (070 personal numbers, at a premium; 076 pagers, but for 07624, the
// Isle of Man's mobiles).
func parseMobile(number string) (string, error) {
	digits := nationalDigits(number)
	mobile := len(digits) == 10 && digits[0] == '7' && strings.Trim(digits, "0123456789") == "" &&
		digits[1] != '0' && (digits[1] != '6' || strings.HasPrefix(digits, "7624"))
	if !mobile {
		return "", Rules().Refuse("mail.account.form", "why", fmt.Sprintf("%q is no UK mobile number", number))
	}
	return "+44" + digits, nil
}

// parseLandline returns a UK number that is no mobile as +44 and nine or ten
// digits: those that begin with 1, 2 or 3. It is understood as parseMobile does.
func parseLandline(number string) (string, error) {
	digits := nationalDigits(number)
	if n := len(digits); n < 9 || n > 10 || digits[0] < '1' || digits[0] > '3' || strings.Trim(digits, "0123456789") != "" {
		return "", Rules().Refuse("mail.site.form", "why", fmt.Sprintf("%q is no UK landline number", number))
	}
	return "+44" + digits, nil
}

// nationalDigits takes blanks, hyphens and what stands for the country away.
func nationalDigits(number string) string {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(number)
	for _, prefix := range []string{"+44", "0044", "0"} {
		if rest, ok := strings.CutPrefix(digits, prefix); ok {
			return rest
		}
	}
	return digits
}

// isBlank reports a text without a letter or a number: nobody is called that.
func isBlank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}
