// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

var today = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func policyAt(t testing.TB, at time.Time) *mailpolicy.Policy {
	t.Helper()
	p, err := mailpolicy.PolicyAt(at)
	require.NoError(t, err)
	return p
}

// header makes a header block around a raw Subject value.
func header(subject string) []byte {
	return []byte("From: Home <home@nhs.net>\r\nTo: someone@gmail.com\r\nSubject: " + subject + "\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n\r\n")
}

func decide(t testing.TB, subject string, to ...string) mailpolicy.Decision {
	t.Helper()
	return mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: header(subject), Recipients: to})
}

const outside = "son@gmail.com"

func TestRows(t *testing.T) {
	t.Run("row170", func(t *testing.T) {
		d := decide(t, "[secure] Handover", "gp@nhs.net")
		require.Equal(t, mailpolicy.Pass, d.Verdict)
		require.True(t, d.Recipients[0].Secure)
		require.Equal(t, "mail.secure.exact", d.Recipients[0].Why.Rule)
	})
	t.Run("row171", func(t *testing.T) {
		d := decide(t, "[secure] Hello", outside)
		require.Equal(t, mailpolicy.Encrypt, d.Verdict)
		require.Contains(t, d.Recipients[0].Why.Source.Document, "Frequently Asked Questions for care providers")
	})
	t.Run("row172", func(t *testing.T) {
		require.Equal(t, mailpolicy.Pass, decide(t, "secure Hello", outside).Verdict)
		for _, s := range []string{"(secure) Hello", "[secure Hello"} {
			d := decide(t, s, outside)
			require.Equal(t, mailpolicy.Hold, d.Verdict, s)
			require.Equal(t, "mail.secure.nearmiss", wardkey.RuleOf(d.Err()), s)
			require.Equal(t, "sender", d.Refusal.Fixer)
			require.NotEmpty(t, d.Refusal.Next)
		}
	})
	t.Run("row173", func(t *testing.T) {
		for _, s := range []string{"Re: [secure] x", "x [secure]", "FW: [Ext] [SECURE]x"} {
			require.Equal(t, mailpolicy.Encrypt, decide(t, s, outside).Verdict, s)
		}
		// The choice is a rule: an organisation that takes the document at its word
		// has the tag before the subject only, and elsewhere is doubt.
		strict := overlaid(t, `{"id":"mail.secure.tag.anywhere","value":false,"unit":"flag","from":"2026-01-01","zone":"Europe/London","source":"O","tighter":"lower"}`)
		decideStrictly := func(subject string) mailpolicy.Decision {
			return mailpolicy.Decide(strict, mailpolicy.Message{Header: header(subject), Recipients: []string{outside}})
		}
		for _, s := range []string{"[secure] x", "[SECURE]", "Re: [secure] x", "RE : [secure]", "AW: [EXTERNAL] WG[2]: [Secure] x", "转发：[secure]", b64("utf-8", "Réf: [secure]"), "R: [secure] x", "Weitergeleitet: [secure]", "\r\n [secure] x"} {
			require.Equal(t, mailpolicy.Encrypt, decideStrictly(s).Verdict, s)
		}
		for _, s := range []string{"x [secure]", "Results for today: [secure]", "(1) [secure]", ": [secure]", "2: [secure]", "Re x: [secure]", "R.: [secure]", "Weitergeleitete: [secure]", "Re [secure]", "[EXTERNAL x [secure]", b64("utf-8", "x [secure]")} {
			require.Equal(t, nearMiss, wardkey.RuleOf(decideStrictly(s).Err()), s)
		}
		require.Contains(t, decideStrictly("x [secure]").Refusal.Public, "it does not stand before the subject")
		require.Equal(t, mailpolicy.Pass, decideStrictly("x").Verdict)
	})
	t.Run("row174", func(t *testing.T) {
		for to, secure := range map[string]bool{
			"a@leeds.gov.uk": true, "a@mail.leeds.gov.uk": true, "A@LEEDS.GOV.UK": true, "a@x.gsi.gov.uk": true,
			"a@notgov.uk": false, "a@gov.uk.evil.com": false, "a@gov.uk": false, "a@xgov.uk": false, "a@leeds-gov.uk": false,
		} {
			d := decide(t, "[secure] x", to)
			require.Equal(t, secure, d.Recipients[0].Secure, to)
			require.Equal(t, secure, d.Verdict == mailpolicy.Pass, to)
		}
	})
	t.Run("row175", func(t *testing.T) {
		d := decide(t, "[secure] x", "a@nhs.net", outside, "b@nhs.net")
		require.Equal(t, mailpolicy.Encrypt, d.Verdict)
		require.Equal(t, []mailpolicy.Verdict{mailpolicy.Pass, mailpolicy.Encrypt, mailpolicy.Pass},
			[]mailpolicy.Verdict{d.Recipients[0].Verdict, d.Recipients[1].Verdict, d.Recipients[2].Verdict})
		d = decide(t, "x", "a@nhs.net", outside)
		require.Equal(t, mailpolicy.Pass, d.Verdict)
		require.False(t, d.Recipients[1].Secure)
		require.Contains(t, d.Recipients[1].Why.Text, "[secure]")
	})
}

