// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
)

const pointA, pointB = "http://outside.example/a.crl", "http://outside.example/b.crl"

// One list with one thing wrong: whoever relied on it would take the revoked
// certificate for good, or a list for what it isn't.
func TestCRLRefused(t *testing.T) {
	t.Run("threat030", func(t *testing.T) {
		o := newOutside(t)
		holder := o.certify(o.issuing, "leaf", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{pointA} })
		leaf := holder.cert
		stranger := newOutside(t)
		twin := o.certify(o.root, "Issuing", asCA) // the same name, another key
		mayNot := o.certify(o.root, "May not", asCA, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
		check := func(der []byte, cert *x509.Certificate, issuer *party) error {
			checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{der}, MaxBytes: 4096})
			require.NoError(t, err)
			e, err := checker.Evidence(t.Context(), cert, issuer.cert, o.now)
			require.Equal(t, err == nil, e.State == pki.Good)
			return err
		}
		unknown := func(critical bool) pkix.Extension {
			return pkix.Extension{Id: oidNobodyKnows, Critical: critical, Value: asn1.NullBytes}
		}
		entry := func(x ...pkix.Extension) madeEntry {
			return madeEntry{serial: big.NewInt(5), at: o.now.Add(-time.Hour), extensions: x}
		}
		for _, c := range []struct {
			name string
			edit func(*madeList)
			want string // "" for a list that is used
		}{
			{"as it should be", func(*madeList) {}, ""},
			{"an entry for another", func(l *madeList) { l.entries = []madeEntry{entry(reason(t, 1)...)} }, ""},
			{"an extension nobody knows", func(l *madeList) { l.extensions = []pkix.Extension{unknown(false)} }, ""},
			{"the certificate's distribution point", func(l *madeList) { l.scope = scopeOf(pointB, pointA) }, ""},
			{"user certificates only", func(l *madeList) { l.scope = flagged(1) }, ""},
			{"made a moment ahead", func(l *madeList) { l.thisUpdate = o.now.Add(pki.EvidenceSkew) }, ""},
			{"in its last second", func(l *madeList) { l.nextUpdate = o.now }, ""},

			{"past its nextUpdate", func(l *madeList) { l.nextUpdate = o.now.Add(-time.Second) }, "past its nextUpdate"},
			{"nextUpdate before thisUpdate", func(l *madeList) { l.thisUpdate = o.now.Add(time.Minute); l.nextUpdate = o.now }, "past its nextUpdate"},
			{"without nextUpdate", func(l *madeList) { l.nextUpdate = time.Time{} }, "without nextUpdate"},
			{"from the future", func(l *madeList) { l.thisUpdate = o.now.Add(pki.EvidenceSkew + time.Second) }, "from the future"},
			{"without a number", func(l *madeList) { l.number = nil; l.extensions = []pkix.Extension{unknown(false)} }, "without a number"},
			{"without extensions", func(l *madeList) { l.number = nil }, "without a number"},
			{"a negative number", func(l *madeList) { l.number = big.NewInt(-1) }, "number"},
			{"a number of 21 octets", func(l *madeList) { l.number = new(big.Int).Lsh(big.NewInt(1), 160) }, "number"},
			{"version 1", func(l *madeList) { l.version = -1 }, "version 2"},
			{"version 3", func(l *madeList) { l.version = 2 }, "version 2"},

			{"of another issuer", func(l *madeList) { l.issuer = o.root.cert.RawSubject }, "another issuer"},
			{"signed by a stranger of the same name", func(l *madeList) { l.key = stranger.issuing.key }, "signature"},
			{"signed by another key of the issuer's name", func(l *madeList) { l.key = twin.key }, "signature"},
			{"signed by the root", func(l *madeList) { l.key = o.root.key }, "signature"},
			{"signed by the certificate itself", func(l *madeList) { l.key = holder.key }, "signature"},
			{"SHA-1", func(l *madeList) { l.algorithm, l.inner = oidECDSASHA1, oidECDSASHA1 }, "algorithm"},
			{"two algorithms", func(l *madeList) { l.inner = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3} }, "malformed"},

			{"another distribution point", func(l *madeList) { l.scope = scopeOf(pointB) }, "another distribution point"},
			{"a distribution point but for a slash", func(l *madeList) { l.scope = scopeOf(pointA + "/") }, "another distribution point"},
			{"a point without a name", func(l *madeList) { l.scope = scopeOf() }, "another distribution point"},
			{"a point relative to the issuer", func(l *madeList) { l.scope = []byte{0x30, 0x04, 0xa0, 0x02, 0xa1, 0x00} }, "another distribution point"},
			{"CA certificates only", func(l *madeList) { l.scope = flagged(2) }, "CA certificates only"},
			{"attribute certificates only", func(l *madeList) { l.scope = flagged(5) }, "attribute"},
			{"indirect", func(l *madeList) { l.scope = flagged(4) }, "indirect"},
			{"some reasons", func(l *madeList) { l.scope = []byte{0x30, 0x04, 0x83, 0x02, 0x01, 0x02} }, "some reasons"},
			{"a scope that isn't one", func(l *madeList) { l.scope = []byte{0x31, 0x00} }, "malformed"},
			{"a flag that is neither true nor false", func(l *madeList) { l.scope = []byte{0x30, 0x03, 0x81, 0x01, 0x01} }, "malformed"},

			{"a delta list", func(l *madeList) {
				l.extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: derOf(t, 1)}}
			}, "delta"},
			{"a delta list that hides it", func(l *madeList) {
				l.extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Value: derOf(t, 1)}}
			}, "delta"},
			{"a critical extension", func(l *madeList) { l.extensions = []pkix.Extension{unknown(true)} }, "critical"},
			{"an extension twice", func(l *madeList) { l.extensions = []pkix.Extension{unknown(false), unknown(false)} }, "twice"},
			{"two numbers", func(l *madeList) { l.extensions = []pkix.Extension{{Id: oidNumber, Value: derOf(t, 9)}} }, "twice"},
			{"a critical extension of another's entry", func(l *madeList) { l.entries = []madeEntry{entry(unknown(true))} }, "critical"},
			{"an entry of another issuer", func(l *madeList) {
				l.entries = []madeEntry{entry(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}})}
			}, "critical"},
			{"removeFromCRL", func(l *madeList) { l.entries = []madeEntry{entry(reason(t, 8)...)} }, "removeFromCRL"},
			{"an entry with two reasons", func(l *madeList) { l.entries = []madeEntry{entry(append(reason(t, 1), reason(t, 4)...)...)} }, "twice"},
			{"a reason that isn't an ENUMERATED", func(l *madeList) { l.entries = []madeEntry{entry(rawReason(2, 1, 1))} }, "malformed"},
			{"a reason of two octets", func(l *madeList) { l.entries = []madeEntry{entry(rawReason(10, 2, 0, 1))} }, "malformed"},
			{"a reason of no octet", func(l *madeList) { l.entries = []madeEntry{entry(rawReason(10, 0))} }, "malformed"},
			{"a reason with more behind it", func(l *madeList) { l.entries = []madeEntry{entry(rawReason(10, 1, 1, 0))} }, "malformed"},
			{"a negative reason", func(l *madeList) { l.entries = []madeEntry{entry(rawReason(10, 1, 0x81))} }, "malformed"},
			{"two entries", func(l *madeList) {
				l.entries = []madeEntry{{serial: leaf.SerialNumber, at: o.now}, {serial: leaf.SerialNumber, at: o.now, extensions: reason(t, 6)}}
			}, "two entries"},
			{"a serial number with a zero before it", func(l *madeList) {
				number := append([]byte{0}, leaf.SerialNumber.Bytes()...)
				l.entries = []madeEntry{{raw: tlv(2, number), at: o.now}}
			}, "malformed"},
			{"too long", func(l *madeList) {
				l.extensions = []pkix.Extension{{Id: oidNobodyKnows, Value: make([]byte, 4096)}}
			}, "longer"},
		} {
			t.Run(c.name, func(t *testing.T) {
				l := o.list(o.issuing)
				c.edit(l)
				err := check(l.make(t), leaf, o.issuing)
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.want)
			})
		}
		t.Run("a certificate of another issuer", func(t *testing.T) {
			err := check(o.list(o.issuing).make(t), o.certify(o.root, "leaf").cert, o.issuing)
			require.ErrorContains(t, err, "another issuer")
		})
		t.Run("its issuer may not sign lists", func(t *testing.T) {
			err := check(o.list(mayNot).make(t), o.certify(mayNot, "leaf").cert, mayNot)
			require.ErrorContains(t, err, "may not sign lists")
		})
		t.Run("user certificates only, about a CA", func(t *testing.T) {
			l := o.list(o.root)
			l.scope = flagged(1)
			require.ErrorContains(t, check(l.make(t), o.issuing.cert, o.root), "user certificates only")
			l.scope = flagged(2)
			require.NoError(t, check(l.make(t), o.issuing.cert, o.root))
		})
		t.Run("a certificate without a distribution point", func(t *testing.T) {
			plain := o.certify(o.issuing, "leaf").cert
			l := o.list(o.issuing)
			require.NoError(t, check(l.make(t), plain, o.issuing))
			l.scope = scopeOf(pointA)
			require.ErrorContains(t, check(l.make(t), plain, o.issuing), "another distribution point")
		})
		t.Run("a point for some reasons, or of another issuer, doesn't count", func(t *testing.T) {
			l := o.list(o.issuing)
			l.scope = scopeOf(pointA)
			for _, tail := range [][]byte{{0x81, 0x02, 0x01, 0x02}, {0xa2, 0x00}} {
				point := o.certify(o.issuing, "leaf", func(c *x509.Certificate) {
					body := append(scopeOf(pointA)[2:], tail...)
					c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: tlv(0x30, tlv(0x30, body))}}
				}).cert
				require.ErrorContains(t, check(l.make(t), point, o.issuing), "another distribution point")
			}
		})
		t.Run("cut short, or one byte more", func(t *testing.T) {
			der := o.list(o.issuing, o.root.cert).make(t)
			for n := range der {
				require.Error(t, check(der[:n], leaf, o.issuing))
			}
			require.ErrorContains(t, check(append(der, 0), leaf, o.issuing), "malformed")
		})
		t.Run("one bit changed", func(t *testing.T) {
			der := o.list(o.issuing, leaf).make(t)
			for i := range der {
				changed := append([]byte(nil), der...)
				changed[i] ^= 1 << (i % 8)
				require.Error(t, check(changed, leaf, o.issuing), "at %d", i)
			}
		})
		t.Run("none, too many, a source that fails", func(t *testing.T) {
			der := o.list(o.issuing).make(t)
			for _, source := range []pki.CRLSource{lists{}, make(lists, 17), failing{}, lists{nil}} {
				checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: source})
				require.NoError(t, err)
				_, err = checker.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
				require.Error(t, err)
			}
			require.NoError(t, check(der, leaf, o.issuing))
		})
	})
}

