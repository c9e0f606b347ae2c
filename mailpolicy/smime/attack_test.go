// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// A parameter is not there because its name stands inside another.
func TestProtectionIsClaimed(t *testing.T) {
	ca := newCA(t)
	id := issue(t, ca, mailtest.Spec{Email: gp})
	e := newEncrypter(t, smime.Config{Roots: ca.Roots()})
	for field, claimed := range map[string]bool{
		"multipart/mixed; boundary=\"php=1\"": true, "text/plain; charset=utf-8": true, "multipart/mixed;\r\n boundary=\"a; hp=\\\"b\"": true, "text/plain;": true, "text/plain; name=\"x": true,
		"text/plain; hp=\"clear\"": false, "text/plain;\r\n\tHP=cipher": false,
	} {
		var b bytes.Buffer
		require.NoError(t, e.Encrypt(t.Context(), &b, strings.NewReader("Content-Type: "+field+"\r\nSubject: a\r\n\r\nx\r\n"), []smime.Recipient{{Address: gp, Certificate: id.Certificate}}))
		inside, err := opened(t, "SMIME", b.Bytes(), id)
		require.NoError(t, err)
		require.Equal(t, claimed, strings.Contains(string(inside), ";\r\n hp=\"cipher\"\r\n"), field)
	}
}

// What systems write of the envelope tells nobody of anyone hidden.
func TestEnvelopeFields(t *testing.T) {
	ca := newCA(t)
	id := issue(t, ca, mailtest.Spec{Email: gp})
	e := newEncrypter(t, smime.Config{Roots: ca.Roots()})
	var m strings.Builder
	for _, name := range []string{"BCC", "Bcc ", "Resent-Bcc", "Apparently-To", "Envelope-To", "X-Envelope-To", "X-Original-To", "X-RCPT-TO", "Delivered-To"} {
		m.WriteString(name + ": a@b.example,\r\n\thidden@x.example\r\n")
	}
	var b bytes.Buffer
	require.NoError(t, e.Encrypt(t.Context(), &b, strings.NewReader(m.String()+"To: "+gp+"\r\nSubject: [secure] a\r\n\r\nx\r\n"), []smime.Recipient{{Address: gp, Certificate: id.Certificate}}))
	inside, err := opened(t, "SMIME", b.Bytes(), id)
	require.NoError(t, err)
	require.NotContains(t, b.String(), "hidden")
	require.NotContains(t, string(inside), "hidden")
}

// The parameters are those of RFC 5753, 4055 and 5084, as openssl prints them.
func TestParameters(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	ca := newCA(t)
	for name, c := range map[string]struct {
		spec   mailtest.Spec
		config smime.Config
		want   []string
	}{
		"OAEP": {mailtest.Spec{Email: gp, RSABits: 2048}, smime.Config{}, []string{"version: 0", "rsaesOaep", ":mgf1", ":sha256", "aes-256-cbc"}},
		"1.5":  {mailtest.Spec{Email: gp, RSABits: 2048}, smime.Config{RSA15: true}, []string{"version: 0", "rsaEncryption", "aes-256-cbc"}},
		"ECDH": {mailtest.Spec{Email: gp}, smime.Config{}, []string{"version: 2", "version: 3", "id-ecPublicKey", "dhSinglePass-stdDH-sha256kdf-scheme", ":id-aes256-wrap", "aes-256-cbc"}},
		"GCM":  {mailtest.Spec{Email: gp}, smime.Config{GCM: true}, []string{"id-smime-ct-authEnvelopedData", "version: 0", "aes-256-gcm", "INTEGER           :10"}},
	} {
		c.config.Roots = ca.Roots()
		id := issue(t, ca, c.spec)
		file := filepath.Join(t.TempDir(), "m")
		require.NoError(t, os.WriteFile(file, seal(t, newEncrypter(t, c.config), []byte("x"), smime.Recipient{Address: gp, Certificate: id.Certificate}), 0o600))
		out, err := exec.Command(openssl, "cms", "-cmsout", "-print", "-inform", "DER", "-in", file).CombinedOutput()
		require.NoError(t, err, string(out))
		at := 0
		for _, want := range c.want {
			next := strings.Index(string(out[at:]), want)
			require.GreaterOrEqual(t, next, 0, "%s: %s in %s", name, want, out)
			at += next
		}
		if name == "OAEP" {
			require.Equal(t, 2, strings.Count(string(out), ":sha256"), "for the hash and for the mask")
		}
	}
}
