// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wardkey-sdk/wardkey/pki"
)

// rule is one MUST or MUST NOT of the package comment's profile. bad makes a good
// certificate, or what is known about it, break this one and no other.
type rule struct {
	name, clause string
	uses         []pki.Use // the first is the one that bad is for
	holds        func(*reading) bool
	bad          func(*reading)
}

var (
	pairUses     = []pki.Use{pki.Authentication, pki.Signing}
	signingFirst = []pki.Use{pki.Signing, pki.Authentication} // where a bad subject would touch the UPN too
	leafUses     = []pki.Use{pki.Authentication, pki.Signing, pki.Responder}
	allUses      = []pki.Use{pki.Authentication, pki.Signing, pki.Responder, rootCA, issuingCA}
	caUses       = []pki.Use{issuingCA, rootCA}
)

const (
	subjectKeyID   = "2.5.29.14"
	keyUsage       = "2.5.29.15"
	altName        = "2.5.29.17"
	constraints    = "2.5.29.19"
	distribution   = "2.5.29.31"
	policies       = "2.5.29.32"
	authorityKey   = "2.5.29.35"
	extKeyUsage    = "2.5.29.37"
	infoAccess     = "1.3.6.1.5.5.7.1.1"
	ocspNoCheck    = "1.3.6.1.5.5.7.48.1.5"
	commonName     = "2.5.4.3"
	serialNumber   = "2.5.4.5"
	organization   = "2.5.4.10"
	unit           = "2.5.4.11"
	clientAuth     = "1.3.6.1.5.5.7.3.2"
	ocspSigning    = "1.3.6.1.5.5.7.3.9"
	smartcardLogon = "1.3.6.1.4.1.311.20.2.2"
	upnForm        = "1.3.6.1.4.1.311.20.2.3"
)

func rules() []rule {
	return slices.Concat(basics(), subjectRules(), extensionRules(), useRules(), keyRules())
}

