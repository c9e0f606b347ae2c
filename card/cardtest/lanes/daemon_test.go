// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// daemon is a program that runs until the test ends, or is killed before.
type daemon struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

// start runs a program in the foreground, in a process group of its own, so that
// those which it starts end with it.
func start(t *testing.T, program string, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(program, args...)}
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.WaitDelay = time.Second
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), d.out.String())
		}
	})
	return d
}

// kill ends it and those that it started, which are this process's to bury
// (TestMain); it may be called again.
func (d *daemon) kill() {
	if d.cmd.ProcessState != nil {
		return
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	_ = d.cmd.Wait() // it was killed
	for reaped := error(nil); reaped == nil; {
		_, reaped = syscall.Wait4(-d.cmd.Process.Pid, nil, 0, nil)
	}
}

// until waits for what a daemon or a reader will have done soon.
func until(what string, done func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := done()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// part is a program or a library that belongs to a tool.
func part(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		for _, folder := range []string{"/usr/sbin", "/usr/lib/*-linux-*", "/usr/lib64", "/usr/lib"} {
			found, err := filepath.Glob(filepath.Join(folder, name))
			if err == nil && len(found) > 0 {
				return found[0], nil
			}
		}
	}
	return "", fmt.Errorf("need: no %s", names[0])
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
