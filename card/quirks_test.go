// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// quirks is a module of testdata/quirks.c around another one.
type quirks struct {
	*testing.T
	path, dir string
	read      int // bytes of the trace
}

func newQuirks(t *testing.T, inner string) *quirks {
	t.Helper()
	q := &quirks{T: t, dir: t.TempDir()}
	q.path = filepath.Join(q.dir, "quirks.so")
	require.NoError(t, os.Chmod(q.dir, 0o700))
	out, err := exec.Command(need.Tool(t, "cc"), "-shared", "-fPIC", "-O1", "-I", filepath.Join("cardtest", "shim"),
		"-DQUIRKS="+quoted(q.dir, "quirks"), "-DTRACE="+quoted(q.dir, "trace"), "-DINNER="+quoted(inner),
		"-o", q.path, filepath.Join("testdata", "quirks.c"), "-ldl").CombinedOutput()
	require.NoError(t, err, string(out))
	return q
}

func quoted(parts ...string) string { return `"` + filepath.Join(parts...) + `"` }

// are the quirks from now on, one a line; none takes all away.
func (q *quirks) are(lines ...string) {
	q.Helper()
	next := filepath.Join(q.dir, "next")
	require.NoError(q, os.WriteFile(next, []byte(strings.Join(lines, "\n")), 0o600))
	require.NoError(q, os.Rename(next, filepath.Join(q.dir, "quirks")))
}

// trace is what was called since the last time.
func (q *quirks) trace() []string {
	q.Helper()
	path := filepath.Join(q.dir, "trace")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(q, err)
	fresh := text[q.read:]
	q.read = len(text)
	return strings.Fields(string(fresh))
}

// called is trace, of these functions alone.
func (q *quirks) called(functions ...string) []string {
	q.Helper()
	var those []string
	for _, f := range q.trace() {
		for _, wanted := range functions {
			if f == wanted {
				those = append(those, f)
			}
		}
	}
	return those
}

// stopped waits until the module stops at a call, and says whether it did before
// the work was done.
func (q *quirks) stopped(done <-chan error) bool {
	q.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(q.dir, "trace.stopped")); err == nil {
			return true
		}
		if len(done) > 0 {
			return false
		}
	}
	q.Fatal("neither stopped nor done")
	return false
}

func (q *quirks) goOn() {
	q.Helper()
	require.NoError(q, os.Remove(filepath.Join(q.dir, "trace.stopped")))
}

// quirkyDesk is a desk whose module has quirks.
func quirkyDesk(t *testing.T, p cardtest.Personal) (*desk, *quirks) {
	t.Helper()
	d := &desk{T: t, tray: cardtest.New(t, cardtest.Config{})}
	var err error
	d.serial, err = d.tray.Personalised(0, p)
	require.NoError(t, err)
	q := newQuirks(t, d.tray.Module())
	q.are()
	d.module, err = card.Open(card.Config{Module: q.path, Poll: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.module.Close()) })
	d.card = d.find(d.serial)
	q.trace()
	return d, q
}
