// SPDX-License-Identifier: Apache-2.0

package card_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
)

var (
	p256OID = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	p384OID = []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}
)

func TestECPublicKey(t *testing.T) {
	for curve, oid := range map[elliptic.Curve][]byte{elliptic.P256(): p256OID, elliptic.P384(): p384OID} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		point, err := key.PublicKey.Bytes()
		require.NoError(t, err)
		wrapped, err := asn1.Marshal(point)
		require.NoError(t, err)
		bits, err := asn1.Marshal(asn1.BitString{Bytes: point, BitLength: 8 * len(point)})
		require.NoError(t, err)
		bare, err := asn1.Marshal(point[1:])
		require.NoError(t, err)
		for _, form := range [][]byte{point, wrapped, bits, point[1:], bare} {
			got, err := card.ECPublicKey(oid, form)
			require.NoError(t, err)
			require.True(t, got.Equal(&key.PublicKey))
			for n := range form {
				if _, err := card.ECPublicKey(oid, form[:n]); err == nil {
					t.Errorf("%d of %d bytes are a point", n, len(form))
				}
			}
		}
		point[len(point)-1] ^= 1 // not on the curve any more
		_, err = card.ECPublicKey(oid, point)
		require.Error(t, err)
	}
}

func FuzzECPublicKey(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(f, err)
	f.Add(p256OID, point)
	f.Add(p256OID, append([]byte{4, 65}, point...))
	f.Add(p384OID, append([]byte{4, 97}, make([]byte, 97)...))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, params, point []byte) {
		got, err := card.ECPublicKey(params, point)
		if err != nil {
			return
		}
		read, err := got.Bytes()
		require.NoError(t, err)
		require.True(t, bytes.HasSuffix(point, read[1:]), "the point is what was given, whole")
	})
}

// The forms of a signature that cards are known to give.
func TestSignatureDER(t *testing.T) {
	digest := sha256.Sum256([]byte("what is signed"))
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		size := (curve.Params().BitSize + 7) / 8
		for range 40 {
			der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
			require.NoError(t, err)
			var rs struct{ R, S *big.Int }
			_, err = asn1.Unmarshal(der, &rs)
			require.NoError(t, err)
			raw := append(rs.R.FillBytes(make([]byte, size)), rs.S.FillBytes(make([]byte, size))...)
			for _, form := range [][]byte{raw, der} {
				got, err := card.SignatureDER(&key.PublicKey, digest[:], form)
				require.NoError(t, err)
				require.Equal(t, der, got)
			}
			for _, bad := range [][]byte{nil, raw[1:], raw[2:], der[1:], append(bytes.Clone(raw), 0, 0)} {
				_, err := card.SignatureDER(&key.PublicKey, digest[:], bad)
				require.ErrorIs(t, err, card.ErrFailed)
			}
		}
	}
}

// TestEncodePSS has the block opened by the standard library, for moduli of
// each length modulo 8.
func TestEncodePSS(t *testing.T) {
	digest := sha256.Sum256([]byte("what is signed"))
	for _, bits := range []int{2048, 2049, 2055} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		for _, salt := range []int{0, 20, 32, (bits+6)/8 - 34} {
			block := new(big.Int).SetBytes(card.EncodePSS(bits, crypto.SHA256, digest[:], salt))
			signature := block.Exp(block, key.D, key.N).FillBytes(make([]byte, key.Size()))
			require.NoError(t, rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: salt}))
		}
	}
}

func FuzzRSAPublicKey(f *testing.F) {
	f.Add(make([]byte, 256), []byte{1, 0, 1})
	f.Add(bytes.Repeat([]byte{0xff}, 256), []byte{1, 0, 1})
	f.Add(bytes.Repeat([]byte{0xff}, 256), bytes.Repeat([]byte{0xff}, 9))
	f.Fuzz(func(t *testing.T, modulus, exponent []byte) {
		got := card.RSAPublicKey(modulus, exponent)
		if got == nil {
			return
		}
		public := got.(*rsa.PublicKey)
		require.Zero(t, public.N.Cmp(new(big.Int).SetBytes(modulus)))
		require.Zero(t, big.NewInt(int64(public.E)).Cmp(new(big.Int).SetBytes(exponent)))
		require.GreaterOrEqual(t, public.Size(), 256)
	})
}

// FuzzECDSADER compares with the general encoder of the standard library.
func FuzzECDSADER(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Add(append(make([]byte, 31), append([]byte{0x80, 0xff}, make([]byte, 31)...)...))
	f.Add([]byte{0x80, 0x80})
	long := make([]byte, 132)
	for i := range long {
		long[i] = 0xff
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, rs []byte) {
		got, err := card.ECDSADER(rs)
		half := len(rs) / 2
		r, s := new(big.Int).SetBytes(rs[:half]), new(big.Int).SetBytes(rs[half:])
		if len(rs)%2 != 0 || len(rs) > 132 || r.Sign() == 0 || s.Sign() == 0 {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		want, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
