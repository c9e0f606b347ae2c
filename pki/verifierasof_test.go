// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

func nextSerial(c *x509.Certificate, add int64) *big.Int {
	return new(big.Int).Add(c.SerialNumber, big.NewInt(add))
}

// crossSign makes another certificate for the key of a CA.
func crossSign(t *testing.T, by *party, template *x509.Certificate, of *party) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, of.key.Public(), by.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// What evidence of today says about an instant of the past, from the ledger and
// from a list alike.
func TestVerifierAsOf(t *testing.T) {
	hour := time.Hour
	for _, c := range []struct {
		name          string
		reason        int
		before, after error // as of a second before the date, and from it on
	}{
		{"unspecified", 0, nil, pki.ErrRevoked},
		{"keyCompromise", 1, pki.ErrRevoked, pki.ErrRevoked},
		{"cACompromise", 2, pki.ErrRevoked, pki.ErrRevoked},
		{"affiliationChanged", 3, nil, pki.ErrRevoked},
		{"superseded", 4, nil, pki.ErrRevoked},
		{"cessationOfOperation", 5, nil, pki.ErrRevoked},
		{"certificateHold", 6, nil, pki.ErrHeld},
		{"not assigned", 7, pki.ErrRevoked, pki.ErrRevoked},
		{"privilegeWithdrawn", 9, nil, pki.ErrRevoked},
		{"aACompromise", 10, pki.ErrRevoked, pki.ErrRevoked},
		{"of the future", 11, pki.ErrRevoked, pki.ErrRevoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOutside(t)
			leaf := []*x509.Certificate{o.certify(o.issuing, "leaf").cert}
			at := o.now.Add(-2 * hour)
			list := o.list(o.issuing)
			list.entries = []madeEntry{{serial: leaf[0].SerialNumber, at: at, extensions: reason(t, c.reason)}}
			v := o.listVerifier(t, list)
			for _, when := range []struct {
				at   time.Time
				want error
			}{
				{at.Add(-time.Second), c.before},
				{at, c.after},
				{at.Add(999 * time.Millisecond), c.after},
				{o.now, c.after},
				{time.Time{}, c.after},
			} {
				_, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, when.at)
				require.ErrorIs(t, err, when.want, "%v", when.at)
			}
		})
	}
	t.Run("from the ledger", func(t *testing.T) {
		ca := pkitest.New(t, pkitest.Config{})
		v := ownVerifier(t, ca)
		cert := ca.Pair(pkitest.Good).Certificates[:1]
		ca.Clock.Add(48 * hour)
		at := ca.Clock.Now().Add(-hour)
		require.NoError(t, ca.Revoke(t.Context(), cert[0], 5, at))
		_, err := v.Verify(t.Context(), cert, pki.PurposeAuthentication, at.Add(-time.Second))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), cert, pki.PurposeAuthentication, at)
		require.ErrorIs(t, err, pki.ErrRevoked)
		require.NoError(t, ca.Revoke(t.Context(), cert[0], 1, at)) // it was the key after all
		_, err = v.Verify(t.Context(), cert, pki.PurposeAuthentication, at.Add(-time.Second))
		require.ErrorIs(t, err, pki.ErrRevoked)
	})
	t.Run("invalidityDate", func(t *testing.T) {
		o := newOutside(t)
		leaf := []*x509.Certificate{o.certify(o.issuing, "leaf").cert}
		invalid := o.now.Add(-50 * hour)
		list := o.list(o.issuing)
		list.entries = []madeEntry{{serial: leaf[0].SerialNumber, at: o.now.Add(-2 * hour), extensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 24}, Value: generalized(t, invalid)},
		}}}
		v := o.listVerifier(t, list)
		_, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, invalid.Add(-time.Second))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), leaf, pki.PurposeAuthentication, invalid)
		require.ErrorIs(t, err, pki.ErrRevoked)
	})
	t.Run("a revocation date in the future is one of now", func(t *testing.T) {
		o := newOutside(t)
		leaf := []*x509.Certificate{o.certify(o.issuing, "leaf").cert}
		list := o.list(o.issuing)
		list.entries = []madeEntry{{serial: leaf[0].SerialNumber, at: o.now.Add(hour)}}
		_, err := o.listVerifier(t, list).Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
		require.ErrorIs(t, err, pki.ErrRevoked)
	})
	t.Run("after its end a list may have dropped it", func(t *testing.T) {
		o := newOutside(t)
		ended := func(c *x509.Certificate) { c.NotAfter = o.now.Add(-2 * hour) }
		leaf := []*x509.Certificate{o.certify(o.issuing, "leaf", ended).cert}
		v := o.listVerifier(t, o.list(o.issuing))
		_, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, o.now.Add(-3*hour))
		require.ErrorIs(t, err, pki.ErrStatus)
		_, err = o.listVerifier(t, o.list(o.issuing, leaf[0])).Verify(t.Context(), leaf, pki.PurposeAuthentication, o.now.Add(-2*hour))
		require.ErrorIs(t, err, pki.ErrRevoked)
		// A list of that time serves those who ask as of that time, by a clock of
		// that time.
		then := *o
		then.now = o.now.Add(-3 * hour)
		_, err = then.listVerifier(t, then.list(o.issuing)).Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
		require.NoError(t, err)
	})
}

