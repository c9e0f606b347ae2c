// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto/sha1" // #nosec G505 -- names in OCSP
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// badAnswer is a response that says good and has one thing wrong. library says
// whether golang.org/x/crypto/ocsp alone would take it for good.
type badAnswer struct {
	name    string
	library bool
	want    string
	edit    func(*madeAnswer)
}

// ocspWorld is a hierarchy with everybody who might sign a response.
type ocspWorld struct {
	*outside
	leaf, responder *party
}

func newOCSPWorld(t *testing.T) *ocspWorld {
	o := newOutside(t)
	return &ocspWorld{o, o.certify(o.issuing, "leaf"), o.certify(o.issuing, "Responder", asResponder)}
}

func (w *ocspWorld) check(der []byte, c pki.OCSPCheckerConfig) (pki.Evidence, error) {
	w.t.Helper()
	c.Source = answer(der)
	checker, err := pki.NewOCSPChecker(c)
	require.NoError(w.t, err)
	return checker.Evidence(w.t.Context(), w.leaf.cert, w.issuing.cert, w.now)
}

// libraryTakes reports what the library alone says.
func (w *ocspWorld) libraryTakes(der []byte) bool {
	r, err := ocsp.ParseResponseForCert(der, w.leaf.cert, w.issuing.cert)
	return err == nil && r.Status == ocsp.Good
}

func TestOCSPCheckRefuses(t *testing.T) {
	t.Run("threat031", func(t *testing.T) {
		w := newOCSPWorld(t)
		table := append(append(w.wrongSigners(), w.wrongContents()...), w.wrongDates()...)
		require.GreaterOrEqual(t, len(table), 45)
		taken := 0
		for _, c := range table {
			t.Run(c.name, func(t *testing.T) {
				a := w.good(w.leaf.cert, w.responder)
				c.edit(a)
				der := a.make(t)
				e, err := w.check(der, pki.OCSPCheckerConfig{})
				require.ErrorContains(t, err, c.want)
				require.Equal(t, pki.Evidence{}, e)
				require.Equal(t, c.library, w.libraryTakes(der), "the library")
				_, err = w.verifier(leafOnly{w, der}).Verify(t.Context(), []*x509.Certificate{w.leaf.cert}, pki.PurposeAny, time.Time{})
				require.ErrorIs(t, err, pki.ErrStatus)
			})
			if c.library {
				taken++
			}
		}
		t.Logf("%d bad responses, %d of which golang.org/x/crypto/ocsp alone takes for good", len(table), taken)
	})
}

// leafOnly says good of the issuing CA and asks the checker about the rest.
type leafOnly struct {
	w   *ocspWorld
	der []byte
}

func (b leafOnly) Evidence(_ context.Context, cert, _ *x509.Certificate, _ time.Time) (pki.Evidence, error) {
	if cert.IsCA {
		return pki.Evidence{State: pki.Good}, nil
	}
	return b.w.check(b.der, pki.OCSPCheckerConfig{})
}

