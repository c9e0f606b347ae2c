// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
)

// A proof is read once: its form is narrower than a JWS's, and a library for all JWS would read it a second time.

// algorithm is one of the four that a proof may be signed by.
type algorithm string

// RFC 7518 §3.1.
const (
	es256 algorithm = "ES256"
	es384 algorithm = "ES384"
	rs256 algorithm = "RS256"
	ps256 algorithm = "PS256"
)

func (a algorithm) known() bool { return a == es256 || a == es384 || a == rs256 || a == ps256 }

// fits says whether the algorithm is the one for the key. RFC 7518 §3.
func (a algorithm) fits(public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return a == es256 && key.Curve == elliptic.P256() || a == es384 && key.Curve == elliptic.P384()
	case *rsa.PublicKey:
		return (a == rs256 || a == ps256) && key.N.BitLen() >= minRSA
	}
	return false
}

// verify says whether a key that fits signed the input. RFC 7518 §3.3 to §3.5.
func (a algorithm) verify(public crypto.PublicKey, input string, signature []byte) bool {
	hash := crypto.SHA256
	if a == es384 {
		hash = crypto.SHA384
	}
	h := hash.New()
	_, _ = io.WriteString(h, input) // a hash never fails
	sum := h.Sum(nil)
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		half := (key.Curve.Params().BitSize + 7) / 8
		return len(signature) == 2*half &&
			ecdsa.Verify(key, sum, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	case *rsa.PublicKey:
		if a == rs256 {
			return rsa.VerifyPKCS1v15(key, hash, sum, signature) == nil
		}
		return rsa.VerifyPSS(key, hash, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return false
}

// readPart decodes one part of a JWS: an object with exactly these members, none twice and none null.
func readPart(part string, into any, members ...string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil { // which takes a member twice, and names in capitals
		return err
	}
	found, err := names(raw)
	if err != nil {
		return err
	}
	if len(found) != len(members) || slices.ContainsFunc(members, func(m string) bool { return !slices.Contains(found, m) }) {
		return errors.New("a member missing, twice or unknown")
	}
	return nil
}

// names are the names of an object's members, as they are written: one with an escape in it is none of ours. The
// object is JSON that holds together, and none of its members is null.
func names(object []byte) (found []string, err error) {
	depth, next := 0, false // next: a string would be a name
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '{', '[':
			depth++
			next = object[i] == '{' && depth == 1
		case '}', ']':
			depth--
		case ',':
			next = depth == 1
		case '"':
			begin := i + 1
			for i++; object[i] != '"'; i++ {
				if object[i] == '\\' {
					i++
				}
			}
			if next {
				found, next = append(found, string(object[begin:i])), false
			}
		case 'n': // outside a string, of null alone
			if depth <= 1 {
				return nil, errors.New("null")
			}
		}
	}
	return found, nil
}
