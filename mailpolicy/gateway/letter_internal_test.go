// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBaseName(t *testing.T) {
	for name, want := range map[string]string{
		"a\u061cgpj.exe": "a_gpj.exe", "a\u00ad\U000e0041\u2028.pdf": "a___.pdf", "C:\\x\\a.pdf. ": "a.pdf",
		strings.Repeat("x", 100_000) + ".exe": strings.Repeat("x", maxName-4) + ".exe",
	} {
		if got := baseName(name); got != want {
			t.Errorf("%.40q: %.40q", name, got)
		}
	}
}

// Whatever a message looks like, reading it ends, within its bounds, and gives
// nothing that a page or a header could take for more than text.
func FuzzReadMessage(f *testing.F) {
	for _, seed := range []string{
		"Subject: x\r\n\r\nhello\r\n",
		"Subject: =?utf-7?B?x?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-16; name*=utf-8''a%0d%0ab\r\n\r\n\xff\xfex\r\n--b--\r\n",
		"Content-Type: multipart/alternative; boundary=\"a b\"\r\n\r\n--a b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"../x\"\r\n\r\n====\r\n--a b\r\n\r\n--a b--",
		"Content-Type: text/html; charset=\"\r\n quoted\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=4\r\n=3D=\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parts := 0
		header, _ := readMessage(strings.NewReader(string(data)), func(p part) bool {
			if parts++; p.N != parts || parts > maxParts {
				t.Fatalf("part %d is the %dth", p.N, parts)
			}
			if strings.ContainsAny(p.FileName, "/\\\r\n\x00\"") || !utf8.ValidString(p.FileName) {
				t.Fatalf("file name %q", p.FileName)
			}
			if p.forReader {
				if text, _ := p.text(maxShown); !utf8.ValidString(text) {
					t.Fatalf("text %q", text)
				}
				return true
			}
			_, _ = io.Copy(io.Discard, p.body)
			return true
		})
		for name := range header {
			if text := headerText(header.Get(name)); !utf8.ValidString(text) {
				t.Fatalf("header %q", text)
			}
		}
	})
}
