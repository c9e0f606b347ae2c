// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// paths returns the paths from the leaf to a root. The leaf's own dates are not
// looked at: outside of them the path is that of its nearest second.
func (v *Verifier) paths(q enquiry) ([][]*x509.Certificate, error) {
	leaf := q.chain[0]
	if v.rootSet[string(leaf.Raw)] {
		return nil, fmt.Errorf("%w: it is a root itself", ErrUntrusted)
	}
	helpers := x509.NewCertPool()
	for _, c := range append(slices.Clone(v.intermediates), q.chain[1:]...) {
		helpers.AddCert(c)
	}
	paths, err := leaf.Verify(q.options(v.roots, helpers))
	if err == nil {
		paths = slices.DeleteFunc(paths, func(path []*x509.Certificate) bool {
			wrong := checkNames(path)
			err = errors.Join(err, wrong)
			return wrong != nil
		})
	}
	if len(paths) > 0 {
		return paths, nil
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage {
		return nil, fmt.Errorf("%w: %w", ErrPurpose, err)
	}
	return nil, errors.Join(ErrUntrusted, err)
}

func (q enquiry) options(roots, helpers *x509.CertPool) x509.VerifyOptions {
	return x509.VerifyOptions{
		Roots: roots, Intermediates: helpers, KeyUsages: q.purpose.extKeyUsages(),
		CurrentTime: nearest(q.at, q.chain[0].NotBefore, q.chain[0].NotAfter),
	}
}

func nearest(at, first, last time.Time) time.Time {
	switch {
	case at.Before(first):
		return first
	case at.After(last):
		return last
	}
	return at
}

// maxIssuers bounds the memory. Only issuers that led to a root get into it.
const maxIssuers = 256

// issuerMemory keeps the paths of issuing certificates that were verified, by
// their subject.
type issuerMemory struct {
	mu    sync.Mutex
	count int
	paths map[string][]knownIssuer
}

type knownIssuer struct {
	path []*x509.Certificate // the issuer first, the root last
	pool *x509.CertPool      // the issuer alone
}

// rememberedPath finds a path through a remembered issuer, verifying the leaf's
// signature alone, or nil. The issuer stands as a root for crypto/x509, which
// is the same because remember takes only issuers above which nothing looks
// further down than the next certificate.
func (v *Verifier) rememberedPath(q enquiry) []*x509.Certificate {
	leaf := q.chain[0]
	if v.rootSet[string(leaf.Raw)] || constrains(leaf) {
		return nil
	}
	for _, known := range v.issuers.of(string(leaf.RawIssuer)) {
		options := q.options(known.pool, nil)
		if _, err := leaf.Verify(options); err != nil {
			continue
		}
		outside := slices.ContainsFunc(known.path, func(c *x509.Certificate) bool {
			return within(options.CurrentTime, c.NotBefore, c.NotAfter) != nil
		})
		if !outside {
			return append([]*x509.Certificate{leaf}, known.path...)
		}
	}
	return nil
}

func (m *issuerMemory) of(subject string) []knownIssuer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.paths[subject])
}

// remember keeps the issuer of a path that was verified, unless a certificate
// above has a say in what stands below: then its path is built each time.
func (m *issuerMemory) remember(path []*x509.Certificate) {
	if len(path) < 3 || slices.ContainsFunc(path[1:], constrains) || slices.ContainsFunc(path[2:], namesUses) {
		return
	}
	known := knownIssuer{path: path[1:], pool: x509.NewCertPool()}
	known.pool.AddCert(path[1])
	subject := string(path[1].RawSubject)
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.paths[subject], func(k knownIssuer) bool { return slices.EqualFunc(k.path, known.path, (*x509.Certificate).Equal) }) {
		return
	}
	if m.paths == nil || m.count >= maxIssuers {
		m.paths, m.count = map[string][]knownIssuer{}, 0
	}
	m.paths[subject] = append(m.paths[subject], known)
	m.count++
}

var (
	oidNameConstraints   = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidPolicyMappings    = asn1.ObjectIdentifier{2, 5, 29, 33}
	oidPolicyConstraints = asn1.ObjectIdentifier{2, 5, 29, 36}
	oidInhibitAnyPolicy  = asn1.ObjectIdentifier{2, 5, 29, 54}
)

// constrains reports whether a certificate has a say in the names or policies
// of a path.
func constrains(c *x509.Certificate) bool {
	return hasExtensionOf(c, oidNameConstraints, oidPolicyMappings, oidPolicyConstraints, oidInhibitAnyPolicy)
}

func namesUses(c *x509.Certificate) bool { return hasExtensionOf(c, oidExtendedKeyUsage) }

func hasExtensionOf(c *x509.Certificate, oids ...asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if slices.ContainsFunc(oids, e.Id.Equal) {
			return true
		}
	}
	return false
}
