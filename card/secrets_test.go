// SPDX-License-Identifier: Apache-2.0

//go:build cgo && unix

package card_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// What is logged, what errors say, and what values print as.
func TestNoPINIsTold(t *testing.T) {
	t.Run("row036", noPINIsTold)
}

func noPINIsTold(t *testing.T) {
	var log bytes.Buffer
	tray := cardtest.New(t, cardtest.Config{})
	secrets := [][]byte{[]byte("482913"), []byte("715504"), []byte("90346182"), []byte("26617035")}
	pin, wrong, so, wrongSO := secrets[0], secrets[1], secrets[2], secrets[3]
	serial, err := tray.Personalised(0, cardtest.Personal{PIN: pin, SOPIN: so})
	require.NoError(t, err)
	m, err := card.Open(card.Config{Module: tray.Module(), Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))})
	require.NoError(t, err)
	defer m.Close()
	ctx := t.Context()
	c, err := m.Card(ctx, card.Selector{Serial: serial})
	require.NoError(t, err)
	note := func(err error) {
		fmt.Fprintf(&log, "%v %+v %#v\n", err, err, err)
		var e *card.Error
		if errors.As(err, &e) {
			fmt.Fprintf(&log, "%+v %#v\n", e, *e)
		}
	}
	note(c.Login(ctx, pin, card.LoginOptions{}))
	note(c.ChangePIN(ctx, wrong, pin))
	note(c.Login(ctx, pin, card.LoginOptions{}))
	for range 3 {
		note(c.Login(ctx, wrong, dareAll))
		note(c.ResetPIN(ctx, wrongSO, pin))
	}
	note(c.Initialize(ctx, wrongSO, "x"))
	require.NoError(t, tray.Remove(0))
	note(c.Login(ctx, pin, dareAll))
	fmt.Fprintf(&log, "%v %+v %#v %v\n", c, c, c, m)
	for _, file := range []string{"/proc/self/cmdline", "/proc/self/environ"} {
		text, err := os.ReadFile(file)
		if err == nil {
			log.Write(text)
		}
	}
	for _, s := range secrets {
		for _, form := range forms(s) {
			require.NotContains(t, log.String(), form)
		}
	}
}

// forms are how a secret might be written.
func forms(s []byte) []string {
	var wide []byte
	for _, u := range utf16.Encode([]rune(string(s))) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	return []string{
		string(s), string(wide), hex.EncodeToString(s), base64.StdEncoding.EncodeToString(s),
		fmt.Sprint(s), fmt.Sprintf("%#v", s),
	}
}

// randomPIN stands in no program and no file.
func randomPIN(t *testing.T) []byte {
	t.Helper()
	pin := make([]byte, 12)
	_, _ = rand.Read(pin)
	for i := range pin {
		pin[i] = '0' + pin[i]%10
	}
	return pin
}

// secretChild is another process that is given a PIN by its standard input, the
// only way, and what it left when it was aborted.
type secretChild struct {
	*exec.Cmd
	dir    string
	stderr bytes.Buffer
	stdin  io.Closer // closed: go on
	stdout io.ReadCloser
}

func startSecret(t *testing.T, act, module string, pin []byte) *secretChild {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &secretChild{Cmd: exec.Command(self), dir: t.TempDir()}
	c.Dir, c.Stderr = c.dir, &c.stderr
	c.Env = append(os.Environ(), "CARD_TEST_CHILD="+act, "CARD_TEST_MODULE="+module)
	c.stdout, err = c.StdoutPipe()
	require.NoError(t, err)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	c.stdin = in
	_, err = in.Write(pin)
	require.NoError(t, err)
	return c
}

// clean says that a PIN stands in no form in what the process shows or left.
func (c *secretChild) clean(t *testing.T, pin []byte, what string, content []byte) {
	t.Helper()
	for _, form := range forms(pin) {
		if bytes.Contains(content, []byte(form)) {
			t.Errorf("the PIN stands in %s", what)
		}
	}
}

// showsItself is what other processes see of it.
func (c *secretChild) showsItself(t *testing.T, pin []byte) {
	t.Helper()
	for _, name := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.Process.Pid, name)); err == nil { // Linux
			c.clean(t, pin, name, text)
		}
	}
}

