// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// A program in C, which forks, and which gives NULL where an answer belongs.
func TestCallerInC(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	ready(t, tray, 0)
	program := filepath.Join(t.TempDir(), "caller")
	out, err := exec.Command(need.Tool(t, "cc"), "-Wall", "-Wextra", "-Werror", "-I", "shim", "-o", program,
		filepath.Join("testdata", "caller.c"), "-ldl").CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.CommandContext(t.Context(), program, tray.Module()).CombinedOutput()
	require.NoError(t, err, string(out))
}
