// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest/internal/pivapplet"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// The virtual reader's port, and its driver.
const (
	vpcd       = "127.0.0.1:35963"
	vpcdDriver = "pcsc/drivers/serial/libifdvpcd.so"
)

// opensc is OpenSC on pcscd with a PIV card in a virtual reader.
func opensc(t *testing.T) subject {
	t.Helper()
	pcscd, err := part("pcscd")
	require.NoError(t, err)
	driver, err := part(vpcdDriver)
	require.NoError(t, err)
	dir := t.TempDir()
	conf := filepath.Join(dir, "opensc.conf")
	write(t, conf, `
app default { card_drivers = PIV-II; framework pkcs15 { use_file_caching = no; } }
app opensc-pkcs11 { pkcs11 { user_pin_unblock_style = set_pin_in_unlogged_session; } }
`)
	t.Setenv("OPENSC_CONF", conf)
	readers := filepath.Join(dir, "readers")
	write(t, readers, "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH "+driver+"\nCHANNELID 0x8C7B\n")
	require.NoError(t, os.MkdirAll("/run/pcscd", 0o755))
	args := []string{"--foreground", "--config", readers}
	const withoutBus = "--disable-polkit" // newer ones ask on D-Bus who may use cards
	if help, _ := exec.Command(pcscd, "--help").CombinedOutput(); bytes.Contains(help, []byte(withoutBus)) {
		args = append(args, withoutBus)
	}
	start(t, pcscd, args...)

	own, err := pivapplet.New(pivapplet.Config{})
	require.NoError(t, err)
	other, err := pivapplet.New(pivapplet.Config{})
	require.NoError(t, err)
	var in *pivapplet.Card
	insert := func(piv *pivapplet.Card) error {
		in = piv
		if err := until("the reader", func() error { return piv.Insert(vpcd) }); err != nil {
			return err
		}
		return until("the reader to have the card", inReader(true))
	}
	s := subject{
		config: card.Config{Module: need.Tool(t, "opensc")}, pin: []byte("123456"), puk: []byte("12345678"),
		remove: func() error {
			if err := in.Eject(); err != nil {
				return err
			}
			return until("the reader to be empty", inReader(false))
		},
		insert:      func() error { return insert(own) },
		insertOther: func() error { return insert(other) },
	}
	require.NoError(t, s.insert())
	s.personalise(t, nil)
	return s
}

// inReader asks pcscd, by a program that isn't under test.
func inReader(want bool) func() error {
	return func() error {
		out, err := exec.Command("opensc-tool", "--list-readers").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		if got := bytes.Contains(out, []byte(" Yes ")); got != want {
			return fmt.Errorf("a card in the reader: %v\n%s", got, out)
		}
		return nil
	}
}