func (w *ocspWorld) wrongSigners() []badAnswer {
	stranger := newOutside(w.t)
	named := func(name string, edits ...func(*x509.Certificate)) func(*madeAnswer) {
		p := w.certify(w.issuing, name, edits...)
		return func(a *madeAnswer) { a.by(w.t, p) }
	}
	signedBy := func(p *party) func(*madeAnswer) { return func(a *madeAnswer) { a.by(w.t, p) } }
	const notIssuers, unknown = "not from the issuer", "nobody who could have signed"
	sub := w.certify(w.issuing, "Sub CA", asCA)
	copied := *w.issuing.cert
	copied.RawSubject = w.root.cert.RawSubject
	renamed := &party{&copied, w.issuing.key}
	return []badAnswer{
		{"a responder of the issuing key under another name", true, notIssuers, signedBy(w.certify(renamed, "Responder", asResponder))},
		{"a responder of the root", false, notIssuers, signedBy(w.certify(w.root, "Responder", asResponder))},
		{"a responder of a CA below", false, notIssuers, signedBy(w.certify(sub, "Responder", asResponder))},
		{"a responder of a stranger with our names", false, notIssuers, signedBy(stranger.certify(stranger.issuing, "Responder", asResponder))},
		{"a responder that signed itself", false, notIssuers, signedBy(w.certify(nil, "Responder", asResponder))},
		{"the root", false, notIssuers, signedBy(w.root)},
		{"the certificate itself", true, "OCSPSigning", signedBy(w.leaf)},
		{"another person's certificate", true, "OCSPSigning", named("Somebody")},
		{"for any extended use", true, "OCSPSigning", named("Responder", asResponder, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })},
		{"for no extended use", true, "OCSPSigning", named("Responder", asResponder, func(c *x509.Certificate) { c.ExtKeyUsage = nil })},
		{"a CA below", true, "OCSPSigning", signedBy(sub)},
		{"may not sign", true, "digitalSignature", named("Responder", asResponder, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })},
		{"a responder that has ended", true, "outside its dates", named("Responder", asResponder, func(c *x509.Certificate) { c.NotAfter = w.now.Add(-time.Second) })},
		{"a responder that hasn't begun", true, "outside its dates", named("Responder", asResponder, func(c *x509.Certificate) { c.NotBefore = w.now.Add(time.Second) })},
		{"a responder that began after it signed", true, "outside its dates", named("Responder", asResponder, func(c *x509.Certificate) { c.NotBefore = w.now.Add(-time.Minute) })},
		{"without nocheck", true, "nocheck", named("Responder", asResponder, func(c *x509.Certificate) { c.ExtraExtensions = nil })},
		{"a responder with a critical extension", true, "critical", named("Responder", asResponder, func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidNobodyKnows, Critical: true, Value: asn1.NullBytes})
		})},
		{"no certificate sent", false, unknown, func(a *madeAnswer) { a.certs = nil }},
		{"signed by another key", false, "signature", func(a *madeAnswer) { a.signer = w.leaf }},
		{"signed by a stranger in the issuer's name", false, "signature", func(a *madeAnswer) {
			a.certs, a.signer, a.byKey = nil, stranger.issuing, summed(sha1.New(), keyBits(w.t, w.issuing.cert))
		}},
		{"another responder's key id", true, unknown, func(a *madeAnswer) { a.byKey = make([]byte, 20) }},
		{"another responder's name", true, unknown, func(a *madeAnswer) { a.byName = w.root.cert.RawSubject }},
		{"SHA-1", false, "algorithm", func(a *madeAnswer) { a.algorithm = oidECDSASHA1 }},
		{"too many certificates", true, "malformed", func(a *madeAnswer) {
			for range 8 {
				a.certs = append(a.certs, w.root.cert)
			}
		}},
	}
}