// An issuer is remembered, what is said about it isn't.
func TestVerifierRemembersIssuersNotVerdicts(t *testing.T) {
	o := newOutside(t)
	source := says{}
	v := o.configured(pki.VerifierConfig{Sources: []pki.StatusSource{source}})
	first, second := o.certify(o.issuing, "first").cert, o.certify(o.issuing, "second").cert
	verify := func(certs ...*x509.Certificate) error {
		_, err := v.Verify(t.Context(), certs, pki.PurposeAuthentication, time.Time{})
		return err
	}
	require.ErrorIs(t, verify(second), pki.ErrUntrusted, "nobody has shown its issuer")
	require.NoError(t, verify(first, o.issuing.cert))
	require.NoError(t, verify(second))

	source.revoke(first, 0, o.now.Add(-time.Hour))
	require.ErrorIs(t, verify(first), pki.ErrRevoked, "its own verdict isn't remembered")
	require.NoError(t, verify(second))
	source.revoke(o.issuing.cert, 0, o.now.Add(-time.Hour))
	require.ErrorIs(t, verify(second), pki.ErrRevoked, "nor that of its issuer")
	delete(source, o.issuing.cert.SerialNumber.String())

	stranger := newOutside(t) // the same names, other keys
	require.ErrorIs(t, verify(stranger.certify(stranger.issuing, "leaf").cert), pki.ErrUntrusted)
	require.ErrorIs(t, verify(stranger.certify(stranger.issuing, "leaf").cert, stranger.issuing.cert), pki.ErrUntrusted)

	t.Run("nor dates", func(t *testing.T) {
		short := o.certify(o.root, "Short", asCA, func(c *x509.Certificate) { c.NotAfter = o.now.Add(time.Hour) })
		leaf := o.certify(short, "leaf").cert
		require.NoError(t, verify(leaf, short.cert))
		o.now = o.now.Add(2 * time.Hour)
		require.ErrorIs(t, verify(leaf), pki.ErrUntrusted)
		require.ErrorIs(t, verify(leaf, short.cert), pki.ErrUntrusted)
	})
	t.Run("nor those further up", func(t *testing.T) {
		short := o.certify(o.root, "Short", asCA, func(c *x509.Certificate) { c.NotAfter = o.now.Add(time.Hour) })
		long := o.certify(short, "Long", asCA)
		leaf := o.certify(long, "leaf").cert
		require.NoError(t, verify(leaf, long.cert, short.cert))
		require.NoError(t, verify(leaf))
		o.now = o.now.Add(2 * time.Hour)
		require.ErrorIs(t, verify(leaf), pki.ErrUntrusted)
	})
	t.Run("nor for a certificate that asks for policies", func(t *testing.T) {
		require.NoError(t, verify(second, o.issuing.cert))
		strict := o.certify(o.issuing, "leaf", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{
				{Id: []int{2, 5, 29, 32}, Value: tlv(0x30, tlv(0x30, []byte{6, 2, 0x2a, 3}))},
				{Id: []int{2, 5, 29, 36}, Critical: true, Value: tlv(0x30, []byte{0x80, 1, 0})}, // requireExplicitPolicy 0
			}
		}).cert
		require.ErrorIs(t, verify(strict, o.issuing.cert), pki.ErrUntrusted, "its issuer has none")
		require.ErrorIs(t, verify(strict), pki.ErrUntrusted)
	})
	t.Run("nor where something above has a say", func(t *testing.T) {
		for name, edit := range map[string]func(*x509.Certificate){
			"names": func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"bad.example"} },
			"uses":  func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		} {
			upper := o.certify(o.root, "Upper "+name, asCA, edit)
			lower := o.certify(upper, "Lower "+name, asCA)
			good := o.certify(lower, "leaf").cert
			bad := o.certify(lower, "leaf", func(c *x509.Certificate) {
				c.DNSNames, c.ExtKeyUsage = []string{"a.bad.example"}, []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
			}).cert
			require.NoError(t, verify(good, lower.cert, upper.cert))
			_, err := v.Verify(t.Context(), []*x509.Certificate{bad, lower.cert, upper.cert}, pki.PurposeAuthentication, time.Time{})
			require.Error(t, err, name)
			require.ErrorIs(t, verify(good), pki.ErrUntrusted, "not remembered")
		}
	})
}
