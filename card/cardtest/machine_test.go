// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// ending is a test that notes how New ends it.
type ending struct {
	testing.TB
	skipped, failed string
}

func (e *ending) Helper() {}

func (e *ending) Skipf(format string, args ...any) {
	e.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (e *ending) Fatalf(format string, args ...any) {
	e.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// newEnds calls New where it can't succeed.
func newEnds(t *testing.T) *ending {
	t.Helper()
	e := &ending{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cardtest.New(e, cardtest.Config{Dir: t.TempDir()})
	}()
	<-done
	return e
}

// Each thing that can be missing has one sentence, skips a test, and fails it
// where REQUIRE names the tool.
func TestWhatIsMissing(t *testing.T) {
	need.Met(t, "softhsm", cardtest.Fit(runtime.GOOS, true, os.Args[0]))
	for _, missing := range []struct{ tool, variable, value, says string }{
		{"cc", "PATH", "", "C compiler"},
		{"softhsm", "SOFTHSM2_MODULE", "/nowhere/libsofthsm2.so", "SoftHSM 2"},
	} {
		t.Run(missing.tool, func(t *testing.T) {
			need.Tool(t, "cc")
			need.Tool(t, "softhsm")
			t.Setenv("XDG_CACHE_HOME", t.TempDir()) // no shim of before
			t.Setenv(missing.variable, missing.value)
			_, err := cardtest.Open(cardtest.Config{Dir: t.TempDir()})
			require.ErrorIs(t, err, cardtest.ErrNoShim)
			require.ErrorContains(t, err, missing.says)
			require.NotContains(t, err.Error(), "\n", "one sentence")

			t.Setenv("REQUIRE", "openssl")
			e := newEnds(t)
			require.Contains(t, e.skipped, missing.tool)
			require.Empty(t, e.failed)
			t.Setenv("REQUIRE", "openssl,"+missing.tool)
			e = newEnds(t)
			require.Empty(t, e.skipped)
			require.Contains(t, e.failed, missing.tool)
		})
	}
}

// Programs and systems that virtual cards don't run on.
func TestWhereTheyDontRun(t *testing.T) {
	refuses := func(says, goos string, cgo bool, program string) {
		t.Helper()
		err := cardtest.Fit(goos, cgo, program)
		require.ErrorIs(t, err, cardtest.ErrNoShim)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "\n", "one sentence")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, cardtest.Fit("linux", true, self))
	refuses("macOS", "darwin", true, self)
	refuses("windows", "windows", true, self)
	refuses("cgo", "linux", false, self)

	// A program that asks for musl's loader, as those of Alpine do.
	cc := need.Tool(t, "cc")
	source, program := filepath.Join(t.TempDir(), "main.c"), filepath.Join(t.TempDir(), "main")
	require.NoError(t, os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600))
	out, err := exec.Command(cc, "-o", program, source).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, cardtest.Fit("linux", true, program))
	out, err = exec.Command(cc, "-o", program, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1", source).CombinedOutput()
	require.NoError(t, err, string(out))
	refuses("musl", "linux", true, program)
	require.NoError(t, cardtest.Fit("linux", true, source), "not a program of this system at all")
	require.True(t, strings.HasPrefix(cardtest.ErrNoShim.Error(), "cardtest: "))
}
