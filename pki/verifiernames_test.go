// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
)

// Host constraints mean that host alone, domains begin with a full stop, and an
// e-mail address in the subject counts as well. RFC 5280 §4.2.1.10.
func TestVerifierNameConstraints(t *testing.T) {
	o := newOutside(t)
	v := o.verifier(says{})
	email := func(s string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.EmailAddresses = []string{s} }
	}
	subject := func(s string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: []int{1, 2, 840, 113549, 1, 9, 1}, Value: s}}
		}
	}
	uri := func(s string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			u, err := url.Parse(s)
			require.NoError(t, err)
			c.URIs = []*url.URL{u}
		}
	}
	permit := func(s ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.PermittedEmailAddresses = s }
	}
	exclude := func(s string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{s} }
	}
	permitURI := func(s string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.PermittedURIDomains = []string{s} }
	}
	for _, c := range []struct {
		name     string
		ca, leaf func(*x509.Certificate)
		good     bool
	}{
		{"the host", permit("a.example"), email("x@a.example"), true},
		{"the host in capitals", permit("a.example"), email("x@A.Example"), true},
		{"one of two", permit("b.example", "a.example"), email("x@a.example"), true},
		{"a host below the host", permit("a.example"), email("x@b.a.example"), false},
		{"a host that only ends so", permit("a.example"), email("x@ba.example"), false},
		{"below the domain", permit(".a.example"), email("x@b.a.example"), true},
		{"the domain itself", permit(".a.example"), email("x@a.example"), false},
		{"the mailbox", permit("x@a.example"), email("x@a.example"), true},
		{"another mailbox", permit("x@a.example"), email("y@a.example"), false},
		{"no address at all", permit("a.example"), func(*x509.Certificate) {}, true},
		{"in the subject, permitted", permit("a.example"), subject("x@a.example"), true},
		{"in the subject, another", permit("a.example"), subject("x@b.example"), false},
		{"in the subject, not an address", permit("a.example"), subject("a.example"), false},
		{"in the subject, excluded", exclude("a.example"), subject("x@a.example"), false},
		{"in the subject, below what is excluded", exclude("a.example"), subject("x@b.a.example"), false},
		{"in the subject, not excluded", exclude("a.example"), subject("x@b.example"), true},
		{"a URI's host", permitURI("a.example"), uri("http://a.example/x"), true},
		{"a URI of a host below", permitURI("a.example"), uri("http://b.a.example/x"), false},
		{"a URI below the domain", permitURI(".a.example"), uri("http://b.a.example:80/x"), true},
		{"a URI without a host", permitURI("a.example"), uri("urn:a.example"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := o.certify(o.issuing, "Constrained", asCA, func(ca *x509.Certificate) { ca.PermittedDNSDomainsCritical = true }, c.ca)
			chain := []*x509.Certificate{o.certify(ca, "leaf", c.leaf).cert, ca.cert}
			for range 2 { // nothing is remembered here
				_, err := v.Verify(t.Context(), chain, pki.PurposeAny, time.Time{})
				if c.good {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, pki.ErrUntrusted)
				}
			}
		})
	}
}
