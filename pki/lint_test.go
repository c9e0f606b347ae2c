// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

// Every certificate, list and answer that an authority makes, over the variety of
// keys, names, profiles and dates, passes zlint and our own lints; and each of our
// own finds the one thing that is wrong with a certificate made to break it, which
// the authority then doesn't take from its signer either.

// notForUs are the lints of zlint that find something here, by the reason why
// that is as it should be. Every other one must pass or not apply.
var notForUs = map[string][]string{
	// The CA/Browser Forum's rules for public TLS servers, for which zlint takes a
	// certificate without extendedKeyUsage, as RFC 5280 §4.2.1.12 lets it. No
	// certificate of this profile names a server.
	"a person's signing certificate is no TLS server's": {
		"e_cabf_ecc_allowed_key_usages", "e_dnsname_bad_character_in_label", "e_dnsname_empty_label", "e_dnsname_label_too_long",
		"e_dnsname_not_valid_tld", "e_ext_san_missing", "e_organizational_unit_name_prohibited", "e_server_cert_valid_time_longer_than_100_days",
		"e_sub_cert_cert_policy_empty", "e_sub_cert_certificate_policies_missing", "e_sub_cert_country_name_must_appear",
		"e_sub_cert_eku_missing", "e_sub_cert_locality_name_must_appear", "e_sub_cert_province_must_appear",
		"e_sub_cert_valid_time_longer_than_825_days", "e_subject_common_name_not_exactly_from_san",
		"e_tls_server_cert_valid_time_longer_than_398_days", "w_ext_subject_key_identifier_not_recommended_subscriber",
		"w_server_cert_valid_time_longer_than_99_days", "w_subject_common_name_included", "w_tls_server_cert_valid_time_longer_than_397_days",
	},
	// Those of the CA/Browser Forum and of browsers for CAs that browsers trust.
	"the hierarchy is private, and its root publishes no list": {
		"e_ca_country_name_missing", "e_sub_ca_certificate_policies_missing", "e_sub_ca_crl_distribution_points_missing",
		"n_mp_allowed_eku", "n_sub_ca_eku_missing", "w_ct_sct_policy_count_unsatisfied",
		"w_sub_ca_aia_does_not_contain_issuing_ca_url", "w_sub_ca_aia_missing",
	},
	"a delegated responder signs OCSP, not the CA":                                    {"n_ca_digital_signature_not_set"},
	"reasons of RFC 5280 §5.3.1 that web servers don't have, such as certificateHold": {"e_cab_crl_has_valid_reason_code"},
}

func TestLints(t *testing.T) {
	v := newVariety(t)
	t.Run("variety", func(t *testing.T) {
		count := map[pki.Use]int{}
		shards := map[string]bool{}
		var ones, zeros big.Int
		for _, c := range v.certificates {
			count[c.use]++
			ones.Or(&ones, c.tbs.Serial)
			if c.config.Shards == 2 && c.use == pki.Signing {
				shards[c.listURL()] = true
			}
			zeros.Or(&zeros, new(big.Int).Not(c.tbs.Serial))
		}
		t.Log(count, len(v.lists), "lists,", len(v.answers), "answers")
		require.GreaterOrEqual(t, count[pki.Authentication], 20)
		require.Equal(t, count[pki.Authentication], count[pki.Signing])
		require.Equal(t, 3, count[rootCA])
		require.Equal(t, 3, count[issuingCA])
		require.GreaterOrEqual(t, count[pki.Responder], 4)
		require.Len(t, shards, 2)
		for i := range 128 { // each bit of a serial number is drawn
			require.True(t, ones.Bit(i) == 1 && zeros.Bit(i) == 1, "bit %d is always the same", i)
		}
	})
	t.Run("zlint", func(t *testing.T) { zlintAll(t, v) })
	t.Run("openssl", func(t *testing.T) { opensslAll(t, v) })
	t.Run("own", func(t *testing.T) {
		for _, c := range v.certificates {
			require.Empty(t, findings(c), c.label)
		}
		for i, l := range v.lists {
			require.Empty(t, listFindings(l), "list %d", i)
		}
	})
}

func zlintAll(t *testing.T, v *variety) {
	needed := map[string]bool{} // the names of notForUs, and whether they found something
	for _, names := range notForUs {
		for _, name := range names {
			needed[name] = false
		}
	}
	rules := lint.GlobalRegistry()
	ran := map[string]bool{}
	check := func(label string, results *zlint.ResultSet) {
		require.NotEmpty(t, results.Results)
		for name, r := range results.Results {
			ran[name] = ran[name] || r.Status == lint.Pass
			fine := slices.Contains([]lint.LintStatus{lint.Pass, lint.NA, lint.NE}, r.Status)
			if _, excluded := needed[name]; excluded {
				needed[name] = needed[name] || !fine
				continue
			}
			require.True(t, fine, "%s: %s: %s %s", label, name, r.Status, r.Details)
		}
	}
	for _, c := range v.certificates {
		parsed, err := zx509.ParseCertificate(c.der)
		require.NoError(t, err, c.label)
		check(c.label, zlint.LintCertificateEx(parsed, rules))
	}
	for _, der := range v.listDERs {
		list, err := zx509.ParseRevocationList(der)
		require.NoError(t, err)
		check(fmt.Sprintf("list of %s", list.ThisUpdate), zlint.LintRevocationListEx(list, rules))
	}
	for _, der := range v.answers {
		answer, err := ocsp.ParseResponse(der, nil)
		require.NoError(t, err)
		check("an OCSP answer", zlint.LintOcspResponseEx(answer, rules))
	}
	for name, found := range needed {
		require.True(t, found, "%s needs no exclusion", name)
		l := rules.CertificateLints().ByName(name)
		require.False(t, l != nil && slices.Contains([]lint.LintSource{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC6960, lint.RFC8813}, l.Source),
			"%s is a rule of an RFC", name)
	}
	passed := 0
	for _, pass := range ran {
		if pass {
			passed++
		}
	}
	t.Logf("zlint: %d lints, of which %d applied and passed and %d are not for us", len(ran), passed, len(needed))
	require.Greater(t, passed, 150)
}

