// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"time"
)

// signer is a key of the provider's, or one that is nobody's.
type signer struct {
	kid string
	key *rsa.PrivateKey
}

// newSigner makes a key whose id has the characters that the national service's
// have: base64, not base64url.
func newSigner() (signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return signer{}, err
	}
	id := make([]byte, 20)
	_, _ = rand.Read(id) // crypto/rand.Read never fails
	return signer{kid: base64.StdEncoding.EncodeToString(id), key: key}, nil
}

// public is the key as a JSON Web Key. RFC 7517 §4, RFC 7518 §6.3.1.
func (s signer) public() object {
	return object{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": s.kid,
		"n": base64.RawURLEncoding.EncodeToString(s.key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(s.key.E)).Bytes()),
	}
}

// sign is RS256. RFC 7518 §3.3.
func (s signer) sign(input []byte) []byte {
	sum := sha256.Sum256(input)
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return nil // a 2048-bit key signs every SHA-256 sum
	}
	return signature
}

// draft is a token on its way out: attacks change it before it is signed, and its
// text afterwards.
type draft struct {
	header, claims object
	sign           func(input []byte) []byte
	text           func(string) string
}

func (c *Checker) signed(claims object) *draft {
	return &draft{
		header: object{"typ": "JWT", "alg": "RS256", "kid": c.key.kid},
		claims: claims,
		sign:   c.key.sign,
	}
}

func (t *draft) String() string {
	header, errHeader := json.Marshal(t.header)
	claims, errClaims := json.Marshal(t.claims)
	if errHeader != nil || errClaims != nil {
		return "" // names, numbers and lists always marshal
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(header) + "." + encode(claims)
	text := input + "." + encode(t.sign([]byte(input)))
	if t.text != nil {
		text = t.text(text)
	}
	return text
}

func (c *Checker) idToken(g *grant) string {
	t := c.signed(g.claims)
	if g.attack.token != nil {
		g.attack.token(c, t)
	}
	return t.String()
}

// Changes of a token that several attacks make.

func unsigned(_ *Checker, t *draft) {
	t.header = object{"typ": "JWT", "alg": "none"}
	t.sign = func([]byte) []byte { return nil }
}

// keyedWithPublic signs by HMAC with what everybody knows: the text of the
// provider's public key. RFC 8725 §2.1.
func keyedWithPublic(c *Checker, t *draft) {
	t.header["alg"] = "HS256"
	t.sign = func(input []byte) []byte {
		mac := hmac.New(sha256.New, c.publicPEM())
		mac.Write(input)
		return mac.Sum(nil)
	}
}

func (c *Checker) publicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(&c.key.key.PublicKey)
	if err != nil {
		return nil // an RSA key always marshals
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func byUnknownKey(c *Checker, t *draft) {
	t.header["kid"], t.sign = c.stranger.kid, c.stranger.sign
}

// underKnownName has a published key's id, and another key's signature.
func underKnownName(c *Checker, t *draft) { t.sign = c.stranger.sign }

// withOwnKey brings the key that it is to be verified with. RFC 7515 §4.1.3.
func withOwnKey(c *Checker, t *draft) {
	t.header["jwk"], t.header["kid"], t.sign = c.stranger.public(), c.stranger.kid, c.stranger.sign
}

// alteredAfter keeps the signature of other claims.
func alteredAfter(c *Checker, t *draft) {
	signature := t.sign
	t.sign = func(input []byte) []byte { return signature(append(input, ' ')) }
}

func past(c *Checker, ago time.Duration) int64 { return c.config.Wall().Add(-ago).Unix() }
