// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func TestKeys(t *testing.T) {
	d := deskWith(t, cardtest.Config{}, cardtest.Personal{Keys: []card.KeySpec{}})
	ctx := t.Context()
	_, err := d.card.GenerateKey(ctx, card.KeySpec{ID: []byte{1}, Algorithm: card.P256})
	require.ErrorIs(t, err, card.ErrNotLoggedIn)
	d.login(d.card)
	for i, algorithm := range []card.Algorithm{card.P256, card.P384, card.RSA2048, card.RSA3072} {
		id := []byte{byte(i), 0xff}
		k, err := d.card.GenerateKey(ctx, card.KeySpec{ID: id, Label: "key", Algorithm: algorithm})
		require.NoError(t, err)
		_, err = d.card.GenerateKey(ctx, card.KeySpec{ID: id, Algorithm: algorithm})
		require.ErrorIs(t, err, card.ErrExists)

		// The one that was made and the one that is found are the same.
		again, err := d.card.Key(ctx, card.KeySelector{ID: id})
		require.NoError(t, err)
		require.Equal(t, k.Public(), again.Public())
		require.Equal(t, id, again.ID())
		require.Equal(t, "key", again.Label())
		byKey, err := d.card.Key(ctx, card.KeySelector{Public: k.Public()})
		require.NoError(t, err)
		require.Equal(t, id, byKey.ID())

		csr, err := k.CertificateRequest(ctx, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Ana", SerialNumber: "555000000001"}})
		require.NoError(t, err)
		require.NoError(t, csr.CheckSignature())
		signatures(t, again)
	}
	_, err = d.card.Key(ctx, card.KeySelector{Label: "key"})
	require.ErrorIs(t, err, card.ErrAmbiguous)
	_, err = d.card.Key(ctx, card.KeySelector{ID: []byte("none")})
	require.ErrorIs(t, err, card.ErrNotFound)
	_, err = d.card.GenerateKey(ctx, card.KeySpec{Algorithm: card.P256})
	require.ErrorIs(t, err, card.ErrUnsupported)
	_, err = d.card.GenerateKey(ctx, card.KeySpec{ID: []byte{9}})
	require.ErrorIs(t, err, card.ErrUnsupported)
}

// signatures tries all that a key of its kind can do.
func signatures(t *testing.T, k *card.Key) {
	t.Helper()
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		digest := make([]byte, hash.Size())
		_, _ = rand.Read(digest)
		signature, err := k.Sign(nil, digest, hash)
		require.NoError(t, err)
		require.NoError(t, verify(k.Public(), hash, digest, signature))
		_, err = k.Sign(nil, digest[1:], hash)
		require.ErrorIs(t, err, card.ErrDigest)

		public, isRSA := k.Public().(*rsa.PublicKey)
		if !isRSA {
			continue
		}
		for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 0, 20} {
			opts := &rsa.PSSOptions{SaltLength: salt, Hash: hash}
			signature, err := k.Sign(nil, digest, opts)
			require.NoError(t, err)
			require.NoError(t, rsa.VerifyPSS(public, hash, digest, signature, opts))
		}
		_, err = k.Sign(nil, digest, &rsa.PSSOptions{SaltLength: 4000, Hash: hash})
		require.ErrorIs(t, err, card.ErrUnsupported)
	}
	_, err := k.Sign(nil, nil, crypto.Hash(0))
	require.ErrorIs(t, err, card.ErrDigest)
	_, err = k.Sign(nil, make([]byte, 20), crypto.SHA1)
	if _, isRSA := k.Public().(*rsa.PublicKey); isRSA {
		require.ErrorIs(t, err, card.ErrUnsupported)
	}
}

// issuer signs certificates for keys on cards.
type issuer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	next int64
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &issuer{key: key, next: 1}
	ca.cert = ca.certificate(t, &key.PublicKey, true)
	return ca
}

func (ca *issuer) certificate(t testing.TB, public crypto.PublicKey, isCA bool) *x509.Certificate {
	t.Helper()
	ca.next++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(ca.next), Subject: pkix.Name{CommonName: "Ana"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent := ca.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, ca.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func TestCertificates(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	ca := newIssuer(t)
	k := d.key(d.card, 1)
	stored := func() []*x509.Certificate {
		t.Helper()
		all, err := d.card.Certificates(ctx)
		require.NoError(t, err)
		var certs []*x509.Certificate
		for _, c := range all {
			require.Equal(t, k.ID(), c.ID)
			certs = append(certs, c.X509)
		}
		return certs
	}
	first := ca.certificate(t, k.Public(), false)
	require.ErrorIs(t, d.card.StoreCertificate(ctx, first, "authentication"), card.ErrNotLoggedIn)
	d.login(d.card)
	require.ErrorIs(t, d.card.StoreCertificate(ctx, ca.cert, "authentication"), card.ErrMismatch)
	require.Empty(t, stored())

	for range 2 { // the same again changes nothing
		require.NoError(t, d.card.StoreCertificate(ctx, first, "authentication"))
		require.Equal(t, []*x509.Certificate{first}, stored())
	}
	second := ca.certificate(t, k.Public(), false)
	require.NoError(t, d.card.StoreCertificate(ctx, second, "authentication"))
	require.Equal(t, []*x509.Certificate{second}, stored(), "the new one takes the old one's place")

	require.NoError(t, d.card.Logout(ctx))
	require.Equal(t, []*x509.Certificate{second}, stored(), "certificates are public")
	d.login(d.card)
	require.NoError(t, k.Delete(ctx))
	require.Empty(t, stored())
	require.ErrorIs(t, signs(ctx, k), card.ErrNotFound)
	keys, err := d.card.Keys(ctx)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.NoError(t, signs(ctx, keys[0]))
}

// Other code of the process deletes a key that was just used.
func TestKeyDeletedByOthers(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.login(d.card)
	k, left := d.key(d.card, 1), d.key(d.card, 2)
	require.NoError(t, signs(ctx, k))
	raw := pkcs11.New(d.tray.Module())
	session, err := raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, raw.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1})}))
	objects, _, err := raw.FindObjects(session, 10)
	require.NoError(t, err)
	require.NoError(t, raw.FindObjectsFinal(session))
	for _, o := range objects {
		require.NoError(t, raw.DestroyObject(session, o))
	}
	require.ErrorIs(t, signs(ctx, k), card.ErrNotFound)
	require.NoError(t, signs(ctx, left), "the login stands")
}