func (w *ocspWorld) wrongContents() []badAnswer {
	one := func(edit func(*madeSingle)) func(*madeAnswer) { return func(a *madeAnswer) { edit(&a.singles[0]) } }
	status := func(n int64) func(*madeAnswer) {
		return func(a *madeAnswer) { a.status, a.noBytes = n, true }
	}
	critical := pkix.Extension{Id: oidNobodyKnows, Critical: true, Value: asn1.NullBytes}
	const none = "0 answers"
	twice := func(more madeSingle) func(*madeAnswer) {
		return func(a *madeAnswer) { a.singles = append(a.singles, more) }
	}
	revoked := w.single(w.leaf.cert, w.issuing)
	revoked.status = revokedAt(w.now, 1)
	return []badAnswer{
		{"malformedRequest", false, "malformedRequest", status(1)},
		{"internalError", false, "internalError", status(2)},
		{"tryLater", false, "tryLater", status(3)},
		{"sigRequired", false, "sigRequired", status(5)},
		{"unauthorized", false, "unauthorized", status(6)},
		{"a status nobody knows", false, "unknown status", status(9)},
		{"an error that carries an answer", false, "tryLater", func(a *madeAnswer) { a.status = 3 }},
		{"success without an answer", false, "malformed", status(0)},
		{"not a basic response", false, "basic", func(a *madeAnswer) { a.kind = oidNobodyKnows }},
		{"version 2", true, "version 1", func(a *madeAnswer) { a.version = tlv(0xa0, []byte{2, 1, 1}) }},
		{"about nobody", false, "malformed", func(a *madeAnswer) { a.singles = nil }},
		{"about another", false, none, one(func(s *madeSingle) { s.serial = big.NewInt(4242) })},
		{"about the same number of another issuer", true, none, one(func(s *madeSingle) { *s = w.single(w.leaf.cert, w.root) })},
		{"another issuer's name", true, none, one(func(s *madeSingle) { s.name = make([]byte, 20) })},
		{"another issuer's key", true, none, one(func(s *madeSingle) { s.key = make([]byte, 20) })},
		{"a hash nobody knows", false, none, one(func(s *madeSingle) { s.hash = oidNobodyKnows })},
		{"names by SHA-1 that say SHA-256", true, none, one(func(s *madeSingle) { s.hash = oidHashSHA256 })},
		{"good twice", true, "2 answers", twice(w.single(w.leaf.cert, w.issuing))},
		{"good, and revoked", true, "2 answers", twice(revoked)},
		{"good by SHA-1, and by SHA-256", true, "2 answers", twice(w.single256(w.leaf.cert, w.issuing))},
		{"too many answers", true, "too many", func(a *madeAnswer) {
			for i := range int64(64) {
				s := w.single(w.leaf.cert, w.issuing)
				s.serial = big.NewInt(9000 + i)
				a.singles = append(a.singles, s)
			}
		}},
		{"a reason with more behind it", false, "malformed", one(func(s *madeSingle) { s.status = revokedWith(w.now, 10, 1, 1, 5, 0) })},
		{"a reason that isn't an ENUMERATED", false, "malformed", one(func(s *madeSingle) { s.status = revokedWith(w.now, 2, 1, 1) })},
		{"a negative reason", false, "malformed", one(func(s *madeSingle) { s.status = revokedWith(w.now, 10, 1, 0x81) })},
		{"revoked with more behind the reason", false, "malformed", one(func(s *madeSingle) { s.status = append(revokedWith(w.now, 10, 1, 1), 5, 0); s.status[1] += 2 })},
		{"neither good nor revoked nor unknown", false, "malformed", one(func(s *madeSingle) { s.status = statusNotThere })},
		{"a critical extension", true, "critical", func(a *madeAnswer) { a.extensions = []pkix.Extension{critical} }},
		{"a critical extension of the answer", false, "critical", one(func(s *madeSingle) { s.extensions = []pkix.Extension{critical} })},
		{"an extension twice", true, "twice", func(a *madeAnswer) {
			x := pkix.Extension{Id: oidNobodyKnows, Value: asn1.NullBytes}
			a.extensions = []pkix.Extension{x, x}
		}},
		{"a nonce for another", true, "nonce", func(a *madeAnswer) {
			a.extensions = []pkix.Extension{{Id: oidNonce, Value: derOf(w.t, []byte("nonce"))}}
		}},
		{"an empty nonce", true, "nonce", func(a *madeAnswer) { a.extensions = []pkix.Extension{{Id: oidNonce, Value: []byte{4, 0}}} }},
	}
}

func (w *ocspWorld) wrongDates() []badAnswer {
	one := func(edit func(*madeSingle)) func(*madeAnswer) { return func(a *madeAnswer) { edit(&a.singles[0]) } }
	ahead := w.now.Add(pki.EvidenceSkew + time.Second)
	return []badAnswer{
		{"past its nextUpdate", true, "past its nextUpdate", one(func(s *madeSingle) { s.nextUpdate = w.now.Add(-time.Second) })},
		{"replayed from last year", true, "past its nextUpdate", func(a *madeAnswer) {
			a.producedAt = w.now.AddDate(0, -5, 0)
			a.singles[0].thisUpdate, a.singles[0].nextUpdate = a.producedAt, a.producedAt.Add(12*time.Hour)
		}},
		{"without nextUpdate", true, "without nextUpdate", one(func(s *madeSingle) { s.nextUpdate = time.Time{} })},
		{"nextUpdate before thisUpdate", true, "past its nextUpdate", one(func(s *madeSingle) {
			s.thisUpdate, s.nextUpdate = w.now.Add(-time.Hour+time.Second), w.now.Add(-time.Hour)
		})},
		{"thisUpdate in the future", true, "from the future", func(a *madeAnswer) { a.producedAt, a.singles[0].thisUpdate = ahead, ahead }},
		{"producedAt in the future", true, "from the future", func(a *madeAnswer) { a.producedAt = ahead }},
		{"signed before it was known", true, "before it was known", func(a *madeAnswer) {
			a.producedAt, a.singles[0].thisUpdate = w.now.Add(-2*time.Hour), w.now.Add(-time.Hour)
		}},
		{"made after the certificate's end", true, "after the certificate's end", func(a *madeAnswer) {
			w.leaf = w.certify(w.issuing, "ended", func(c *x509.Certificate) { c.NotAfter = w.now.Add(-2 * time.Hour) })
			a.singles[0] = w.single(w.leaf.cert, w.issuing)
		}},
	}
}

