// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

const (
	nearMiss    = "mail.secure.nearmiss"
	undecodable = "mail.secure.undecodable"
	linebreak   = "mail.secure.linebreak"
)

func utf16of(t testing.TB, s string, order unicode.Endianness, bom unicode.BOMPolicy) string {
	t.Helper()
	out, err := unicode.UTF16(order, bom).NewEncoder().String(s)
	require.NoError(t, err)
	return out
}

// evasions are ways in which a tag, or what was meant as one, could slip by. An
// empty rule means that it is the tag.
func evasions(t testing.TB) []evasion {
	mixed := func(s string) string { return utf16of(t, s, unicode.BigEndian, unicode.IgnoreBOM) }
	return []evasion{
		{"the word in a list", nearMiss, []string{
			"[URGENT, SECURE] x", "[OFFICIAL-SENSITIVE;secure] x", "[urgent/secure] x", "[urgent | secure] x", "[urgent, encrypt] x", "[a， se cure] x", "[secure+urgent] x",
		}},
		{"brackets that stand away from the word", nearMiss, []string{"secure ] x", "make it secure ] x", "secure[] x", "x secure []"}},
		{"encoded words where the standard has none", "", []string{
			"\"" + b64("utf-8", "[secure]") + "\"", "(" + b64("utf-8", "[secure]") + ")", "Re:" + b64("utf-8", "[secure]") + "x", "[sec" + b64("utf-8", "ure]"),
			b64("utf-8", "[sec") + "ure]", "x=?utf-8?Q?=5Bsecure=5D?=y", "\r\n " + b64("utf-8", "[secure]"), b64("utf-8", "[") + "\r\n " + b64("utf-16be", mixed("secure")) + " " + b64("koi8-r", "]"),
		}},
		{"words cut inside a letter, a base64 group or an escape", "", []string{
			"=?utf-8?B?W3Nl?==?utf-8?B?Y3VyZV0=?=", b64("utf-8", "[secure] \xf0\x9f") + "\r\n " + b64("utf-8", "\x98\x80"), b64("iso-2022-jp", "\x1b$B$") + " " + b64("iso-2022-jp", "\"\x1b(B[secure]"),
		}},
		{"words cut so that no part can be read", undecodable, []string{
			"=?utf-8?B?W3NlY?= =?utf-8?B?3VyZV0=?=", "=?utf-8?Q?=?= =?utf-8?Q?5Bsecure=5D?=", "=?utf-8?Q?=5?= =?utf-8?Q?Bsecure=5D?=",
		}},
		{"a word that its program began and did not finish", undecodable, []string{
			"=?utf-8?", "=?utf-8", "=?utf-8*en?B", "=?utf-8?B W3NlY3VyZV0=?=", "=?utf-8 W3NlY3VyZV0=?=", "=?iso-8859-1?Q=5Bsecure=5D?=", "=?utf-8Q?=5Bsecure=5D?=", "=?utf-8?Q?=5Bsecure=5D?",
		}},
		{"base64 that is padded wrongly or has stray bits", "", []string{"=?utf-8?B?W3NlY3VyZV0?=", "=?utf-8?B?W3NlY3VyZV0==?=", "=?utf-8?B?W3NlY3VyZV1=?=", "=?utf-8?B?W3 NlY3VyZV0=?="}},
		{"base64 that only some readers take", undecodable, []string{"=?utf-8?B?W3N=lY3VyZV0=?=", "=?utf-8?B?W3Nl-3VyZV0_?=", "=?utf-8?B?W3NlY3VyZV0=W?="}},
		{"aliases of charsets", "", []string{
			"=?US-ASCII?Q?=5Bsecure=5D?=", "=?ANSI_X3.4-1968?Q?=5Bsecure=5D?=", "=?latin1?Q?=5Bsecure=5D?=", "=?l1?Q?=5Bsecure=5D?=", "=?csISOLatin1?Q?=5Bsecure=5D?=", "=?csUTF8?Q?=5Bsecure=5D?=",
			"=?ISO_8859-15:1998?Q?=5Bsecure=5D?=", "=?MS936?Q?=5Bsecure=5D?=", "=?sjis?Q?=5Bsecure=5D?=", "=?cp037?B?uqKFg6SZhbs=?=", "=?ebcdic-cp-us?B?uqKFg6SZhbs=?=",
		}},
		{"charsets without a table, whose bytes show the tag", "", []string{
			"=?cp932?Q?=5Bsecure=5D_=82=A0?=", "=?x-unknown?Q?=5Bsecure=5D?=", "=?iso-2022-kr?Q?=5Bsecure=5D?=", "=?utf-32?B?AAAAWwAAAHMAAABlAAAAYwAAAHUAAAByAAAAZQAAAF0=?=", "=?unicode-1-1?Q?=00[=00s=00e=00c=00u=00r=00e=00]?=",
		}},
		{"charsets without a table, whose bytes do not", undecodable, []string{
			"=?utf-7?Q?+AFs-secure+AF0-?=", "=?IBM500?B?uqKFg6SZhbs=?=", "=?iso-2022-cn?Q?x?=", "=?utf-7?Q?+AFsAcwBlAGMAdQByAGUAXQ-?=", "=?scsu?Q?x?=", "=?ebcdic-international?B?uqKFg6SZhbs=?=",
		}},
		{"a charset that the program named wrongly, around the tag", "", []string{"[" + b64("utf-16le", mixed("secure")) + "]", b64("big5", "[secure]")}},
		{"a charset that the program named wrongly", nearMiss, []string{
			b64("utf-16le", mixed("(secure)")), "=?iso-8859-1?Q?=EF=BC=BBsecure=EF=BC=BD?=", "=?koi8-r?Q?=EF=BC=BBsecure=EF=BC=BD?=", "=?us-ascii?Q?(secure)?=",
		}},
		{"words that only a reader who joins them reads so", nearMiss, []string{b64("iso-2022-jp", "\x1b$B") + " " + b64("iso-2022-jp", "!N#s#e#c#u#r#e!O")}},
		{"escapes of stateful charsets inside the tag", "", []string{
			"=?hz-gb-2312?Q?[sec~=0Aure]?=", "=?iso-2022-jp?B?W3NlGyhCY3VyZV0=?=", b64("iso-2022-jp", "\x1b(J[secure]\x1b(B"), b64("utf-16", "\xfe\xff"+mixed("[secure]")), b64("utf-16", "\xff\xfe"+utf16of(t, "[secure]", unicode.LittleEndian, unicode.IgnoreBOM)),
		}},
		{"bytes that are no text", undecodable, []string{
			"\xc1\x9bsecure\xc1\x9d", "=?utf-8?Q?=C1=9Bsecure=C1=9D?=", "[sec\x7fure]", "=?utf-8?Q?[sec=00ure]?=", "=?utf-8?Q?[secure]=00?=", "=?utf-8?Q?[sec=1Bure]?=", "\xed\xa0\xbd[x]", "[secure\x85]", "(secure) \xe9",
		}},
		{"line breaks of other alphabets", linebreak, []string{"[sec\u2028ure]", "[sec\u2029ure]", "[sec\u0085ure]", b64("utf-8", "x\r\n[secure]"), b64("utf-8", "x\r[secure]"), b64("utf-8", "x\ny"), b64("iso-8859-1", "x\n[secure]")}},
		{"written as codes, and as codes of codes", nearMiss, []string{
			"&amp;#91;secure&amp;#93;", "%255Bsecure%255D", "[=73ecure]", "[%73ecure]", `[\u0073ecure]`, "&AFs-secure&AF0-", "+AFsAcwBlAGMAdQByAGUAXQ-", "&lsqb;secure&rsqb;", "&#x5b;secure&#x5d;", "&#91secure&#93",
			`\133secure\135`, "U+005BsecureU+005D", `\U0000005bsecure\U0000005d`, `\x{5b}secure]`, "[secure&#93;", "[secure%5D", "&#91;secure]", "&#40;secure&#41;", "[&#115;ecure]", "=5Bsecure=5D", "[s%E9cure]", `[s\xe9cure]`,
		}},
		{"letters that the eye does not see", nearMiss, []string{
			"\U000E005B\U000E0073\U000E0065\U000E0063\U000E0075\U000E0072\U000E0065\U000E005D x", "[\U000E0073\U000E0065\U000E0063\U000E0075\U000E0072\U000E0065]", "[sec\U000E0020ure]",
			"[sec\u17b4ure]", "[sec\u180eure]", "[sec\u034fure]", "[sec\ufff9ure]", "[sec\u061cure]", "[sec\u0080ure]", "[sec\u00a0ure]",
		}},
		{"the direction of reading turned", nearMiss, []string{"[se\u202eeruc\u202c] x", "[\u202eeruces\u202c] x", "\u202e]eruces[", "x \u202eab"}},
		{"strangers between the letters", nearMiss, []string{
			"[s\u0327ecure]", "[s\u20ddecure]", "[se\u0903cure]", "[sec\ue000ure]", "[sec\u2800ure]", "[sec\ufffcure]", "[sec\u3000ure]", "[sec\u1680ure]", "[s.e.c.u.r.e]", "[s@cure]", "[sec*re]", "[SECURE!!!]", "[SECURE\\]", "[🔒secure🔒]",
			b64("utf-8", "[sec") + "\u00a0" + b64("utf-8", "ure]"), "[sec " + b64("utf-8", "ure]"),
		}},
		{"letters of other alphabets, and of generators of fancy text", nearMiss, []string{
			"[ςecure]", "[ѕесυге]", "[𝗌𝖾𝖼𝗎𝗋𝖾]", "[sₑcure]", "[ˢᵉᶜᵘʳᵉ]", "[ᔕEᑕᑌᖇE]", "[sɇcʉɍɇ]", "[ṡėċụṙė]", "[ŞΣÇЦRΣ]", "[ֆɛƈʊʀɛ]", "[丂乇匚凵尺乇]", "[ᏕᏋፈᏬᏒᏋ]", "[§€¢µ®€]", "[ßecure]", "[53cur3]", "[5ecvre]", "[zecure]",
		}},
		{"brackets of other alphabets and shapes", nearMiss, []string{
			"｟secure｠", "⁅secure⁆", "『secure』", "﹇secure﹈", "❲secure❳", "⸨secure⸩", "₍secure₎", "⁽secure⁾", "༺secure༻", "﴾secure﴿", "⸢secure⸣", "◁secure▷", "▐secure▌", "【secure", "〈secure〉", "‹secure›", "［secure］", "[secure］",
		}},
		{"marks that people take for brackets", nearMiss, []string{
			"/secure/ x", "#secure# x", "_secure_ x", "~secure~", "!secure!", "^secure^ x", `\secure\ x`, "=secure= x", "+secure+ x", "@secure@", "//Secure// x", "#secure results", "x #SECURE", "#encrypt x", "!encrypt!", "=?utf-8?Q?=23secure?=",
		}},
		{"a slip and no closing bracket", nearMiss, []string{"[secur results", "[secrue results", "[secure1 x", "[secureЈ", "x [scure"}},
		{"a key held too long", nearMiss, []string{"[secureee]", "[seccuurre]", "[ssseccurreee]", "[SSECUREE]"}},
		{"tags of other systems", nearMiss, []string{
			"[encrypt please] x", "[encrypt: x]", "{encrypt} x", "[send securely]", "[encrypt mail]", "[encrypted email]", "[rw4encrypt] x", "[RW4Encrypt x", "<encrypt>", "[Send Secure]", "[securely]", "[encrypt message]",
		}},
	}
}

