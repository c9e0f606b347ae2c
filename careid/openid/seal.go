// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
)

// A code or token must lead to its session, which only the session's own token does, and neither may lie in the store.
// So the session's token is encrypted under the code or token, of which only the SHA-256 is kept.

// seal encrypts a session's token under a secret of newSecret.
func seal(secret, session string) ([]byte, error) {
	aead, err := sealing(secret)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(session), nil), nil
}

// unseal is the way back.
func unseal(secret string, sealed []byte) (string, error) {
	aead, err := sealing(secret)
	if err != nil {
		return "", err
	}
	session, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return "", errors.New("openid: a sealed session is not what was sealed")
	}
	return string(session), nil
}

// sealing is AES-256-GCM with random nonces, under a key for this use alone.
func sealing(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "wardkey/openid/session/v1", 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
