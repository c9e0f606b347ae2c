// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// house is an authority whose parts a test can reach.
type house struct {
	*pki.CA
	t         *testing.T
	clock     *pkitest.Clock
	ledger    pki.Ledger
	authority *stepca.Authority
	config    pki.Config
	acts      int // for acts that nobody names
}

var start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// newHouse builds one; edit may change the Config before.
func newHouse(t *testing.T, edit ...func(*pki.Config)) *house {
	t.Helper()
	h := &house{t: t, clock: pkitest.NewClock(start), ledger: &pkitest.Memory{}}
	var err error
	h.authority, err = stepca.Open(t.Context(), stepca.Config{Now: func() time.Time { return start.AddDate(-4, 0, 0) }})
	require.NoError(t, err)
	h.config = pki.Config{
		Signer: h.authority, Chain: h.authority.Chain(), Ledger: h.ledger,
		Profile: profile(t, pki.ProfileConfig{}), Now: h.clock.Now,
	}
	for _, e := range edit {
		e(&h.config)
	}
	h.ledger = h.config.Ledger
	h.CA, err = pki.New(h.config)
	require.NoError(t, err)
	return h
}

func profile(t *testing.T, c pki.ProfileConfig) pki.Profile {
	t.Helper()
	if c.Base == "" {
		c.Base = "http://pki.example.org"
	}
	if c.UPNSuffix == "" {
		c.UPNSuffix = "care.example.org"
	}
	p, err := pki.NewProfile(c)
	require.NoError(t, err)
	return p
}

func requests(t *testing.T) []*x509.CertificateRequest {
	t.Helper()
	_, csrs, err := pkitest.Requests()
	require.NoError(t, err)
	return csrs
}

