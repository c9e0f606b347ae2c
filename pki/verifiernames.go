// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
)

// crypto/x509 takes an e-mail or URI constraint that names a host for one that
// names all hosts below it, too, and doesn't look at e-mail addresses in the
// subject. Both let through what RFC 5280 §4.2.1.10 refuses: NIST PKITS 4.13.24
// shows the first.

var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// checkNames refuses a path in which a CA permits e-mail addresses or URIs and
// one below has another, or excludes an e-mail address that a subject has.
func checkNames(path []*x509.Certificate) error {
	for i, ca := range path {
		for _, c := range path[:i] {
			for _, address := range emailsOf(c) {
				inside := func(constraint string) bool { return emailWithin(address, constraint) }
				below := func(constraint string) bool { return inside(constraint) || inside("."+constraint) }
				if len(ca.PermittedEmailAddresses) > 0 && !slices.ContainsFunc(ca.PermittedEmailAddresses, inside) ||
					slices.ContainsFunc(ca.ExcludedEmailAddresses, below) {
					return errors.New("an e-mail address is outside the name constraints")
				}
			}
			for _, u := range c.URIs {
				inside := func(constraint string) bool { return hostWithin(u.Hostname(), constraint) }
				if len(ca.PermittedURIDomains) > 0 && !slices.ContainsFunc(ca.PermittedURIDomains, inside) {
					return errors.New("a URI is outside the name constraints")
				}
			}
		}
	}
	return nil
}

// emailsOf returns all addresses, those in the subject included.
func emailsOf(c *x509.Certificate) []string {
	out := slices.Clone(c.EmailAddresses)
	for _, attribute := range c.Subject.Names {
		if address, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidEmailAddress) {
			out = append(out, address)
		}
	}
	return out
}

// emailWithin: a constraint is a mailbox, a host, or a domain that begins with a
// full stop.
func emailWithin(address, constraint string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	if local, host, ok := strings.Cut(constraint, "@"); ok {
		return address[:at] == local && strings.EqualFold(address[at+1:], host)
	}
	return hostWithin(address[at+1:], constraint)
}

func hostWithin(host, constraint string) bool {
	if strings.HasPrefix(constraint, ".") {
		return len(host) > len(constraint) && strings.EqualFold(host[len(host)-len(constraint):], constraint)
	}
	return strings.EqualFold(host, constraint)
}