func TestOCSPCheckAccepts(t *testing.T) {
	w := newOCSPWorld(t)
	other := w.single(w.certify(w.issuing, "other").cert, w.issuing)
	for name, edit := range map[string]func(*madeAnswer){
		"as it should be":            func(*madeAnswer) {},
		"by the responder's name":    func(a *madeAnswer) { a.byName = w.responder.cert.RawSubject },
		"names by SHA-256":           func(a *madeAnswer) { a.singles[0] = w.single256(w.leaf.cert, w.issuing) },
		"beside one about another":   func(a *madeAnswer) { a.singles = []madeSingle{other, a.singles[0]} },
		"an extension nobody knows":  func(a *madeAnswer) { a.extensions = []pkix.Extension{{Id: oidNobodyKnows, Value: asn1.NullBytes}} },
		"version 1, said aloud":      func(a *madeAnswer) { a.version = tlv(0xa0, []byte{2, 1, 0}) },
		"in its last second":         func(a *madeAnswer) { a.singles[0].nextUpdate = w.now },
		"a moment ahead":             func(a *madeAnswer) { a.singles[0].thisUpdate = w.now.Add(pki.EvidenceSkew); a.producedAt = w.now },
		"the issuer itself":          func(a *madeAnswer) { a.by(t, w.issuing); a.certs = nil },
		"the issuer, sent along":     func(a *madeAnswer) { a.by(t, w.issuing) },
		"the responder among others": func(a *madeAnswer) { a.certs = []*x509.Certificate{w.root.cert, w.issuing.cert, w.responder.cert} },
		"by name, two of that name sent": func(a *madeAnswer) {
			a.byName = w.responder.cert.RawSubject
			a.certs = append([]*x509.Certificate{w.certify(w.issuing, "Responder").cert}, a.certs...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.good(w.leaf.cert, w.responder)
			edit(a)
			e, err := w.check(a.make(t), pki.OCSPCheckerConfig{})
			require.NoError(t, err)
			require.Equal(t, pki.Evidence{State: pki.Good}, e)
		})
	}
	for name, c := range map[string]struct {
		status []byte
		want   pki.Evidence
	}{
		"unknown":            {statusUnknown, pki.Evidence{}},
		"revoked":            {revokedAt(w.now.Add(-3*time.Hour), -1), pki.Evidence{State: pki.Revoked, From: w.now.Add(-3 * time.Hour)}},
		"revoked, a reason":  {revokedAt(w.now.Add(-3*time.Hour), 4), pki.Evidence{State: pki.Revoked, Reason: 4, From: w.now.Add(-3 * time.Hour)}},
		"held":               {revokedAt(w.now.Add(-3*time.Hour), 6), pki.Evidence{State: pki.Held, Reason: 6, From: w.now.Add(-3 * time.Hour)}},
		"revoked from later": {revokedAt(w.now.Add(3*time.Hour), 5), pki.Evidence{State: pki.Revoked, Reason: 5, From: w.now.Add(-time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.good(w.leaf.cert, w.responder)
			a.singles[0].status = c.status
			e, err := w.check(a.make(t), pki.OCSPCheckerConfig{})
			require.NoError(t, err)
			require.Equal(t, c.want, e)
		})
	}
	t.Run("an issuer that may not sign answers", func(t *testing.T) {
		w.issuing = w.certify(w.root, "Lists only", asCA, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign })
		w.leaf = w.certify(w.issuing, "leaf")
		a := w.good(w.leaf.cert, w.issuing)
		_, err := w.check(a.make(t), pki.OCSPCheckerConfig{})
		require.ErrorContains(t, err, "digitalSignature")
	})
}

