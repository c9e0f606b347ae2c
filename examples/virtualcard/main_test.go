// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

func TestVirtualCard(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	tool := need.Tool(t, "pkcs11-tool")
	dir := t.TempDir()
	require.Error(t, run(&strings.Builder{}, "", false, false))
	require.Error(t, run(&strings.Builder{}, dir, true, false), "no card yet")
	var first, second strings.Builder
	require.NoError(t, run(&first, dir, false, false))
	require.NoError(t, run(&second, dir, false, false))
	require.Equal(t, first.String(), second.String(), "the card stays")

	_, after, _ := strings.Cut(first.String(), "module ")
	module, _, _ := strings.Cut(after, "\n")
	list := func() string {
		out, _ := exec.Command(tool, "--module", module, "--login", "--pin", "123456", "--list-objects").CombinedOutput()
		return string(out)
	}
	require.Contains(t, list(), "Private Key Object")
	require.NoError(t, run(&second, dir, true, false))
	require.NotContains(t, list(), "Private Key Object", "pulled")
	require.NoError(t, run(&second, dir, false, true))
	require.Contains(t, list(), "Private Key Object")
	require.Error(t, run(&second, dir, false, true), "it is in its reader")
}
