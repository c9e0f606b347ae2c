// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// liar is a module that does what another does except where its rules differ, see
// testdata/liar.c.
func liar(t *testing.T, inner string, rules ...string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	file, module := filepath.Join(dir, "rules"), filepath.Join(dir, "liar.so")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(rules, "\n")+"\n"), 0o600))
	out, err := exec.Command(need.Tool(t, "cc"), "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-I", "shim",
		fmt.Sprintf("-DRULES=%q", file), fmt.Sprintf("-DINNER=%q", inner), "-o", module, filepath.Join("testdata", "liar.c"), "-ldl").CombinedOutput()
	require.NoError(t, err, string(out))
	return module
}

// lie is a module that departs, and the behaviours that must find that.
type lie struct {
	rules  []string
	change func(*testing.T, *cardtest.Tray, *cardtest.Module) // of what is asked
	finds  string
}

// reading asks what leaves the card as it is and where it is.
func reading(_ *testing.T, _ *cardtest.Tray, m *cardtest.Module) {
	m.Destructive, m.Remove = false, nil
}

// still asks nothing about removal.
func still(_ *testing.T, _ *cardtest.Tray, m *cardtest.Module) { m.Remove = nil }

// repaired asks nothing about removal, and opens the locked card beside the module.
func repaired(_ *testing.T, tray *cardtest.Tray, m *cardtest.Module) {
	m.Remove, m.Unlock = nil, func() error { return tray.Unlock(m.Serial) }
}

// lame is a robot that pulls nothing.
func lame(_ *testing.T, _ *cardtest.Tray, m *cardtest.Module) {
	m.Destructive = false
	m.Remove = func() error { return nil }
	m.Insert, m.InsertOther = m.Remove, m.Remove
}

// withPUK has a card with a PUK and no security officer.
func withPUK(t *testing.T, tray *cardtest.Tray, m *cardtest.Module) {
	require.NoError(t, tray.Behave(0, cardtest.Behaviour{PUK: true}))
	m.SOPIN, m.PUK, m.Remove = nil, soPIN, nil
}

