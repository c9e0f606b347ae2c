// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

func ownVerifier(t *testing.T, ca *pkitest.CA) *pki.Verifier {
	t.Helper()
	chain := ca.Chain()
	v, err := pki.NewVerifier(pki.VerifierConfig{
		Roots: chain[len(chain)-1:], Intermediates: chain[:len(chain)-1], Sources: []pki.StatusSource{ca}, Now: ca.Clock.Now,
	})
	require.NoError(t, err)
	return v
}

// The states that a pair of this hierarchy can be in, from the ledger.
func TestVerifierOwnHierarchy(t *testing.T) {
	ca := pkitest.New(t, pkitest.Config{})
	v := ownVerifier(t, ca)
	for _, c := range []struct {
		name  string
		state pkitest.State
		want  error
	}{
		{"good", pkitest.Good, nil},
		{"renewal open", pkitest.RenewalOpen, nil},
		{"superseded", pkitest.Superseded, nil},
		{"expired", pkitest.Expired, pki.ErrExpired},
		{"held", pkitest.Held, pki.ErrHeld},
		{"revoked", pkitest.Revoked, pki.ErrRevoked},
		{"foreign", pkitest.Foreign, pki.ErrUntrusted},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, purpose := range []pki.Purpose{pki.PurposeAuthentication, pki.PurposeSigning} {
				cert := ca.Pair(c.state).Certificates[i]
				path, err := v.Verify(t.Context(), []*x509.Certificate{cert}, purpose, time.Time{})
				require.ErrorIs(t, err, c.want)
				if c.want == nil {
					require.Len(t, path, 3)
					require.True(t, path[0].Equal(cert) && path[2].Equal(ca.Chain()[1]))
				} else {
					require.Nil(t, path)
				}
				_, err = v.Verify(t.Context(), []*x509.Certificate{cert}, pki.PurposeAny, time.Time{})
				require.ErrorIs(t, err, c.want)
			}
		})
	}
	t.Run("each certificate for its own purpose", func(t *testing.T) {
		pair := ca.Pair(pkitest.Good).Certificates
		for _, wrong := range []struct {
			cert    *x509.Certificate
			purpose pki.Purpose
		}{
			{pair[0], pki.PurposeSigning},
			{pair[1], pki.PurposeAuthentication},
			{pair[0], 0},
			{pair[0], pki.PurposeAny + 1},
			{ca.Chain()[0], pki.PurposeAuthentication},
		} {
			_, err := v.Verify(t.Context(), []*x509.Certificate{wrong.cert}, wrong.purpose, time.Time{})
			require.ErrorIs(t, err, pki.ErrPurpose)
		}
	})
	t.Run("an unusual clock", func(t *testing.T) {
		cert := ca.Pair(pkitest.Good).Certificates[:1]
		_, err := v.Verify(t.Context(), cert, pki.PurposeAny, ca.Clock.Now().Add(2*time.Second))
		require.ErrorIs(t, err, pki.ErrStatus, "the future")
		_, err = v.Verify(t.Context(), cert, pki.PurposeAny, cert[0].NotBefore.Add(-time.Second))
		require.ErrorIs(t, err, pki.ErrNotYetValid)
		_, err = v.Verify(t.Context(), cert, pki.PurposeAny, cert[0].NotBefore)
		require.NoError(t, err)
		ca.Clock.Set(cert[0].NotAfter)
		_, err = v.Verify(t.Context(), cert, pki.PurposeAny, time.Time{})
		require.NoError(t, err, "notAfter is inclusive")
		ca.Clock.Add(time.Second)
		_, err = v.Verify(t.Context(), cert, pki.PurposeAny, time.Time{})
		require.ErrorIs(t, err, pki.ErrExpired)
		_, err = v.Verify(t.Context(), cert, pki.PurposeAny, cert[0].NotAfter)
		require.NoError(t, err, "it was good then, and the ledger knows for ever")
	})
}

// What the CA's key has signed and the ledger doesn't hold is refused, however
// well it is signed.
func TestVerifierNeverIssued(t *testing.T) {
	t.Run("threat032", func(t *testing.T) {
		ca := pkitest.New(t, pkitest.Config{})
		v := ownVerifier(t, ca)
		real := ca.Pair(pkitest.Good).Certificates[0]
		for i := range 20 {
			template := *real
			if i > 0 { // the first has the serial number of a real one
				template.SerialNumber = nextSerial(real, int64(i))
			}
			template.Subject = pkix.Name{CommonName: "Nobody"}
			template.ExtraExtensions = nil
			der, err := ca.Authority.SignCertificate(t.Context(), &template, real.PublicKey)
			require.NoError(t, err)
			forged, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			require.NoError(t, forged.CheckSignatureFrom(ca.Chain()[0]))
			_, err = v.Verify(t.Context(), []*x509.Certificate{forged}, pki.PurposeAny, time.Time{})
			require.ErrorIs(t, err, pki.ErrUnknownCertificate)
		}
	})
}

