// SPDX-License-Identifier: Apache-2.0

package cardprotocol_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hpke"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/cardprotocol"
)

func TestProofs(t *testing.T) {
	v, err := cardprotocol.Read()
	require.NoError(t, err)
	issuer, err := x509.ParseCertificate(v.Issuer)
	require.NoError(t, err)
	require.Len(t, v.Proofs, 6)
	for _, p := range v.Proofs {
		t.Run(p.Name, func(t *testing.T) {
			certificate, err := x509.ParseCertificate(p.Certificate)
			require.NoError(t, err)
			require.NoError(t, certificate.CheckSignatureFrom(issuer))

			parts := strings.Split(p.JWS, ".")
			require.Len(t, parts, 3)
			var claims cardprotocol.Claims
			require.NoError(t, json.Unmarshal(decode(t, parts[1]), &claims))
			require.Equal(t, p.Claims, claims)
			require.True(t, verified(p.Algorithm, certificate.PublicKey, parts[0]+"."+parts[1], decode(t, parts[2])))

			key, err := x509.ParsePKCS8PrivateKey(p.Key)
			require.NoError(t, err)
			require.Equal(t, certificate.PublicKey, key.(crypto.Signer).Public())
		})
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

func verified(alg string, key crypto.PublicKey, input string, signature []byte) bool {
	hash := crypto.SHA256
	if alg == "ES384" {
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write([]byte(input))
	switch alg {
	case "RS256":
		return rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), hash, h.Sum(nil), signature) == nil
	case "PS256":
		return rsa.VerifyPSS(key.(*rsa.PublicKey), hash, h.Sum(nil), signature, nil) == nil
	}
	half := len(signature) / 2
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	return ecdsa.Verify(key.(*ecdsa.PublicKey), h.Sum(nil), r, s)
}

func TestBinds(t *testing.T) {
	v, err := cardprotocol.Read()
	require.NoError(t, err)
	for _, b := range v.Binds {
		sum := sha256.Sum256([]byte(b.Cookie))
		require.Equal(t, b.Bind, base64.RawURLEncoding.EncodeToString(sum[:]))
	}
}

func TestSealed(t *testing.T) {
	v, err := cardprotocol.Read()
	require.NoError(t, err)
	require.NotEmpty(t, v.Sealed)
	for _, s := range v.Sealed {
		private, err := ecdh.X25519().NewPrivateKey(s.AgentPrivate)
		require.NoError(t, err)
		require.Equal(t, s.AgentKey, private.PublicKey().Bytes())
		key, err := hpke.NewDHKEMPrivateKey(private)
		require.NoError(t, err)
		pin, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte("wardkey/so-pin/v1"), s.Sealed)
		require.NoError(t, err)
		require.Equal(t, s.SOPIN, pin)
	}
}

func TestRefusedAreEachOfAnotherKind(t *testing.T) {
	v, err := cardprotocol.Read()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, r := range v.Refused {
		require.NotEmpty(t, r.Why)
		require.False(t, seen[r.JWS], r.Name)
		seen[r.JWS] = true
	}
}
