// SPDX-License-Identifier: Apache-2.0

package card_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
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
		for _, form := range [][]byte{point, wrapped} {
			got, err := card.ECPublicKey(oid, form)
			require.NoError(t, err)
			require.True(t, got.Equal(&key.PublicKey))
			for n := range form {
				_, err := card.ECPublicKey(oid, form[:n])
				require.Error(t, err)
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
		require.Equal(t, read, point[len(point)-len(read):], "the point is what was given, whole")
	})
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
