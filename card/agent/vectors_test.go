// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/internal/cardprotocol"
)

// The agent's proofs are those of the shared vectors: the same protected bytes,
// and a signature that somebody else's library takes.
func TestVectors(t *testing.T) {
	v, err := cardprotocol.Read()
	require.NoError(t, err)
	for _, p := range v.Proofs {
		if p.Algorithm == "PS256" {
			continue // servers take it; this agent signs RS256 with RSA keys
		}
		t.Run(p.Name, func(t *testing.T) {
			key, err := x509.ParsePKCS8PrivateKey(p.Key)
			require.NoError(t, err)
			certificate, err := x509.ParseCertificate(p.Certificate)
			require.NoError(t, err)
			claims, err := json.Marshal(p.Claims)
			require.NoError(t, err)
			got, err := agent.SignProof(claims, key.(crypto.Signer), certificate)
			require.NoError(t, err)
			require.Equal(t, part(t, p.JWS, 0), part(t, got, 0))
			require.JSONEq(t, part(t, p.JWS, 1), part(t, got, 1))

			parsed, err := jose.ParseSignedCompact(got, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(p.Algorithm)})
			require.NoError(t, err)
			_, err = parsed.Verify(certificate.PublicKey)
			require.NoError(t, err)
		})
	}
	for _, s := range v.Sealed {
		pin, err := agent.OpenSealed(s.AgentPrivate, s.Sealed)
		require.NoError(t, err)
		require.Equal(t, s.SOPIN, pin)
		s.Sealed[len(s.Sealed)-1] ^= 1
		_, err = agent.OpenSealed(s.AgentPrivate, s.Sealed)
		require.Error(t, err)
	}
}

func part(t *testing.T, jws string, i int) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[i])
	require.NoError(t, err)
	return string(b)
}

// Every error of package card has a row that tells a person what to do.
func TestRulebook(t *testing.T) {
	book, err := agent.Rulebook()
	require.NoError(t, err)
	source, err := os.ReadFile("../errors.go")
	require.NoError(t, err)
	rules := regexp.MustCompile(`&sentinel\{"([^"]+)"`).FindAllSubmatch(source, -1)
	require.Greater(t, len(rules), 20)
	for _, r := range rules {
		require.Contains(t, book.IDs(), string(r[1]))
	}
	n, err := book.Int("passcode.digits.min", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Equal(t, 6, n)
}
