// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// traced runs pkcs11-tool above OpenSC's spy, which writes down each call, and
// gives the calls with their return values.
func traced(t *testing.T, module string, args ...string) []string {
	t.Helper()
	tool, opensc := need.Tool(t, "pkcs11-tool"), need.Tool(t, "opensc")
	spy := filepath.Join(filepath.Dir(opensc), "pkcs11-spy.so")
	if _, err := os.Stat(spy); err != nil {
		spy = filepath.Join(filepath.Dir(opensc), "pkcs11", "pkcs11-spy.so")
	}
	_, err := os.Stat(spy)
	need.Met(t, "opensc", err)
	log := filepath.Join(t.TempDir(), "spy")
	cmd := exec.CommandContext(t.Context(), tool, append([]string{"--module", spy}, args...)...)
	cmd.Env = append(os.Environ(), "PKCS11SPY="+module, "PKCS11SPY_OUTPUT="+log)
	said, _ := cmd.CombinedOutput() // what it thinks of the answers is its own business
	text, err := os.ReadFile(log)
	require.NoError(t, err, string(said))
	var calls []string
	name := ""
	for _, line := range regexp.MustCompile(`(?m)^\d+: (C_\w+)|^Returned:\s+\d+ (\w+)`).FindAllStringSubmatch(string(text), -1) {
		if line[1] != "" {
			name = line[1]
			continue
		}
		calls = append(calls, name+" "+line[2])
	}
	return calls
}

// passed leaves out what the shim answers itself: which readers and cards there
// are.
func passed(calls []string) []string {
	return slices.DeleteFunc(slices.Clone(calls), func(call string) bool {
		name, _, _ := strings.Cut(call, " ")
		return slices.Contains([]string{"C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo", "C_GetInfo"}, name)
	})
}

// One token, through the shim and by itself: each call that is passed through has
// the same return value.
func TestSameAsSoftHSM(t *testing.T) {
	softhsm := need.Tool(t, "softhsm")
	dir := t.TempDir()
	tray := cardtest.New(t, cardtest.Config{Dir: dir})
	serial, err := tray.Personalised(0, cardtest.Personal{Keys: []card.KeySpec{
		{ID: []byte{1}, Label: "p256", Algorithm: card.P256}, {ID: []byte{2}, Label: "rsa", Algorithm: card.RSA2048},
	}})
	require.NoError(t, err)
	t.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "cards", serial, "softhsm2.conf"))
	data := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(data, make([]byte, 32), 0o600))
	in := []string{"--login", "--pin", string(goodPIN)}
	signing := []string{"--input-file", data, "--output-file", os.DevNull}
	for _, does := range []struct {
		name string
		args [][]string
	}{
		{"its own tests", [][]string{in, {"--test"}}},
		{"objects", [][]string{in, {"--list-objects"}}},
		{"objects, public", [][]string{{"--list-objects"}}},
		{"mechanisms", [][]string{{"--list-mechanisms"}}},
		{"ECDSA", [][]string{in, {"--sign", "--mechanism", "ECDSA", "--id", "01"}, signing}},
		{"RSA-PKCS", [][]string{in, {"--sign", "--mechanism", "RSA-PKCS", "--id", "02"}, signing}},
		{"a mechanism of nobody", [][]string{in, {"--sign", "--mechanism", "0x80000001", "--id", "01"}, signing}},
		{"a key made", [][]string{in, {"--keypairgen", "--key-type", "EC:secp384r1", "--id", "78"}}},
		{"a key deleted", [][]string{in, {"--delete-object", "--type", "privkey", "--id", "78"}}},
		{"a wrong PIN", [][]string{{"--login", "--pin", string(wrongPIN), "--list-objects"}}},
		{"another PIN", [][]string{in, {"--change-pin", "--new-pin", string(goodPIN)}}},
		{"the officer", [][]string{{"--login", "--login-type", "so", "--so-pin", string(soPIN), "--init-pin", "--new-pin", string(goodPIN)}}},
	} {
		t.Run(does.name, func(t *testing.T) {
			args := slices.Concat(append([][]string{{"--token-label", "Wardkey card"}}, does.args...)...)
			bare, shim := traced(t, softhsm, args...), traced(t, tray.Module(), args...)
			require.Equal(t, passed(bare), passed(shim))
			require.Greater(t, len(passed(shim)), 2, "a trace")
			t.Log(len(passed(shim)), "calls")
		})
	}
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
