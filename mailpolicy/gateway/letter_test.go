// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A message's own HTML keeps the form of its text, and has nothing that leads,
// connects or sends anywhere: an address that it names would learn the link.
func TestHTMLLeadsNowhere(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked("Subject: [secure] x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
		`<html><head><title>t</title><base href="https://evil.example/"><meta name="referrer" content="unsafe-url"><meta http-equiv=refresh content="0;url=https://evil.example/">` + "\r\n" +
		`<link rel="preconnect dns-prefetch" href="//evil.example"><style>p{background:url(//evil.example/a)}</style></head>` + "\r\n" +
		`<BODY onload=go()><p style="background:url(//evil.example/b)" id=x>Mrs <b>Jones</b> &lt;is&gt; &amp; <a referrerpolicy=unsafe-url ping="//evil.example" href="//evil.example/c">well</a>` + "\r\n" +
		`<img src="data:image/svg+xml,x"><svg><style><img src=x onerror=go()></style></svg><form action="//evil.example"><input></form>` + "\r\n" +
		`<table><tr><td>5 mg<td>daily</table><script>evil.example</script><xmp><script>go()</script></xmp><plaintext></pre><b onclick=go()>` + "\r\n")
	p := newPerson(t)
	status, body := p.try(link, r.ask(p, link))
	require.Equal(t, 200, status)
	require.Contains(t, body, "/part/1")
	status, body, header := p.get(link + "/part/1")
	require.Equal(t, 200, status)
	require.Regexp(t, `^sandbox; default-src 'none'`, header.Get("Content-Security-Policy"))
	require.Contains(t, body, "<p>Mrs <b>Jones</b> &lt;is&gt; &amp; well")
	require.Contains(t, body, "<table><tr><td>5 mg<td>daily</table>")
	for _, part := range strings.Split(body, "<")[1:] {
		tag, _, closed := strings.Cut(part, ">")
		require.True(t, closed, part)
		require.Regexp(t, `^(!doctype html|/?[a-z1-6]+)$`, tag, "no attribute of any kind")
		require.NotRegexp(t, `^/?(a|img|base|meta|link|style|script|form|input|svg|body)$`, tag)
	}
	require.NotContains(t, body, "evil.example")
}

// A message that is nested as deep as may be, or breaks off, costs its reader no more
// than a page. One that is nested ten thousand deep is not taken.
func TestOddMessages(t *testing.T) {
	t.Run("threat050", func(t *testing.T) {
		r := startPickup(t, nil)
		deep := func(n int) string {
			var s strings.Builder
			s.WriteString("Subject: [secure] deep\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n")
			for i := range n - 1 {
				fmt.Fprintf(&s, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
			}
			return s.String()
		}
		for _, n := range []int{101, 10_000} {
			for _, to := range []string{aunt, "a@nhs.net"} {
				require.Regexp(t, "^550 .*nested more than 100 deep.*mail.form", r.send("home@nhs.net", []string{to}, deep(n)))
			}
		}
		for name, message := range map[string]string{
			"deep": deep(100), "many": "Subject: [secure] x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nhello\r\n", 5000),
			"long":   "Subject: [secure] x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nhello "+strings.Repeat("long\r\n", 20_000), 50) + "\r\n--b--\r\n",
			"no end": "Subject: [secure] x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n", "odd part": "Subject: [secure] x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nno field\r\n\r\nx\r\n--b--\r\n",
			"no type": "Subject: [secure] x\r\nContent-Type: ;;\r\n\r\nhello\r\n",
		} {
			link := r.parked(message)
			p := newPerson(t)
			status, body := p.try(link, r.ask(p, link))
			require.Equal(t, 200, status, name)
			require.Less(t, len(body), 400_000, name)
			require.Contains(t, body, "[secure]", name)
			if name != "deep" {
				require.Contains(t, body, "hello", name)
			}
			_, whole, _ := p.get(link + "/message.eml")
			require.True(t, strings.HasSuffix(whole, message), name)
		}
	})
}
