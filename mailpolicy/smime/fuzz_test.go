// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

var shown = []string{
	"from", "to", "cc", "date", "message-id", "subject", "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
}

// FuzzHeader asks that no header makes anything but the allowed fields stand
// outside, nor a subject other than ours.
func FuzzHeader(f *testing.F) {
	ca := newCA(f)
	to := []smime.Recipient{{Address: gp, Certificate: issue(f, ca, mailtest.Spec{Email: gp}).Certificate}}
	e := newEncrypter(f, smime.Config{Roots: ca.Roots()})
	f.Add([]byte(message[:strings.Index(message, "\r\n\r\n")+4]))
	f.Add([]byte("From : a\r\n\tBcc: x\r\nSubject\t: s\r\n\r\n"))
	f.Add([]byte("To: a\r\n \r\nSubject: s\r\n\r\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		read, _, err := smime.ReadHeader(bytes.NewReader(header))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := e.EncryptTo(t.Context(), &out, read, to)
		if err != nil {
			return
		}
		_, err = io.WriteString(w, "body")
		require.NoError(t, err)
		require.NoError(t, w.Close())
		outer, _, ok := strings.Cut(out.String(), "\r\n\r\n")
		require.True(t, ok)
		require.Equal(t, strings.Count(outer, "\n"), strings.Count(outer, "\r\n"))
		subjects := 0
		for _, line := range strings.Split(outer, "\r\n") {
			if line[0] == ' ' || line[0] == '\t' {
				continue
			}
			name, _, _ := strings.Cut(line, ":")
			name = strings.ToLower(strings.TrimRight(name, " \t"))
			require.True(t, slices.Contains(shown, name), "%q", line)
			if name == "subject" {
				subjects++
				require.Equal(t, "Subject: "+smime.OuterSubject, line)
			}
		}
		require.Equal(t, 1, subjects)
	})
}
