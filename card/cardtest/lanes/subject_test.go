// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// subject is a module with a card that is ready, and how it is pulled. The key
// of the id 1 asks for nothing but a login.
type subject struct {
	config         card.Config
	serial, label  string
	pin, so, puk   []byte       // so, puk: nil where there is none
	remove, insert func() error // nil: nobody can
	insertOther    func() error // nil: there is no other card
}

// keys are to be made, with the ids 1, 2, …
func keys(algorithms ...card.Algorithm) []card.KeySpec {
	var specs []card.KeySpec
	for i, algorithm := range algorithms {
		specs = append(specs, card.KeySpec{ID: []byte{byte(i + 1)}, Label: "key", Algorithm: algorithm})
	}
	return specs
}

// personalise finds the one card, by its label if it has one, and makes keys on
// it.
func (s *subject) personalise(t *testing.T, specs []card.KeySpec) {
	t.Helper()
	m, err := card.Open(s.config)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	c, err := m.Card(t.Context(), card.Selector{Label: s.label})
	require.NoError(t, err)
	s.serial = c.Serial()
	if len(specs) == 0 {
		return
	}
	require.NoError(t, c.Login(t.Context(), s.pin, card.LoginOptions{}))
	for _, spec := range specs {
		_, err := c.GenerateKey(t.Context(), spec)
		require.NoError(t, err)
	}
	require.NoError(t, c.Logout(t.Context()))
}

// open is the card, found in a module that is open until the test ends.
func (s *subject) open(t *testing.T) (*card.Module, *card.Card) {
	t.Helper()
	m, err := card.Open(s.config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	c, err := m.Card(t.Context(), card.Selector{Serial: s.serial, Label: s.label})
	require.NoError(t, err)
	return m, c
}

// shimmed is the subject under cardtest's shim.
func shimmed(t *testing.T, s subject) subject {
	t.Helper()
	tray := cardtest.New(t, cardtest.Config{Wrapped: cardtest.Wrapped{Module: s.config.Module, InitArgs: s.config.InitArgs}})
	return inTray(tray, s)
}

// inTray is a card of the tray's first reader.
func inTray(tray *cardtest.Tray, s subject) subject {
	s.config = card.Config{Module: tray.Module()}
	s.remove = func() error { return tray.Remove(0) }
	s.insert = func() error { return tray.Insert(0, s.serial) }
	return s
}
