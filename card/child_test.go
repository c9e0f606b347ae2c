// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
)

var background = context.Background()

// child is the other process of the tests here.
func child(act string) {
	module := os.Getenv("CARD_TEST_MODULE")
	switch {
	case strings.HasPrefix(act, "sign"):
		fail(secret(act))
		return
	case act == "shadowed":
		fail(shadowed(module))
		return
	}
	m, err := card.Open(card.Config{Module: module})
	fail(err)
	c, err := m.Card(background, card.Selector{})
	fail(err)
	switch act {
	case "lock":
		for range 3 {
			_ = c.Login(background, wrongPIN, dareAll)
		}
	case "suspend":
		fail(suspended(c))
	case "die":
		// Killed while the module works on the third wrong PIN, or before, or after.
		_ = c.Login(background, wrongPIN, dareAll)
		_ = c.Login(background, wrongPIN, dareAll)
		go func() { _ = c.Login(background, wrongPIN, dareAll) }()
		fail(kill())
	}
}

// other has another process do it, to the end.
func other(t *testing.T, act, module string) error {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "CARD_TEST_CHILD="+act, "CARD_TEST_MODULE="+module)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return err
}

func fail(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// kill ends this process as a crash does.
func kill() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Kill()
}
