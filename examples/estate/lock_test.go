// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFolderOfAnother(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockFolder(dir)
	require.NoError(t, err)
	fresh, err := prepareFolder(dir) // another process makes its first people now
	require.NoError(t, err)
	require.True(t, fresh)
	kept := filepath.Join(dir, "estate.db")
	require.NoError(t, os.WriteFile(kept, []byte("x"), 0o600))

	var out, errs bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-dir", dir, "-addr", "127.0.0.1:0", "-agent", "127.0.0.1:0", "-ward", "127.0.0.1:0", "-portal", "127.0.0.1:0", "-smtp", "127.0.0.1:0"}, &out, &errs))
	require.Contains(t, errs.String(), dir+" is open in another process")
	require.Contains(t, errs.String(), "-dir")
	require.Equal(t, 1, strings.Count(errs.String(), "\n"))
	require.FileExists(t, kept, "nothing of the other's is touched")

	require.NoError(t, lock.Close())
	lock, err = lockFolder(dir)
	require.NoError(t, err, "the folder is free again")
	require.NoError(t, lock.Close())
}
