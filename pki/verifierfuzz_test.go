// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// bodyOf is the first element in a SEQUENCE: what is signed of a list.
func bodyOf(t testing.TB, der []byte) []byte {
	t.Helper()
	var whole, body cryptobyte.String
	input := cryptobyte.String(der)
	require.True(t, input.ReadASN1(&whole, 0x30) && whole.ReadASN1Element(&body, 0x30))
	return body
}

// Whatever an issuer signs, a list is used only if crypto/x509 reads the same in
// it. What isn't signed never panics and is never used.
func FuzzCRLCheck(f *testing.F) {
	o := newOutside(f)
	leaf := o.certify(o.issuing, "leaf", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{pointA} }).cert
	named := o.list(o.issuing, leaf, o.root.cert)
	named.scope = scopeOf(pointA)
	named.entries[1].extensions = reason(f, 4)
	for _, l := range []*madeList{o.list(o.issuing), o.list(o.issuing, leaf), named} {
		f.Add(bodyOf(f, l.make(f)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ask := func(der []byte) (pki.Evidence, error) {
			checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{der}})
			require.NoError(t, err)
			return checker.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
		}
		_, err := ask(body)
		require.Error(t, err)
		der := sealed(t, body, oidECDSASHA256, o.issuing.key)
		e, err := ask(der)
		if err != nil {
			return
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil && strings.Contains(err.Error(), "Time") {
			return // the date of another certificate's entry, which isn't read
		}
		require.NoError(t, err)
		require.NoError(t, list.CheckSignatureFrom(o.issuing.cert))
		require.False(t, o.now.After(list.NextUpdate))
		listed := false
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
				listed = true
				require.Equal(t, entry.ReasonCode, e.Reason)
				require.False(t, e.From.After(entry.RevocationTime))
			}
		}
		require.Equal(t, listed, e.State != pki.Good)
	})
}

// Whatever an issuer signs, an OCSP response is good only if the library says
// so, too. What isn't signed never panics and is never used.
func FuzzOCSPCheck(f *testing.F) {
	o := newOutside(f)
	w := &ocspWorld{outside: o, leaf: o.certify(o.issuing, "leaf")}
	for _, status := range [][]byte{statusGood, statusUnknown, revokedAt(o.now, 1)} {
		a := o.good(w.leaf.cert, o.issuing)
		a.singles[0].status = status
		a.certs = nil
		for _, single := range []madeSingle{a.singles[0], o.single256(w.leaf.cert, o.issuing)} {
			a.singles[0] = single
			f.Add(a.data())
			f.Add(a.make(f))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		now := *o
		now.t = t
		w := &ocspWorld{outside: &now, leaf: w.leaf}
		_, err := w.check(data, pki.OCSPCheckerConfig{})
		if err == nil { // a seed as a whole
			_, err := ocsp.ParseResponseForCert(data, w.leaf.cert, o.issuing.cert)
			require.NoError(t, err)
		}
		der := wrapped(t, 0, false, oidBasic, sealed(t, data, oidECDSASHA256, o.issuing.key))
		e, err := w.check(der, pki.OCSPCheckerConfig{})
		if err != nil || e.State != pki.Good {
			return
		}
		require.True(t, w.libraryTakes(der))
	})
}
