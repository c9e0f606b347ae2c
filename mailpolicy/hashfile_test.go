// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// known writes a list of passwords as they are published.
func known(t *testing.T, line string, passwords ...string) (path string) {
	t.Helper()
	var lines []string
	for i, p := range passwords {
		lines = append(lines, fmt.Sprintf(line, sha1.Sum([]byte(p)), i*i*i))
	}
	slices.Sort(lines)
	path = filepath.Join(t.TempDir(), "known.txt")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
	return path
}

func TestHashFile(t *testing.T) {
	for name, line := range map[string]string{"as downloaded": "%X:%d\r\n", "with line feeds": "%X:%d\n", "small letters": "%x:%d\n", "bare": "%[1]X\n"} {
		for _, n := range []int{1, 2, 3, 500} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				var passwords []string
				for i := range n {
					passwords = append(passwords, fmt.Sprintf("password %d", i))
				}
				path := known(t, line, passwords...)
				for range 2 { // the second time without an end of the last line
					list, err := mailpolicy.OpenHashFile(path)
					require.NoError(t, err)
					for i := range n {
						blocked, err := list.Blocked(t.Context(), []byte(passwords[i]))
						require.NoError(t, err)
						require.True(t, blocked, passwords[i])
						blocked, err = list.Blocked(t.Context(), []byte(fmt.Sprintf("another %d", i)))
						require.NoError(t, err)
						require.False(t, blocked)
					}
					require.NoError(t, list.Close())
					text, err := os.ReadFile(path)
					require.NoError(t, err)
					require.NoError(t, os.WriteFile(path, []byte(strings.TrimRight(string(text), "\r\n")), 0o600))
				}
			})
		}
	}
	t.Run("no list", func(t *testing.T) {
		dir := t.TempDir()
		_, err := mailpolicy.OpenHashFile(filepath.Join(dir, "none"))
		require.ErrorIs(t, err, os.ErrNotExist)
		for i, text := range []string{"", "\n", "password\n", strings.Repeat("A", 39) + ":1\n", strings.Repeat("A", 64) + "\n", strings.Repeat("G", 40) + "\n", strings.Repeat("A", 40) + ":" + strings.Repeat("1", 500)} {
			path := filepath.Join(dir, fmt.Sprint(i))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err := mailpolicy.OpenHashFile(path)
			require.ErrorContains(t, err, path, text)
		}
	})
}

// A list that is real keeps a holder from a password that others know; one that can't
// be read, or not in time, from all.
func TestKnownPasswords(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	path := known(t, "%X:%d\r\n", "a-breached-sentence", "another one", "a third one")
	list, err := mailpolicy.OpenHashFile(path)
	require.NoError(t, err)
	h.blocklist = list
	h.start()
	token := h.session(a.Address)
	err = h.accounts.ChangePassword(ctx, token, []byte("a-breached-sentence"))
	refused(t, "mail.password.form", err)
	require.ErrorContains(t, err, "a list of passwords that others know")
	require.NoError(t, h.accounts.ChangePassword(ctx, token, []byte("a-sentence-of-my-own")))
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("broken ", 50)), 0o600))
	refused(t, "mail.busy", h.accounts.ChangePassword(ctx, token, []byte("a-breached-sentence")))
	given, cancel := context.WithCancel(ctx)
	cancel()
	_, err = list.Blocked(given, []byte("a-breached-sentence"))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, list.Close())
	refused(t, "mail.busy", h.accounts.ChangePassword(ctx, token, []byte("a-breached-sentence")))
}