func person() pkix.Name { return pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"} }

// issue makes a pair for person().
func (h *house) issue(act string) []*x509.Certificate {
	h.t.Helper()
	certs, err := h.Issue(h.t.Context(), act, person(), requests(h.t))
	require.NoError(h.t, err)
	return certs
}

func TestThreeYears(t *testing.T) {
	t.Run("row062", func(t *testing.T) {
		p := profile(t, pki.ProfileConfig{})
		for _, c := range []struct{ issued, ends string }{
			{"2026-01-05T09:00:00Z", "2029-01-05T08:59:59Z"},
			{"2024-02-29T12:00:00Z", "2027-02-28T11:59:59Z"}, // no 29 February in 2027
			{"2024-02-29T00:00:00Z", "2027-02-27T23:59:59Z"},
			{"2025-02-28T12:00:00Z", "2028-02-28T11:59:59Z"},
			{"2025-03-01T00:00:00Z", "2028-02-29T23:59:59Z"},
			{"2026-12-31T23:59:59Z", "2029-12-31T23:59:58Z"},
			{"2026-07-01T10:00:00.9+01:00", "2029-07-01T08:59:59Z"}, // whole seconds, UTC
		} {
			at, err := time.Parse(time.RFC3339Nano, c.issued)
			require.NoError(t, err)
			notBefore, notAfter := p.Validity(at)
			require.Equal(t, c.ends, notAfter.Format(time.RFC3339), c.issued)
			require.Equal(t, at.UTC().Truncate(time.Second), notBefore)
			require.Zero(t, notBefore.Nanosecond())
		}
		h := newHouse(t)
		h.clock.Set(time.Date(2028, 2, 29, 12, 0, 0, 999, time.UTC))
		for _, cert := range h.issue("leap") {
			require.Equal(t, time.Date(2031, 2, 28, 11, 59, 59, 0, time.UTC), cert.NotAfter)
			h.clock.Set(cert.NotAfter.Add(999 * time.Millisecond)) // notAfter is inclusive
			require.NoError(t, h.Verify(t.Context(), cert))
			h.clock.Set(cert.NotAfter.Add(time.Second))
			require.ErrorIs(t, h.Verify(t.Context(), cert), pki.ErrExpired)
			h.clock.Set(cert.NotBefore)
			require.NoError(t, h.Verify(t.Context(), cert))
			h.clock.Set(cert.NotBefore.Add(-time.Second))
			require.ErrorIs(t, h.Verify(t.Context(), cert), pki.ErrNotYetValid)
		}
	})
	t.Run("the older profile", func(t *testing.T) {
		for at, years := range map[string]int{"2024-06-01": 2, "2025-04-01": 2, "2025-04-02": 3, "2026-01-05": 3} {
			day, err := time.Parse(time.DateOnly, at)
			require.NoError(t, err)
			c, err := pki.ProfileAt(day)
			require.NoError(t, err)
			_, notAfter := profile(t, c).Validity(day)
			require.Equal(t, day.AddDate(years, 0, 0).Add(-time.Second), notAfter, at)
			opens, _ := profile(t, c).Window(notAfter)
			require.Equal(t, notAfter.Add(-90*24*time.Hour), opens)
		}
		_, err := pki.ProfileAt(time.Date(2014, 12, 31, 0, 0, 0, 0, time.UTC))
		require.Error(t, err)
		_, err = pki.NewProfile(pki.ProfileConfig{})
		require.ErrorContains(t, err, "Base")
	})
	t.Run("backdate", func(t *testing.T) {
		p := profile(t, pki.ProfileConfig{Backdate: time.Minute, Years: 2})
		notBefore, notAfter := p.Validity(start)
		require.Equal(t, start.Add(-time.Minute), notBefore)
		require.Equal(t, notBefore.AddDate(2, 0, 0).Add(-time.Second), notAfter)
	})
}

func TestPair(t *testing.T) {
	h := newHouse(t, func(c *pki.Config) {
		policy, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 99999, 1})
		require.NoError(t, err)
		c.Profile = profile(t, pki.ProfileConfig{Policies: []x509.OID{policy}})
	})
	pair := h.issue("first")
	authentication, signing := pair[0], pair[1]
	for _, cert := range pair {
		require.Equal(t, "SERIALNUMBER=555000000017,CN=555000000017 Amina Osei,OU=People,O=Wardkey", cert.Subject.String())
		require.False(t, cert.IsCA)
		require.True(t, cert.BasicConstraintsValid)
		require.Equal(t, []string{"http://pki.example.org/ocsp"}, cert.OCSPServer)
		require.Equal(t, []string{"http://pki.example.org/aia/issuing.cer"}, cert.IssuingCertificateURL)
		require.Len(t, cert.CRLDistributionPoints, 1)
		require.Len(t, cert.Policies, 1)
		require.Equal(t, h.Chain()[0].SubjectKeyId, cert.AuthorityKeyId)
		require.LessOrEqual(t, cert.SerialNumber.BitLen(), 128)
	}
	require.Equal(t, x509.KeyUsageDigitalSignature, authentication.KeyUsage)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, authentication.ExtKeyUsage)
	require.Equal(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}, authentication.UnknownExtKeyUsage)
	require.Equal(t, "555000000017@care.example.org", upn(t, authentication))
	require.Equal(t, x509.KeyUsageContentCommitment, signing.KeyUsage)
	require.Empty(t, signing.ExtKeyUsage)
	require.Empty(t, signing.UnknownExtKeyUsage)
	require.Len(t, signing.Extensions, len(authentication.Extensions)-2) // no EKU, no SAN

	roots, between := x509.NewCertPool(), x509.NewCertPool()
	between.AddCert(h.Chain()[0])
	roots.AddCert(h.Chain()[1])
	_, err := authentication.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	require.NoError(t, err)
	s, err := h.Status(t.Context(), authentication.SerialNumber)
	require.NoError(t, err)
	require.Equal(t, pki.Good, s.State)
	require.Equal(t, pki.Authentication, s.Use)
	require.Equal(t, "555000000017", s.UserID)
	require.Equal(t, fmt.Sprintf("http://pki.example.org/crl/%d.crl", s.Shard), authentication.CRLDistributionPoints[0])
	require.EqualValues(t, s.Shard, authentication.SerialNumber.Bit(3)<<3|authentication.SerialNumber.Bit(2)<<2|authentication.SerialNumber.Bit(1)<<1|authentication.SerialNumber.Bit(0))
}

