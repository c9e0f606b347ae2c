// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// boundaries is where the line runs between what a person may have meant as the
// tag and ordinary talk. What is held costs its sender a second try; what passes
// and was meant otherwise is a leak. So what nobody writes for its own sake is
// held, and what wards write every day passes.
var boundaries = []struct {
	line         string // where the line runs, and why there
	held, passes []string
}{
	{
		"the word alone is talk (row 172); something that sets it off is not",
		[]string{"[secure", "(secure)", "secure]", "{secure} x", "<secure> x", "《secure》", "x 〖secure〗", "x secure〗 y", "sec\u0080ure]", "sec\u200bure]", "|secure|", "*secure* x", "/secure/", "#secure", "x |secure| y", "x /secure/ y", "x *secure*", "x _secure_ y", "x #secure", "x #secure# y", "x /secure#"},
		[]string{"secure", "SECURE Mrs Smith bloods", "secure Hello", "x secure", "Re: secure Hello", "[EXTERNAL] secure Hello", "𝐬𝐞𝐜𝐮𝐫𝐞 x", "results: secure", "Re: security of ward 4", "secure email: how to send one", "a/secure/b", "x/secure/ y", "x /secure/y", "x /secure y", "x /secure", "x /secure -- y", "x |secure y", "x#secure"},
	},
	{
		"quotation marks set it off at the front only: further on people quote a word to talk of it",
		[]string{`"secure" x`, "'secure' x", "“Secure” x", "‘secure’ results", "„secure“ x", "«secure» x", "``secure'' x", "´secure´ x", "″secure″", `Re: "secure" x`, `[EXTERNAL] FW: 'SECURE' x`, `" secure " x`, "“ secure ” x", "‘ secure ’", `"secure", x`, `"secure."`, "x «secure»", `"encrypt" x`, `"sceure" x`},
		[]string{`"Secure Start" leaflet`, `the word "secure"`, "is the door 'secure'?", `x “secure”`, "´Ward´ is secure", `"secure results are out"`, `"secured" loan`, "'secure's the word", `"secure`, `"secret" x`, `secure " x`, `" secure , x`},
	},
	{
		"other signs on both sides do the same at the front: there they are no punctuation",
		[]string{"-secure- x", ":secure: x", "--Secure-- x", ".secure. x", "- =secure= -", "🔒secure🔒 x", "•secure• x", "Fwd: -secure- x"},
		[]string{"x -secure- y", "low-secure-unit", "semi-secure wing", "🔒 secure x", "- secure the door", "...secure the door", "-secure-ward rota", "-secure & x"},
	},
	{
		"a colon after the first word makes a label of it; after a later one, or behind a longer label, it is talk",
		[]string{
			"secure: x", "SECURE:Mrs Smith", "Secure : x", "Re: secure: x", "RE: FW: Secure: x", "Re[2]: secure: x", "[EXTERNAL] secure: x", "AW : secure: x", "R: secure: x", ": secure: x", "secure： x", "Secure: how we lock the doors",
			"encrypt: x", "RW4ENCRYPT: x", "sceure: x", "secure:[x]", "secure:",
		},
		[]string{"results: secure: x", "Ward secure: yes", "secure email: x", "Secure unit: rota", "Security: minutes", "Secured: the grant", "Encrypted: the backups", "Encryption: a talk", "secret: x", "Secure:) at last", "secure :)", "secure :D", "Secura: two tubes", "Re: results"},
	},
	{
		"so does a dash or bar that stands free, and a sign at the word's end; commas, full stops, questions and signs that join words do not",
		[]string{"secure - x", "Secure – x", "SECURE — x", "secure -- x", "secure | x", "secure -", "secure- x", "secure* x", "Secure! x", "secure> x", `secure" x`, "secure/ x"},
		[]string{"secure, warm and dry", "Secure. Warm. Dry.", "secure; warm", "Secure?", "secure...", "secure & safe", "secure / insecure", "secure-unit rota", "secure—results", "secure/results", "secure@home", "secure + warm", "Doors - secure - windows", "Ward: secure - windows open", "GP [x] secure - x", "[EXTERNAL secure - x", "- x] secure - y", "secure (low) beds", "secure? (low) beds"},
	},
	{
		"letters in boxes of their own bring their brackets with them",
		[]string{"🅂🄴🄲🅄🅁🄴 x", "🆂🅴🅲🆄🆁🅴", "🅢🅔🅒🅤🅡🅔 x", "Ⓢⓔⓒⓤⓡⓔ x", "ⓢⓔⓒⓤⓡⓔ", "⒮⒠⒞⒰⒭⒠", "🄢🄔🄒🄤🄡🄔 x", "🇸\u200b🇪\u200b🇨\u200b🇺\u200b🇷\u200b🇪 x", "🇸 🇪 🇨 🇺 🇷 🇪 x", "s⃞e⃞c⃞u⃞r⃞e⃞ x", "x s⃝e⃝c⃝u⃝r⃝e⃝", "🅂.🄴.🄲.🅄.🅁.🄴", "🅂🄴🄲🅁🅄🄴", "[🅂🄴🄲🅄🅁🄴]", "🅂ecure", "[SⒺCURE]", "🄴🄽🄲🅁🅈🄿🅃 x"},
		[]string{"🅿 at the back", "ⓘ secure results", "🇸🇪 results", "Ⓐ Ⓑ Ⓒ", "🆗 secure"},
	},
	{
		"a bracket inside the word or on its wrong side is a slip of the hand, unless letters outside make another word of it",
		[]string{"[SEC]URE x", "[s]ecure", "secur[e]", "(se)cure", "]secure[", "[]secure", "secure[]", "[ ]secure", "secure [] x", ")secure( x", "[EXTERNAL] ]secure[ x", "<enc>rypt", "x [SEC]URE: y", "secure()", "secure () x", "sec[ure", "x secure["},
		[]string{"re(cure)", "re(cure) x", "(in)secure", "secure(d)", "[x]secure", "secure[1]", "[ ] secure the door", "[] secure the door", "doors secure [ ]", "doors [] x", "x [", "x (", "is_secure() fails", "(see below)secure doors", "1) secure 2) warm", "[se] [cure]"},
	},
	{
		"blanks and signs inside do not make another word of it",
		[]string{"[ secure ]", "[se cure]", "[s.e.c.u.r.e]", "[SECURE!]", "(se cure)", "{ secure }", "< secure >", "[secure\u00a0]", "[sec-ure]", "[s e c u r e Mrs Smith", "[se cure results]", "[se cure email Mrs Smith]", `["secure"]`},
		[]string{"[not secure]", "[is it secure]", "[be sure]", "[the cure]", "[a cure]", "(I secure)", "(0secure0)", "(secure results)"},
	},
	{
		"one slip counts wherever the word is set off",
		[]string{"[sceure]", "[scure]", "[secuure]", "[sexure]", "[secire]", "(secrue)", "{secur} x", "<ecure>", "【sceure】", "[sceure)", "sceure] x", "#secrue", "/seucre/", "*secute*", "[sceure results]", "[urgent, sceure]", "[encypt]", "(encrytp)", "[secuure", "[secures]", "[sekure]", "[secvre]", "(Sequre)", "(sдcurд)", "[sддurд]"},
		[]string{"(secured) loan", "[Secured loan] terms", "(secured", "#secured", "(Secura) cream", "[encyrp]", "[s]eccure", "[sдддrд]", "[Pneumonoultramicroscopicsilicovolcanoconiosis]", "#Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"},
	},
	{
		"two slips count where [ and ] stand around one word alone: elsewhere stand names, as (Secker)",
		[]string{"[scrue]", "[esucre]", "[sceuer]", "[sscurr]", "[seqrue]", "[secyr]", "[sécurisé]", "[seguro]", "[Secker]", "[secu.rr]"},
		[]string{"(scrue)", "(Secker) discharge", "#scrue", "scrue: x", "[sce uer x]", "[Secker", "(Secker", "[scrue)", "(scrue]", "[Sec]", "[SECU]", "[scur]"},
	},
	{
		"a word of its own is no slip",
		[]string{"[secured]", "[securely]", "[encrypted]", "(encryption)", "[encrypted Mrs Smith", "(securemail Mrs Smith"},
		[]string{
			"[cure]", "[sure]", "[secret] plan", "[rescue] team", "[severe] pain", "[seizure] chart", "(suture) removal", "[score]", "[scare]", "[lecture]", "[recur]", "[obscure]", "[insecure]", "[unsecured]", "[security] minutes",
			"[Cyber Security]", "[tenure]", "[Securon] 40 mg", "[Secura]", "[scour]", "[procure]", "[secular]", "[sector]", "[sewer]", "[source]", "[square]",
		},
	},
	{
		"what begins with the word in [ and ] may be a tag closed too late, unless it names a place; round brackets hold asides",
		[]string{"[secure results]", "[secure: Mrs Smith]", "[Secure Start] x", "[encrypt please]", "[URGENT, SECURE]", "[urgent/secure]", "[Official: secure]"},
		[]string{"[Secure Unit] rota", "[secure wards]", "(secure unit)", "(secure, warm)", "(secure: no)", "[nhs secure] unit", "[urgent secured]", "[www.secure.example] is down", "[encrypted backup]"},
	},
}

