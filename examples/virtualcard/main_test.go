// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// printed are the commands that a run printed, in their order, and the serial of
// its card.
func printed(t *testing.T, dir string) (commands []string, serial string) {
	t.Helper()
	var out strings.Builder
	require.NoError(t, run(&out, dir, false, false))
	for line := range strings.Lines(out.String()) {
		if command, is := strings.CutPrefix(line, "\t"); is {
			commands = append(commands, command)
		}
	}
	first, _, _ := strings.Cut(out.String(), ",")
	return commands, strings.TrimPrefix(first, "card ")
}

// typed is somebody who types a printed command, with a home of their own, in a
// shell that another command may have started.
func typed(t *testing.T, home, command string, by ...string) string {
	t.Helper()
	args := append(by, "sh", "-e", "-c", command)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
	return string(out)
}

func TestVirtualCard(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	need.Tool(t, "pkcs11-tool")
	dir, home := t.TempDir(), t.TempDir()
	require.Error(t, run(&strings.Builder{}, dir, true, false), "no card yet")
	first, serial := printed(t, dir)
	second, _ := printed(t, dir)
	require.Equal(t, first, second, "the card stays")

	list := first[0]
	require.Contains(t, typed(t, home, list), "Private Key Object")
	require.NoError(t, run(&strings.Builder{}, dir, true, false))
	out, err := exec.Command("sh", "-c", list).CombinedOutput()
	require.Error(t, err, "pulled")
	require.NotContains(t, string(out), "Private Key Object")
	require.NoError(t, run(&strings.Builder{}, dir, false, true))
	require.Contains(t, typed(t, home, list), "Private Key Object")
	require.Error(t, run(&strings.Builder{}, dir, false, true), "it is in its reader")
	require.NotEmpty(t, serial)
}

// What root types is typed above an /etc that nobody else sees.
func TestP11Kit(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	need.Tool(t, "p11-kit")
	apart := []string{"unshare", "--map-root-user", "--mount"}
	need.Met(t, "p11-kit", exec.Command(apart[0], append(apart[1:], "true")...).Run())
	commands, serial := printed(t, t.TempDir())
	script := "mount -t tmpfs none /etc\n" + commands[1] + commands[2]
	require.Contains(t, typed(t, t.TempDir(), script, apart...), serial)
}

func TestNSS(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	need.Tool(t, "nss")
	_, err := exec.LookPath("modutil")
	need.Met(t, "nss", err)
	home := t.TempDir()
	profile := filepath.Join(home, ".pki", "nssdb")
	require.NoError(t, os.MkdirAll(profile, 0o700))
	commands, _ := printed(t, t.TempDir())
	typed(t, home, "certutil -N --empty-password -d sql:"+profile)
	typed(t, home, commands[3])
	pin := filepath.Join(home, "pin")
	require.NoError(t, os.WriteFile(pin, []byte("123456\n"), 0o600))
	keys := typed(t, home, "certutil -K -h 'Wardkey card' -f "+pin+" -d sql:"+profile)
	require.Contains(t, keys, "authentication")
	require.Contains(t, keys, "signing")
}

// A certificate request that OpenSSL signs with the card.
func TestOpenSSL(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	openssl := need.Tool(t, "openssl")
	said, err := exec.Command(openssl, "version", "-e").Output()
	require.NoError(t, err)
	_, engines, _ := strings.Cut(strings.TrimSpace(string(said)), ": ")
	_, err = os.Stat(filepath.Join(strings.Trim(engines, `"`), "pkcs11.so"))
	need.Met(t, "openssl", err)
	commands, _ := printed(t, t.TempDir())
	request := filepath.Join(t.TempDir(), "request")
	require.NoError(t, os.WriteFile(request, []byte(typed(t, t.TempDir(), commands[4])), 0o600))
	require.Contains(t, typed(t, t.TempDir(), "openssl req -verify -noout -subject -in "+request), "CN = test")
}

// Without -dir the card is kept in the user's cache.
func TestDefaultFolder(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	printed(t, "")
	cards, err := os.ReadDir(filepath.Join(cache, "wardkey", "virtualcard", "cards"))
	require.NoError(t, err)
	require.Len(t, cards, 1)
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	require.ErrorContains(t, run(&strings.Builder{}, "", false, false), "-dir")
}
