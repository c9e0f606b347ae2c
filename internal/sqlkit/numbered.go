// SPDX-License-Identifier: Apache-2.0

package sqlkit

import "strings"

// numbered rewrites PostgreSQL's $1 to SQLite's ?1, except inside quotes and
// comments. SQLite takes $1 for a name and its drivers bind names by order of
// appearance, so that "$2, $1" would silently swap its values.
func numbered(query string) string {
	if !strings.Contains(query, "$") {
		return query
	}
	out := []byte(query)
	for i := 0; i < len(out); {
		switch {
		case out[i] == '$' && parameter(query, i):
			out[i] = '?'
			i++
		case out[i] == '\'' || out[i] == '"':
			i = after(query, i+1, query[i:i+1])
		case strings.HasPrefix(query[i:], "--"):
			i = after(query, i+2, "\n")
		case strings.HasPrefix(query[i:], "/*"):
			i = after(query, i+2, "*/")
		default:
			i++
		}
	}
	return string(out)
}

// parameter reports whether the $ at i begins a numbered parameter: a digit
// follows, and it isn't part of a name.
func parameter(query string, i int) bool {
	digit := i+1 < len(query) && query[i+1] >= '0' && query[i+1] <= '9'
	return digit && (i == 0 || !wordByte(query[i-1]))
}

// after is the index behind the next end at or after from, or the end of the
// query. A doubled quote inside a literal reads as two literals side by side,
// which is the same for our purpose.
func after(query string, from int, end string) int {
	i := strings.Index(query[from:], end)
	if i < 0 {
		return len(query)
	}
	return from + i + len(end)
}

func wordByte(b byte) bool {
	return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// identifier reports whether a name may stand in SQL as it is.
func identifier(name string) bool {
	if name == "" || len(name) > 63 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
