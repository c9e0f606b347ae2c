// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbered(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                          "SELECT 1",
		"a = $2 AND b = $1":                 "a = ?2 AND b = ?1",
		"a=$12,b=$1":                        "a=?12,b=?1",
		"a = '$1' AND b = $1":               "a = '$1' AND b = ?1",
		"a = 'it''s $1' AND b = $1":         "a = 'it''s $1' AND b = ?1",
		`"$1" = $1`:                         `"$1" = ?1`,
		"a = $1 -- not $2\n AND b = $2":     "a = ?1 -- not $2\n AND b = ?2",
		"a = $1 /* $2 ' */ AND b = $2":      "a = ?1 /* $2 ' */ AND b = ?2",
		"a = '$argon2id$v=19$' AND b = $1":  "a = '$argon2id$v=19$' AND b = ?1",
		"a$1 = $x AND b = $":                "a$1 = $x AND b = $",
		"a = 'never closed $1":              "a = 'never closed $1",
		"a = $1 AND b = '£$2' AND c = $3\n": "a = ?1 AND b = '£$2' AND c = ?3\n",
	} {
		require.Equal(t, want, numbered(query))
	}
}

func FuzzNumbered(f *testing.F) {
	f.Add("a = $1 AND b = '$2' -- $3\n /* $4 */")
	f.Fuzz(func(t *testing.T, query string) {
		once := numbered(query)
		require.Len(t, once, len(query))
		require.Equal(t, once, numbered(once), "twice changes nothing more")
		for i := range query {
			require.True(t, query[i] == once[i] || query[i] == '$' && once[i] == '?')
		}
	})
}
