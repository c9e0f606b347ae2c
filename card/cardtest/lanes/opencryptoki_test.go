// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// opencryptoki is its software token under a slot daemon, with an RSA pair: it
// has no elliptic curves. It is called in namespaces of its own.
func opencryptoki(t *testing.T) subject {
	t.Helper()
	slotd, err := part("pkcsslotd")
	require.NoError(t, err)
	// The module serves root and the group pkcs11, to which all its files belong;
	// here that is root's group.
	group := t.TempDir() + "/group"
	write(t, group, "root:x:0:\npkcs11:x:0:root\n")
	require.NoError(t, bind(group, "/etc/group"))
	write(t, "/etc/opencryptoki/opencryptoki.conf", "version opencryptoki-3.1\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n")
	for _, dir := range []string{"/run/lock/opencryptoki/swtok", "/var/lib/opencryptoki/swtok/TOK_OBJ"} {
		require.NoError(t, os.MkdirAll(dir, 0o770))
	}
	start(t, slotd, "-f")

	s := subject{config: card.Config{Module: need.Tool(t, "opencryptoki")}, label: "card", pin: []byte("123456"), so: []byte("12345678")}
	raw := pkcs11.New(s.config.Module)
	require.NoError(t, until("the slot daemon", func() error { return raw.Initialize() }))
	require.NoError(t, ready(raw, s))
	// It stays initialised, and others adopt it, until this process ends: its
	// C_Finalize closes a file twice, the second time whatever has the number then.
	s.personalise(t, keys(card.RSA2048))
	return s
}

// ready replaces the PINs that the token comes with, which it wants before
// anything else.
func ready(raw *pkcs11.Ctx, s subject) error {
	slots, err := raw.GetSlotList(true)
	if err != nil || len(slots) == 0 {
		return fmt.Errorf("slots %v: %w", slots, err)
	}
	const factory, first = "87654321", "11111111"
	if err := raw.InitToken(slots[0], factory, s.label); err != nil {
		return err
	}
	session, err := raw.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return raw.Login(session, pkcs11.CKU_SO, factory) },
		func() error { return raw.SetPIN(session, factory, string(s.so)) },
		func() error { return raw.InitPIN(session, first) },
		func() error { return raw.Logout(session) },
		func() error { return raw.Login(session, pkcs11.CKU_USER, first) },
		func() error { return raw.SetPIN(session, first, string(s.pin)) },
		func() error { return raw.Logout(session) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return raw.CloseSession(session)
}