// lies are the modules, by what is wrong with them.
func lies() map[string]lie {
	return map[string]lie{
		"slots and tokens": {
			rules: []string{"token 2 0", "token 3 0", "token 4 0", "token 5 0", "slots 1 0", "C_GetTokenInfo 3 0", "C_OpenSession b4 0"}, change: reading,
			finds: "login-required serial-repeats pin-initialised pin-lengths slots-with-a-card slots-repeat unknown-slot session-serial",
		},
		"no card in the reader":  {rules: []string{"slot-flags 1 0"}, change: reading, finds: "token-present"},
		"another initialisation": {rules: []string{"C_Initialize 191 0"}, change: reading, finds: "initialize-twice"},
		"sessions that die":      {rules: []string{"C_GetSessionInfo * b3"}, change: reading, finds: "sessions-side-by-side"},
		"session states": {
			rules: []string{"state 0 2", "state 2 0", "state 3 2", "C_GetSessionInfo b3 0"}, change: reading,
			finds: "session-begins-public session-read-only login-is-shared login-of-later-sessions logout-is-shared last-session-logs-out session-unknown session-closed",
		},
		"logins": {
			rules:  []string{"C_Login b3 0", "C_Login b7 0", "C_Login 100 0", "C_Login 104 0", "C_Logout 101 0", "C_OpenSession b8 0", "C_InitPIN 101 0"},
			change: still,
			finds: "login-twice logout-without-login login-on-a-dead-session so-beside-the-user user-beside-the-so so-beside-a-read-only-session " +
				"read-only-session-beside-the-so init-pin-is-the-so's",
		},
		"nothing found": {
			rules: []string{"find 0 0"}, change: reading,
			finds: "private-keys-show public-keys-and-encodings",
		},
		"too much found": {
			rules:  []string{"find 0 2"},
			change: still,
			finds:  "private-keys-hide search-without-match so-sees-no-private-keys",
		},
		"operations": {
			rules: []string{
				"C_Sign 91 0", "C_Sign 101 0", "C_SignInit 90 0", "C_SignInit 70 0", "C_SignInit 60 0", "C_SignInit 82 0", "C_SignInit 101 0",
				"C_GetAttributeValue 11 0", "C_CreateObject b5 0", "C_DestroyObject * 0",
			},
			change: still,
			finds: "sign-without-init sign-ends-the-operation sign-init-twice sign-unknown-mechanism handle-dies-with-the-login private-key-stays made-key-stays " +
				"no-object-in-a-read-only-session key-pair-deleted always-authenticate-asks always-authenticate-asks-again",
		},
		"one operation for all sessions": {
			rules:  []string{"C_Sign * 91", "C_CreateObject * 31"},
			change: still,
			finds:  "operations-of-two-sessions always-authenticate-signs certificate-stored",
		},
		"signatures": {
			rules: []string{"signature 0 0"},
			finds: "signature-encoding sessions-sign-in-parallel signatures-verify key-pair-made tls-1.2-client tls-1.3-client pulled-while-others-sign " +
				"pulled-during-a-prompt put-back-during-a-prompt same-key-again other-card-never-signs",
		},
		"PINs taken": {
			rules:  []string{"C_SetPIN a2 0", "C_SetPIN b5 0", "C_SetPIN a0 0", "C_SetPIN a4 a0", "C_InitPIN * 0"},
			change: repaired,
			finds:  "short-pin-costs-no-try long-pin-costs-no-try set-pin-in-a-read-only-session set-pin-wrong locked-to-set-pin unlocked-by-the-so",
		},
		"PINs refused": {
			rules:  []string{"C_SetPIN * 101"},
			change: still,
			finds:  "set-pin-where-nobody-is-in set-pin so-pin-and-pin-in-one-session",
		},
		"PUKs taken": {rules: []string{"C_SetPIN * 0"}, change: withPUK, finds: "unlocked-by-the-puk wrong-puk"},
		"no counters told": {
			rules: []string{"token-flags 770000 0"},
			finds: "wrong-pin-is-told always-authenticate-counts wrong-so-pin-is-told final-try-is-told lock-is-told other-card-other-counter",
		},
		"a try less": {
			rules: []string{"token-flags 0 10000", "C_Login 32 a0", "C_Login b3 a0"},
			finds: "right-pin-forgives wrong-so-pin-is-no-wrong-pin pulled-is-no-wrong-pin pulled-before-the-pin put-back-before-the-pin",
		},
		"locked at once": {
			rules:  []string{"C_Login a0 a4"},
			change: repaired,
			finds:  "wrong-pin wrong-so-pin always-authenticate-refuses locked-to-the-right-pin tries-outlast-the-program lock-outlasts-the-program parallel-wrong-pins unlocked-again",
		},
		"never locked": {
			rules:  []string{"C_Login a4 a0", "token-flags 40000 0"},
			change: still,
			finds:  "wrong-pins-lock",
		},
		"a card that stays": {
			change: lame,
			finds: "pulled-token-info pulled-slot-list pulled-session pulled-open-session pulled-while-signing put-back-old-session put-back-logged-out " +
				"pulled-event put-back-event event-wakes-who-waits pulled-is-no-wrong-pin pulled-while-others-sign same-key-again other-card-never-signs " +
				"other-card-other-serial other-card-old-session other-card-old-key other-card-logged-out",
		},
		"events without cause":          {rules: []string{"C_WaitForSlotEvent 8 0"}, finds: "no-event-without-cause events-end"},
		"a card that doesn't come back": {rules: []string{"C_OpenSession 0 e0"}, finds: "put-back-works"},
	}
}

// Each behaviour fails for some module that misbehaves in it.
func TestEachBehaviourCanFail(t *testing.T) {
	unfound := cardtest.Behaviours()
	for name, l := range lies() {
		finds := strings.Fields(l.finds)
		unfound = slices.DeleteFunc(unfound, func(b string) bool { return slices.Contains(finds, b) })
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tray := cardtest.New(t, cardtest.Config{})
			serial, other := ready(t, tray, 0), ready(t, tray, 1)
			require.NoError(t, tray.Remove(1))
			m := cardtest.Module{
				Path: liar(t, tray.Module(), l.rules...), Serial: serial, PIN: goodPIN, SOPIN: soPIN, Destructive: true,
				Remove:      func() error { return tray.Remove(0) },
				Insert:      func() error { return tray.Insert(0, serial) },
				InsertOther: func() error { return tray.Insert(0, other) },
				Departures:  map[string]string{},
			}
			if l.change != nil {
				l.change(t, tray, &m)
			}
			for _, name := range finds {
				m.Departures[name] = name
			}
			// A departure that is declared and not found fails.
			require.NoError(t, cardtest.Check(m, func(r cardtest.Result) {
				if slices.Contains(finds, r.Name) && r.Outcome != cardtest.Departed {
					t.Errorf("%s: %v, %s", r.Name, r.Outcome, r.Detail)
				}
			}))
		})
	}
	require.Empty(t, unfound, "a behaviour that no module ever failed")
}
