// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
)

// CardMaster keeps the secret that all security officer PINs derive from. The same serial and generation always give
// the same PIN, and one card's tell nothing of another's. The caller clears what it gets.
type CardMaster interface {
	SOPIN(ctx context.Context, serial string, generation int64) ([]byte, error)
}

// SoftwareMaster derives security officer PINs from a secret in memory. Who has that secret can open every card of
// the service: keep it where the CA's key is kept, or write a CardMaster on an HSM.
type SoftwareMaster struct{ secret []byte }

// NewSoftwareMaster takes a secret of at least 32 bytes, random and never used for anything else. It keeps a copy.
func NewSoftwareMaster(secret []byte) (*SoftwareMaster, error) {
	if len(secret) < 32 {
		return nil, errors.New("careid: a card master needs at least 32 bytes")
	}
	return &SoftwareMaster{secret: slices.Clone(secret)}, nil
}

// String shows nothing of the secret.
func (m *SoftwareMaster) String() string { return "careid.SoftwareMaster" }

// GoString shows nothing of the secret.
func (m *SoftwareMaster) GoString() string { return m.String() }

// soPINBytes become 16 characters, 80 bits: the longest PIN that every kind of card takes.
const soPINBytes = 10

// SOPIN is HKDF-SHA-256 of the secret over serial and generation, written in 16 capitals and digits. RFC 5869.
func (m *SoftwareMaster) SOPIN(_ context.Context, serial string, generation int64) ([]byte, error) {
	info := fmt.Sprintf("%s\x00%d\x00%s", sealInfo, generation, serial)
	raw, err := hkdf.Key(sha256.New, m.secret, nil, info, soPINBytes)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	pin := make([]byte, base32.StdEncoding.EncodedLen(soPINBytes))
	base32.StdEncoding.Encode(pin, raw)
	return pin, nil
}
