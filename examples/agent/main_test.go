// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

const portal = "https://portal.example"

// As a child of a test this is the program itself.
func TestMain(m *testing.M) {
	if os.Getenv("AGENT_IS_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// care answers a nonce, as much as the doctor asks of a server.
func care(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"nonce":"AAAAAAAAAAAAAAAAAAAAAA"}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// The program as it is started at a workstation: it says that it is ready, serves
// an allowed page on both loopback addresses, and ends by SIGTERM.
func TestAgent(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	_, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(t, err)
	server := care(t)
	program := exec.CommandContext(t.Context(), os.Args[0], "-module", tray.Module(), "-server", server.URL,
		"-origin", portal, "-origin", "https://other.example", "-listen", "localhost:0",
		"-help-page", "https://care.example/ra", "-removal", "touch "+filepath.Join(t.TempDir(), "gone"))
	program.Env = append(os.Environ(), "AGENT_IS_MAIN=1")
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	t.Cleanup(func() { _ = program.Process.Kill() }) // ended already where the test passed
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	base, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	require.True(t, ready, line)

	_, port, err := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		page := agent.Client{Base: "http://" + net.JoinHostPort(host, port), Origin: portal}
		status, err := page.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, agent.CardPresent, status.Readers[0].State)
		require.Equal(t, "https://care.example/ra", status.Readers[0].MendPage, "no certificate is on it")
	}
	require.NoError(t, program.Process.Signal(syscall.SIGTERM))
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("SIGTERM didn't end it")
	}
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs strings.Builder
	code = command(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestDoctor(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	server := care(t)
	args := []string{"-doctor", "-module", tray.Module(), "-server", server.URL, "-origin", portal}
	code, out, errs := run(t, args...)
	require.Zero(t, code, out+errs)
	require.Contains(t, out, "ok    module: it is loaded and lists its readers")
	require.Contains(t, out, "ok    server "+server.URL)
	require.NotContains(t, out, "WRONG")

	code, out, _ = run(t, append(args, "-json", "-set-up-on", "10.0.19045")...)
	require.Equal(t, 1, code)
	var report agent.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.False(t, report.OK)
	require.Equal(t, "device.changed", report.Checks[len(report.Checks)-2].Refusal.Rule)

	code, out, _ = run(t, "-doctor", "-module", "/no/such/module.so", "-server", server.URL, "-origin", portal)
	require.Equal(t, 1, code)
	require.Contains(t, out, "WRONG module: ")
	require.Contains(t, out, "ok    server", "and the rest is looked at all the same")
}

func TestCommandLine(t *testing.T) {
	for name, args := range map[string][]string{
		"another machine's address": {"-listen", "0.0.0.0:9443"},
		"no port":                   {"-listen", "127.0.0.1"},
		"a port too high":           {"-listen", "127.0.0.1:65536"},
		"no such flag":              {"-verbose"},
		"words over":                {"-one-user", "-module", "/x.so", "please"},
		"no module":                 {"-server", "https://care.example", "-origin", portal},
	} {
		code, out, errs := run(t, args...)
		require.Equal(t, 2, code, name)
		require.Empty(t, out, name)
		require.NotEmpty(t, errs, name)
	}
	code, _, errs := run(t, "-help")
	require.Zero(t, code)
	require.Contains(t, errs, "-unlock-page URL")
	tray := cardtest.New(t, cardtest.Config{})
	code, _, errs = run(t, "-module", tray.Module(), "-server", "https://care.example", "-origin", "*", "-listen", "127.0.0.1:0")
	require.Equal(t, 2, code)
	require.Contains(t, errs, `"*"`)
}
