// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotice(t *testing.T) {
	folder := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return dir
	}
	a := module{"example.org/a", "v1.0.0", folder(map[string]string{"LICENSE": "Be kind. \r\n", "README.md": "no"})}
	b := module{"example.org/b", "v1.2.0", folder(map[string]string{"LICENCE.txt": "\nBe kind.\n"})}
	c := module{"example.org/c", "v0.1.0", folder(map[string]string{"COPYING": "Be fair.", "NOTICE": "By C."})}
	text, err := notice([]module{a, b, c})
	require.NoError(t, err)
	require.Contains(t, string(text), "* example.org/a v1.0.0\n* example.org/b v1.2.0\n\nBe kind.\n\n-")
	require.Contains(t, string(text), "* example.org/c v0.1.0\n\nBe fair.\n\nBy C.\n")
	require.Equal(t, 1, strings.Count(string(text), "Be kind."))

	require.Equal(t, "a licence differs", difference(string(text), []module{a, b, c}))
	b.version = "v1.3.0"
	require.Equal(t, "missing example.org/b v1.3.0, no longer example.org/b v1.2.0", difference(string(text), []module{a, b, c}))

	_, err = notice([]module{{"example.org/d", "v1.0.0", folder(nil)}})
	require.ErrorContains(t, err, "no licence file")
}