func basics() []rule {
	return []rule{
		{
			"version 3", "RFC 5280 §4.1.2.1", allUses,
			func(c *reading) bool { return c.tbs.Version == 2 },
			func(c *reading) { c.tbs.Version = 1 },
		},
		{
			"the serial number is positive", "RFC 5280 §4.1.2.2", allUses,
			func(c *reading) bool { return c.tbs.Serial.Sign() > 0 },
			func(c *reading) { c.tbs.Serial = new(big.Int).Neg(c.tbs.Serial) },
		},
		{
			"the serial number has 128 bits", "RFC 5280 §4.1.2.2", allUses,
			func(c *reading) bool { return c.tbs.Serial.BitLen() <= 128 },
			func(c *reading) { c.tbs.Serial = new(big.Int).SetBit(c.tbs.Serial, 130, 1) },
		},
		{
			"no other certificate has the serial number", "RFC 5280 §4.1.2.2", leafUses,
			func(c *reading) bool {
				return !slices.ContainsFunc(c.before, func(o *reading) bool { return o.tbs.Serial.Cmp(c.tbs.Serial) == 0 })
			},
			func(c *reading) { // in the same shard, so that it shows in nothing else
				c.before[0].tbs.Serial = c.tbs.Serial
			},
		},
		{
			"one signature algorithm, inside and out", "RFC 5280 §4.1.1.2", allUses,
			func(c *reading) bool { return bytes.Equal(c.outer.FullBytes, c.tbs.Algorithm.FullBytes) },
			func(c *reading) { c.tbs.Algorithm = sequence(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}) },
		},
		{
			"the issuer's name is the subject of the one above", "RFC 5280 §4.1.2.4", leafUses,
			func(c *reading) bool { return bytes.Equal(c.tbs.Issuer.FullBytes, c.chain[0].RawSubject) },
			func(c *reading) { c.tbs.Issuer = c.tbs.Subject },
		},
		{
			"dates are whole seconds UTC, as UTCTime to 2049", "RFC 5280 §4.1.2.5", allUses,
			func(c *reading) bool {
				_, first := when(c.tbs.Validity.NotBefore)
				_, last := when(c.tbs.Validity.NotAfter)
				return first && last
			},
			func(c *reading) {
				_, notAfter := dates(c)
				c.tbs.Validity.NotAfter = asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(notAfter.Format("20060102150405Z"))}
			},
		},
		{
			"notBefore is the second of issuance less Backdate", "RFC 5280 §4.1.2.5", pairUses,
			func(c *reading) bool {
				notBefore, _ := dates(c)
				return notBefore.Equal(c.at.Truncate(time.Second).Add(-c.config.Backdate))
			},
			func(c *reading) {
				notBefore, notAfter := dates(c)
				shift(&c.tbs.Validity.NotBefore, notBefore.Add(time.Hour))
				shift(&c.tbs.Validity.NotAfter, notAfter.Add(time.Hour))
			},
		},
		{
			"valid for Years calendar years less a second", "RFC 5280 §4.1.2.5", pairUses,
			func(c *reading) bool {
				notBefore, notAfter := dates(c)
				return leapDay(notBefore) || notAfter.Equal(notBefore.AddDate(c.years(), 0, 0).Add(-time.Second))
			},
			func(c *reading) {
				_, notAfter := dates(c)
				shift(&c.tbs.Validity.NotAfter, notAfter.Add(time.Second))
			},
		},
		{
			"a 29 February that the last year lacks becomes the 28th", "RFC 5280 §4.1.2.5", pairUses,
			func(c *reading) bool {
				notBefore, notAfter := dates(c)
				h, m, s := notBefore.Clock()
				clamped := time.Date(notBefore.Year()+c.years(), 2, 28, h, m, s, 0, time.UTC)
				return !leapDay(notBefore) || notAfter.Add(time.Second).Equal(clamped)
			},
			func(c *reading) { // as AddDate does it: 1 March
				c.at = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
				shift(&c.tbs.Validity.NotBefore, c.at)
				shift(&c.tbs.Validity.NotAfter, c.at.AddDate(c.years(), 0, 0).Add(-time.Second))
			},
		},
		{
			"no certificate outlives one above it", "RFC 5280 §6.1", leafUses,
			func(c *reading) bool {
				_, notAfter := dates(c)
				return !slices.ContainsFunc(c.chain, func(a *x509.Certificate) bool { return notAfter.After(a.NotAfter) })
			},
			func(c *reading) {
				root := *c.chain[1]
				_, root.NotAfter = dates(c)
				root.NotAfter = root.NotAfter.Add(-time.Second)
				c.chain = []*x509.Certificate{c.chain[0], &root}
			},
		},
		{
			"no unique identifiers", "RFC 5280 §4.1.2.8", allUses,
			func(c *reading) bool { return c.tbs.IssuerID.BitLength+c.tbs.SubjectID.BitLength == 0 },
			func(c *reading) { c.tbs.SubjectID = asn1.BitString{Bytes: []byte{1}, BitLength: 8} },
		},
	}
}

func leapDay(t time.Time) bool { return t.Month() == time.February && t.Day() == 29 }

func (c *reading) years() int {
	if c.config.Years == 0 {
		return 3
	}
	return c.config.Years
}

func sequence(values ...any) asn1.RawValue {
	var inner []byte
	for _, v := range values {
		der, err := asn1.Marshal(v)
		if err != nil {
			panic(err)
		}
		inner = append(inner, der...)
	}
	return asn1.RawValue{FullBytes: append([]byte{0x30, byte(len(inner))}, inner...)}
}

