// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// stranger is a key with a certificate for signing in that no authority made.
type stranger struct {
	der  []byte
	sign func(input []byte) []byte
}

func strange(t *testing.T, public crypto.PublicKey, sign func([]byte) []byte) stranger {
	t.Helper()
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, issuer)
	require.NoError(t, err)
	return stranger{der, sign}
}

// curve is a stranger whose signatures are r||s in so many bytes each.
func curve(t *testing.T, c elliptic.Curve, hash crypto.Hash) stranger {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	size := (c.Params().BitSize + 7) / 8
	return strange(t, key.Public(), func(input []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, key, sumOf(hash, input))
		require.NoError(t, err)
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	})
}

func sumOf(hash crypto.Hash, input []byte) []byte {
	h := hash.New()
	_, _ = h.Write(input) // a hash never fails
	return h.Sum(nil)
}

// Each algorithm with its key and with every other: what passes is refused later, as a certificate of nobody.
func TestAlgorithms(t *testing.T) {
	h := careidtest.New(t, careidtest.Config{})
	modulus, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rsaBy := func(options crypto.SignerOpts) stranger {
		return strange(t, modulus.Public(), func(input []byte) []byte {
			signature, err := modulus.Sign(rand.Reader, sumOf(crypto.SHA256, input), options)
			require.NoError(t, err)
			return signature
		})
	}
	p256, p384, p521 := curve(t, elliptic.P256(), crypto.SHA256), curve(t, elliptic.P384(), crypto.SHA384), curve(t, elliptic.P521(), crypto.SHA512)
	rs256, ps256 := rsaBy(crypto.SHA256), rsaBy(&rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256})

	// ask posts a proof that says alg, by this stranger, with the signature as alter leaves it.
	ask := func(alg string, by stranger, alter func([]byte) []byte) error {
		nonce, err := h.Service.Nonce(t.Context(), "signin")
		require.NoError(t, err)
		bind := sha256.Sum256(nil)
		header, err := json.Marshal(map[string]any{"alg": alg, "typ": "wardkey-card+jwt", "x5c": [][]byte{by.der}})
		require.NoError(t, err)
		claims, err := json.Marshal(map[string]any{
			"aud": careidtest.Server, "origin": careidtest.Origin, "nonce": nonce, "purpose": "signin", "act": "",
			"bind": base64.RawURLEncoding.EncodeToString(bind[:]), "iat": h.Wall.Now().Unix(),
		})
		require.NoError(t, err)
		input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
		signature := by.sign([]byte(input))
		if alter != nil {
			signature = alter(signature)
		}
		_, err = h.Service.Answer(t.Context(), input+"."+base64.RawURLEncoding.EncodeToString(signature))
		return err
	}
	t.Run("the four", func(t *testing.T) {
		for alg, by := range map[string]stranger{"ES256": p256, "ES384": p384, "RS256": rs256, "PS256": ps256} {
			refused(t, ask(alg, by, nil), "cert.unknown")
		}
	})
	t.Run("with a key of another kind", func(t *testing.T) {
		for alg, others := range map[string][]stranger{
			"ES256": {p384, p521, rs256, ps256}, "ES384": {p256, p521, rs256, ps256}, "RS256": {p256, p384, p521}, "PS256": {p256, p384, p521},
		} {
			for _, by := range others {
				no := refused(t, ask(alg, by, nil), "proof.signature")
				require.EqualError(t, errors.Unwrap(no), "algorithm does not fit the key")
			}
		}
		refused(t, ask("PS256", rs256, nil), "proof.signature")
		refused(t, ask("RS256", ps256, nil), "proof.signature")
	})
	t.Run("another digest or salt", func(t *testing.T) { // RFC 7518 §3.5: the salt is as long as the digest
		refused(t, ask("ES256", curve(t, elliptic.P256(), crypto.SHA384), nil), "proof.signature")
		refused(t, ask("ES384", curve(t, elliptic.P384(), crypto.SHA256), nil), "proof.signature")
		for _, salt := range []int{rsa.PSSSaltLengthAuto, 20} {
			refused(t, ask("PS256", rsaBy(&rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}), nil), "proof.signature")
		}
	})
	t.Run("none of the four", func(t *testing.T) {
		keyed := hmac.New(sha256.New, p256.der)
		for _, alg := range []string{"none", "", "HS256", "ES512", "RS384", "PS512", "EdDSA", "es256", "ES256 "} {
			refused(t, ask(alg, p256, nil), "proof.form")
			refused(t, ask(alg, p256, func([]byte) []byte { return nil }), "proof.form")
			refused(t, ask(alg, p256, keyed.Sum), "proof.form")
		}
	})
	t.Run("signatures of another length", func(t *testing.T) {
		for alg, by := range map[string]stranger{"ES256": p256, "ES384": p384, "RS256": rs256, "PS256": ps256} {
			for name, alter := range map[string]func([]byte) []byte{
				"none":               func([]byte) []byte { return nil },
				"one byte":           func(s []byte) []byte { return s[:1] },
				"half":               func(s []byte) []byte { return s[:len(s)/2] },
				"one byte short":     func(s []byte) []byte { return s[:len(s)-1] },
				"a zero in front":    func(s []byte) []byte { return append([]byte{0}, s...) },
				"a zero behind":      func(s []byte) []byte { return append(s, 0) },
				"twice":              func(s []byte) []byte { return append(s, s...) },
				"zeros":              func(s []byte) []byte { return make([]byte, len(s)) },
				"ones":               func(s []byte) []byte { return ones(len(s)) },
				"r zero":             func(s []byte) []byte { clear(s[:len(s)/2]); return s },
				"s zero":             func(s []byte) []byte { clear(s[len(s)/2:]); return s },
				"a zero in each r,s": func(s []byte) []byte { return padded(s) },
			} {
				refused(t, ask(alg, by, alter), "proof.signature")
				require.NotEmpty(t, name)
			}
		}
	})
	t.Run("threat064", func(t *testing.T) { // a key that takes a second to use is not used: anybody can send one
		for _, bits := range []int{1024, 8193, 32768} {
			n := new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), bits-1, 1), 0, 1)
			by := strange(t, &rsa.PublicKey{N: n, E: 1<<31 - 1}, func([]byte) []byte { return make([]byte, (bits+7)/8) })
			no := refused(t, ask("RS256", by, nil), "proof.signature")
			require.EqualError(t, errors.Unwrap(no), "algorithm does not fit the key", bits)
		}
	})
}

func ones(n int) []byte {
	all := make([]byte, n)
	for i := range all {
		all[i] = 0xff
	}
	return all
}

// padded is r||s with each a byte longer.
func padded(s []byte) []byte {
	half := len(s) / 2
	long := append([]byte{0}, s[:half]...)
	return append(append(long, 0), s[half:]...)
}
