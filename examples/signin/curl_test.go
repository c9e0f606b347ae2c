// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The manual's story by the built program and curl. Where this machine has no curl, TestDay has told the same.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("no curl here: TestDay plays the same requests")
		return
	}
	p := newParty(t)
	s := start(t, "-test", "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-clients", p.clients(t))
	script := exec.CommandContext(t.Context(), "sh", filepath.Join("testdata", "day.sh"))
	script.Env = append(os.Environ(), "ISSUER="+s.issuer, "CONTROL="+s.control, "APP="+p.URL, "SECRET="+secret)
	out, err := script.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "a sign-in\neight hours later\na fault\na pulled card\n", string(out))
	// The wrong audience is of ID tokens and of logout tokens while it is in force: both that came are right.
	require.Len(t, p.tokens(), 2)
	for _, token := range p.tokens() {
		require.Equal(t, "ward", claims(t, token)["aud"])
	}
}