// subjectRules: a person is told by serialNumber, and CN is for reading.
func subjectRules() []rule {
	list := []rule{
		{
			"the subject is O, OU, CN and serialNumber alone", "", signingFirst,
			func(c *reading) bool {
				known := []string{organization, unit, commonName, serialNumber}
				for _, set := range c.names() {
					for _, a := range set {
						if i := slices.Index(known, a.Type.String()); i < 0 {
							return false
						} else {
							known = slices.Delete(known, i, i+1)
						}
					}
				}
				return len(known) == 0
			},
			func(c *reading) {
				country := pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "GB"}}
				c.setNames(append(c.names(), country))
			},
		},
		{
			"in this order, one a set", "", signingFirst,
			func(c *reading) bool {
				var at []int
				for _, set := range c.names() {
					if len(set) != 1 {
						return false
					}
					if i := slices.Index([]string{organization, unit, commonName, serialNumber}, set[0].Type.String()); i >= 0 {
						at = append(at, i)
					}
				}
				return slices.IsSorted(at)
			},
			func(c *reading) {
				names := c.names()
				slices.Reverse(names)
				c.setNames(names)
			},
		},
		{
			"O and OU are the profile's", "", signingFirst,
			func(c *reading) bool {
				return c.name(organization) == cmp.Or(c.config.Organization, "Wardkey") && c.name(unit) == cmp.Or(c.config.Unit, "People")
			},
			func(c *reading) { c.rename(unit, "Machines") },
		},
		{
			"serialNumber is the 12 digits of the user id", "", signingFirst,
			func(c *reading) bool {
				id := c.name(serialNumber)
				return len(id) == 12 && strings.Trim(id, "0123456789") == "" && id == c.asked.SerialNumber
			},
			func(c *reading) { c.rename(serialNumber, "55500000017") },
		},
		{
			"CN is the user id and the name that the caller gave, and not what the request said", "", signingFirst,
			func(c *reading) bool { return c.name(commonName) == c.asked.SerialNumber+" "+c.asked.CommonName },
			func(c *reading) { c.rename(commonName, "Root") },
		},
		{
			"CN has 1 to 64 characters", "RFC 5280 appendix A.1", signingFirst,
			func(c *reading) bool {
				n := utf8.RuneCountInString(c.name(commonName))
				return n >= 1 && n <= 64
			},
			func(c *reading) { c.call(strings.Repeat("é", 65)) },
		},
		{
			"the name in CN doesn't begin with a combining mark", "", signingFirst,
			func(c *reading) bool {
				_, name, _ := strings.Cut(c.name(commonName), " ")
				return strings.IndexFunc(name, unicode.IsMark) != 0
			},
			func(c *reading) { c.call("\u0301Amina") },
		},
	}
	for name, refused := range map[string]struct {
		rune func(rune) bool
		bad  string
	}{
		"control":          {unicode.IsControl, "Amina\aOsei"},
		"bidirectional":    {func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }, "Amina \u202eiesO"},
		"invisible":        {unseen, "Amina\u200b Osei"},
		"unassigned":       {func(r rune) bool { return unicode.Is(unicode.Cn, r) }, "Amina \u0378"},
		"space but U+0020": {func(r rune) bool { return unicode.Is(unicode.Z, r) && r != ' ' }, "Amina\u00a0Osei"},
		"separator":        {func(r rune) bool { return strings.ContainsRune(",+=/;<>\"\\#", r) }, "Amina/CN=Root"},
	} {
		list = append(list, rule{
			"CN holds no " + name + " character", "RFC 4514 §2.4", signingFirst,
			func(c *reading) bool { return !strings.ContainsFunc(c.name(commonName), refused.rune) },
			func(c *reading) { c.call(refused.bad) },
		})
	}
	return list
}

// unseen are the characters that show nothing and are neither spaces, controls
// nor marks of direction.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Bidi_Control, r) || r == '\u2800'
}

// call gives a name that the caller is taken to have asked for.
func (c *reading) call(name string) {
	c.rename(commonName, c.asked.SerialNumber+" "+name)
	c.asked.CommonName = name
}