// overlaid is the policy of today as an organisation has tightened it.
func overlaid(t *testing.T, rule string) *mailpolicy.Policy {
	t.Helper()
	book, err := mailpolicy.Rules().Overlay([]byte(`{"sources":{"O":{"document":"Trust policy 7"}},"rules":[` + rule + `],"refusals":[]}`))
	require.NoError(t, err)
	p, err := mailpolicy.PolicyOf(book, today)
	require.NoError(t, err)
	return p
}

// Every decision says by what rule, and a held one what each address counts as.
func TestWhy(t *testing.T) {
	d := decide(t, "x", "a@nhs.net", outside, "b@leeds.gov.uk")
	require.Same(t, d.Recipients[1].Why, d.Why, "of those who pass, the one who is not secure")
	require.Contains(t, d.Why.Next, "[secure]")
	d = decide(t, "[secure] x", "a@nhs.net", "b@leeds.gov.uk", outside)
	require.Same(t, d.Recipients[2].Why, d.Why)
	require.NotEmpty(t, d.Why.Next)
	require.Equal(t, mailpolicy.SeedProfile, d.Profile)
	d = decide(t, "x", "b@leeds.gov.uk", "a@nhs.net")
	require.Same(t, d.Recipients[0].Why, d.Why)

	d = decide(t, "(secure) x", "a@nhs.net", outside, "b@", "c@leeds.gov.uk")
	require.Nil(t, d.Why)
	require.Equal(t, []bool{true, false, false, true}, []bool{d.Recipients[0].Secure, d.Recipients[1].Secure, d.Recipients[2].Secure, d.Recipients[3].Secure})
	require.Equal(t, "mail.secure.tag", d.Recipients[1].Why.Rule)
	require.Contains(t, d.Recipients[1].Why.Text, "with [secure] in the subject its copy is encrypted")
	require.Nil(t, d.Recipients[2].Why)
	require.Equal(t, "mail.recipient.address", d.Recipients[2].Refusal.Rule)
	for _, i := range []int{0, 1, 3} {
		require.Same(t, d.Refusal, d.Recipients[i].Refusal)
		require.Equal(t, mailpolicy.Hold, d.Recipients[i].Verdict)
	}
	var all wardkey.Refusals
	require.ErrorAs(t, d.Err(), &all)
	require.Len(t, all, 2, "the subject and the address at once")
	require.Equal(t, nearMiss, wardkey.RuleOf(d.Err()))
}