type evasion struct {
	idea, rule string
	subjects   []string
}

func TestEvasions(t *testing.T) {
	for _, e := range evasions(t) {
		for _, s := range e.subjects {
			d := decide(t, s, outside)
			if got := wardkey.RuleOf(d.Err()); got != e.rule || d.Tagged != (e.rule == "") || d.Recipients[0].Verdict == mailpolicy.Pass {
				t.Errorf("%s: %q: %v %q", e.idea, s, d.Verdict, got)
			}
		}
	}
}

// What is near to an evasion and is ordinary talk, or ordinary programs' work.
func TestNoEvasions(t *testing.T) {
	for _, s := range []string{
		"=?utf-8?Q??=", "=?UTF-8?B??=", "=?utf-8?B?====?=", "=?utf-8?Q??= =?utf-8?Q?caf=C3=A9?=", "what=?no?", "is =?that? so", "a=?b?c",
		"https://secure.example/login", "a/secure/b", "/secure/login is down", `C:\secure\x`, "low-secure-unit", "#secureboots", "Q&A: secure / not secure", "secure/unsecure", "A_secure_B", "snake_case_secure_name",
		"[encrypted backup] failed", "[encryption at rest] review", "[confidential]", "[private]", "R&D +44 20 7946 0000 50% off", "A+B=C", "a=3Db", "1 + 2 = 3 &c.", "&copy; 2026", `\\server\share`,
		"[…] secure", "Re: ...", "\u202bشكرا\u202c", "\u2067שלום\u2069 results", "🏴\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F [Scotland]", "[secret] plan", "(secured)", "x [y] #12", "is it secure? :)", "[not secure, urgent]", "[a, b] secure",
		b64("iso-2022-jp", "\x1b$B4E?/L}\x1b(B"), b64("iso-2022-jp", "\x1b$B$\"") + " " + b64("iso-2022-jp", "x"), b64("gb18030", "\xc4\xe3\xba\xc3"), b64("utf-16", "\xfe\xff\x00h\x00i"), b64("iso-8859-1", "na\xefve"),
	} {
		d := decide(t, s, outside)
		if d.Verdict != mailpolicy.Pass || d.Warning != nil {
			t.Errorf("%q: %v %v", s, d.Verdict, d.Err())
		}
	}
}