func TestPINIsNowhere(t *testing.T) {
	t.Run("threat043", func(t *testing.T) {
		t.Run("a core after signing", func(t *testing.T) {
			pin := randomPIN(t)
			tray := cardtest.New(t, cardtest.Config{})
			_, err := tray.Personalised(0, cardtest.Personal{PIN: pin})
			require.NoError(t, err)
			c := startSecret(t, "sign and abort", tray.Module(), pin)
			said := make([]byte, len("signed"))
			_, err = io.ReadFull(c.stdout, said)
			require.NoError(t, err, "%s", &c.stderr)
			c.showsItself(t, pin)
			require.NoError(t, c.stdin.Close())
			rest, err := io.ReadAll(c.stdout)
			require.NoError(t, err)
			require.Error(t, c.Wait())
			c.clean(t, pin, "what it said", append(rest, c.stderr.Bytes()...))
			cores, err := filepath.Glob(filepath.Join(c.dir, "core*"))
			require.NoError(t, err)
			if len(cores) == 0 {
				t.Log("this machine writes no core file into the current folder")
				return
			}
			core, err := os.ReadFile(cores[0])
			require.NoError(t, err)
			require.Greater(t, bytes.Count(core, []byte("Wardkey card")), 0, "it is a core of the process that read the card")
			c.clean(t, pin, "the core file", core)
		})
		t.Run("aborted in the middle of C_Login", func(t *testing.T) {
			pin := randomPIN(t)
			tray := cardtest.New(t, cardtest.Config{})
			_, err := tray.Personalised(0, cardtest.Personal{PIN: pin})
			require.NoError(t, err)
			q := newQuirks(t, tray.Module())
			q.are("hang C_Login")
			c := startSecret(t, "sign", q.path, pin)
			require.Eventually(t, func() bool { return len(q.called("C_Login")) > 0 }, 30*time.Second, time.Millisecond)
			c.showsItself(t, pin)
			require.NoError(t, c.Process.Signal(syscall.SIGABRT))
			rest, err := io.ReadAll(c.stdout)
			require.NoError(t, err)
			require.Error(t, c.Wait())
			require.Contains(t, c.stderr.String(), "goroutine", "it tells every stack")
			c.clean(t, pin, "what it said", append(rest, c.stderr.Bytes()...))
		})
		t.Run("a panic in the middle of a login", func(t *testing.T) {
			pin := randomPIN(t)
			tray := cardtest.New(t, cardtest.Config{})
			_, err := tray.Personalised(0, cardtest.Personal{PIN: pin})
			require.NoError(t, err)
			c := startSecret(t, "sign and panic", tray.Module(), pin)
			rest, err := io.ReadAll(c.stdout)
			require.NoError(t, err)
			require.Error(t, c.Wait())
			require.Contains(t, c.stderr.String(), "panic: in the prompter")
			c.clean(t, pin, "what it said", append(rest, c.stderr.Bytes()...))
		})
	})
}

// secret is the child: it signs with a PIN that it reads and clears, with all
// that can be logged logged.
func secret(act string) error {
	debug.SetTraceback("system")
	limit := syscall.Rlimit{}
	if act == "sign and abort" {
		debug.SetTraceback("crash")
		if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
			return err
		}
		limit.Cur = limit.Max
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	typed := make([]byte, 64)
	n, err := os.Stdin.Read(typed)
	if err != nil {
		return err
	}
	m, err := card.Open(card.Config{
		Module: os.Getenv("CARD_TEST_MODULE"),
		Log:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug - 10})),
	})
	if err != nil {
		return err
	}
	c, err := m.Card(background, card.Selector{Label: "Wardkey card"})
	if err != nil {
		return err
	}
	k, err := c.Key(background, card.KeySelector{ID: []byte{1}})
	if err != nil {
		return err
	}
	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
		pin := slices.Clone(typed[:n])
		clear(typed)
		if act == "sign and panic" {
			panic("in the prompter")
		}
		return pin, nil
	})
	for range 3 {
		if err := signs(background, k); err != nil {
			return err
		}
	}
	fmt.Print("signed")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGABRT); err != nil {
		return err
	}
	time.Sleep(time.Minute)
	return errors.New("it outlived its end")
}
