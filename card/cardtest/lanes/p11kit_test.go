// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// p11kit is p11-kit's client, to whose server a virtual card belongs. A server
// that is killed is a card that is pulled.
func p11kit(t *testing.T) subject {
	t.Helper()
	program := need.Tool(t, "p11-kit")
	client, err := part("pkcs11/p11-kit-client.so")
	need.Met(t, "p11-kit", err)
	tray := cardtest.New(t, cardtest.Config{})
	s := subject{config: card.Config{Module: client}, pin: []byte("123456"), so: []byte("87654321")}
	s.serial, err = tray.Personalised(0, cardtest.Personal{Keys: keys(card.P256, card.RSA2048)})
	require.NoError(t, err)
	socket := filepath.Join(t.TempDir(), "socket")
	t.Setenv("P11_KIT_SERVER_ADDRESS", "unix:path="+socket)
	var server *daemon
	s.insert = func() error {
		server = start(t, program, "server", "--foreground", "--name", socket, "--provider", tray.Module(), "pkcs11:")
		return until("the server", func() error {
			line, err := net.Dial("unix", socket)
			if err == nil {
				err = line.Close()
			}
			return err
		})
	}
	s.remove = func() error {
		server.kill()
		if err := os.Remove(socket); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	require.NoError(t, s.insert())
	return s
}

// The suite asks a client of p11-kit twice, the server having gone and come in
// between; TestPulledAndReinserted asks what happens meanwhile. The suite itself
// can't: it makes raw calls, and the module answers none until it is initialised
// anew.
func TestP11Kit(t *testing.T) {
	s := p11kit(t)
	m := s.module(map[cardtest.Feature]string{cardtest.SlotEvents: noEvents}, nil)
	m.Remove, m.Insert = nil, nil
	t.Run("first", func(t *testing.T) { cardtest.TestModule(t, m) })
	require.NoError(t, s.remove())
	require.NoError(t, s.insert())
	m.Destructive = false // what that asks has been asked
	t.Run("after-a-restart", func(t *testing.T) { cardtest.TestModule(t, m) })
	t.Run("events", s.events)
}
