// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// apartMark is set in the process that runs a lane.
const apartMark = "WARDKEY_LANE"

// apart runs a test's lane in a process of its own, whose network, mounts, IPC
// and process ids are its own too: daemons that it starts meet nothing of the
// machine and end with it. It needs root; who isn't asks sudo. (A user namespace
// won't do: there the modules belong to nobody, and card.Open refuses them.)
func apart(t *testing.T, tool string, lane func(t *testing.T)) {
	t.Helper()
	if os.Getenv(apartMark) != "" {
		lane(t)
		return
	}
	t.Parallel() // it mostly waits for readers
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := []string{
		"unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--",
		exe, "-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$", "-test.v", "-test.timeout=10m",
	}
	env := []string{apartMark + "=" + t.Name()}
	if os.Getuid() != 0 {
		// sudo clears the environment; these are what tests look at.
		for _, name := range []string{"PATH", "REQUIRE", "NSS_MODULE", "OPENCRYPTOKI_MODULE", "OPENSC_MODULE", "SOFTHSM2_MODULE"} {
			if value, set := os.LookupEnv(name); set {
				env = append(env, name+"="+value)
			}
		}
		command = append(append([]string{"sudo", "-n", "env"}, env...), command...)
	}
	out, err := alone(command, env)
	var status *exec.ExitError
	if err != nil && (!errors.As(err, &status) || !bytes.Contains(out, []byte("=== RUN"))) { // it never came to a test
		need.Met(t, tool, fmt.Errorf("need: no namespaces for %s: %w\n%s", tool, err, out))
	}
	h := hear(string(out))
	h.replay(t, t.Name())
	if err != nil && !t.Failed() {
		t.Errorf("%v\n%s", err, out)
	}
}

// alone runs a command that ends with this process.
func alone(command, env []string) ([]byte, error) {
	// The system kills it when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.CombinedOutput()
}

// furnish makes the namespaces ready: loopback is up, and what daemons write to
// is empty and private.
func furnish() error {
	for _, dir := range []string{"/run", "/dev/shm", "/etc/opencryptoki", "/var/lib/opencryptoki", "/var/log/opencryptoki"} {
		err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// bind puts one file in the place of another.
func bind(file, place string) error { return unix.Mount(file, place, "", unix.MS_BIND, "") }

// heard is what another process printed of its tests (go test -v).
type heard struct {
	names   []string // in their order
	logs    map[string][]string
	outcome map[string]string
}

func hear(out string) heard {
	h := heard{logs: map[string][]string{}, outcome: map[string]string{}}
	now := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "===":
			now = words[2]
			if words[1] == "RUN" {
				h.names = append(h.names, now)
			}
		case len(words) == 4 && words[0] == "---":
			h.outcome[words[2]] = strings.TrimSuffix(words[1], ":")
		case line == "PASS" || line == "FAIL": // of the whole process
		default:
			h.logs[now] = append(h.logs[now], line)
		}
	}
	return h
}

// replay tells them again as tests of this process: their logs, and whether they
// passed. A skip is a failure; whether the lane can run was known before.
func (h heard) replay(t *testing.T, name string) {
	t.Helper()
	if logs := h.logs[name]; len(logs) > 0 {
		t.Log("\n" + strings.Join(logs, "\n"))
	}
	for _, sub := range h.names {
		own, below := strings.CutPrefix(sub, name+"/")
		if below && !strings.Contains(own, "/") {
			t.Run(own, func(t *testing.T) { h.replay(t, sub) })
		}
	}
	if h.outcome[name] != "PASS" {
		t.Fail()
	}
}