// opensslAll has OpenSSL hold every certificate and list to RFC 5280, and check
// their signatures.
func opensslAll(t *testing.T, v *variety) {
	o := newOpenSSL(t)
	for _, c := range v.certificates {
		root := o.file("root.pem", "CERTIFICATE", c.chain[1].Raw)
		issuing := o.file("issuing.pem", "CERTIFICATE", c.chain[0].Raw)
		out, err := o.run("verify", "-x509_strict", "-check_ss_sig", "-attime", fmt.Sprint(c.at.Unix()), "-CAfile", root, "-untrusted", issuing,
			o.file("certificate.pem", "CERTIFICATE", c.der))
		require.NoError(t, err, "%s: %s", c.label, out)
	}
	for i, der := range v.listDERs {
		issuing := o.file("issuing.pem", "CERTIFICATE", v.lists[i].issuer.Raw)
		out, err := o.run("crl", "-noout", "-in", o.file("list.pem", "X509 CRL", der), "-CAfile", issuing)
		require.NoError(t, err)
		require.Contains(t, out, "verify OK")
	}
}

// findings are the rules that a certificate breaks.
func findings(c *reading) []string {
	var names []string
	for _, r := range rules() {
		if slices.Contains(r.uses, c.use) && !r.holds(c) {
			names = append(names, r.name)
		}
	}
	return names
}

func listFindings(l *listReading) []string {
	var names []string
	for _, r := range listRules() {
		if !r.holds(l) {
			names = append(names, r.name)
		}
	}
	return names
}

// TestEveryRuleFinds holds the table to its promise: one bad certificate a rule.
func TestEveryRuleFinds(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	h := newLintHouse(t, &variety{}, ecKey(t, elliptic.P256()), key, pki.ProfileConfig{})
	h.addPair("first", person(), h.issue("first"))
	asked := pkix.Name{CommonName: "Ben Okoye", SerialNumber: "555000000025"}
	certs := h.make("second", asked, [2]crypto.Signer{ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())})
	h.tell(certs...)
	good := map[pki.Use]*reading{}
	for _, c := range h.v.certificates {
		good[c.use] = c
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			c := *good[r.uses[0]]
			if len(c.before) > 0 { // which the rule may make worse
				first := *h.v.certificates[2]
				c.before = []*reading{&first}
			}
			require.Empty(t, findings(&c))
			before, err := asn1.Marshal(c.tbs)
			require.NoError(t, err)
			r.bad(&c)
			after, err := asn1.Marshal(c.tbs)
			require.NoError(t, err)
			bad := readCertificate(t, c.made, c.signed(t, key))
			require.Equal(t, []string{r.name}, findings(&bad), "%s", r.clause)
			if bytes.Equal(before, after) || c.use == rootCA || c.use == issuingCA {
				return // what is bad stands beside it, or no act makes it
			}
			h.refuses(t, forger{t: t, key: key, made: good[c.use].made, bad: r.bad})
		})
	}
	for _, r := range listRules() {
		t.Run("list: "+r.name, func(t *testing.T) {
			again := func() { // so that the list is to be signed anew
				for _, reason := range []int{8, 6} {
					require.NoError(t, h.Revoke(t.Context(), certs[1], reason, time.Time{}))
				}
			}
			again()
			s, err := h.Status(t.Context(), certs[1].SerialNumber)
			require.NoError(t, err)
			m := h.listMade(s.Shard, 16)
			l := readList(t, m, h.list(s.Shard).Raw)
			require.Empty(t, listFindings(&l))
			r.bad(&l)
			bad := readList(t, l.listMade, l.signed(t, key))
			require.Equal(t, []string{r.name}, listFindings(&bad), r.clause)

			again()
			bent := h.reopen(func(c *pki.Config) { c.Signer = forger{Signer: c.Signer, t: t, key: key, listMade: m, list: r.bad} })
			_, err = bent.Due(t.Context())
			require.ErrorIs(t, err, pki.ErrSignerUnavailable)
			_, err = h.Due(t.Context())
			require.NoError(t, err)
		})
	}
}

// refuses has an authority ask a signer that returns bad certificates.
func (h *lintHouse) refuses(t *testing.T, f forger) {
	t.Helper()
	bent := h.reopen(func(c *pki.Config) {
		f.Signer = c.Signer
		c.Signer = f
	})
	if f.made.use == pki.Responder {
		_, err := bent.Due(t.Context())
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		return
	}
	h.acts++
	id, csrs := fmt.Sprint("refused-", h.acts), requests(t)
	_, err := bent.Issue(t.Context(), id, f.made.asked, csrs)
	require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	require.Equal(t, pki.Pending, h.act(id).State)
	_, err = h.Issue(t.Context(), id, f.made.asked, csrs) // nothing is lost
	require.NoError(t, err)
}
