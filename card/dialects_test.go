// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// Points and signatures as other modules write them: the same key, and
// signatures that verify.
func TestEncodingsOfOtherModules(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{Keys: []card.KeySpec{
		{ID: []byte{1}, Algorithm: card.P256}, {ID: []byte{2}, Algorithm: card.P384},
	}})
	d.login(d.card)
	for id := byte(1); id <= 2; id++ {
		want := d.key(d.card, id).Public()
		for _, quirk := range []string{"point-bare", "point-no-04", "signature-der", "signature-long"} {
			q.are(quirk)
			k := d.key(d.card, id)
			require.Equal(t, want, k.Public(), quirk)
			for range 20 { // some of them have zeros in front
				require.NoError(t, signs(t.Context(), k), quirk)
			}
		}
	}
}

// A module that signs nothing but what it hashed itself: NSS has the mechanism,
// and is kept from the other one.
func TestHashAndSignOnly(t *testing.T) {
	config := nssConfig(t)
	q := newQuirks(t, config.Module)
	q.are("no-mechanism 0x1041") // CKM_ECDSA
	config.Module = q.path
	c := nssCard(t, config)
	ctx := t.Context()
	require.NoError(t, c.Login(ctx, goodPIN, card.LoginOptions{}))
	for id, algorithm := range []card.Algorithm{card.P256, card.P384} {
		k, err := c.GenerateKey(ctx, card.KeySpec{ID: []byte{byte(id)}, Algorithm: algorithm})
		require.NoError(t, err)
		require.ErrorIs(t, signs(ctx, k), card.ErrUnsupported, "a digest can't be signed")
		message := []byte("what is signed")
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			h := hash.New()
			h.Write(message)
			signature, err := k.SignMessage(nil, message, hash)
			require.NoError(t, err)
			require.NoError(t, verify(k.Public(), hash, h.Sum(nil), signature))
		}
		csr, err := k.CertificateRequest(ctx, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Ana"}})
		require.NoError(t, err)
		require.NoError(t, csr.CheckSignature())
		ca := newIssuer(t)
		client, err := k.TLS(ctx, ca.certificate(t, k.Public(), false))
		require.NoError(t, err)
		for _, version := range tlsVersions {
			require.NoError(t, ca.handshake(t, client, version))
		}
	}
}

// A card without RSA-PSS: TLS 1.2 by PKCS #1 v1.5, and no TLS 1.3.
func TestTLSWithoutPSS(t *testing.T) {
	d, q := quirkyDesk(t, cardtest.Personal{Keys: []card.KeySpec{{ID: []byte{1}, Algorithm: card.RSA2048}}})
	d.login(d.card)
	q.are("no-mechanism 0xd", "no-mechanism 0x3", "no-mechanism 0x43", "no-mechanism 0x44", "no-mechanism 0x45")
	k := d.key(d.card, 1)
	ca := newIssuer(t)
	client, err := k.TLS(t.Context(), ca.certificate(t, k.Public(), false))
	require.NoError(t, err)
	require.NoError(t, ca.handshake(t, client, tls.VersionTLS12))
	require.Error(t, ca.handshake(t, client, tls.VersionTLS13))
}

// NSS softokn's two tokens have one serial.
func TestOneSerialForTwo(t *testing.T) {
	c := nssCard(t, nssConfig(t))
	ctx := t.Context()
	info, err := c.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, "NSS Certificate DB", info.Label)
	require.NoError(t, c.Login(ctx, goodPIN, card.LoginOptions{}))
	k, err := c.GenerateKey(ctx, card.KeySpec{ID: []byte{1}, Algorithm: card.RSA2048})
	require.NoError(t, err)
	require.NoError(t, signs(ctx, k))
	require.ErrorIs(t, c.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN)
	info, err = c.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, card.PINUnknown, info.PIN, "NSS has no flags")

	t.Run("and the same label", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		d.login(d.card)
		k := d.key(d.card, 1)
		_, err := d.tray.Personalised(1, cardtest.Personal{})
		require.NoError(t, err)
		q.are("one-serial")
		_, err = d.module.Card(t.Context(), card.Selector{Label: "Wardkey card"})
		require.ErrorIs(t, err, card.ErrAmbiguous)
		_, err = d.module.Card(t.Context(), card.Selector{Certificate: &x509.Certificate{PublicKey: k.Public()}})
		require.ErrorIs(t, err, card.ErrAmbiguous)
	})
}

// Another card answers and the module doesn't notice: what it signs is nobody's.
func TestSwapThatNobodyNotices(t *testing.T) {
	t.Run("threat040", func(t *testing.T) {
		d, q := quirkyDesk(t, cardtest.Personal{})
		ctx := t.Context()
		d.login(d.card)
		k := d.key(d.card, 1)
		require.NoError(t, signs(ctx, k))
		raw := pkcs11.New(d.tray.Module())
		session, err := raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION)
		require.NoError(t, err)
		require.NoError(t, raw.FindObjectsInit(session, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{2}),
		}))
		other, _, err := raw.FindObjects(session, 1)
		require.NoError(t, err)
		require.NoError(t, raw.FindObjectsFinal(session))
		q.are(fmt.Sprint("swapped ", other[0]))
		err = signs(ctx, k)
		require.ErrorIs(t, err, card.ErrMismatch)
		q.are()
		require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn, "what was logged in is not used again")
		d.login(d.card)
		require.NoError(t, signs(ctx, k))
	})
}

