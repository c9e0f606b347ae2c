// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"bytes"
	"mime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// FuzzDecide writes the tag in some way around what the fuzzer brings, and asks
// that no insecure recipient ever gets a pass.
func FuzzDecide(f *testing.F) {
	for _, s := range append(append(append([]string{}, tagged...), attempts...), ordinary...) {
		f.Add([]byte("To: a\r\n"), s, "x", uint8(0))
		f.Add([]byte(""), "x", s, uint8(3))
	}
	policy := policyAt(f, today)
	f.Fuzz(func(t *testing.T, fields []byte, before, after string, how uint8) {
		tag := []string{"[secure]", "[SECURE]", b64("utf-8", "[secure]"), "=?iso-8859-1?Q?=5Bsecure=5D?=", b64("utf-8", "[sec") + " " + b64("utf-8", "ure]")}[how%5]
		if strings.ContainsAny(before+after, "\r\n") {
			return // what a CR or LF may do is for the header's tests
		}
		// An encoded word is one only where it stands alone and nothing begun
		// before swallows it.
		if how%5 >= 2 {
			if strings.ContainsAny(before+after, "?=") {
				return
			}
			before, after = before+" ", " "+after
		}
		header := append(bytes.Clone(fields), "Subject: "+before+tag+after+"\r\n\r\n"...)
		if i := bytes.Index(fields, []byte("\r\n\r\n")); i >= 0 || bytes.HasPrefix(fields, []byte("\r\n")) {
			return // the header ends before the subject
		}
		if len(fields) > 0 && !bytes.HasSuffix(fields, []byte("\r\n")) {
			return
		}
		d := mailpolicy.Decide(policy, mailpolicy.Message{Header: header, Recipients: []string{"a@nhs.net", outside}})
		if d.Recipients[1].Verdict == mailpolicy.Pass {
			t.Fatalf("passes in clear: %q", header)
		}
		again := mailpolicy.Decide(policy, mailpolicy.Message{Header: header, Recipients: []string{"a@nhs.net", outside}})
		require.Equal(t, d.Verdict, again.Verdict)
	})
}

// FuzzSubject asks that no subject passes in which the standard library's reader
// finds the tag, that where a line is folded changes no pass into an encryption
// or back, and that each decision says why.
func FuzzSubject(f *testing.F) {
	for _, s := range append(append(append(append([]string{}, tagged...), attempts...), ordinary...), unreadable...) {
		f.Add(s)
	}
	for _, e := range evasions(f) {
		for _, s := range e.subjects {
			f.Add(s)
		}
	}
	policy := policyAt(f, today)
	f.Fuzz(func(t *testing.T, subject string) {
		if strings.ContainsAny(subject, "\r\n") {
			return // what a CR or LF may do is for the header's tests
		}
		d := mailpolicy.Decide(policy, mailpolicy.Message{Header: header(subject), Recipients: []string{outside}})
		if d.Verdict == mailpolicy.Pass {
			text, err := new(mime.WordDecoder).DecodeHeader(subject)
			require.False(t, err == nil && strings.Contains(strings.ToLower(text), mailpolicy.Tag), "%q", subject)
		}
		require.Equal(t, d.Verdict == mailpolicy.Hold, d.Err() != nil)
		require.NotNil(t, d.Recipients[0].Why)
		if fold := strings.Index(subject, " "); fold > 0 && strings.Trim(subject[:fold], "\t") != "" && strings.Trim(subject[fold:], " \t") != "" {
			folded := mailpolicy.Decide(policy, mailpolicy.Message{Header: header(subject[:fold] + "\r\n" + subject[fold:]), Recipients: []string{outside}})
			require.Equal(t, d.Verdict, folded.Verdict, "%q", subject)
		}
	})
}

// FuzzAddress asks that nothing but whole labels makes a domain secure.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@nhs.net", "a@leeds.gov.uk", "a@nhs.net.", "a@evil.com@nhs.net", "a@gov.uk"} {
		f.Add(s)
	}
	policy := policyAt(f, today)
	f.Fuzz(func(t *testing.T, to string) {
		d := mailpolicy.Decide(policy, mailpolicy.Message{Header: header("x"), Recipients: []string{to}})
		if !d.Recipients[0].Secure {
			return
		}
		local, domain, _ := strings.Cut(strings.ToLower(to), "@")
		require.NotEmpty(t, local)
		require.NotContains(t, domain, "@")
		labels := strings.Split(domain, ".")
		require.True(t, domain == "nhs.net" || (len(labels) > 2 && strings.Join(labels[len(labels)-2:], ".") == "gov.uk"), to)
	})
}

// tenLines is a header as a mail program writes it.
var tenLines = []byte("Received: from desk.example (192.0.2.7) by mail.example with ESMTPS id 4Xb2k1; Sun, 22 Nov 2026 09:00:00 +0000\r\n" +
	"From: The Elms <care.VLX12@nhs.net>\r\n" +
	"To: Dr Patel <asha.patel@nhs.net>, Son <son@example.com>\r\n" +
	"Subject: [secure] Discharge summary for this morning\r\n" +
	"Date: Sun, 22 Nov 2026 09:00:00 +0000\r\n" +
	"Message-ID: <20261122090000.17@desk.example>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n" +
	"X-Mailer: Desk 4.2\r\n\r\n")

func TestDecideAllocatesItsAnswerOnly(t *testing.T) {
	policy := policyAt(t, today)
	for _, header := range [][]byte{tenLines, talkLines} {
		m := mailpolicy.Message{Header: header, Recipients: []string{"asha.patel@nhs.net", "son@example.com"}}
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { mailpolicy.Decide(policy, m) }), 1.0)
	}
}

// talkLines has a subject without the tag that needs a closer look.
var talkLines = bytes.Replace(tenLines, []byte("[secure] Discharge summary for this morning"), []byte("RE: [EXTERNAL] Mrs O'Neill's follow-up: ward 5 (low secure)"), 1)

func BenchmarkDecideTalk(b *testing.B) {
	policy := policyAt(b, today)
	m := mailpolicy.Message{Header: talkLines, Recipients: []string{"asha.patel@nhs.net", "son@example.com"}}
	b.ReportAllocs()
	for b.Loop() {
		if mailpolicy.Decide(policy, m).Verdict != mailpolicy.Pass {
			b.Fatal("does not pass")
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	policy := policyAt(b, today)
	m := mailpolicy.Message{Header: tenLines, Recipients: []string{"asha.patel@nhs.net", "son@example.com"}}
	b.ReportAllocs()
	for b.Loop() {
		if mailpolicy.Decide(policy, m).Verdict != mailpolicy.Encrypt {
			b.Fatal("not encrypted")
		}
	}
	perSecond := float64(b.N) / b.Elapsed().Seconds()
	benchline.Report(b, "mail.decide", perSecond, 500_000, "/s", true, 1.0)
}
