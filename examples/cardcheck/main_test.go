// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// checked is a run of the command, with its exit code.
func checked(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = command(args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestCardcheck(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(t, err)
	t.Setenv("CARD_PIN", "123456")
	t.Setenv("CARD_SOPIN", "87654321")
	file := filepath.Join(t.TempDir(), "cardcheck.xml")
	code, out, errs := checked(t, "", "-module", tray.Module(), "-serial", serial, "-destructive", "-junit", file)
	require.Zero(t, code, out+errs)
	require.Contains(t, out, ", 0 failed, 0 departed as declared, ")
	require.Empty(t, errs, "no progress where nobody sits")
	require.NotContains(t, out, "123456")
	var s suite
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(text, &s))
	require.Equal(t, len(s.Cases), s.Tests)
	require.Equal(t, len(cardtest.Behaviours()), s.Tests)
	require.Zero(t, s.Failures)

	// The card is the only one; what is declared and holds is a failure.
	t.Setenv("CARD_SOPIN", "")
	code, out, errs = checked(t, "", "-module", tray.Module(), "-departs", " login-twice, ,")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, " 1 failed")
	require.Contains(t, errs, "isn't declared")
	code, out, _ = checked(t, "", "-module", tray.Module(), "-lacks", "slot-events")
	require.Equal(t, 1, code, out)
}

// A person at the keyboard who doesn't pull the card when told to.
func TestByHand(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	_, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(t, err)
	t.Setenv("CARD_PIN", "123456")
	code, out, errs := checked(t, "", "-module", tray.Module(), "-by-hand", "-other")
	require.Equal(t, 1, code, out)
	require.Contains(t, errs, "Pull the card")
	require.Contains(t, out, "EOF")
}

func TestWhatCantBeAsked(t *testing.T) {
	t.Setenv("CARD_PIN", "")
	code, _, errs := checked(t, "", "-module", "/nowhere.so")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "CARD_PIN")
	t.Setenv("CARD_PIN", "123456")
	for name, args := range map[string][]string{
		"no module":     {},
		"no such file":  {"-module", "/nowhere.so"},
		"no such flag":  {"-pin", "123456"},
		"a PIN in argv": {"-module", "/nowhere.so", "123456"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := checked(t, "", args...)
			require.Equal(t, 2, code)
			require.Empty(t, out)
			require.NotEmpty(t, errs)
		})
	}
	code, _, errs = checked(t, "", "-help")
	require.Zero(t, code)
	for _, name := range []string{"CARD_PIN", "CARD_SOPIN", "CARD_PUK", "-init-args", "-junit"} {
		require.Contains(t, errs, name)
	}
	tray := cardtest.New(t, cardtest.Config{})
	code, _, errs = checked(t, "", "-module", tray.Module())
	require.Equal(t, 2, code)
	require.Contains(t, errs, "no such card")
}
