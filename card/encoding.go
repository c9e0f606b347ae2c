// SPDX-License-Identifier: Apache-2.0

package card

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// Named curves as CKA_EC_PARAMS: the DER of their object identifiers
// (RFC 5480 §2.1.1.1).
var (
	oidP256 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	oidP384 = []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}
)

var errEncoding = fmt.Errorf("%w: not an encoding that this SDK reads", ErrFailed)

// ecPublicKey reads CKA_EC_PARAMS and CKA_EC_POINT. The point is a DER OCTET
// STRING by the standard (PKCS#11 v2.40 §2.3.3); cards are known that give it
// bare, as a BIT STRING, or without the byte 04 that says uncompressed. Each of
// these has a length of its own.
func ecPublicKey(params, point []byte) (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch {
	case bytes.Equal(params, oidP256):
		curve = elliptic.P256()
	case bytes.Equal(params, oidP384):
		curve = elliptic.P384()
	default:
		return nil, errEncoding
	}
	size := 1 + 2*((curve.Params().BitSize+7)/8)
	switch n := len(point); {
	case n == size+2 && point[0] == 0x04 && int(point[1]) == size,
		n == size+1 && point[0] == 0x04 && int(point[1]) == size-1:
		point = point[2:]
	case n == size+3 && point[0] == 0x03 && int(point[1]) == size+1 && point[2] == 0:
		point = point[3:]
	}
	if len(point) == size-1 {
		point = append([]byte{0x04}, point...)
	}
	if len(point) != size {
		return nil, errEncoding
	}
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

// rsaPublicKey reads CKA_MODULUS and CKA_PUBLIC_EXPONENT; nil if they can't be
// a key that Go takes.
func rsaPublicKey(modulus, exponent []byte) crypto.PublicKey {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if n.BitLen() < 2048 || n.BitLen() > 8192 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
		return nil
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}
}

// signatureDER is the card's ECDSA signature as X.509 and TLS want it. By the
// standard it is r and s, each as long as the curve's order (PKCS#11 v2.40
// §2.3.1). Cards are known that give the DER already, or r and s shorter or longer
// by zeros in front; these must verify.
func signatureDER(public *ecdsa.PublicKey, digest, signature []byte) ([]byte, error) {
	if len(signature) == 2*orderSize(public) {
		return ecdsaDER(signature)
	}
	if ecdsa.VerifyASN1(public, digest, signature) {
		return signature, nil
	}
	der, err := ecdsaDER(signature)
	if err != nil || !ecdsa.VerifyASN1(public, digest, der) {
		return nil, errEncoding
	}
	return der, nil
}

// orderSize is the length of the curve's order in bytes.
func orderSize(public *ecdsa.PublicKey) int { return (public.Curve.Params().N.BitLen() + 7) / 8 }

// ecdsaDER turns r and s of equal length, one after the other, into the DER
// SEQUENCE of two INTEGERs (RFC 3279 §2.2.3). It allocates once.
func ecdsaDER(rs []byte) ([]byte, error) {
	if len(rs) == 0 || len(rs)%2 != 0 || len(rs) > 2*66 {
		return nil, errEncoding
	}
	r, s := trimZeros(rs[:len(rs)/2]), trimZeros(rs[len(rs)/2:])
	if len(r) == 0 || len(s) == 0 { // neither may be 0
		return nil, errEncoding
	}
	content := integerSize(r) + integerSize(s)
	der := make([]byte, 0, content+3)
	der = append(der, 0x30)
	if content > 127 {
		der = append(der, 0x81)
	}
	der = append(der, byte(content))
	return appendInteger(appendInteger(der, r), s), nil
}

func trimZeros(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }

// integerSize is the DER size of a positive INTEGER of up to 66 bytes.
func integerSize(b []byte) int { return 2 + len(b) + int(b[0]>>7) }

func appendInteger(der, b []byte) []byte {
	der = append(der, 0x02, byte(len(b)+int(b[0]>>7)))
	if b[0]>>7 == 1 {
		der = append(der, 0)
	}
	return append(der, b...)
}