// b64 and q are encoded words as programs write them.
func b64(charset, s string) string {
	return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

// tagged are subjects whose sender asked for encryption.
var tagged = []string{
	"[secure]", "[SECURE] x", "[SeCuRe]x", "x[secure]y", "[[secure]]", "[secure][secure]", "  [secure]", "Re: AW: [secure] x",
	"=?utf-8?Q?=5Bsecure=5D_x?=", "=?UTF-8?q?=5bsecure=5d?= x", "=?utf-8?Q?[secure]_=C3=A9?=",
	b64("utf-8", "[secure] é"), b64("UTF-8*en", "[secure]"), b64("windows-1252", "[secure] \x93x\x94"), b64("cp1252", "[secure] \x93"),
	b64("utf-8", "[sec") + " " + b64("utf-8", "ure]"), b64("utf-8", "[sec") + "\r\n\t" + b64("iso-8859-1", "ure] \xe9"),
	b64("utf-8", "[sec") + b64("utf-8", "ure]"), "=?utf-8?Q?[se?=\r\n =?utf-8?Q?cure]?=",
	// A letter cut between two words.
	b64("utf-8", "\xc3") + " " + b64("utf-8", "\xa9 [secure]"),
	b64("gb2312", "[secure] \xc4\xe3"), b64("ks_c_5601-1987", "[secure] \xb0\xa1"), b64("shift_jis", "[secure] \x82\xa0"),
	b64("iso-2022-jp", "[secure] \x1b$B$\"\x1b(B"), b64("utf-16be", "\x00[\x00s\x00e\x00c\x00u\x00r\x00e\x00]"),
	b64("IBM037", "\xba\xa2\x85\x83\xa4\x99\x85\xbb"), b64("us-ascii", "[secure]"), b64("koi8-r", "[secure] \xc1"),
	"x\r\n [secure]", "x\r\n\t[secure]\r\n y", "=?bogus?Q?x?= [secure]", "[secure] =?utf-8?B?!!!?=",
	"=?utf-8?B?W3NlY3VyZV0?=",                                   // padding left off
	"=?utf-8?Q?[secure] with blanks?=", "=?IBM037?Q?[secure]?=", // blanks inside a word
	"[secure\r\n ] [secure]", "caf\xc3\xa9 [secure]", // raw UTF-8
	// The order of the bytes is not told, or told wrongly, and a charset that makes other letters of it.
	b64("utf-16", "[\x00s\x00e\x00c\x00u\x00r\x00e\x00]\x00"), b64("utf-16le", "\x00[\x00s\x00e\x00c\x00u\x00r\x00e\x00]"),
	b64("utf-16be", "\xff\xfe[\x00s\x00e\x00c\x00u\x00r\x00e\x00]\x00"), b64("hz-gb-2312", "~{[secure]~}"),
}

// ordinary talk is no tag.
var ordinary = []string{
	"", "hello", "secure results", "Secure", "results: secure", "[not secure]", "[insecure]", "(insecure)", "is it [really] secure?",
	"[unsecured] loan", "not [very] secure (yet)", "secured (loan)", "security [update]", "[EXTERNAL] results", "(1) secure door",
	"(secure results)", "secure :)", "Home > secure > login", "2 < 3", "a|b", "** important **", "100% secure & safe", "a=b", "what=?no?",
	"=?utf-8?Q?caf=C3=A9?=", "caf\xc3\xa9", "[caf\xc3\xa9]", b64("windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2"), "[日本] 安全", "(обезопасить)",
	"the word “secure”", "[encoder] fitted", "re(cure)", "[se] [cure]", "[a] b] c",
	"[obscure] text", "[cure]", "[sure]", "[nhs secure] unit", "أهلا\u200f [مرحبا]",
	// What is written on wards.
	"[EXTERNAL] RE: bloods", "(see below) secure results", "[Secure Unit] rota", "RE: [secure wards] beds", "[Medium Secure Unit] beds", "[Secure children's home] visit",
	"[NHS Secure Boundary] alert", "(Low) secure bed [urgent]", "[Ensure] Ensure Plus", "[Cyber Security] alert", "(secure unit) rota", "[привет]", "[ ] secure the door",
	"=?iso-8859-1?Q?Wait=85_Patient=92s_bloods?=", "=?windows-1252?Q?Mrs_O=92Neill?=", "is it =? or ?= that we use", "was it =?us or them", "did he say =?what??", "=?? really ? yes",
	b64("utf-16", "\xff\xfeh\x00i\x00"), "=?iso-8859-1?Q?=aa=ff=AA=FF=99=70?=",
}

// attempts look like the tag to a person and are not.
var attempts = []string{
	"(secure) x", "{secure} x", "<secure> x", "【secure】", "〔secure〕", "⟦secure⟧", "«secure»", "|secure| x", "*secure* x", "[secure) x", "(secure] x",
	"[secure x", "x [secure", "secure] x", "Re: secure] x", "(secure x", "[secure [x]",
	"[ secure ]", "[ secure]", "[secure ]", "[sec ure]", "[s e c u r e]", "[secure.]", "[-secure-]", "[se\u00adcure]", "[\u200bsecure]", "[secure\u200b]",
	"[sec\u2060ure]", "[secure\ufeff]", "[sec\r\n ure]", "[secure\t]", "[s\u0301ecure]", "[sécure]", "[secure\ufe0f]", "[🔒secure]", "[\u3164secure]",
	"[ѕecure]", "[sеcure]", "[seсure]", "[secυre]", "[ꜱecure]", "[ＳＥＣＵＲＥ]", "［secure］", "[𝐬𝐞𝐜𝐮𝐫𝐞]", "[ſecure]", "[s3cure]", "[$ecure]", "[5ecure]",
	"[secrue]", "[secur]", "[seccure]", "[secured]", "[secuer]", "[sexure]",
	"[secure results] x", "[secure: x]", "[secure - x]",
	"[encrypt] x", "[encrypted]", "[RW4ENCRYPT] x", "[secure email]", "(encrypt) x", "[encryption]", "[SecureMail]",
	"&#91;secure&#93; x", "&lbrack;secure&rbrack;", "%5Bsecure%5D", "+AFs-secure+AF0-", `\[secure\]`, "=5Bsecure=5D",
	"\u202e]eruces[ x", "\u202e[eruces] x", b64("utf-8", "(secure)"), "=?utf-8?Q?=5Bsecure?=", "⌈secure⌉", "⎡secure⎦", "[[secure",
	"[ꜱᴇᴄᴜʀᴇ]", "[ꮪꭼcure]", "[🆂🅴🅲🆄🆁🅴]", "[🅢🅔🅒🅤🅡🅔]", "[🇸🇪🇨🇺🇷🇪]", "[🄢ecure]", "[ⓢⓔⓒⓤⓡⓔ]", "[\U00010448\U0001045ecure]",
	"[]secure x", "[ ]secure", "]secure[ x", "[secure ward 5 results]", "[Secure Unit", "[secure (unit)]",
}

// unreadable can't be told.
var unreadable = []string{
	"=?bogus?Q?x?=", "=?utf-8?B?!!!?=", "=?utf-8?Q?=ZZ?=", "=?utf-8?Q?=4?=", "=?utf-8?X?abc?=", "=?utf-8?B?W3NlY3VyZV0", "=?utf-8?Q?x",
	b64("utf-8", "\xff\xfe"), b64("us-ascii", "caf\xe9"), "caf\xe9", b64("utf-7", "+AFs-x"), b64("utf-8", b64("utf-8", "[secure]")), "a\x01b", "a\x7fb",
	b64("utf-8", "a\ufffdb"), "a\ufffdb", b64("utf-8", "=?utf-8 x"), "=?866 x", "=??Q?=5Bsecure=5D?=",
	"=?iso-8859-1?Q?=4Z?=", "=?iso-8859-1?Q?=Z4?=", "=?iso-8859-1?Q?=/0?=", "=?iso-8859-1?Q?=:0?=", "=?iso-8859-1?Q?=@0?=", "=?iso-8859-1?Q?=G0?=", "=?iso-8859-1?Q?=`0?=", "=?iso-8859-1?Q?=g0?=", "=?iso-8859-1?Q?=z0?=", "=?iso-8859-1?Q?caf\xe9?=", "=?iso-8859-1?Q?\x80?=",
	b64("utf-8", "a\x00b"), b64("iso-2022-kr", "x\x0e!!\x0f"), "=?utf-8?Q?caf\xe9?=",
	// Words that a lenient reader opens.
	"=?utf-8 ?B?W3NlY3VyZV0=?=", "=?utf-\r\n 8?B?W3NlY3VyZV0=?=", "=?utf-8?\r\n B?W3NlY3VyZV0=?=", "=?utf-8?B\r\n ?W3NlY3VyZV0=?=", "=\r\n ?utf-8?B?W3NlY3VyZV0=?=",
	"=??B?W3NlY3VyZV0=?=", "=?utf-8?Q?=5Bsecure?=5D?=", b64("utf-16", "(\x00s\x00e\x00c\x00u\x00r\x00e\x00)\x00"), b64("utf-16be", "\xff\xfex\x00"),
}

func TestSubjects(t *testing.T) {
	for _, s := range tagged {
		d := decide(t, s, outside)
		require.Equal(t, mailpolicy.Encrypt, d.Verdict, "%q: %v", s, d.Err())
		require.True(t, d.Tagged)
	}
	for _, s := range ordinary {
		d := decide(t, s, outside)
		require.Equal(t, mailpolicy.Pass, d.Verdict, "%q: %v", s, d.Err())
	}
	for _, s := range attempts {
		require.Equal(t, "mail.secure.nearmiss", wardkey.RuleOf(decide(t, s, outside).Err()), "%q", s)
	}
	for _, s := range unreadable {
		require.Equal(t, "mail.secure.undecodable", wardkey.RuleOf(decide(t, s, outside).Err()), "%q", s)
	}
}

func TestThreat045(t *testing.T) {
	t.Run("threat045", func(t *testing.T) {
		for _, s := range append(append(append([]string{}, tagged...), attempts...), unreadable...) {
			d := decide(t, s, "gp@nhs.net", outside)
			require.NotEqual(t, mailpolicy.Pass, d.Verdict, "%q", s)
			require.NotEqual(t, mailpolicy.Pass, d.Recipients[1].Verdict, "%q", s)
		}
		for _, e := range evasions(t) {
			for _, s := range e.subjects {
				for _, s := range []string{s, "Re: " + s, "[EXTERNAL] " + s, s + "\r\n for Mrs O'Neill (ward 5)"} {
					require.NotEqual(t, mailpolicy.Pass, decide(t, s, outside).Verdict, "%s: %q", e.idea, s)
				}
			}
		}
		for rule, raw := range map[string][]string{
			"mail.secure.subjects": {
				"Subject: x\r\nSubject: [secure]\r\n\r\n", "Subject: x\r\nsubject : y\r\n\r\n", "SUBJECT: [secure]\r\nTo: a\r\nSubject: x\r\n\r\n",
			},
			"mail.secure.linebreak": {
				"Subject: x\r [secure]\r\n\r\n", "Subject: x\n [secure]\r\n\r\n", "To: a\rSubject: [secure]\r\n\r\n", "Subject: x\n\n",
				"To: a\nSubject: [secure]\r\n\r\n", "Subject: =?utf-8?Q?x=0D=0ASubject:_[secure]?=\r\n\r\n", "Subject: a\u2028b\r\n\r\n", "\nSubject: x\r\n\r\n",
				"Subject: x\r", "\rSubject: x\r\n\r\n", "Subject: [secure]=?utf-8?Q?=0A?=\r\n\r\n",
			},
			"mail.secure.header": {
				"Subject: x\r\n \r\n [secure]\r\n\r\n", " Subject: x\r\n\r\n", "no field\r\nSubject: x\r\n\r\n", ": x\r\n\r\n", "Sub ject: [secure]\r\n\r\n",
				"Subj\u200bect: [secure]\r\n\r\n", "Subject: x\x00[secure]\r\n\r\n", "Subject\r\n : [secure]\r\n\r\n", "X\x7f: y\r\nSubject: x\r\n\r\n", "From bob Mon Nov 22\r\nSubject: x\r\n\r\n",
			},
		} {
			for _, h := range raw {
				d := mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: []byte(h), Recipients: []string{outside, "a@nhs.net"}})
				require.Equal(t, rule, wardkey.RuleOf(d.Err()), "%q", h)
				require.Equal(t, mailpolicy.Hold, d.Recipients[0].Verdict)
				require.Equal(t, mailpolicy.Hold, d.Recipients[1].Verdict)
			}
		}
	})
}

