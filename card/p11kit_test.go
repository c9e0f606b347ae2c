// SPDX-License-Identifier: Apache-2.0

//go:build cgo && unix

package card_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// remote is p11-kit's server in another process; ending it is a removal that
// takes the whole module along.
type remote struct {
	*testing.T
	program, module, socket string
	server                  *exec.Cmd
}

func (r *remote) start() {
	r.Helper()
	r.server = exec.Command(r.program, "server", "-f", "--provider", r.module, "--name", r.socket, "pkcs11:")
	r.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it forks for each client
	require.NoError(r, r.server.Start())
	require.Eventually(r, func() bool {
		conn, err := net.Dial("unix", r.socket)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}, 20*time.Second, 5*time.Millisecond)
}

func (r *remote) end() {
	if r.server == nil {
		return
	}
	_ = syscall.Kill(-r.server.Process.Pid, syscall.SIGKILL)
	_ = r.server.Wait()
	r.server = nil
	_ = os.Remove(r.socket)
}

func newRemote(t *testing.T, module string) (*remote, string) {
	t.Helper()
	r := &remote{T: t, program: need.Tool(t, "p11-kit"), module: module}
	client := filepath.Join(filepath.Dir(need.Tool(t, "opensc")), "pkcs11", "p11-kit-client.so")
	if _, err := os.Stat(client); err != nil {
		client = filepath.Join(filepath.Dir(need.Tool(t, "opensc")), "p11-kit-client.so")
	}
	dir, err := os.MkdirTemp("", "p11") // a socket's path has 108 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r.socket = filepath.Join(dir, "s")
	t.Cleanup(r.end)
	r.start()
	t.Setenv("P11_KIT_SERVER_ADDRESS", "unix:path="+r.socket)
	return r, client
}

// p11-kit's client, whose server is killed and started again: the same Key signs.
func TestRemoteModuleRestarted(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(t, err)
	r, client := newRemote(t, tray.Module())
	ctx := t.Context()
	m := open(t, client)
	c, err := m.Card(ctx, card.Selector{Serial: serial})
	require.NoError(t, err)
	k, err := c.Key(ctx, card.KeySelector{ID: []byte{1}})
	require.NoError(t, err)
	asked := 0
	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
		asked++
		return bytes.Clone(goodPIN), nil
	})
	require.NoError(t, signs(ctx, k))
	w := watch(ctx, t, m)
	w.expect(serial, card.Inserted)
	for n := range 3 {
		r.end()
		require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)
		require.ErrorIs(t, c.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrRemoved)
		w.expect(serial, card.Removed)
		require.Equal(t, n+1, asked, "nobody is asked for a card that is out of reach")
		r.start()
		require.NoError(t, signs(ctx, k), "the same Key, at the next call")
		require.Equal(t, n+2, asked)
		w.expect(serial, card.Inserted)
	}
	r.end()
	r.start() // between two calls
	require.NoError(t, signs(ctx, k))
	require.Equal(t, 5, asked)
}