// upn reads the one otherName.
func upn(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	for _, e := range cert.Extensions {
		if e.Id.String() != "2.5.29.17" {
			continue
		}
		var names []struct {
			OID   asn1.ObjectIdentifier
			Value string `asn1:"explicit,tag:0,utf8"`
		}
		var raw []asn1.RawValue
		_, err := asn1.Unmarshal(e.Value, &raw)
		require.NoError(t, err)
		for _, r := range raw {
			var name struct {
				OID   asn1.ObjectIdentifier
				Value string `asn1:"explicit,tag:0,utf8"`
			}
			_, err := asn1.UnmarshalWithParams(r.FullBytes, &name, "tag:0")
			require.NoError(t, err)
			names = append(names, name)
		}
		require.Len(t, names, 1)
		require.Equal(t, "1.3.6.1.4.1.311.20.2.3", names[0].OID.String())
		return names[0].Value
	}
	return ""
}

func TestSubjects(t *testing.T) {
	t.Run("threat025", func(t *testing.T) {
		h := newHouse(t)
		for _, cn := range []string{
			"", " ", strings.Repeat("a", 52), "555000000017 ", "Ann\x00", "Ann,CN=Root", "Ann+OU=x", "Ann/CN=Root", "a=b", "a;b", "a<b>", `a"b`, `a\b`, "#a",
			"Ann\u202eyob", "Ann\u2066x", "Ann\u200bx", "Ann\u2028x", "Ann\u00a0x", "Ann\tx", "Ann\nx", "\xff", " Ann", "Ann ", "Ann\ue000",
			"Ann\u034fx", "Ann\u115f", "Ann\u3164", "\uffa0", "Ann\ufe0f", "Ann\U000e0101", "Ann\u180e", "Ann\u17b4", "Ann\u2800", "\u0301Ann",
		} {
			name := person()
			name.CommonName = cn
			_, err := h.Issue(t.Context(), "bad", name, requests(t))
			require.ErrorIs(t, err, pki.ErrSubject, "%q", cn)
		}
		for _, cn := range []string{strings.Repeat("é", 51), "Zoë O'Neill-D’Arcy", "Nguyễn Văn An", "王秀英", "محمد", "J. (Jo) Smith"} {
			name := person()
			name.CommonName = cn
			certs, err := h.Issue(t.Context(), fmt.Sprintf("good-%.30x", cn), name, requests(t))
			require.NoError(t, err, cn)
			require.Equal(t, "555000000017 "+cn, certs[0].Subject.CommonName)
			require.Len(t, certs[0].Subject.Names, 4)
			again, err := h.Issue(t.Context(), fmt.Sprintf("anew-%.30x", cn), certs[0].Subject, requests(t))
			require.NoError(t, err)
			require.Equal(t, certs[0].RawSubject, again[0].RawSubject, "as it stands in a certificate")
		}
		for _, id := range []string{"", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢", " 12345678901"} {
			name := person()
			name.SerialNumber = id
			_, err := h.Issue(t.Context(), "bad", name, requests(t))
			require.ErrorIs(t, err, pki.ErrSubject, "%q", id)
		}
		for _, edit := range []func(*pkix.Name){
			func(n *pkix.Name) { n.Organization = []string{"Other"} },
			func(n *pkix.Name) { n.OrganizationalUnit = []string{"People", "Admins"} },
			func(n *pkix.Name) { n.Country = []string{"GB"} },
			func(n *pkix.Name) {
				n.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Root"}}
			},
		} {
			name := person()
			edit(&name)
			_, err := h.Issue(t.Context(), "bad", name, requests(t))
			require.ErrorIs(t, err, pki.ErrSubject)
		}
		require.Equal(t, "subject.invalid", pki.ErrSubject.(interface{ Rule() string }).Rule())
	})
	t.Run("threat026", func(t *testing.T) {
		h := newHouse(t)
		one, two := person(), person()
		two.SerialNumber = "555000000018"
		a, err := h.Issue(t.Context(), "a", one, requests(t))
		require.NoError(t, err)
		b, err := h.Issue(t.Context(), "b", two, requests(t))
		require.NoError(t, err)
		require.NotEqual(t, a[0].RawSubject, b[0].RawSubject)
		require.NotEqual(t, upn(t, a[0]), upn(t, b[0]))
		// The same name in two encodings, which look alike: still two people.
		one.CommonName, two.CommonName = "Zo\u00eb Osei", "Zoe\u0308 Osei"
		one.SerialNumber, two.SerialNumber = "555000000021", "555000000022"
		composed, err := h.Issue(t.Context(), "nfc", one, requests(t))
		require.NoError(t, err)
		decomposed, err := h.Issue(t.Context(), "nfd", two, requests(t))
		require.NoError(t, err)
		require.NotEqual(t, composed[0].RawSubject, decomposed[0].RawSubject)
		require.Equal(t, "555000000021@care.example.org", upn(t, composed[0]))
		require.Equal(t, "555000000022@care.example.org", upn(t, decomposed[0]))
		again, err := h.Issue(t.Context(), "c", a[0].Subject, requests(t)) // an expired pair, issued anew
		require.NoError(t, err)
		require.Equal(t, a[0].RawSubject, again[0].RawSubject)
	})
}

