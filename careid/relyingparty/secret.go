// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// newSecret is 256 random bits as text: a state, a nonce, a cookie, a PKCE
// verifier (43 characters, RFC 7636 §4.1).
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

const secretLen = 43

// digest names something in the store by what it is and a hash of its text.
func digest(kind string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p)) // parts can't run into one another
		h.Write(sum[:])
	}
	return kind + ":" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

var errSealed = errors.New("relyingparty: a record of the store can't be opened")

// sealer is AES-256-GCM under a key that comes from a secret of newSecret, which
// no store has.
func sealer(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "wardkey relying party record", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal is the JSON of v, for the store. The record's key is authenticated with it.
func seal(secret, key string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	aead, err := sealer(secret)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, []byte(key)), nil
}

func unseal(secret, key string, sealed []byte, v any) error {
	aead, err := sealer(secret)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(key))
	if err != nil {
		return errSealed
	}
	defer clear(plain)
	return json.Unmarshal(plain, v)
}