// Modules that tell a pulled card as some failure.
func TestRemovalToldAsFailure(t *testing.T) {
	for _, rv := range []string{"5", "6", "30"} {
		t.Run("CK_RV 0x"+rv, func(t *testing.T) {
			d, q := quirkyDesk(t, cardtest.Personal{})
			ctx := t.Context()
			d.login(d.card)
			k := d.key(d.card, 1)
			require.NoError(t, signs(ctx, k))
			for _, function := range []string{"C_SignInit", "C_Sign"} {
				q.are("fail " + function + " " + rv)
				require.ErrorIs(t, signs(ctx, k), card.ErrFailed, "the card is there")
			}
			d.remove(0)
			require.ErrorIs(t, signs(ctx, k), card.ErrRemoved)

			q.are()
			d.insert(0, d.serial)
			require.ErrorIs(t, signs(ctx, k), card.ErrNotLoggedIn)
			// Pulled while C_Login works, which then says what it likes.
			q.are("fail C_Login "+rv, "stop 4")
			done := make(chan error, 1)
			go func() { done <- d.card.Login(ctx, goodPIN, card.LoginOptions{}) }()
			if q.stopped(done) {
				d.remove(0)
				q.goOn()
			}
			require.NotErrorIs(t, <-done, card.ErrWrongPIN)
		})
	}
}

// A certificate names its card.
func TestCardByCertificate(t *testing.T) {
	ca := newIssuer(t)
	certify := cardtest.Personal{Certify: func(keys []*card.Key) ([]*x509.Certificate, error) {
		return []*x509.Certificate{ca.certificate(t, keys[0].Public(), false), ca.certificate(t, keys[1].Public(), false)}, nil
	}}
	d := deskWith(t, cardtest.Config{Readers: 4}, certify)
	ctx := t.Context()
	second, err := d.tray.Personalised(1, certify)
	require.NoError(t, err)
	by := func(c *x509.Certificate) (*card.Card, error) {
		return d.module.Card(ctx, card.Selector{Certificate: c})
	}
	for _, serial := range []string{d.serial, second} {
		all, err := d.find(serial).Certificates(ctx)
		require.NoError(t, err)
		require.Len(t, all, 2)
		for _, c := range all {
			found, err := by(c.X509)
			require.NoError(t, err)
			require.Equal(t, serial, found.Serial())
		}
		renewed := ca.certificate(t, all[0].X509.PublicKey, false)
		found, err := by(renewed)
		require.NoError(t, err, "by its key")
		require.Equal(t, serial, found.Serial())
		_, err = d.module.Card(ctx, card.Selector{Label: "other", Certificate: all[0].X509})
		require.ErrorIs(t, err, card.ErrNoCard)
	}
	_, err = by(ca.cert)
	require.ErrorIs(t, err, card.ErrNoCard)

	// A login is not disturbed.
	d.login(d.card)
	k := d.key(d.card, 1)
	require.NoError(t, signs(ctx, k))
	mine := ca.certificate(t, k.Public(), false)
	_, err = by(mine)
	require.NoError(t, err)
	require.NoError(t, signs(ctx, k))

	// A blank card and one that can't be read keep nobody from another's.
	blank, err := d.tray.Blank()
	require.NoError(t, err)
	d.insert(2, blank)
	broken, err := d.tray.Personalised(3, certify)
	require.NoError(t, err)
	require.NoError(t, d.tray.Damage(broken))
	_, err = by(mine)
	require.NoError(t, err)
	_, err = by(ca.cert)
	require.Error(t, err)
	require.NotErrorIs(t, err, card.ErrNoCard, "it might be the one that can't be read")
	d.remove(3)

	// A copy of the certificate makes two, and neither is taken.
	copied, err := d.tray.Personalised(3, cardtest.Personal{})
	require.NoError(t, err)
	copyCertificate(t, d, 3, mine)
	require.NotEmpty(t, copied)
	_, err = by(mine)
	require.ErrorIs(t, err, card.ErrAmbiguous)
	d.remove(0)
	false_, err := by(mine)
	require.NoError(t, err)
	require.NoError(t, false_.Login(ctx, goodPIN, card.LoginOptions{}))
	pretended, err := false_.Key(ctx, card.KeySelector{Public: mine.PublicKey})
	require.NoError(t, err)
	require.ErrorIs(t, signs(ctx, pretended), card.ErrNotFound, "it hasn't the private key")
}

// copyCertificate writes what package card wouldn't: a certificate without its
// key, under an id of no key.
func copyCertificate(t *testing.T, d *desk, slot uint, c *x509.Certificate) {
	t.Helper()
	raw := pkcs11.New(d.tray.Module())
	session, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	defer func() { require.NoError(t, raw.CloseSession(session)) }()
	require.NoError(t, raw.Login(session, pkcs11.CKU_USER, string(goodPIN)))
	_, err = raw.CreateObject(session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{77}), pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, c.RawSubject), pkcs11.NewAttribute(pkcs11.CKA_VALUE, c.Raw),
	})
	require.NoError(t, err)
	require.NoError(t, raw.Logout(session))
}
