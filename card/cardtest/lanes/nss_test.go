// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// nssToken is the label of the token that has keys; another only computes.
const nssToken = "NSS Certificate DB"

// nss is NSS's softokn with a new key store and a key pair of each algorithm.
func nss(t *testing.T) subject {
	t.Helper()
	certutil, err := part("certutil")
	need.Met(t, "nss", err)
	dir := t.TempDir()
	s := subject{
		config: card.Config{
			Module:   need.Tool(t, "nss"),
			InitArgs: "configdir='sql:" + dir + "' certPrefix='' keyPrefix='' secmod='secmod.db' flags=",
		},
		label: nssToken, pin: []byte("123456"),
	}
	file := filepath.Join(dir, "pin")
	write(t, file, string(s.pin)+"\n")
	out, err := exec.Command(certutil, "-N", "-d", "sql:"+dir, "-f", file).CombinedOutput()
	require.NoError(t, err, string(out))
	s.personalise(t, keys(card.P256, card.RSA2048))
	return s
}
