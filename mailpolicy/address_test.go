// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Addresses at the edges of what is one (RFC 5321 §4.5.3.1, RFC 1035 §2.3.4).
func TestAddressEdges(t *testing.T) {
	label := strings.Repeat("a", 63)
	domain := strings.Join([]string{label, label, label, strings.Repeat("a", 61-len(".gov.uk")) + ".gov.uk"}, ".")
	require.Len(t, domain, 253)
	for _, good := range []string{
		strings.Repeat("a", 64) + "@nhs.net", "a@" + domain, "zZ9.aA0@leeds.gov.uk", "#o'neill+ward-5_x=y~z|{}^$&*/?`@leeds.gov.uk", "x@zZaA.gov.uk", "x@3-com0.9.gov.uk", "x@xn-a.gov.uk", "x@xy--a.gov.uk", "x@an--a.gov.uk",
	} {
		require.NoError(t, mailpolicy.CheckAddress(good), good)
		require.True(t, decide(t, "x", good).Recipients[0].Secure, good)
		canonical, err := mailpolicy.CanonicalAddress(good)
		require.NoError(t, err)
		require.Equal(t, strings.ToLower(good), canonical)
	}
	for bad, why := range map[string]string{
		"a": "no @", "@nhs.net": "before @ is empty", strings.Repeat("a", 65) + "@nhs.net": "too long", "a@": "domain is empty", "a@a" + domain: "too long", "a@" + label + "a.gov.uk": "no domain has", "a@nhsé.net": "outside a to z", "a@nhs\x80.net": "outside a to z",
		"a@nhs_.net": "character that no domain has", "a@nhs": "one word only", "a@nhs.0": "word of letters", "a@xn--a.uk": "xn--", "a@nhs.net.": "dot at its end", "a.@nhs.net": "a dot is misplaced", ".a@nhs.net": "a dot is misplaced", "a b@nhs.net": "does not send to",
	} {
		err := mailpolicy.CheckAddress(bad)
		require.Equal(t, "mail.recipient.address", wardkey.RuleOf(err), bad)
		require.ErrorContains(t, err, why, bad)
		canonical, err := mailpolicy.CanonicalAddress(bad)
		require.Error(t, err)
		require.Empty(t, canonical)
	}
}

func TestThreat016(t *testing.T) {
	t.Run("threat016", func(t *testing.T) {
		for _, to := range []string{
			"a@nhs.net.", "a@.nhs.net", "a@nhs..net", "a@nhѕ.net", "a@xn--nh-1ib.net", "a@mail.XN--nh-1ib.gov.uk", "a@ｎhs.net", "a@nhs.net\u200b", "a@evil.com@nhs.net",
			"\"a@evil.com\"@nhs.net", "a%evil.com@nhs.net", "evil.com!a@nhs.net", "@nhs.net:a@evil.com", "a@[127.0.0.1]", "a@nhs.net ", " a@nhs.net", "a@nhs.net\r\nRCPT TO:<b@evil.com>",
			"a@nhs.net\x00.evil.com", "@nhs.net", "a@", "a", "", ".a@nhs.net", "a.@nhs.net", "a..b@nhs.net", "a@-nhs.net", "a@nhs-.net", "a@1.2.3.4", "a@nhs_net.uk",
			"a@nhs", "a@localhost", "a (son@gmail.com)@nhs.net", "a@nhs(gmail).net", "a@nhs.net (son@gmail.com)", "(x)a@nhs.net", "Son <a@nhs.net>", "<a@nhs.net>", "Team: a@nhs.net, b@gmail.com;", "undisclosed-recipients:;", "@relay.example,@nhs.net:a@evil.com",
			"\"a b\"@nhs.net", "\"\"@nhs.net", "\"a\"@nhs.net", `a\@nhs.net`, `"a\"@evil.com"@nhs.net`, "a@nhs.net,b@gmail.com", "a@nhs.net;b@gmail.com", "a b@nhs.net", "a@nhs.net\t", "a@nhs.net/..", "a@nhs.net:25", "mailto:a@nhs.net", "a@nhs.net?cc=b@evil.com", "a@NHS.NET.", "a@.", "a@nhs.net..",
			"a@nhs.net\u3002uk", "a@\u212a.gov.uk", "a@leeds.gov.u\u212a", "a@\u00adnhs.net", "a@gov", "a@0x7f000001", "a@127.0.0x1", "a@nhs.net2", "a@nhs.n-t", strings.Repeat("a", 65) + "@nhs.net", "a@" + strings.Repeat("a", 64) + ".gov.uk", "a@" + strings.Repeat("a.", 130) + "gov.uk", "é@nhs.net", "a@nhs。net", "a<b@nhs.net",
		} {
			for _, subject := range []string{"x", "[secure] x"} {
				d := decide(t, subject, "b@nhs.net", to)
				require.Equal(t, mailpolicy.Hold, d.Verdict, "%q", to)
				require.Equal(t, mailpolicy.Hold, d.Recipients[1].Verdict, "%q", to)
				require.Equal(t, to, d.Recipients[1].Address)
				require.Equal(t, "mail.recipient.address", wardkey.RuleOf(d.Err()), "%q", to)
				require.NotEqual(t, mailpolicy.Hold, d.Recipients[0].Verdict)
			}
		}
		for _, to := range []string{
			"a@mail.nhs.net", "a@nhs.net.uk", "a@xnhs.net", "a@nhs.net-x.com", "a@nhs-net.com",
			// What older lists called secure, and trusts, count only where they are accredited.
			"a@leeds.nhs.uk", "a@nhs.uk", "a@cjsm.net", "a@x.pnn.police.uk", "a@mod.uk", "a@parliament.uk", "a@gov.scot", "a@x.gov.wales",
		} {
			require.False(t, decide(t, "x", to).Recipients[0].Secure, to)
		}
		// An address that holds another one is not secure by where it is sent first.
		for _, local := range []string{"IMCEASMTP-son+40gmail+2Ecom", "imceaex-_o=x", "SRS0=HH=TT=gmail.com=son", "srs0+HH=TT=gmail.com=son", "SRS1=HH=x.example==HH=TT=gmail.com=son", "/S=son/P=gmail/C=gb/", "/"} {
			for _, subject := range []string{"x", "[secure] x"} {
				d := decide(t, subject, local+"@nhs.net", "a@leeds.gov.uk")
				require.Equal(t, mailpolicy.Encrypt, d.Verdict, local)
				require.False(t, d.Recipients[0].Secure, local)
				require.Equal(t, "mail.secure.carriers", d.Why.Rule)
			}
		}
		// One copy in clear makes no other less strict, and what is not secure is not made more so.
		require.Equal(t, mailpolicy.Encrypt, decide(t, "x", "SRS0=HH=TT=gmail.com=son@nhs.net", outside).Verdict)
		require.Equal(t, mailpolicy.Pass, decide(t, "x", "SRS0=HH=TT=gmail.com=son@forwarder.example").Verdict)
		for _, to := range []string{"srs@nhs.net", "imc@nhs.net", "s@nhs.net", "o'neill+x@nhs.net", "a/b@nhs.net", "srs0x@leeds.gov.uk"} {
			require.True(t, decide(t, "x", to).Recipients[0].Secure, to)
		}
		var refusals wardkey.Refusals
		require.ErrorAs(t, decide(t, "x", "a@", "b@").Err(), &refusals)
		require.Len(t, refusals, 2)
		require.ErrorAs(t, decide(t, "x", "a@nhs.net", "b@", outside).Err(), &refusals)
		require.Len(t, refusals, 1, "only what is refused")
	})
}
