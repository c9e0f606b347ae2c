// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPKCS11URI(t *testing.T) {
	for _, uri := range []string{
		"pkcs11:token=my%20token?module-path=/usr/lib/p11.so",
		"pkcs11:token=my%20token;module-path=/usr/lib/p11.so",
		"pkcs11:?module-path=/usr/lib/p11.so&token=my%20token",
	} {
		token, module, err := parsePKCS11(uri)
		require.NoError(t, err, uri)
		require.Equal(t, "my token", token)
		require.Equal(t, "/usr/lib/p11.so", module)
	}
	for uri, says := range map[string]string{
		"/usr/lib/p11.so":                                      "not a PKCS#11 URI",
		"pkcs11:":                                              "needs token and module-path",
		"pkcs11:token=x":                                       "needs token and module-path",
		"pkcs11:token=x;token=y?module-path=/p":                "twice",
		"pkcs11:token=x;serial=1?module-path=/p":               "isn't one of",
		"pkcs11:token=%zz?module-path=/p":                      "token",
		"pkcs11:token=x?module-path=/p&pin-value=271828":       "no place there",
		"pkcs11:token=x?module-path=/p&pin-source=file:/tmp/p": "no place there",
	} {
		_, _, err := parsePKCS11(uri)
		require.ErrorContains(t, err, says, uri)
		require.NotContains(t, err.Error(), "271828")
	}
}

func TestSecret(t *testing.T) {
	asked := 0
	say := func(answers ...string) func(string) ([]byte, error) {
		asked = 0
		return func(string) ([]byte, error) {
			asked++
			return []byte(answers[asked-1]), nil
		}
	}
	s := &secret{name: "passphrase", variable: "WARDKEY_TEST_NONE", ask: say("one", "other"), twice: true}
	_, err := s.read()
	require.ErrorContains(t, err, "differ")

	s.ask = say("the same", "the same")
	for range 2 { // asked for once; each user clears a copy of its own
		text, err := s.read()
		require.NoError(t, err)
		require.Equal(t, "the same", string(text))
		clear(text)
	}
	require.Equal(t, 2, asked)
	kept := s.text
	s.forget()
	require.Equal(t, make([]byte, 8), kept)

	t.Setenv("WARDKEY_TEST_SECRET", "from there")
	s = &secret{name: "PIN", variable: "WARDKEY_TEST_SECRET", ask: say()}
	text, err := s.read()
	require.NoError(t, err)
	require.Equal(t, "from there", string(text))

	s = &secret{name: "PIN", variable: "WARDKEY_TEST_NONE", ask: func(string) ([]byte, error) { return nil, errors.New("no terminal") }}
	_, err = s.read()
	require.EqualError(t, err, "no terminal, so set WARDKEY_TEST_NONE")
}

func TestSettle(t *testing.T) {
	path := filepath.Join(t.TempDir(), statementFile)
	first, fresh, err := settle(path, statement{UPNSuffix: "care.example.org"}, "http://127.0.0.1:8470")
	require.NoError(t, err)
	require.True(t, fresh)
	require.Equal(t, statement{Base: "http://127.0.0.1:8470", UPNSuffix: "care.example.org", Organization: "Wardkey demonstration"}, first)
	require.NoError(t, keep(path, first))

	again, fresh, err := settle(path, statement{UPNSuffix: "care.example.org"}, "http://127.0.0.1:9999")
	require.NoError(t, err)
	require.False(t, fresh)
	require.Equal(t, first, again, "another port doesn't change what certificates say")
	for _, other := range []statement{{Base: "http://pki.example.org"}, {UPNSuffix: "example.org"}, {Organization: "Other"}} {
		_, _, err := settle(path, other, "")
		require.ErrorContains(t, err, "can't change")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing of the writing stays")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, _, err = settle(path, statement{}, "")
	require.ErrorContains(t, err, statementFile)
}