// A responder that can be revoked is asked about.
func TestOCSPCheckResponder(t *testing.T) {
	t.Run("threat031", func(t *testing.T) {
		w := newOCSPWorld(t)
		checked := w.certify(w.issuing, "Responder", asResponder, func(c *x509.Certificate) { c.ExtraExtensions = nil })
		a := w.good(w.leaf.cert, checked)
		for _, c := range []struct {
			list lists
			want string
		}{
			{lists{w.list(w.issuing).make(t)}, ""},
			{lists{w.list(w.issuing, checked.cert).make(t)}, "is revoked"},
			{lists{w.list(w.root).make(t)}, "another issuer"},
		} {
			crl, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: c.list})
			require.NoError(t, err)
			_, err = w.check(a.make(t), pki.OCSPCheckerConfig{Responders: crl})
			if c.want == "" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, c.want)
			require.NotErrorIs(t, err, pki.ErrRevoked, "that would be said of the certificate asked about")
		}
	})
}

// echo answers with the nonce of the request, changed by edit.
type echo struct {
	w    *ocspWorld
	edit func([]byte) []byte
}

func (e echo) Ask(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
	i := bytes.Index(request, derOf(e.w.t, oidNonce))
	a := e.w.good(e.w.leaf.cert, e.w.responder)
	if nonce := e.edit(bytes.Clone(request[len(request)-32:])); i > 0 && nonce != nil {
		a.extensions = []pkix.Extension{{Id: oidNonce, Value: derOf(e.w.t, nonce)}}
	}
	return a.make(e.w.t), nil
}

func TestOCSPCheckNonce(t *testing.T) {
	t.Run("threat031", func(t *testing.T) {
		w := newOCSPWorld(t)
		same := func(b []byte) []byte { return b }
		for name, c := range map[string]struct {
			edit func([]byte) []byte
			good bool
		}{
			"echoed":      {same, true},
			"left out":    {func([]byte) []byte { return nil }, false},
			"changed":     {func(b []byte) []byte { b[31] ^= 1; return b }, false},
			"cut short":   {func(b []byte) []byte { return b[:31] }, false},
			"made longer": {func(b []byte) []byte { return append(b, 0) }, false},
		} {
			checker, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: echo{w, c.edit}, Nonce: true})
			require.NoError(t, err)
			_, err = checker.Evidence(t.Context(), w.leaf.cert, w.issuing.cert, w.now)
			require.Equal(t, c.good, err == nil, "%s: %v", name, err)
		}
		t.Run("a new one each time", func(t *testing.T) {
			var kept []byte
			replay := asked(func(request []byte) []byte {
				if kept == nil {
					kept, _ = echo{w, same}.Ask(t.Context(), nil, request)
				}
				return kept
			})
			checker, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: replay, Nonce: true})
			require.NoError(t, err)
			_, err = checker.Evidence(t.Context(), w.leaf.cert, w.issuing.cert, w.now)
			require.NoError(t, err)
			_, err = checker.Evidence(t.Context(), w.leaf.cert, w.issuing.cert, w.now)
			require.ErrorContains(t, err, "nonce")
		})
		t.Run("no chance, no question", func(t *testing.T) {
			checker, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: echo{w, same}, Nonce: true, Rand: bytes.NewReader(make([]byte, 31))})
			require.NoError(t, err)
			_, err = checker.Evidence(t.Context(), w.leaf.cert, w.issuing.cert, w.now)
			require.Error(t, err)
		})
	})
}

type asked func([]byte) []byte

func (a asked) Ask(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
	return a(request), nil
}

// A response with any bit changed, cut short or lengthened is refused.
func TestOCSPCheckBytes(t *testing.T) {
	w := newOCSPWorld(t)
	a := w.good(w.leaf.cert, w.issuing)
	a.certs = nil
	der := a.make(t)
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 1 << (i % 8)
		_, err := w.check(changed, pki.OCSPCheckerConfig{})
		require.Error(t, err, "at %d", i)
		_, err = w.check(der[:i], pki.OCSPCheckerConfig{})
		require.Error(t, err)
	}
	_, err := w.check(append(der, 0), pki.OCSPCheckerConfig{})
	require.ErrorContains(t, err, "malformed")
	_, err = w.check(make([]byte, 1<<16+1), pki.OCSPCheckerConfig{})
	require.ErrorContains(t, err, "longer")
}
