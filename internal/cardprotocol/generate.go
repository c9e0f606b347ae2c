// SPDX-License-Identifier: Apache-2.0

//go:build ignore

//go:debug rsa1024min=0

// This program makes vectors.json.
package main

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"log"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/cardprotocol"
)

var b64 = base64.RawURLEncoding

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

type maker struct {
	issuer *x509.Certificate
	key    crypto.Signer
	serial int64
}

// certificate makes a card certificate of three calendar years.
func (m *maker) certificate(key crypto.Signer, usage x509.KeyUsage, extended ...x509.ExtKeyUsage) []byte {
	m.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(m.serial),
		Subject:      pkix.Name{CommonName: "Vector Nurse", SerialNumber: "555000000001"},
		NotBefore:    time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2029, 1, 5, 8, 59, 59, 0, time.UTC),
		KeyUsage:     usage, ExtKeyUsage: extended,
	}
	return must(x509.CreateCertificate(rand.Reader, template, m.issuer, key.Public(), m.key))
}

func sign(alg string, key crypto.Signer, input []byte) []byte {
	hash := crypto.SHA256
	if alg == "ES384" {
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write(input)
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, h.Sum(nil))
		must(0, err)
		size := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	default:
		var opts crypto.SignerOpts = hash
		if alg == "PS256" {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		return must(key.Sign(rand.Reader, h.Sum(nil), opts))
	}
}

func header(alg, typ string, certificates ...[]byte) map[string]any {
	return map[string]any{"alg": alg, "typ": typ, "x5c": certificates}
}

func jws(head any, payload []byte, sign func([]byte) []byte) string {
	input := b64.EncodeToString(must(json.Marshal(head))) + "." + b64.EncodeToString(payload)
	return input + "." + b64.EncodeToString(sign([]byte(input)))
}

func bind(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return b64.EncodeToString(sum[:])
}