// The sender is told what is wrong.
func TestWhyNearMiss(t *testing.T) {
	for s, why := range map[string]string{
		"(secure)": "the brackets around", "(sceure)": "the brackets around", "[SEC]URE": "the brackets around", "🅂🄴🄲🅄🅁🄴": "the brackets around", "[secure)": "the brackets around", "secure []": "the brackets around",
		"[secure": "one of the brackets is missing", "secure]": "one of the brackets is missing", "[sceure x": "one of the brackets is missing",
		"[ secure ]": "stands a space", "[sceure]": "stands a space", "[secure results]": "stands a space", "[s\u0435cure]": "stands a space", "(\U000E0073\U000E0065\U000E0063\U000E0075\U000E0072\U000E0065)": "a hidden character",
		"[encrypt]": "the word between", "(encrypted)": "the word between", "[secured]": "the word between",
		"secure: x": "what stands around", `"secure" x`: "what stands around", "x /secure/": "what stands around", "x #secure": "what stands around",
		"%5Bsecure%5D": "written as codes", "&lpar;secure&rpar;": "written as codes",
		"\u202eeruces": "turns the direction",
	} {
		require.Contains(t, decide(t, s, outside).Refusal.Public, why, s)
	}
}

func TestWhatIsHeldAndWhatPasses(t *testing.T) {
	for _, b := range boundaries {
		for _, s := range b.held {
			if got := wardkey.RuleOf(decide(t, s, outside).Err()); got != nearMiss {
				t.Errorf("%s: %q is not held: %q", b.line, s, got)
			}
		}
		for _, s := range b.passes {
			if d := decide(t, s, outside); d.Verdict != mailpolicy.Pass {
				t.Errorf("%s: %q does not pass: %v", b.line, s, d.Err())
			}
		}
	}
	for _, s := range []string{"[[secure]", `"[secure]" x`, "[secure]: x", "(secure) [secure]", "secure: [SECURE]", "-[secure]-", "[sceure] [secure]"} {
		require.Equal(t, mailpolicy.Encrypt, decide(t, s, outside).Verdict, s)
	}
}
