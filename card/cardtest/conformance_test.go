// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func TestConformanceOfTheVirtualCard(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial, other := ready(t, tray, 0), ready(t, tray, 1)
	require.NoError(t, tray.Remove(1))
	m := cardtest.Module{
		Path: tray.Module(), Serial: serial, PIN: goodPIN, SOPIN: soPIN, Destructive: true,
		Remove:      func() error { return tray.Remove(0) },
		Insert:      func() error { return tray.Insert(0, serial) },
		InsertOther: func() error { return tray.Insert(0, other) },
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
	w := inSoftHSM(t, "bare")
	cardtest.TestModule(t, cardtest.Module{
		Path: w.Module, Serial: serialIn(t, w, "bare"), PIN: goodPIN, SOPIN: soPIN, Destructive: true,
		Lacks:      map[cardtest.Feature]string{cardtest.Locking: "it counts nothing (SoftHSMv2 issue 399)"},
		Departures: map[string]string{"logout-without-login": "it lets everybody log out"},
	})
}

// What is declared is held against the module too.
func TestDeclarations(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	m := cardtest.Module{Path: tray.Module(), Serial: ready(t, tray, 0), PIN: goodPIN, SOPIN: soPIN, Destructive: true}
	outcomes := func(m cardtest.Module) map[string]cardtest.Outcome {
		all := map[string]cardtest.Outcome{}
		require.NoError(t, cardtest.Check(m, func(r cardtest.Result) { all[r.Name] = r.Outcome }))
		return all
	}
	lacking := m
	lacking.Lacks = map[cardtest.Feature]string{cardtest.Locking: "to see that this is not believed"}
	all := outcomes(lacking)
	require.Equal(t, cardtest.Failed, all["wrong-pins-lock"], "the virtual card locks")
	require.Equal(t, cardtest.NotAsked, all["parallel-wrong-pins"])
	require.Equal(t, cardtest.NotAsked, all["pulled-event"], "nobody pulls the card")
	require.Equal(t, cardtest.NotAsked, all["unlocked-by-the-puk"], "it has none")

	// Without SO PIN and PUK the card is never locked, unless somebody opens it.
	bare := m
	bare.SOPIN = nil
	all = outcomes(bare)
	require.Equal(t, cardtest.NotAsked, all["wrong-pins-lock"])
	require.Equal(t, cardtest.NotAsked, all["so-beside-the-user"])
	require.Equal(t, cardtest.Passed, all["wrong-pin"])
	bare.Unlock = func() error { return tray.Unlock(bare.Serial) }
	all = outcomes(bare)
	require.Equal(t, cardtest.Passed, all["wrong-pins-lock"])
	require.Equal(t, cardtest.NotAsked, all["unlocked-by-the-so"])

	require.NoError(t, tray.Behave(0, cardtest.Behaviour{PUK: true}))
	m.SOPIN, m.PUK = nil, soPIN
	m.Hangs = map[string]string{"login-twice": "to see that it isn't asked"}
	all = outcomes(m)
	require.Equal(t, cardtest.NotAsked, all["login-twice"])
	require.Equal(t, cardtest.Passed, all["unlocked-by-the-puk"])
	require.Equal(t, cardtest.Passed, all["wrong-puk"])
	require.Equal(t, cardtest.NotAsked, all["set-pin-where-nobody-is-in"])

	// A card that takes no session that may write is asked the rest.
	require.NoError(t, tray.Behave(0, cardtest.Behaviour{ReadOnly: true}))
	m.Destructive, m.Hangs = false, nil
	for name, outcome := range outcomes(m) {
		require.NotEqual(t, cardtest.Failed, outcome, name)
	}

	m.Departures = map[string]string{"no-such-behaviour": "x"}
	require.ErrorContains(t, cardtest.Check(m, func(cardtest.Result) {}), "no-such-behaviour")
	m.Departures, m.Hangs = nil, map[string]string{"no-such-behaviour": "x"}
	require.ErrorContains(t, cardtest.Check(m, func(cardtest.Result) {}), "no-such-behaviour")
	m.Hangs, m.Lacks = nil, map[cardtest.Feature]string{"wings": "x"}
	require.ErrorContains(t, cardtest.Check(m, func(cardtest.Result) {}), "wings")
	require.Len(t, cardtest.Behaviours(), len(all))
}

// A module that never comes back ends the asking, and says where.
func TestAModuleThatHangs(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	m := cardtest.Module{
		Path: tray.Module(), Serial: ready(t, tray, 0), PIN: goodPIN, Patience: 2 * time.Second,
		Remove: func() error { return tray.Behave(0, cardtest.Behaviour{Hang: true}) },
	}
	back := make(chan bool, 1)
	m.Insert = func() error {
		back <- true
		return nil
	}
	all := map[string]cardtest.Result{}
	require.NoError(t, cardtest.Check(m, func(r cardtest.Result) { all[r.Name] = r }))
	require.Equal(t, cardtest.Failed, all["pulled-token-info"].Outcome)
	require.Contains(t, all["pulled-token-info"].Detail, "didn't come back")
	require.Equal(t, cardtest.NotAsked, all["pulled-slot-list"].Outcome)
	require.Contains(t, all["pulled-slot-list"].Detail, "pulled-token-info")
	// It comes back after all, and the behaviour ends before the tray goes.
	require.NoError(t, tray.Remove(0))
	require.NoError(t, tray.Behave(0, cardtest.Behaviour{}))
	<-back
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