// What a hostile header can cost is bounded: what grows with the square of this
// size takes a minute, and a busy machine is not it.
func TestLongSubjects(t *testing.T) {
	const size = 256 << 10
	for _, piece := range []string{
		"=?bogus?Q?x?=", "=?utf-8?Q?[?=", "[secur", "(", "=?", "=?x?B?", "[]secur", "\u202e[", "&#91;", "=?utf-16?B?AA==?= ", "\r\n x",
		"=?utf-8", "%5B", "%255", "+AFs-", "&amp;", "/secure", "\U000E005B", `\u00`, "[...] ", "Re: ", "=?utf-8?Q?=F0?= =?utf-8?B?nw==?=",
	} {
		start := time.Now()
		decide(t, strings.Repeat(piece, size/len(piece)), outside)
		require.Less(t, time.Since(start), 20*time.Second, piece)
	}
}

// Every charset that x/text has a table for is understood under its registered
// names and those that browsers know.
func TestEveryCharset(t *testing.T) {
	n := 0
	for _, enc := range slices.Concat(charmap.All, japanese.All, korean.All, simplifiedchinese.All, traditionalchinese.All, unicode.All) {
		raw, err := encoding.HTMLEscapeUnsupported(enc.NewEncoder()).String("[secure] x")
		require.NoError(t, err)
		round, err := encoding.HTMLEscapeUnsupported(enc.NewEncoder()).String("(secure) x")
		require.NoError(t, err)
		names := map[string]bool{}
		for _, nameOf := range []func(encoding.Encoding) (string, error){ianaindex.IANA.Name, ianaindex.MIME.Name, htmlindex.Name} {
			if name, err := nameOf(enc); err == nil {
				names[name] = true
			}
		}
		require.NotEmpty(t, names, "%v", enc)
		for name := range names {
			require.Equal(t, mailpolicy.Encrypt, decide(t, b64(name, raw), outside).Verdict, name)
			require.Equal(t, mailpolicy.Encrypt, decide(t, b64(strings.ToLower(name)+"*en-GB", raw), outside).Verdict, name)
			require.Equal(t, nearMiss, wardkey.RuleOf(decide(t, b64(name, round), outside).Err()), name)
			n++
		}
	}
	require.Greater(t, n, 80)
}