// A tag in other fields than Subject, and fields that only look like Subject.
func TestOtherFields(t *testing.T) {
	for _, h := range []string{
		"From: \"[secure]\" <home@nhs.net>\r\nSubject: x\r\n\r\n", "To: [secure] <son@gmail.com>\r\nSubject: x\r\n\r\n", "Comments: [secure]\r\nKeywords: [secure]\r\n\r\n",
		"X-Subject: [secure]\r\nSubject: x\r\n\r\n", "Subject: x\r\n\r\nSubject: [secure]\r\n", "Subject: x\r\n\r\n[secure]\r\n",
		"Subject: x\r\nTo: a@nhs.net,\r\n [secure] <son@gmail.com>\r\n\r\n", "Sub: [secure]\r\nSubject: x\r\n\r\n", "Subject: x\r\nSubject-Old: [secure]\r\nSubjects: (secure)\r\n\r\n", "!x~: [secure]\r\n\r\n",
	} {
		d := mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: []byte(h), Recipients: []string{outside}})
		require.Equal(t, mailpolicy.Pass, d.Verdict, "%q", h)
	}
	for _, h := range []string{
		"\xd0\x85ubject: [secure]\r\n\r\n", "\xef\xbb\xbfSubject: [secure]\r\n\r\n", "Subject\xc2\xa0: [secure]\r\n\r\n", "Subject\x0b: [secure]\r\n\r\n", "\tSubject: [secure]\r\n\r\n", "Subject [secure]\r\n\r\n",
		"To: x\r\n\x00Subject: [secure]\r\n\r\n", "X: y\r\n\t\r\nSubject: [secure]\r\n\r\n", "Subject: x\r\nSUBJECT\t: [secure]\r\n\r\n", "Subject: x\r\r\nSubject: [secure]\r\n\r\n",
	} {
		d := mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: []byte(h), Recipients: []string{outside}})
		require.Equal(t, mailpolicy.Hold, d.Verdict, "%q", h)
	}
	for _, h := range []string{
		"subject:[secure]\r\n\r\n", "SUBJECT \t: [secure]\r\n\r\n", "Subject:\r\n [secure]\r\n\r\n", "Subject:\r\n\t=?utf-8?Q?[secure]?=\r\n\r\n", "Subject: " + strings.Repeat("long ", 1000) + "[secure]\r\n\r\n", "Subject: [secure]",
		"Subject: " + strings.Repeat("x\r\n ", 1000) + "[secure]\r\n\r\n",
	} {
		d := mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: []byte(h), Recipients: []string{outside}})
		require.Equal(t, mailpolicy.Encrypt, d.Verdict, "%q", h)
	}
}
