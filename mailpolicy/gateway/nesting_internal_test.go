// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// How deep a message is does not depend on how its bytes come in, nor on how its
// parts are written.
func TestNesting(t *testing.T) {
	const multi = "Content-Type: multipart/mixed; boundary="
	deep := func(n int) string {
		var s strings.Builder
		s.WriteString("Subject: x\r\n" + multi + "b0\r\n\r\n")
		for i := 1; i < n; i++ {
			s.WriteString("--b" + strconv.Itoa(i-1) + "\r\n" + multi + "b" + strconv.Itoa(i) + "\r\n\r\n")
		}
		return s.String()
	}
	sibling := "--b\r\n" + multi + "c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\nbetween\r\n"
	for name, c := range map[string]struct {
		message string
		depth   int // -1: refused
	}{
		"no parts":                {"Subject: x\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", 0},
		"a part":                  {deep(1) + "--b0\r\n\r\nx\r\n", 1},
		"as deep as may be":       {deep(100), 100},
		"one deeper":              {deep(101), -1},
		"very deep":               {deep(10_000), -1},
		"messages in messages":    {strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 101), -1},
		"closed again":            {multi + "b\r\n\r\n" + strings.Repeat(sibling, 300), 1},
		"never closed":            {multi + "b\r\n\r\n" + strings.Repeat(strings.TrimSuffix(sibling, "--c--\r\nbetween\r\n"), 300), 2},
		"folded, quoted, spaced":  {"content-type :\r\n\tMultipart/Mixed;\r\n boundary=\"b b\"  \r\nX: y\r\n\r\n--b b \t\r\n" + multi + "\"c\"\r\n\r\n", 2},
		"another's folded line":   {"X: y\r\n Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + multi + "c\r\n\r\n", 0},
		"the first of two":        {multi + "b\r\nContent-Type: text/plain\r\n\r\n--b\r\n" + multi + "c\r\n\r\n", 2},
		"a header breaks off":     {multi + "b\r\n\r\n--b\r\n" + multi + "c\r\n--b\r\n" + multi + "d\r\n\r\n--d\r\n\r\n", 2},
		"after the end":           {multi + "b\r\n\r\n--b--\r\n--b\r\n" + multi + "c\r\n\r\n", 0},
		"a message in a part":     {multi + "b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + multi + "c\r\n\r\n--c\r\n\r\n", 3},
		"and the part after it":   {multi + "b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + multi + "c\r\n\r\n--c\r\n\r\nx\r\n--b\r\n\r\n", 1},
		"no boundary":             {"Content-Type: multipart/mixed\r\n\r\n", 0},
		"what can't be read":      {"Content-Type: multipart/;;\r\n\r\n", 0},
		"a boundary in a line":    {multi + "b\r\n\r\n" + "xxx--b--\r\n-x--b--\r\n---b--\r\n", 1},
		"a Content-Type too long": {"Content-Type: text/plain;\r\n" + strings.Repeat(" x=y;\r\n", 2000) + "\r\n", -1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 4096, len(c.message)} {
				var n nesting
				var err error
				for rest := c.message; rest != "" && err == nil; {
					next := rest[:min(size, len(rest))]
					rest = rest[len(next):]
					err = n.follow([]byte(next))
				}
				if c.depth < 0 {
					require.Error(t, err, size)
					continue
				}
				require.NoError(t, err, size)
				require.Len(t, n.open, c.depth, size)
			}
		})
	}
}