func list(t *testing.T, asOf string, domains ...string) *mailpolicy.DomainList {
	t.Helper()
	l, err := mailpolicy.ParseDomainList([]byte(`{"document":"Accredited organisations","asOf":"` + asOf + `","domains":["` + strings.Join(domains, `","`) + `"]}`))
	require.NoError(t, err)
	return l
}

func TestThreat051(t *testing.T) {
	t.Run("threat051", func(t *testing.T) {
		decideBy := func(l *mailpolicy.DomainList, subject, to string) mailpolicy.Decision {
			return mailpolicy.Decide(policyAt(t, today).Accredited(l), mailpolicy.Message{Header: header(subject), Recipients: []string{to}})
		}
		fresh := list(t, "2026-11-20", "leeds.gov.uk", "Hospice.example.org")
		for to, secure := range map[string]bool{
			"a@leeds.gov.uk": true, "a@LEEDS.gov.uk": true, "a@hospice.example.org": true, "a@nhs.net": true,
			"a@x.leeds.gov.uk": false, "a@york.gov.uk": false, "a@gov.uk": false, "a@example.org": false,
		} {
			d := decideBy(fresh, "[secure] x", to)
			require.Equal(t, secure, d.Recipients[0].Secure, to)
			require.Equal(t, mailpolicy.AccreditedProfile, d.Profile)
		}
		// Stale, from the future, or not there: encrypt.
		for _, l := range []*mailpolicy.DomainList{list(t, "2026-11-14", "leeds.gov.uk"), list(t, "2026-11-23", "leeds.gov.uk"), nil} {
			require.Equal(t, mailpolicy.Encrypt, decideBy(l, "[secure] x", "a@leeds.gov.uk").Verdict)
			require.Equal(t, mailpolicy.Pass, decideBy(l, "[secure] x", "a@nhs.net").Verdict)
			// Its sender may have left the tag off because of the list.
			d := decideBy(l, "x", "a@leeds.gov.uk")
			require.Equal(t, mailpolicy.Encrypt, d.Verdict)
			require.False(t, d.Recipients[0].Secure)
			require.NotEmpty(t, d.Why.Source.Document)
			require.Equal(t, mailpolicy.Pass, decideBy(l, "x", "a@nhs.net").Verdict)
		}
		// A list of seven days is fresh to the last second.
		midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		for age, want := range map[time.Duration]mailpolicy.Verdict{0: mailpolicy.Pass, time.Second: mailpolicy.Encrypt} {
			p := policyAt(t, midnight.Add(age)).Accredited(list(t, "2026-11-15", "hospice.example.org"))
			require.Equal(t, want, mailpolicy.Decide(p, mailpolicy.Message{Header: header("x"), Recipients: []string{"a@hospice.example.org"}}).Verdict, age)
		}
		// One publication calls a council secure and the list does not.
		for _, to := range []string{"a@york.gov.uk", "a@x.leeds.gov.uk"} {
			d := decideBy(fresh, "x", to)
			require.Equal(t, mailpolicy.Encrypt, d.Verdict, to)
			require.Equal(t, "mail.secure.accredited", d.Why.Rule)
		}
		for _, to := range []string{outside, "a@gov.uk.evil.com", "a@notgov.uk"} {
			require.Equal(t, mailpolicy.Pass, decideBy(fresh, "x", to).Verdict, to)
			require.Equal(t, mailpolicy.Pass, decideBy(list(t, "2026-01-01", "leeds.gov.uk"), "x", to).Verdict, to)
			require.Equal(t, mailpolicy.Encrypt, decideBy(nil, "x", to).Verdict, "who stands on a list that can't be read is not known: "+to)
		}
		// A tightened policy: no suffix counts any more.
		own := overlaid(t, `{"id":"mail.secure.under","value":[],"unit":"list","from":"2026-01-01","zone":"Europe/London","source":"O","tighter":"subset"}`)
		d := mailpolicy.Decide(own, mailpolicy.Message{Header: header("[secure] x"), Recipients: []string{"a@leeds.gov.uk", "a@nhs.net"}})
		require.Equal(t, mailpolicy.Encrypt, d.Recipients[0].Verdict)
		require.Equal(t, mailpolicy.Pass, d.Recipients[1].Verdict)
		// A poisoned list is no list.
		for _, bad := range []string{
			`{"document":"d","asOf":"2026-11-20","domains":["*.gov.uk"]}`, `{"document":"d","asOf":"2026-11-20","domains":[".gov.uk"]}`, `{"document":"d","asOf":"2026-11-20","domains":["uk"]}`,
			`{"document":"d","asOf":"2026-11-20","domains":["leeds.gov.uk."]}`, `{"document":"d","asOf":"2026-11-20","domains":["leeds.gov.uk",""]}`, `{"document":"d","asOf":"2026-11-20","domains":["xn--a.uk"]}`,
			`{"document":"d","domains":[]}`, `{"asOf":"2026-11-20","domains":[]}`, `{"document":"d","asOf":"2026-11-20","domains":[],"more":1}`, `{}`, ``, `null`, `{"document":"d","asOf":"2026-11-20","domains":[]} {}`,
			`{"document":"d","asOf":"2026-11-20","domains":[]}]`, `{"document":"d","asOf":"2026-11-20","domains":[]}}`, `{"document":"d","asOf":"20 Nov 2026","domains":[]}`, `{"document":"d","asOf":"2026-11-20","domains":["nhѕ.net"]}`,
		} {
			_, err := mailpolicy.ParseDomainList([]byte(bad))
			require.Error(t, err, bad)
		}
	})
}

