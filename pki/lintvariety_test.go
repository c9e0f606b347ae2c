// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// variety is all that three authorities issued.
type variety struct {
	certificates []*reading
	lists        []*listReading
	listDERs     [][]byte
	answers      [][]byte // OCSP
}

// lintHouse is an authority of the variety.
type lintHouse struct {
	*house
	profile pki.ProfileConfig
	v       *variety
	began   int // where its certificates begin in the variety
}

func newLintHouse(t *testing.T, v *variety, root, issuing crypto.Signer, p pki.ProfileConfig) *lintHouse {
	t.Helper()
	a := keyed(t, root, issuing)
	h := &lintHouse{profile: p, v: v, began: len(v.certificates)}
	h.house = newHouse(t, func(c *pki.Config) {
		c.Signer, c.Chain, c.Profile = a, a.Chain(), profile(t, p)
	})
	h.add(made{label: "root", use: rootCA}, a.Chain()[1].Raw)
	h.add(made{label: "issuing CA", use: issuingCA}, a.Chain()[0].Raw)
	return h
}

// add reads a certificate that this authority has just made.
func (h *lintHouse) add(m made, der []byte) {
	h.t.Helper()
	m.at, m.config, m.chain = h.clock.Now(), h.profile, h.Chain()
	m.before = slices.Clone(h.v.certificates[h.began:])
	m.label = fmt.Sprintf("%s, %s of %s", m.label, m.use, h.Chain()[0].PublicKeyAlgorithm)
	c := readCertificate(h.t, m, der)
	h.v.certificates = append(h.v.certificates, &c)
}

func (h *lintHouse) addPair(label string, asked pkix.Name, certs []*x509.Certificate) {
	h.t.Helper()
	for i, cert := range certs {
		h.add(made{label: label, use: pairUses[i], asked: asked}, cert.Raw)
	}
}

// make issues a pair for keys whose requests ask for all that they must not get.
func (h *lintHouse) make(label string, asked pkix.Name, keys [2]crypto.Signer) []*x509.Certificate {
	h.t.Helper()
	h.acts++
	certs, err := h.Issue(h.t.Context(), fmt.Sprint("lint-", h.acts), asked, greedy(h.t, keys))
	require.NoError(h.t, err)
	h.addPair(label, asked, certs)
	return certs
}

// greedy are requests for another name, a CA's rights and names of servers.
func greedy(t *testing.T, keys [2]crypto.Signer) []*x509.CertificateRequest {
	t.Helper()
	var csrs []*x509.CertificateRequest
	for _, key := range keys {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject:  pkix.Name{CommonName: "Root", Country: []string{"GB"}, SerialNumber: "000000000001"},
			DNSNames: []string{"example.org"}, EmailAddresses: []string{"root@example.org"},
			ExtraExtensions: []pkix.Extension{
				{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}},
				{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 1, 6}},
			},
		}, key)
		require.NoError(t, err)
		csr, err := x509.ParseCertificateRequest(der)
		require.NoError(t, err)
		csrs = append(csrs, csr)
	}
	return csrs
}

// tell adds every list, and an answer about each of the certificates.
func (h *lintHouse) tell(certs ...*x509.Certificate) {
	h.t.Helper()
	_, err := h.Due(h.t.Context())
	require.NoError(h.t, err)
	shards := h.profile.Shards
	if shards == 0 {
		shards = 16
	}
	for shard := range shards {
		list := h.list(shard)
		l := readList(h.t, h.listMade(shard, shards), list.Raw)
		h.v.lists, h.v.listDERs = append(h.v.lists, &l), append(h.v.listDERs, list.Raw)
	}
	for _, cert := range certs {
		request, err := ocsp.CreateRequest(cert, h.Chain()[0], nil)
		require.NoError(h.t, err)
		h.v.answers = append(h.v.answers, h.ask(request))
	}
	answer, err := ocsp.ParseResponse(h.v.answers[len(h.v.answers)-1], h.Chain()[0])
	require.NoError(h.t, err)
	h.add(made{label: "responder", use: pki.Responder}, answer.Certificate.Raw)
}