func TestActs(t *testing.T) {
	h := newHouse(t)
	csrs := requests(t)
	first, err := h.Issue(t.Context(), "act", person(), csrs)
	require.NoError(t, err)
	t.Run("repeated", func(t *testing.T) {
		h.clock.Add(4 * 365 * 24 * time.Hour)
		again, err := h.Issue(t.Context(), "act", person(), csrs)
		require.NoError(t, err)
		require.Equal(t, first[0].Raw, again[0].Raw)
		require.Equal(t, first[1].Raw, again[1].Raw)
	})
	t.Run("repeated under another profile", func(t *testing.T) {
		csrs := requests(t)
		before, err := h.Issue(t.Context(), "profile", person(), csrs)
		require.NoError(t, err)
		again := h.reopen(func(c *pki.Config) {
			c.Profile = profile(t, pki.ProfileConfig{Organization: "Renamed Trust", Years: 2})
		})
		after, err := again.Issue(t.Context(), "profile", person(), csrs)
		require.NoError(t, err)
		require.Equal(t, before[0].Raw, after[0].Raw)
	})
	t.Run("conflict", func(t *testing.T) {
		other := person()
		other.CommonName = "Amina Other"
		_, err := h.Issue(t.Context(), "act", other, csrs)
		require.ErrorIs(t, err, pki.ErrActConflict)
		require.ErrorContains(t, err, "act act was opened")
		_, err = h.Issue(t.Context(), "act", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrActConflict)
		_, err = h.Issue(t.Context(), "act", person(), []*x509.CertificateRequest{csrs[1], csrs[0]})
		require.ErrorIs(t, err, pki.ErrActConflict)
		_, err = h.Renew(t.Context(), "act", first, csrs)
		require.ErrorIs(t, err, pki.ErrActConflict)
		for _, id := range []string{"", "a b", "ä", strings.Repeat("a", 129)} {
			_, err = h.Issue(t.Context(), id, person(), requests(t))
			require.ErrorIs(t, err, pki.ErrActConflict)
		}
	})
	t.Run("at once", func(t *testing.T) {
		csrs := requests(t)
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				certs, err := h.Issue(t.Context(), "together", person(), csrs)
				mu.Lock()
				defer mu.Unlock()
				if !assert.NoError(t, err) {
					return
				}
				seen[string(certs[0].Raw)+string(certs[1].Raw)]++
			})
		}
		wg.Wait()
		require.Len(t, seen, 1)
	})
}