func main() {
	issuerKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	issuer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Vector Issuing CA"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, issuer, issuer, issuerKey.Public(), issuerKey))
	m := &maker{issuer: must(x509.ParseCertificate(der)), key: issuerKey, serial: 1}
	out := cardprotocol.Vectors{Issuer: der}

	for _, cookie := range []string{"3q2-7wAAAAAAAAAAAAAAAA", "pre-session cookie of a test", ""} {
		out.Binds = append(out.Binds, cardprotocol.Bind{Cookie: cookie, Bind: bind(cookie)})
	}

	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	rsa2048 := must(rsa.GenerateKey(rand.Reader, 2048))
	auth := m.certificate(p256, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	claims := cardprotocol.Claims{
		Audience: "https://care.example", Origin: "https://app.example", Nonce: "AAAAAAAAAAAAAAAAAAAAAA",
		Purpose: "signin", Bind: out.Binds[0].Bind, IssuedAt: 1780000000,
	}
	for _, p := range []struct {
		alg, purpose, act string
		key               crypto.Signer
	}{
		{"ES256", "signin", "", p256},
		{"ES256", "presence", "6f1d2f7c1c2f4b5d8e9fa0b1c2d3e4f5", p256},
		{"ES256", "renew", "6f1d2f7c1c2f4b5d8e9fa0b1c2d3e4f5", p256},
		{"ES384", "stepup", "", p384},
		{"RS256", "signin", "", rsa2048},
		{"PS256", "signin", "", rsa2048},
	} {
		c := claims
		c.Purpose, c.Act = p.purpose, p.act
		certificate := m.certificate(p.key, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
		out.Proofs = append(out.Proofs, cardprotocol.Proof{
			Name: p.alg + " " + p.purpose, Algorithm: p.alg, Claims: c, Certificate: certificate,
			Key: must(x509.MarshalPKCS8PrivateKey(p.key)),
			JWS: jws(header(p.alg, "wardkey-card+jwt", certificate), must(json.Marshal(c)),
				func(in []byte) []byte { return sign(p.alg, p.key, in) }),
		})
	}
	out.Refused = refused(m, p256, rsa2048, auth, claims)

	for _, pin := range []string{"4815162342108888", "0000000000000000"} {
		private := must(ecdh.X25519().GenerateKey(rand.Reader))
		public := must(hpke.NewDHKEMPublicKey(private.PublicKey()))
		out.Sealed = append(out.Sealed, cardprotocol.Sealed{
			AgentPrivate: private.Bytes(), AgentKey: private.PublicKey().Bytes(), SOPIN: []byte(pin),
			Sealed: must(hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte("wardkey/so-pin/v1"), []byte(pin))),
		})
	}
	data := must(json.MarshalIndent(out, "", "  "))
	must(0, os.WriteFile("vectors.json", append(data, '\n'), 0o644))
}

func refused(m *maker, key *ecdsa.PrivateKey, rsaKey *rsa.PrivateKey, auth []byte, claims cardprotocol.Claims) []cardprotocol.Refused {
	const typ = "wardkey-card+jwt"
	payload := must(json.Marshal(claims))
	es256 := func(in []byte) []byte { return sign("ES256", key, in) }
	with := func(alg, name string, value any) map[string]any {
		h := header(alg, typ, auth)
		h[name] = value
		return h
	}
	good := jws(header("ES256", typ, auth), payload, es256)
	last := strings.LastIndexByte(good, '.')
	flipped := b64.EncodeToString(func() []byte {
		s := must(b64.DecodeString(good[last+1:]))
		s[7] ^= 1
		return s
	}())
	signing := m.certificate(key, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment, x509.ExtKeyUsageEmailProtection)
	sealing := m.certificate(key, x509.KeyUsageKeyAgreement, x509.ExtKeyUsageClientAuth)
	other := m.certificate(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	weakCertificate := m.certificate(weak, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	text := string(payload)
	edit := func(old, new string) []byte { return []byte(strings.Replace(text, old, new, 1)) }

	return []cardprotocol.Refused{
		{"alg none", "alg is not one of the four", jws(header("none", typ, auth), payload, func([]byte) []byte { return nil })},
		{"alg HS256 keyed with the public key", "alg is not one of the four", jws(header("HS256", typ, auth), payload, func(in []byte) []byte {
			mac := hmac.New(sha256.New, must(x509.MarshalPKIXPublicKey(key.Public())))
			mac.Write(in)
			return mac.Sum(nil)
		})},
		{"alg RS256 on an EC key", "alg does not fit the key", jws(header("RS256", typ, auth), payload, es256)},
		{"alg ES384 on P-256", "alg does not fit the key", jws(header("ES384", typ, auth), payload, func(in []byte) []byte { return sign("ES384", key, in) })},
		{"an RSA key of 1024 bits", "the key is too short", jws(header("RS256", typ, weakCertificate), payload, func(in []byte) []byte { return sign("RS256", weak, in) })},
		{"typ JWT", "typ is of another token", jws(header("ES256", "JWT", auth), payload, es256)},
		{"typ left out", "typ is missing", jws(map[string]any{"alg": "ES256", "x5c": [][]byte{auth}}, payload, es256)},
		{"x5c left out", "x5c is missing", jws(map[string]any{"alg": "ES256", "typ": typ}, payload, es256)},
		{"x5c of two", "x5c has one element", jws(header("ES256", typ, auth, m.issuer.Raw), payload, es256)},
		{"a jwk beside it", "header member not known", jws(with("ES256", "jwk", map[string]string{"kty": "EC"}), payload, es256)},
		{"an x5u beside it", "header member not known", jws(with("ES256", "x5u", "https://evil.example/c"), payload, es256)},
		{"crit", "header member not known", jws(with("ES256", "crit", []string{"b64"}), payload, es256)},
		{"a signing certificate", "the certificate is not for authentication", jws(header("ES256", typ, signing), payload, es256)},
		{"a key agreement certificate", "the certificate is not for authentication", jws(header("ES256", typ, sealing), payload, es256)},
		{"another card's certificate", "the signature does not verify", jws(header("ES256", typ, other), payload, es256)},
		{"a flipped bit", "the signature does not verify", good[:last+1] + flipped},
		{"a DER signature", "an ES signature is r||s", jws(header("ES256", typ, auth), payload, func(in []byte) []byte {
			sum := sha256.Sum256(in)
			return must(ecdsa.SignASN1(rand.Reader, key, sum[:]))
		})},
		{"an empty signature", "the signature does not verify", good[:last+1]},
		{"four parts", "not a compact JWS", good + ".AA"},
		{"a line end after it", "not a compact JWS", good + "\n"},
		{"padding", "not base64url without padding", good + "=="},
		{"a claim twice", "a claim stands twice", jws(header("ES256", typ, auth), edit(`"purpose":"signin"`, `"purpose":"presence","purpose":"signin"`), es256)},
		{"a claim too many", "a claim is not known", jws(header("ES256", typ, auth), edit(`"purpose"`, `"sub":"555000000002","purpose"`), es256)},
		{"act left out", "a claim is missing", jws(header("ES256", typ, auth), edit(`"act":"",`, ``), es256)},
		{"nonce a number", "a claim has another type", jws(header("ES256", typ, auth), edit(`"nonce":"AAAAAAAAAAAAAAAAAAAAAA"`, `"nonce":7`), es256)},
		{"iat a string", "a claim has another type", jws(header("ES256", typ, auth), edit(`"iat":1780000000`, `"iat":"1780000000"`), es256)},
		{"Purpose in capitals", "a claim is not known", jws(header("ES256", typ, auth), edit(`"purpose"`, `"Purpose"`), es256)},
		{"a purpose not known", "purpose is not one of the four", jws(header("ES256", typ, auth), edit(`"signin"`, `"unlock"`), es256)},
		{"something after the claims", "not one JSON object", jws(header("ES256", typ, auth), append([]byte(text), "{}"...), es256)},
	}
}
