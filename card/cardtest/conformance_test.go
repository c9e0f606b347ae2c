// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

func TestConformanceOfTheVirtualCard(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial := ready(t, tray, 0)
	m := cardtest.Module{
		Path: tray.Module(), Serial: serial, PIN: goodPIN, SOPIN: soPIN, Destructive: true,
		Remove: func() error { return tray.Remove(0) },
		Insert: func() error { return tray.Insert(0, serial) },
	}
	cardtest.TestModule(t, m)

	// Less is asked where less is allowed; all is named in any case.
	outcomes := map[cardtest.Outcome]int{}
	names := map[string]bool{}
	m.Destructive, m.Remove = false, nil
	m.Departures = map[string]string{"login-twice": "to see that a wrong declaration fails"}
	require.NoError(t, cardtest.Check(m, func(r cardtest.Result) {
		outcomes[r.Outcome]++
		require.NotEmpty(t, r.Clause)
		require.False(t, names[r.Name], r.Name)
		names[r.Name] = true
	}))
	require.GreaterOrEqual(t, len(names), 40)
	require.Equal(t, 1, outcomes[cardtest.Failed])
	require.Greater(t, outcomes[cardtest.NotAsked], 20)
	m.Serial = "another"
	require.Error(t, cardtest.Check(m, func(cardtest.Result) {}))
}

// Bare SoftHSM is no card, and this says in what.
func TestConformanceOfBareSoftHSM(t *testing.T) {
	path, err := filepath.EvalSymlinks(need.Tool(t, "softhsm"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tokens"), 0o700))
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	raw := pkcs11.New(path)
	require.NoError(t, raw.Initialize())
	defer func() { require.NoError(t, raw.Finalize()) }()
	slots, err := raw.GetSlotList(false)
	require.NoError(t, err)
	require.NoError(t, raw.InitToken(slots[0], string(soPIN), "bare"))
	info, err := raw.GetTokenInfo(slots[0])
	require.NoError(t, err)
	personalise(t, raw, slots[0])
	cardtest.TestModule(t, cardtest.Module{
		Path: path, Serial: info.SerialNumber, PIN: goodPIN, SOPIN: soPIN, Destructive: true,
		Departures: map[string]string{
			"logout-without-login":    "it lets everybody log out",
			"final-try-is-told":       "it never locks (SoftHSMv2 issue 399)",
			"wrong-pins-lock":         "it never locks",
			"locked-to-the-right-pin": "it never locks",
			"unlocked-by-the-so":      "it never locks",
		},
	})
}

// personalise sets the PIN and makes one key pair, in raw calls.
func personalise(t *testing.T, raw *pkcs11.Ctx, slot uint) {
	t.Helper()
	s := session(t, raw, slot)
	require.NoError(t, raw.Login(s, pkcs11.CKU_SO, string(soPIN)))
	require.NoError(t, raw.InitPIN(s, string(goodPIN)))
	require.NoError(t, raw.Logout(s))
	require.NoError(t, raw.Login(s, pkcs11.CKU_USER, string(goodPIN)))
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	common := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1})}
	_, _, err := raw.GenerateKeyPair(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
		append(common, pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, p256)),
		append(common, pkcs11.NewAttribute(pkcs11.CKA_SIGN, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true)))
	require.NoError(t, err)
	require.NoError(t, raw.CloseSession(s))
}

// Another program's own tests find nothing wrong with a virtual card.
func TestPKCS11ToolTests(t *testing.T) {
	tool := need.Tool(t, "pkcs11-tool")
	tray := cardtest.New(t, cardtest.Config{})
	ready(t, tray, 0) // of its RSA tests, SoftHSM itself fails OAEP with a label
	out, err := exec.Command(tool, "--module", tray.Module(), "--login", "--pin", string(goodPIN), "--test").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "No errors")
}