func TestPolicyIsNeeded(t *testing.T) {
	_, err := mailpolicy.PolicyAt(time.Date(2020, 3, 31, 0, 0, 0, 0, time.UTC))
	require.Error(t, err)
	m := mailpolicy.Message{Header: header("x"), Recipients: []string{"a@nhs.net"}}
	require.Equal(t, "mail.secure.policy", wardkey.RuleOf(mailpolicy.Decide(nil, m).Err()))
	require.Equal(t, "mail.secure.policy", wardkey.RuleOf(mailpolicy.Decide(&mailpolicy.Policy{}, m).Err()))
	require.Nil(t, mailpolicy.Decide(&mailpolicy.Policy{}, m).Recipients[0].Why, "nothing is known of the address")
	m.Recipients = nil
	require.Equal(t, "mail.recipient.none", wardkey.RuleOf(mailpolicy.Decide(policyAt(t, today), m).Err()))
	require.Equal(t, "hold", mailpolicy.Verdict(0).String())
	require.Equal(t, "mail.secure.policy", wardkey.RuleOf(mailpolicy.Decision{}.Err()), "no verdict is a hold")
}

// Each refusal has a row with its source, a sentence and a step.
func TestRefusalsHaveSources(t *testing.T) {
	for _, id := range mailpolicy.Rules().IDs() {
		require.True(t, strings.HasPrefix(id, "mail."), id)
		require.NotEmpty(t, mailpolicy.Rules().Refuse(id).Source.Document, id)
	}
	d := decide(t, "[encrypt] x", outside, "a@nhs.net")
	require.Same(t, d.Refusal, d.Err(), "one for all")
	var no *wardkey.Refusal
	require.True(t, errors.As(decide(t, "[encrypt] x", outside).Err(), &no))
	require.Contains(t, no.Public, "the word between the brackets is not secure")
}