// listMade is what a shard's list must say, as each certificate's record has it.
func (h *lintHouse) listMade(shard, shards int) listMade {
	h.t.Helper()
	m := listMade{
		url: fmt.Sprintf("http://pki.example.org/crl/%d.crl", shard), shard: int64(shard), shards: int64(shards),
		at: h.clock.Now(), life: 24 * time.Hour, issuer: h.Chain()[0],
	}
	for _, c := range h.v.certificates[h.began:] {
		s, err := h.Status(h.t.Context(), c.tbs.Serial)
		require.NoError(h.t, err)
		if s.Shard == shard && (s.State == pki.Held || s.State == pki.Revoked) {
			m.revoked = append(m.revoked, c.tbs.Serial)
		}
	}
	return m
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func newVariety(t *testing.T) *variety {
	t.Helper()
	v := &variety{}
	ec := func() [2]crypto.Signer { return [2]crypto.Signer{ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())} }

	// Keys and names, a renewal, 29 February, every reason of revocation.
	h := newLintHouse(t, v, ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256()), pki.ProfileConfig{})
	for label, keys := range map[string][2]crypto.Signer{
		"P-384": {ecKey(t, elliptic.P384()), ecKey(t, elliptic.P384())},
		"P-521": {ecKey(t, elliptic.P521()), ecKey(t, elliptic.P521())},
		"RSA":   {rsaKey(t, 2048), rsaKey(t, 3072)},
	} {
		h.make(label, person(), keys)
	}
	var certs []*x509.Certificate
	for i, name := range []string{
		"Zoë Müller-Ðorđević", "陳大文", "Ольга Иванова", "نور الهدى", "Siobhán O’Neill", "Mary (Molly) O'Brien Jr.", "Jose\u0301 A\u0301lvarez",
		strings.Repeat("ß", 51), "I",
	} {
		asked := pkix.Name{CommonName: name, SerialNumber: fmt.Sprintf("%012d", i)}
		certs = append(certs, h.make("name "+name, asked, ec())...)
	}
	old := h.make("to be renewed", person(), ec())
	for i, reason := range []int{0, 1, 2, 3, 4, 5, 6, 9, 10} {
		require.NoError(t, h.Revoke(t.Context(), certs[2*i], reason, time.Time{}))
	}
	h.tell(certs...)
	h.clock.Set(time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC))
	h.make("29 February", person(), ec())
	h.clock.Set(old[0].NotAfter.Add(-time.Hour))
	renewed, err := h.Renew(t.Context(), "renewed", old, greedy(t, ec()))
	require.NoError(t, err)
	h.addPair("renewed", person(), renewed)
	h.tell(renewed...)

	// P-384 caUses, two shards, two years, backdated, with policies.
	h = newLintHouse(t, v, ecKey(t, elliptic.P384()), ecKey(t, elliptic.P384()), pki.ProfileConfig{
		Shards: 2, Years: 2, Backdate: 5 * time.Minute, Policies: []x509.OID{oid(t, 1, 3, 6, 1, 4, 1, 99999, 1), oid(t, 1, 3, 6, 1, 4, 1, 99999, 2)},
	})
	certs = nil
	for i := range 8 {
		certs = append(certs, h.make(fmt.Sprint("two shards ", i), person(), ec())...)
	}
	for _, cert := range certs[4:] {
		require.NoError(t, h.Revoke(t.Context(), cert, 5, time.Time{}))
	}
	h.tell(certs...)

	// RSA caUses, one list, an organization with other letters.
	h = newLintHouse(t, v, rsaKey(t, 3072), rsaKey(t, 2048), pki.ProfileConfig{Shards: 1, Years: 1, Organization: "Übungs-Trust", Unit: "Ärzte & Pflege"})
	certs = h.make("RSA above", person(), ec())
	h.tell(certs...)
	return v
}
