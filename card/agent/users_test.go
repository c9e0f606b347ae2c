// SPDX-License-Identifier: Apache-2.0

//go:build linux

package agent_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

// nobody is a user without rights on every Linux.
const nobody = 65534

// The agent is another user's: this process, whoever runs it, gets nothing.
func TestOtherUsersAgent(t *testing.T) {
	d := newDesk(t, nil)
	d.personalised(0)
	opened, err := d.Start(t.Context(), d.signin())
	require.NoError(t, err)
	form := d.shown(t, opened, typed("123456"))
	d.agent.ServeUser(os.Geteuid() + 1)

	_, err = d.Status(t.Context())
	require.Equal(t, "user.refused", wardkey.RuleOf(err))
	_, err = d.Start(t.Context(), d.signin())
	require.Equal(t, "user.refused", wardkey.RuleOf(err))
	resp, body := d.post(t, opened, form, "Accept", "text/html")
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Contains(t, body, "<code>user.refused</code>")
	resp, _ = d.ask(t, http.MethodGet, "/v1/style.css", "")
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "nothing at all")
	require.Empty(t, d.server.proofs)

	d.agent.ServeUser(os.Geteuid())
	_, err = d.Status(t.Context())
	require.NoError(t, err)
}

// A process of another user, on the same machine and with an allowed origin's name.
// Only root can start one, so elsewhere TestOtherUsersAgent alone shows it.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	d := newDesk(t, nil)
	stranger := program(t)
	for _, base := range []string{d.http.URL, strings.Replace(d.http.URL, "127.0.0.1", "localhost", 1)} {
		for uid, want := range map[uint32]string{nobody: "uid 65534 rule user.refused readers 0", 0: "uid 0 rule  readers 2"} {
			child := exec.CommandContext(t.Context(), stranger)
			child.Env = append(os.Environ(), childAsks+"="+base)
			child.Dir = "/"
			child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			out, err := child.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, want, strings.TrimSpace(string(out)))
		}
	}
	require.Contains(t, d.log.String(), "another user's connection refused")

	// One who calls himself root in a namespace of users of his own is who he is here.
	child := exec.CommandContext(t.Context(), stranger)
	child.Env = append(os.Environ(), childAsks+"="+d.http.URL)
	child.Dir = "/"
	is := []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: is, GidMappings: is, Credential: &syscall.Credential{NoSetGroups: true}}
	out, err := child.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		return // this system has no such namespaces
	}
	require.NoError(t, err, string(out))
	require.Equal(t, "uid 0 rule user.refused readers 0", strings.TrimSpace(string(out)))
}

// program is this test program at a place where everybody may run it.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent-stranger")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	from, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer from.Close()
	path := filepath.Join(dir, "stranger")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return path
}

// Whose connection one is, is found on both loopback addresses and among many.
func TestListen(t *testing.T) {
	d := newDesk(t, nil)
	all, err := agent.Listen(0)
	require.NoError(t, err)
	for _, l := range all {
		served := &http.Server{Handler: d.agent.Handler()}
		go func() { _ = served.Serve(l) }()
		t.Cleanup(func() { _ = served.Close() })
	}
	_, port, err := net.SplitHostPort(all[0].Addr().String())
	require.NoError(t, err)
	var crowd []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", all[0].Addr().String())
		require.NoError(t, err)
		crowd = append(crowd, c)
	}
	defer func() {
		for _, c := range crowd {
			_ = c.Close()
		}
	}()
	for _, l := range all {
		host, _, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		require.Contains(t, []string{"127.0.0.1", "::1"}, host)
		c := &agent.Client{Base: "http://" + net.JoinHostPort(host, port), Origin: origin}
		_, err = c.Status(t.Context())
		require.NoError(t, err, host)
	}
	taken := all[0].Addr().(*net.TCPAddr).Port
	_, err = agent.Listen(uint16(taken))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

// A program may reach 127.0.0.1 by a socket of the other family, and then its end
// stands in the other table.
func TestMappedAddress(t *testing.T) {
	d := newDesk(t, nil)
	c := &agent.Client{Base: d.http.URL, Origin: origin, HTTP: &http.Client{Transport: &http.Transport{
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return nil, err
			}
			return dialMapped(to)
		},
	}}}
	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return // this machine has one family
	}
	defer six.Close()
	_, err = c.Status(t.Context())
	require.NoError(t, err)
	d.agent.ServeUser(os.Geteuid() + 1)
	_, err = c.Status(t.Context())
	require.Equal(t, "user.refused", wardkey.RuleOf(err))
}

func dialMapped(to netip.AddrPort) (net.Conn, error) {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "mapped")
	defer file.Close()
	if err := syscall.Connect(fd, &syscall.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}
