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

func TestCardcheck(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "cardcheck.xml")
	m := cardtest.Module{
		Path: tray.Module(), PIN: []byte("123456"), SOPIN: []byte("87654321"), Destructive: true,
		Remove: func() error { return tray.Remove(0) },
		Insert: func() error { return tray.Insert(0, serial) },
	}
	var out strings.Builder
	require.NoError(t, run(&out, m, file), out.String())
	require.Contains(t, out.String(), "0 failed, 0 departed as declared, 0 not asked")
	var s suite
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(text, &s))
	require.Equal(t, len(s.Cases), s.Tests)
	require.GreaterOrEqual(t, s.Tests, 40)

	// What is declared and holds is a failure; what isn't allowed isn't asked.
	m.Departures, m.Destructive, m.Remove = declared(" login-twice, ,"), false, nil
	out.Reset()
	require.ErrorIs(t, run(&out, m, file), errFailed)
	require.Contains(t, out.String(), "1 failed")

	m.PIN = nil
	require.Error(t, run(&out, m, ""))
	m.PIN, m.SOPIN, m.Destructive = []byte("123456"), nil, true
	require.Error(t, run(&out, m, ""))
	require.NoError(t, tray.Remove(0))
	require.Error(t, run(&out, cardtest.Module{Path: tray.Module(), PIN: m.PIN}, ""))
}
