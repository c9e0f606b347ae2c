// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// thread decides a message with more fields, where the messages of known were
// encrypted. It also returns which were asked about.
func thread(t testing.TB, subject, fields string, known []string, to ...string) (d mailpolicy.Decision, asked []string) {
	t.Helper()
	h := []byte("From: Home <home@nhs.net>\r\nSubject: " + subject + "\r\n" + fields + "\r\n")
	d = mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: h, Recipients: to, Encrypted: func(id string) bool {
		asked = append(asked, id)
		for _, k := range known {
			if id == k {
				return true
			}
		}
		return false
	}})
	return d, asked
}

func TestThreat052(t *testing.T) {
	t.Run("threat052", func(t *testing.T) {
		known := []string{"1@nhs.net"}
		answers := "In-Reply-To: <1@nhs.net>\r\n"
		// Encrypted while the tag is there, however often it is answered.
		for _, s := range []string{
			"Re: [secure] x", "Fwd: Re: [secure] x", "RE: FW: [EXTERNAL] [SECURE] x", "Re: [secure] [...]", "Antw: x [secure]", "Re: " + b64("utf-8", "[secure] é"), "Re[2]: [secure]", "Re: [secu\r\n re] x [secure]",
		} {
			d, asked := thread(t, s, answers, known, "gp@nhs.net", outside)
			require.Equal(t, mailpolicy.Encrypt, d.Verdict, s)
			require.Nil(t, d.Warning, s)
			require.Empty(t, asked, s)
		}
		// Lost: it goes, and the sender is told.
		for _, fields := range []string{
			answers, "References: <0@x> <1@nhs.net>\r\n", "references:\r\n <0@x>\r\n\t<1@nhs.net>\r\n <2@x>\r\n", "In-Reply-To: Your message of Monday <1@nhs.net>\r\n", "In-Reply-To: <1@nhs\r\n .net>\r\n",
			"In-Reply-To: <0@x>\r\nReferences: <1@nhs.net>\r\n", "IN-REPLY-TO : <1@nhs.net>\r\n", "References: <0@x\r\nX-A: b\r\nIn-Reply-To: <1@nhs.net>\r\n",
			"Thread-Topic: [secure] x\r\n", "Thread-Topic: " + b64("utf-8", "[Secure] é") + "\r\n", "Resent-Subject: Re: [secure]\r\n",
		} {
			d, _ := thread(t, "Re: x", fields, known, "gp@nhs.net", outside)
			require.Equal(t, mailpolicy.Pass, d.Verdict, fields)
			require.NoError(t, d.Err())
			require.NotNil(t, d.Warning, fields)
			require.Equal(t, "mail.secure.reply", d.Warning.Rule)
			require.NotEmpty(t, d.Warning.Source.Document)
			require.Contains(t, d.Warning.Next, "[secure]")
		}
		for _, s := range []string{"Re: [...]", "RE : FW: [...]", "[EXTERNAL] Re: [...]", "Re: [EXTERNAL] [...]", "Re: " + b64("utf-8", "[...]"), b64("utf-8", "Réf: [...]"), "Weitergeleitet: [...] "} {
			d, _ := thread(t, s, "", nil, outside)
			require.NotNil(t, d.Warning, s)
		}
		d, _ := thread(t, "Re: x", answers, known, outside, "gp@nhs.net")
		require.NotNil(t, d.Warning, "in whatever order")
		// A tag that was broken on the way is held like any other.
		d, _ = thread(t, "Re: (secure) x", answers, known, outside)
		require.Equal(t, mailpolicy.Hold, d.Verdict)
		require.Nil(t, d.Warning)
	})
}

func TestWarningsAreRare(t *testing.T) {
	for _, c := range []struct{ subject, fields string }{
		{"Re: x", ""},
		{"Re: x", "In-Reply-To: <2@nhs.net>\r\n"},
		{"Re: x", "In-Reply-To: 1@nhs.net\r\n"},
		{"Re: x", "X-References: <1@nhs.net>\r\n"},
		{"Re: x", "Thread-Topic: x\r\n"},
		{"[...]", ""},
		{"x [...]", ""},
		{"Re: results [...]", ""},
		{"Re: x", "In-Reply-To: <1@NHS.net>\r\n"},
	} {
		d, _ := thread(t, c.subject, c.fields, []string{"1@nhs.net"}, outside)
		require.Equal(t, mailpolicy.Pass, d.Verdict)
		require.Nil(t, d.Warning, c)
	}
	// Nobody outside: nothing goes in clear, and nobody is asked.
	d, asked := thread(t, "Re: x", "In-Reply-To: <1@nhs.net>\r\nThread-Topic: [secure]\r\n", []string{"1@nhs.net"}, "gp@nhs.net", "a@leeds.gov.uk")
	require.Nil(t, d.Warning)
	require.Empty(t, asked)
	// A header that ends without a line's end is read to its end.
	for _, h := range []string{"Subject: Re: x\r\nIn-Reply-To: <1@nhs.net>", "In-Reply-To: <1@nhs.net>\r\nSubject: Re: x"} {
		require.NotNil(t, mailpolicy.Decide(policyAt(t, today), mailpolicy.Message{Header: []byte(h), Recipients: []string{outside}, Encrypted: func(string) bool { return true }}).Warning, h)
	}
	// A caller that knows no messages still has the signs in the header.
	m := mailpolicy.Message{Header: []byte("Subject: Re: x\r\nIn-Reply-To: <1@nhs.net>\r\n\r\n"), Recipients: []string{outside}}
	require.Nil(t, mailpolicy.Decide(policyAt(t, today), m).Warning)
}

// What a long thread can cost is bounded, and ends in a warning.
func TestLongThreads(t *testing.T) {
	var ids strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&ids, " <%d@x>\r\n", i)
	}
	d, asked := thread(t, "Re: x", "References:"+ids.String(), nil, outside)
	require.Len(t, asked, 100)
	require.NotNil(t, d.Warning)
	d, asked = thread(t, "Re: x", "References: "+strings.Repeat("<1@x> ", 100)+"\r\n", nil, outside)
	require.Len(t, asked, 100)
	require.Nil(t, d.Warning)
}