// Of several lists the newest of a series counts, and one that has the
// certificate outweighs those that don't.
func TestCRLSeveral(t *testing.T) {
	o := newOutside(t)
	leaf := o.certify(o.issuing, "leaf", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{pointA, pointB} }).cert
	made := func(number int64, scope []byte, code int) []byte {
		l := o.list(o.issuing)
		l.number, l.scope = big.NewInt(number), scope
		if code >= 0 {
			l.entries = []madeEntry{{serial: leaf.SerialNumber, at: o.now.Add(-time.Hour), extensions: reason(t, code)}}
		}
		return l.make(t)
	}
	a, b := scopeOf(pointA), scopeOf(pointB)
	bad := o.list(o.issuing)
	bad.key = o.root.key
	for _, c := range []struct {
		name  string
		lists lists
		want  pki.State
	}{
		{"good in both", lists{made(1, a, -1), made(9, b, -1)}, pki.Good},
		{"revoked in one", lists{made(9, a, -1), made(1, b, 4)}, pki.Revoked},
		{"on hold in one, revoked in the other", lists{made(9, a, 6), made(1, b, 4)}, pki.Revoked},
		{"revoked in one, on hold in the other", lists{made(9, a, 4), made(1, b, 6)}, pki.Revoked},
		{"released since", lists{made(1, a, 6), made(2, a, -1)}, pki.Good},
		{"held since", lists{made(2, a, 6), made(1, a, -1)}, pki.Held},
		{"beside one that can't be used", lists{bad.make(t), {1}, made(1, a, -1)}, pki.Good},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: c.lists})
			require.NoError(t, err)
			e, err := checker.Evidence(t.Context(), leaf, o.issuing.cert, o.now)
			require.NoError(t, err)
			require.Equal(t, c.want, e.State)
		})
	}
}

type failing struct{}

func (failing) Lists(context.Context, *x509.Certificate, *x509.Certificate) ([][]byte, error) {
	return nil, errors.New("away")
}
