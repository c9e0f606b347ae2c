// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

const (
	asProgram  = "WARDKEY_TEST_CA" // set: this process is the program
	passphrase = "correct horse battery staple"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// desk is a folder with what the program needs there.
type desk struct {
	t     *testing.T
	dir   string
	flags []string // of every command
	env   []string
}

// newDesk has the passphrase of software keys, a folder, and SQLite.
func newDesk(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	return &desk{t: t, dir: dir, flags: []string{"-dir", filepath.Join(dir, "ca")}, env: []string{passphraseVariable + "=" + passphrase}}
}

// softHSM puts the issuing key into a token of this test's own.
func (d *desk) softHSM() *desk {
	d.t.Helper()
	module := need.Tool(d.t, "softhsm")
	tokens := filepath.Join(d.dir, "tokens")
	require.NoError(d.t, os.Mkdir(tokens, 0o700))
	conf := d.file("softhsm2.conf", "directories.tokendir = "+tokens+"\nobjectstore.backend = file\nlog.level = ERROR\n")
	d.env = append(d.env, "SOFTHSM2_CONF="+conf, pinVariable+"=123456")
	cmd := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "issuing", "--so-pin", "87654321", "--pin", "123456")
	cmd.Env = append(os.Environ(), d.env...)
	out, err := cmd.CombinedOutput()
	require.NoError(d.t, err, string(out))
	d.flags = append(d.flags, "-keys", "pkcs11:token=issuing?module-path="+module)
	return d
}

// postgres puts the ledger into a cluster of this test's own.
func (d *desk) postgres() *desk {
	d.t.Helper()
	var folder string
	require.NoError(d.t, postgrestest.Open(d.t).QueryRow("SHOW unix_socket_directories").Scan(&folder))
	d.flags = append(d.flags, "-db", "postgres://wardkey@/postgres?sslmode=disable&host="+folder)
	return d
}

func (d *desk) file(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	require.NoError(d.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (d *desk) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], append(append([]string{name}, d.flags...), args...)...)
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), d.env...)
	return cmd
}

// run runs a command to its end.
func (d *desk) run(name string, args ...string) (stdout, stderr string, status int) {
	d.t.Helper()
	var out, errs bytes.Buffer
	cmd := d.command(d.t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the status says it
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is run for what has to succeed.
func (d *desk) must(name string, args ...string) string {
	d.t.Helper()
	out, errs, status := d.run(name, args...)
	require.Zero(d.t, status, errs)
	require.Empty(d.t, errs)
	return out
}

// running is a server.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
}

// serve starts the server and waits until it says that it is ready.
func (d *desk) serve(args ...string) *running {
	d.t.Helper()
	cmd := d.command(context.Background(), "serve", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(d.t, err)
	require.NoError(d.t, cmd.Start())
	d.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if d.t.Failed() {
			d.t.Logf("the server said: %s", errs.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(d.t, err)
	url, found := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	require.True(d.t, found, line)
	return &running{d.t, cmd, url}
}

// stop ends the server as a service manager does.
func (r *running) stop() {
	r.t.Helper()
	require.NoError(r.t, r.cmd.Process.Signal(syscall.SIGTERM))
	done := make(chan error, 1)
	go func() { done <- r.cmd.Wait() }()
	select {
	case err := <-done:
		require.NoError(r.t, err)
	case <-time.After(30 * time.Second):
		r.t.Fatal("the server didn't end")
	}
}

func TestArguments(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"sign"}, 2, `"sign" is not a command`},
		{[]string{"issue"}, 2, "0 arguments behind the flags, not 2"},
		{[]string{"serve", "extra"}, 2, "1 arguments behind the flags, not 0"},
		{[]string{"serve", "-no-such-flag"}, 2, "not defined"},
		{[]string{"serve", "-help"}, 0, "-listen"},
		{[]string{"issue", d.file("a", "x"), "b"}, 1, "holds no PEM block CERTIFICATE REQUEST"},
		{[]string{"revoke", d.file("c", "x")}, 1, "holds no PEM block CERTIFICATE"},
		{[]string{"serve", "-listen", "nowhere"}, 1, "-listen"},
		{[]string{"serve", "-listen", "127.0.0.1:0", "-keys", "pkcs11:token=x?module-path=/y&pin-value=123456"}, 1, "has no place there"},
		{[]string{"serve", "-listen", "127.0.0.1:0", "-db", "postgres://u:secret@h/d"}, 1, "has no place there"},
		{[]string{"serve", "-listen", "127.0.0.1:0", "-base", "ftp://example.org"}, 1, "not a plain http or https URL"},
	} {
		out, errs, status := d.run(c.args[0], c.args[1:]...)
		require.Equal(t, c.status, status, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.says)
		require.Empty(t, out)
		require.NotContains(t, errs, "123456")
		require.NotContains(t, errs, "secret")
	}
	_, errs, status := d.run("revoke", d.file("none.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "no pair")
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
