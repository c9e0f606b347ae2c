// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ProfileConfig is what an authority's certificates say beyond the person. The
// zero value of a field means its default, except where one is required.
type ProfileConfig struct {
	// Base is the http or https URL under which PublishHandler is reached, for
	// the CRL and the issuer's certificate. Required. Lists and certificates
	// are signed, and a TLS client that fetches them would go round in a
	// circle: use http. RFC 5280 §8.
	Base string
	// OCSP is the URL at which OCSPHandler is reached. Default Base + "/ocsp".
	OCSP string
	// UPNSuffix is the part after the @ of the user principal name. Required.
	UPNSuffix string
	// Organization and Unit are O and OU of each subject. Defaults "Wardkey"
	// and "People".
	Organization, Unit string
	// Years of validity, 1 to 3. Default 3.
	Years int
	// Backdate moves notBefore before the moment of issuance, for relying
	// parties whose clock is behind, at most one hour. The years count from
	// notBefore. Default none.
	Backdate time.Duration
	// RenewalWindow is the time before notAfter in which a pair can be renewed.
	// Default 90 × 24 hours.
	RenewalWindow time.Duration
	// Shards is the number of CRLs that an issuing CA spreads its certificates
	// over, a power of two up to 256. It can't change in the life of an issuing
	// CA. Default 16.
	Shards int
	// Policies go into each certificate, none of them twice. Default none. RFC 5280 §4.2.1.4.
	Policies []x509.OID
}

// Profile is a validated ProfileConfig. It can't be changed, and the zero value
// is refused by New.
type Profile struct {
	base, ocsp   string
	upnSuffix    string
	organization string
	unit         string
	years        int
	backdate     time.Duration
	window       time.Duration
	shards       int
	policies     []x509.OID
}

func (c ProfileConfig) withDefaults() ProfileConfig {
	c.Base = strings.TrimSuffix(c.Base, "/")
	if c.OCSP == "" {
		c.OCSP = c.Base + "/ocsp"
	}
	if c.Organization == "" {
		c.Organization = "Wardkey"
	}
	if c.Unit == "" {
		c.Unit = "People"
	}
	if c.Years == 0 {
		c.Years = 3
	}
	if c.RenewalWindow == 0 {
		c.RenewalWindow = 90 * 24 * time.Hour
	}
	if c.Shards == 0 {
		c.Shards = 16
	}
	return c
}

// NewProfile checks a configuration once. Base and UPNSuffix are required.
func NewProfile(c ProfileConfig) (Profile, error) {
	if c.Base == "" {
		return Profile{}, errors.New("pki: profile: Base is required: the URL under which PublishHandler is reached")
	}
	c = c.withDefaults()
	for _, u := range []string{c.Base, c.OCSP} {
		if err := checkURL(u); err != nil {
			return Profile{}, err
		}
	}
	for _, text := range []string{c.Organization, c.Unit} {
		if err := checkNameText(text, maxNameRunes); err != nil {
			return Profile{}, fmt.Errorf("pki: profile: %w", err)
		}
	}
	for i, p := range c.Policies {
		if p.Equal(x509.OID{}) || slices.ContainsFunc(c.Policies[:i], p.Equal) {
			return Profile{}, errors.New("pki: profile: a policy is empty or given twice")
		}
	}
	switch {
	case !validSuffix(c.UPNSuffix):
		return Profile{}, errors.New("pki: profile: UPNSuffix must be a lower-case DNS name")
	case c.Years < 1 || c.Years > 3:
		return Profile{}, errors.New("pki: profile: Years must be 1 to 3")
	case c.Backdate < 0 || c.Backdate > time.Hour || c.Backdate%time.Second != 0:
		return Profile{}, errors.New("pki: profile: Backdate must be whole seconds, at most one hour")
	case c.RenewalWindow < time.Hour || c.RenewalWindow > 365*24*time.Hour || c.RenewalWindow%time.Second != 0:
		return Profile{}, errors.New("pki: profile: RenewalWindow must be whole seconds, one hour to 365 days")
	case c.Shards < 1 || c.Shards > 256 || c.Shards&(c.Shards-1) != 0:
		return Profile{}, errors.New("pki: profile: Shards must be a power of two, at most 256")
	}
	return Profile{
		base: c.Base, ocsp: c.OCSP, upnSuffix: c.UPNSuffix,
		organization: c.Organization, unit: c.Unit,
		years: c.Years, backdate: c.Backdate, window: c.RenewalWindow, shards: c.Shards,
		policies: append([]x509.OID(nil), c.Policies...),
	}, nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("pki: profile: %q is not a plain http or https URL", s)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return fmt.Errorf("pki: profile: %q is not ASCII", s)
		}
	}
	return nil
}

func validSuffix(s string) bool {
	if len(s) == 0 || len(s) > 200 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
				return false
			}
		}
	}
	return true
}

// Validity returns notBefore and notAfter of a certificate issued at an
// instant: whole seconds, UTC, notAfter inclusive, so that Years calendar years
// pass from the first instant of notBefore to the last of notAfter. A day that
// the last year doesn't have becomes its month's last: 29 February becomes 28
// February. RFC 5280 §4.1.2.5.
func (p Profile) Validity(at time.Time) (notBefore, notAfter time.Time) {
	notBefore = second(at).Add(-p.backdate)
	return notBefore, addYears(notBefore, p.years).Add(-time.Second)
}

// Window returns the first and the last second, both inclusive, in which a pair
// that ends at notAfter can be renewed.
func (p Profile) Window(notAfter time.Time) (opens, closes time.Time) {
	return notAfter.Add(-p.window), notAfter
}

// crlURL is the distribution point of a shard.
func (p Profile) crlURL(shard int) string { return fmt.Sprintf("%s/crl/%d.crl", p.base, shard) }

func (p Profile) issuerURL() string { return p.base + "/aia/issuing.cer" }

// second drops the part of a second: certificates know whole seconds, and
// notAfter holds until its second is over.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func addYears(t time.Time, years int) time.Time {
	y, m, d := t.Date()
	last := time.Date(y+years, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	hour, minute, sec := t.Clock()
	return time.Date(y+years, m, min(d, last), hour, minute, sec, 0, time.UTC)
}