func TestVerifierPaths(t *testing.T) {
	o := newOutside(t)
	v := o.verifier(says{})
	other := newOutside(t)
	encoded := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	below := func(edits ...func(*x509.Certificate)) []*x509.Certificate {
		ca := o.certify(o.issuing, "Below", append([]func(*x509.Certificate){asCA}, edits...)...)
		return []*x509.Certificate{o.certify(ca, "leaf").cert, ca.cert}
	}
	one := func(p *party) []*x509.Certificate { return []*x509.Certificate{p.cert} }
	named := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = []string{name} }
	}
	constrained := o.certify(o.issuing, "Constrained", asCA, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"good.example"}, true
	})
	long := one(o.certify(o.issuing, "leaf"))
	for range 10 {
		long = append(long, o.root.cert)
	}
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		want  error
	}{
		{"through a helper", below(), nil},
		{"a helper that is missing", below()[:1], pki.ErrUntrusted},
		{"another root of the same name", one(other.certify(other.issuing, "leaf")), pki.ErrUntrusted},
		{"another root of the same name, all sent along", []*x509.Certificate{other.certify(other.issuing, "leaf").cert, other.issuing.cert, other.root.cert}, pki.ErrUntrusted},
		{"self-signed", one(o.certify(nil, "leaf")), pki.ErrUntrusted},
		{"the root itself", one(o.root), pki.ErrUntrusted},
		{"below a leaf", one(o.certify(o.certify(o.issuing, "leaf"), "leaf of a leaf")), pki.ErrUntrusted},
		{"below a CA without keyCertSign", below(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), pki.ErrUntrusted},
		{"below a CA that has ended", below(func(c *x509.Certificate) { c.NotAfter = o.now.Add(-time.Second) }), pki.ErrUntrusted},
		{"below a CA that hasn't begun", below(func(c *x509.Certificate) { c.NotBefore = o.now.Add(time.Second) }), pki.ErrUntrusted},
		{"below a CA for other uses", below(encoded), pki.ErrPurpose},
		{"for other uses", one(o.certify(o.issuing, "leaf", encoded)), pki.ErrPurpose},
		{"for any use", one(o.certify(o.issuing, "leaf", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })), pki.ErrPurpose},
		{"for no named use", one(o.certify(o.issuing, "leaf", func(c *x509.Certificate) { c.ExtKeyUsage = nil })), pki.ErrPurpose},
		{"a critical extension", one(o.certify(o.issuing, "leaf", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidNobodyKnows, Critical: true, Value: asn1.NullBytes}}
		})), pki.ErrUntrusted},
		{"path too long", func() []*x509.Certificate {
			a := o.certify(o.issuing, "A", asCA, func(c *x509.Certificate) { c.MaxPathLenZero = true })
			b := o.certify(a, "B", asCA)
			return []*x509.Certificate{o.certify(b, "leaf").cert, b.cert, a.cert}
		}(), pki.ErrUntrusted},
		{"a name in the constraints", []*x509.Certificate{o.certify(constrained, "leaf", named("a.good.example")).cert, constrained.cert}, nil},
		{"a name outside the constraints", []*x509.Certificate{o.certify(constrained, "leaf", named("bad.example")).cert, constrained.cert}, pki.ErrUntrusted},
		{"nothing", nil, pki.ErrUntrusted},
		{"nil", []*x509.Certificate{nil}, pki.ErrUntrusted},
		{"not parsed", []*x509.Certificate{{}}, pki.ErrUntrusted},
		{"too many", long, pki.ErrUntrusted},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, err := v.Verify(t.Context(), c.chain, pki.PurposeAuthentication, time.Time{})
			require.ErrorIs(t, err, c.want)
			require.Equal(t, err == nil, path != nil)
		})
	}
}

