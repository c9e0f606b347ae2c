// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// senders are the ways in which mail programs are known to write a subject, good
// and bad.
func senders(t *testing.T) []sender {
	encoded := func(enc encoding.Encoding, s string) string {
		out, err := enc.NewEncoder().String(s)
		require.NoError(t, err)
		return out
	}
	return []sender{
		{"plain, folded at every blank", func(s string) string { return strings.ReplaceAll(s+" for ward 5", " ", "\r\n ") }},
		{"folded with a tab", func(s string) string { return "Discharge\r\n\t" + s }},
		{"folded before the first word", func(s string) string { return "\r\n " + s + " x" }},
		{"raw UTF-8 (RFC 6532)", func(s string) string { return s + " Zoë – 李" }},
		{"one base64 word", func(s string) string { return b64("UTF-8", s+" Zoë") }},
		{"lower-case letters for charset and encoding", func(s string) string { return b64("utf-8", s+" Zoë") + " " + strings.ToLower("=?UTF-8?Q?") + "x?=" }},
		{"one word of more than 75 characters", func(s string) string { return b64("utf-8", strings.Repeat("Zoë ", 60)+s) }},
		{"several words on one line", func(s string) string { return b64("utf-8", "Zoë ") + " " + b64("utf-8", s) + " " + b64("utf-8", " x") }},
		{"words with nothing between", func(s string) string { return b64("utf-8", "Zoë ") + b64("utf-8", s) }},
		{"words cut every 7 bytes, inside letters too, one a line", func(s string) string { return cut("utf-8", "Zoë李 "+s+" 李Zoë", 7, "\r\n ") }},
		{"words cut every byte", func(s string) string { return cut("utf-8", "Zoë "+s, 1, " ") }},
		{"Q with _ for blanks and everything else as codes", func(s string) string { return "=?ISO-8859-1?Q?" + quoted(s+" Zo\xeb") + "?=" }},
		{"Q with =20 for blanks", func(s string) string {
			return "=?iso-8859-1?q?" + strings.ReplaceAll(quoted(s+" x"), "_", "=20") + "?="
		}},
		{"Q with lower-case codes", func(s string) string { return "=?utf-8?Q?" + strings.ToLower(quoted(s)) + "?=" }},
		{"Q with blanks left in", func(s string) string { return "=?utf-8?Q?" + s + " Zo=C3=AB?=" }},
		{"Q with question marks left in", func(s string) string { return "=?utf-8?Q?really?_" + s + "_?=" }},
		{"a language (RFC 2231)", func(s string) string { return b64("utf-8*en-GB", s) }},
		{"Re: outside the word", func(s string) string { return "Re: " + b64("utf-8", s+" Zoë") }},
		{"Re: inside the word", func(s string) string { return b64("utf-8", "Re: "+s+" Zoë") }},
		{"a word inside quotation marks", func(s string) string { return `"` + b64("utf-8", s) + `"` }},
		{"text glued to the word, before and behind", func(s string) string { return "x" + b64("utf-8", " "+s+" ") + "x" }},
		{"an empty word first", func(s string) string { return "=?utf-8?Q??= " + s }},
		{"a byte order mark first", func(s string) string { return b64("utf-8", "\ufeff"+s) }},
		{"base64 without its padding", func(s string) string { return strings.ReplaceAll(b64("utf-8", s+"!!"), "=?=", "?=") }},
		{"Windows letters under the name of Latin-1", func(s string) string { return b64("iso-8859-1", s+" Mrs O\x92Neill \x96 x") }},
		{"Japanese: escapes before and behind", func(s string) string { return b64("ISO-2022-JP", encoded(japanese.ISO2022JP, s+" 退院")) }},
		{"Japanese: two words, each returning to ASCII", func(s string) string {
			return b64("iso-2022-jp", encoded(japanese.ISO2022JP, "退院 ")) + "\r\n " + b64("iso-2022-jp", encoded(japanese.ISO2022JP, s))
		}},
		{"Chinese: a word cut inside a letter", func(s string) string {
			return cut("gb2312", encoded(simplifiedchinese.GBK, "出院 "+s+" 你好"), 3, "\r\n\t")
		}},
		{"Chinese: four bytes a letter", func(s string) string { return b64("GB18030", encoded(simplifiedchinese.GB18030, s+" 𠀀")) }},
	}
}

type sender struct {
	how   string
	write func(typed string) string
}

func cut(charset, s string, n int, between string) string {
	var words []string
	for ; len(s) > n; s = s[n:] {
		words = append(words, b64(charset, s[:n]))
	}
	return strings.Join(append(words, b64(charset, s)), between)
}

func quoted(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case 'a' <= c && c <= 'z':
			b.WriteByte(c)
		default:
			b.Write([]byte{'=', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// However a program writes it, the tag is found, what is nearly the tag is held,
// and talk passes.
func TestSenders(t *testing.T) {
	for _, sender := range senders(t) {
		for typed, want := range map[string]mailpolicy.Verdict{
			"[secure]": mailpolicy.Encrypt, "[Secure] results": mailpolicy.Encrypt, "(secure)": mailpolicy.Hold, "[sceure] results": mailpolicy.Hold, "secure results": mailpolicy.Pass, "[not secure]": mailpolicy.Pass,
		} {
			d := decide(t, sender.write(typed), outside)
			require.Equal(t, want, d.Verdict, "%s: %q: %v", sender.how, sender.write(typed), d.Err())
		}
	}
}

// What one reader skips and another shows is held, and so is what neither reads.
func TestSendersThatCannotBeRead(t *testing.T) {
	for _, s := range []string{
		// Words that can't be read, put between parts of a subject so that a filter does not see it.
		"=?UTF-8?B??==?UTF-32LE?B?=473649?==?UTF-8?Q?x?=", "=?utf-8?Q?(sec?= =?x-none?B?====?= =?utf-8?Q?ure)?=", "[sec=?x-none?Q?=A0?=ure]",
		"=? ISO-2022-JP? B? GyRCQGAxIRsoQg==?=",                         // blanks that a program added
		"=?unknown-8bit?Q?x?=", "=?default?Q?x?=", "=?cp932?Q?=82=A0?=", // names that no registry has
		"=?utf-7?Q?Caf+AOk-?=", "=?IBM500?Q?=A7?=", // no table
		"Caf\xe9", "=?utf-8?Q?Caf=E9?=", "=?us-ascii?Q?Caf=E9?=", "=?shift_jis?B?gg==?=", // not in the charset
		"=?utf-8?B?W3NlY3VyZV0?", "=?UTF-8?Q?Caf=C3=?=", "x =?utf-8?Q?=?=", // cut off
	} {
		require.Equal(t, undecodable, wardkey.RuleOf(decide(t, s, outside).Err()), "%q", s)
	}
}
