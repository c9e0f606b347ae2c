// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
)

// The four algorithms are verified here, by the standard library, and not by a library for all JWS: that would accept
// more than a proof may be (other members, forms and algorithms), all of which would have to be refused before or after
// it by a second reading, and the two readings could differ.

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
		return (a == rs256 || a == ps256) && key.N.BitLen() >= minRSA && key.N.BitLen() <= maxRSA
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

// readPart decodes one part of a JWS, an object, into the members that are named: each of them once, none null, none
// besides, and nothing behind the object. A name means what it means once its escapes are read, and what is compared is
// what is kept; capitals are other names.
func readPart(part string, members map[string]any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	text := json.NewDecoder(bytes.NewReader(raw))
	if begin, err := text.Token(); err != nil || begin != json.Delim('{') {
		return errors.New("not an object")
	}
	for text.More() {
		name, err := text.Token()
		if err != nil {
			return err
		}
		member, _ := name.(string) // in the place of a name Token gives nothing else
		into, wanted := members[member]
		if !wanted {
			return errors.New("a member twice or unknown")
		}
		delete(members, member)
		var value json.RawMessage
		if err := text.Decode(&value); err != nil {
			return err
		}
		if string(value) == "null" { // which Unmarshal would pass over
			return errors.New("null")
		}
		if err := json.Unmarshal(value, into); err != nil {
			return err
		}
	}
	if len(members) > 0 {
		return errors.New("a member missing")
	}
	if _, err := text.Token(); err != nil { // the end of the object
		return err
	}
	if _, err := text.Token(); err != io.EOF {
		return errors.New("more than an object")
	}
	return nil
}