func TestVerifierAsksAboutEveryLevel(t *testing.T) {
	o := newOutside(t)
	leaf := []*x509.Certificate{o.certify(o.issuing, "leaf").cert}
	t.Run("a revoked CA ends all below", func(t *testing.T) {
		source := says{}
		source.revoke(o.issuing.cert, 2, o.now.Add(-time.Hour))
		_, err := o.verifier(source).Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
		require.ErrorIs(t, err, pki.ErrRevoked)
		require.ErrorContains(t, err, "CN=Issuing")
	})
	t.Run("a CA that nobody knows about", func(t *testing.T) {
		list, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{o.list(o.issuing).make(t)}})
		require.NoError(t, err)
		_, err = o.verifier(list).Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
		require.ErrorIs(t, err, pki.ErrStatus)
		// Unless the caller trusts the CA itself.
		v := o.configured(pki.VerifierConfig{Roots: []*x509.Certificate{o.issuing.cert}, Sources: []pki.StatusSource{list}})
		path, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
		require.NoError(t, err)
		require.Len(t, path, 2)
	})
	t.Run("the first answer counts", func(t *testing.T) {
		yes, no := says{}, says{}
		no.revoke(leaf[0], 0, o.now.Add(-time.Hour))
		for _, c := range []struct {
			sources []pki.StatusSource
			want    error
		}{
			{[]pki.StatusSource{mute{}, no}, pki.ErrRevoked},
			{[]pki.StatusSource{mute{}, yes}, nil},
			{[]pki.StatusSource{no, yes}, pki.ErrRevoked},
			{[]pki.StatusSource{mute{}, mute{}}, pki.ErrStatus},
			{[]pki.StatusSource{says{leaf[0].SerialNumber.String(): {}}, yes}, pki.ErrUnknownCertificate},
			{[]pki.StatusSource{says{leaf[0].SerialNumber.String(): {State: pki.Pending}}, yes}, pki.ErrUnknownCertificate},
		} {
			v := o.configured(pki.VerifierConfig{Intermediates: []*x509.Certificate{o.issuing.cert}, Sources: c.sources})
			_, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
			require.ErrorIs(t, err, c.want)
		}
	})
	t.Run("one path that holds is enough", func(t *testing.T) {
		// The same issuing key under two roots; one of its certificates is
		// revoked.
		second := o.certify(nil, "Second root", asCA)
		cross := *o.issuing.cert
		cross.SerialNumber = nextSerial(o.issuing.cert, 500)
		crossed := crossSign(t, second, &cross, o.issuing)
		source := says{}
		source.revoke(o.issuing.cert, 4, o.now.Add(-time.Hour))
		for _, order := range [][]*x509.Certificate{{o.issuing.cert, crossed}, {crossed, o.issuing.cert}} {
			v := o.configured(pki.VerifierConfig{
				Roots: []*x509.Certificate{o.root.cert, second.cert}, Intermediates: order, Sources: []pki.StatusSource{source},
			})
			for range 2 {
				path, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
				require.NoError(t, err)
				require.True(t, path[2].Equal(second.cert))
			}
			source.revoke(crossed, 4, o.now.Add(-time.Hour))
			_, err := v.Verify(t.Context(), leaf, pki.PurposeAuthentication, time.Time{})
			require.ErrorIs(t, err, pki.ErrRevoked)
			delete(source, crossed.SerialNumber.String())
		}
	})
	t.Run("a caller who gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := o.verifier(says{}).Verify(ctx, leaf, pki.PurposeAuthentication, time.Time{})
		require.ErrorIs(t, err, context.Canceled)
	})
}

// mute has nothing to say.
type mute struct{}

func (mute) Evidence(context.Context, *x509.Certificate, *x509.Certificate, time.Time) (pki.Evidence, error) {
	return pki.Evidence{State: pki.Good}, errors.New("the source is away")
}

func TestVerifierConfig(t *testing.T) {
	o := newOutside(t)
	roots, sources := []*x509.Certificate{o.root.cert}, []pki.StatusSource{says{}}
	for _, c := range []pki.VerifierConfig{
		{},
		{Roots: roots},
		{Sources: sources},
		{Roots: []*x509.Certificate{nil}, Sources: sources},
		{Roots: []*x509.Certificate{{}}, Sources: sources},
		{Roots: roots, Sources: []pki.StatusSource{nil}},
		{Roots: roots, Sources: sources, Intermediates: []*x509.Certificate{nil}},
	} {
		_, err := pki.NewVerifier(c)
		require.Error(t, err)
	}
	_, err := pki.NewCRLChecker(pki.CRLCheckerConfig{})
	require.Error(t, err)
	_, err = pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{}, MaxBytes: -1})
	require.Error(t, err)
	_, err = pki.NewOCSPChecker(pki.OCSPCheckerConfig{})
	require.Error(t, err)
	_, err = pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: answer(nil), Hash: crypto.SHA384})
	require.Error(t, err)
	_, err = pki.NewFetcher(pki.FetcherConfig{Timeout: -1})
	require.Error(t, err)
	for err, rule := range map[error]string{pki.ErrUntrusted: "cert.unknown", pki.ErrPurpose: "cert.usage", pki.ErrStatus: "cert.status"} {
		var ruled interface{ Rule() string }
		require.ErrorAs(t, err, &ruled)
		require.Equal(t, rule, ruled.Rule())
	}
}
