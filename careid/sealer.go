// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
)

// sealer encrypts what lies in the store and must come back: the secrets of authenticator apps and imported SO PINs.
// AES-256-GCM under Config.AuthenticatorKey, with a random nonce before the ciphertext. What it is for is bound in, so that
// a row copied onto another one opens nothing. NIST SP 800-38D §8.2.2: random nonces are good for 2^32 seals under a key.
type sealer struct {
	current cipher.AEAD
	earlier []cipher.AEAD // open what was sealed under them, and seal nothing
	marking [][]byte      // keys of marks, the current one's first
}

// newSealer takes a key of 32 bytes, or none: then nothing can be sealed. Earlier ones go with a key only.
func newSealer(key []byte, earlier [][]byte) (*sealer, error) {
	if len(key) == 0 {
		if len(earlier) > 0 {
			return nil, errors.New("careid: EarlierAuthenticatorKeys need an AuthenticatorKey")
		}
		return nil, nil
	}
	s := new(sealer)
	var err error
	if s.current, err = newGCM(key); err != nil {
		return nil, err
	}
	for _, old := range earlier {
		gcm, err := newGCM(old)
		if err != nil {
			return nil, err
		}
		s.earlier = append(s.earlier, gcm)
	}
	for _, k := range append([][]byte{key}, earlier...) {
		derived, err := hkdf.Key(sha256.New, k, nil, markInfo, sha256.Size)
		if err != nil {
			return nil, err
		}
		s.marking = append(s.marking, derived)
	}
	return s, nil
}

// markInfo keeps the keys of marks apart from those that encrypt. RFC 5869 §3.2.
const markInfo = "wardkey/person/v1"

// marks are what is kept of a text instead of it, to know it again: its HMAC-SHA-256 under each key, one after the other.
func (s *sealer) marks(text string) []byte {
	var all []byte
	for _, key := range s.marking {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		all = mac.Sum(all)
	}
	return all
}

func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, errors.New("careid: an AuthenticatorKey must have 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *sealer) seal(purpose string, secret []byte) []byte {
	return s.current.Seal(nil, nil, secret, []byte(purpose))
}

// open also says whether it was an earlier key that opened: then the secret should be sealed again.
func (s *sealer) open(purpose string, sealed []byte) (secret []byte, old bool, err error) {
	if secret, err = s.current.Open(nil, nil, sealed, []byte(purpose)); err == nil {
		return secret, false, nil
	}
	for _, gcm := range s.earlier {
		if secret, err = gcm.Open(nil, nil, sealed, []byte(purpose)); err == nil {
			return secret, true, nil
		}
	}
	return nil, false, fmt.Errorf("careid: what was sealed as %q does not open under AuthenticatorKey or an earlier one", purpose)
}

// sealedTOTP is what the secret of an authenticator app is sealed as.
func sealedTOTP(authenticator string) string { return "wardkey/totp/v1 " + authenticator }
