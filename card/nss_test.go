// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// nssConfig is a new key store of NSS softokn, whose PIN is goodPIN. It is made
// as NSS makes one: by the security officer without a PIN, before there is any.
func nssConfig(t *testing.T) card.Config {
	t.Helper()
	dir := t.TempDir()
	config := card.Config{
		Module:   need.Tool(t, "nss"),
		InitArgs: fmt.Sprintf("configdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", dir),
	}
	lib, err := cryptoki.Open(config.Module)
	require.NoError(t, err)
	require.NoError(t, lib.Initialize(config.InitArgs))
	defer func() { require.NoError(t, lib.Finalize()) }()
	const keys = 2 // the slot of "NSS Certificate DB"
	session, err := lib.OpenSession(keys, cryptoki.FlagSerialSession|cryptoki.FlagRWSession)
	require.NoError(t, err)
	require.NoError(t, lib.Login(session, cryptoki.UserSO, []byte{}))
	require.NoError(t, lib.InitPIN(session, goodPIN))
	return config
}

// NSS softokn is told where its keys are by C_Initialize.
func TestInitArgs(t *testing.T) {
	config := nssConfig(t)
	m, err := card.Open(config)
	require.NoError(t, err)
	defer m.Close()
	slots, err := m.Slots(t.Context())
	require.NoError(t, err)
	require.Len(t, slots, 2)
	require.Equal(t, "NSS Certificate DB", slots[1].Token.Label)
	require.Equal(t, card.PINReady, slots[1].Token.PIN)

	for _, args := range []string{"", config.InitArgs + " "} {
		_, err := card.Open(card.Config{Module: config.Module, InitArgs: args})
		require.ErrorIs(t, err, card.ErrModule)
		require.ErrorContains(t, err, "other InitArgs")
	}
	again, err := card.Open(config)
	require.NoError(t, err, "the same args are no other")
	require.NoError(t, again.Close())

	_, err = card.Open(card.Config{Module: need.Tool(t, "softhsm"), InitArgs: "cut\x00here"})
	require.ErrorIs(t, err, card.ErrModule)
	require.ErrorContains(t, err, "zero byte")
}

func nssCard(t *testing.T, c card.Config) *card.Card {
	t.Helper()
	m, err := card.Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	found, err := m.Card(t.Context(), card.Selector{Label: "NSS Certificate DB"})
	require.NoError(t, err)
	return found
}

// Modules of two makes in one process, with somebody logged in on each.
func TestModulesSideBySide(t *testing.T) {
	d := newDesk(t)
	c := nssCard(t, nssConfig(t))
	ctx := t.Context()
	require.NoError(t, c.Login(ctx, goodPIN, card.LoginOptions{}))
	d.login(d.card)
	k, err := c.GenerateKey(ctx, card.KeySpec{ID: []byte{1}, Algorithm: card.P256})
	require.NoError(t, err)
	require.NoError(t, d.card.Logout(ctx))
	require.NoError(t, signs(ctx, k))
	require.ErrorIs(t, signs(ctx, d.key(d.card, 1)), card.ErrNotLoggedIn)
	d.login(d.card)
	require.NoError(t, c.Logout(ctx))
	require.NoError(t, signs(ctx, d.key(d.card, 1)))
	require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)
}
