// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// What every certificate carries, what its use adds, and its key.

func extensionRules() []rule {
	return []rule{
		{
			"basicConstraints, critical", "RFC 5280 §4.2.1.9", allUses,
			func(c *reading) bool { return c.critical(constraints, true) },
			func(c *reading) { c.uncritical(constraints) },
		},
		{
			"cA is false", "RFC 5280 §4.2.1.9", leafUses,
			func(c *reading) bool {
				e, _ := c.extension(constraints)
				return e.Value == nil || bytes.Equal(e.Value, []byte{0x30, 0})
			},
			func(c *reading) { c.set(constraints, true, struct{ CA bool }{true}) },
		},
		{
			"keyUsage, critical", "RFC 5280 §4.2.1.3", allUses,
			func(c *reading) bool { return c.critical(keyUsage, true) },
			func(c *reading) { c.uncritical(keyUsage) },
		},
		{
			"subjectKeyIdentifier", "RFC 5280 §4.2.1.2", allUses,
			func(c *reading) bool {
				var id []byte
				return c.into(subjectKeyID, &id) && len(id) > 0 && c.critical(subjectKeyID, false)
			},
			func(c *reading) { c.drop(subjectKeyID) },
		},
		{
			"authorityKeyIdentifier is the issuer's", "RFC 5280 §4.2.1.1", leafUses,
			func(c *reading) bool {
				var id authorityKeyID
				return c.into(authorityKey, &id) && bytes.Equal(id.ID, c.chain[0].SubjectKeyId) && c.critical(authorityKey, false)
			},
			func(c *reading) { c.set(authorityKey, false, authorityKeyID{make([]byte, 20)}) },
		},
		{
			"authorityInfoAccess is OCSP and caIssuers", "RFC 5280 §4.2.2.1", pairUses,
			func(c *reading) bool {
				var list []access
				return c.into(infoAccess, &list) && len(list) == 2 && c.critical(infoAccess, false) &&
					list[0].is("1.3.6.1.5.5.7.48.1", c.base()+"/ocsp") && list[1].is("1.3.6.1.5.5.7.48.2", c.base()+"/aia/issuing.cer")
			},
			func(c *reading) {
				var list []access
				c.into(infoAccess, &list)
				c.set(infoAccess, false, list[:1])
			},
		},
		{
			"one CRL distribution point", "RFC 5280 §4.2.1.13", pairUses,
			func(c *reading) bool { return len(c.points()) == 1 && c.critical(distribution, false) },
			func(c *reading) {
				list := c.points()
				c.set(distribution, false, []point{list[0], list[0]})
			},
		},
		{
			"which is that of the serial number's low bits", "", pairUses,
			func(c *reading) bool {
				for _, p := range c.points() {
					if len(p.Name.Full) != 1 || string(p.Name.Full[0].Bytes) != c.listURL() {
						return false
					}
				}
				return true
			},
			func(c *reading) {
				list := c.points()
				list[0].Name.Full[0] = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(c.base() + "/crl/16.crl")}
				c.set(distribution, false, list)
			},
		},
		{
			"certificatePolicies as the profile has them", "RFC 5280 §4.2.1.4", pairUses,
			func(c *reading) bool {
				var list []struct{ ID asn1.ObjectIdentifier }
				found := c.into(policies, &list)
				return found == (len(c.config.Policies) > 0) && len(list) == len(c.config.Policies) && !slices.ContainsFunc(list, func(p struct{ ID asn1.ObjectIdentifier }) bool {
					return !slices.ContainsFunc(c.config.Policies, func(o x509.OID) bool { return o.EqualASN1OID(p.ID) })
				})
			},
			func(c *reading) {
				c.set(policies, false, []struct{ ID asn1.ObjectIdentifier }{{asn1.ObjectIdentifier{1, 2, 3}}})
			},
		},
		{
			"no extension beside", "RFC 5280 §4.2", allUses,
			func(c *reading) bool {
				known := []string{
					subjectKeyID, keyUsage, altName, constraints, distribution, policies, authorityKey, extKeyUsage, infoAccess, ocspNoCheck,
				}
				for _, e := range c.tbs.Extensions {
					i := slices.Index(known, e.Id.String())
					if i < 0 {
						return false
					}
					known = slices.Delete(known, i, i+1)
				}
				return true
			},
			func(c *reading) { c.set("2.16.840.1.113730.1.13", false, "a comment") },
		},
	}
}

// useRules are what tells the two certificates of a card from each other, the
// responder's from both, and a CA's from all.
func useRules() []rule {
	only := func(use pki.Use) []pki.Use { return []pki.Use{use} }
	return []rule{
		{
			"authentication: keyUsage is digitalSignature alone", "RFC 5280 §4.2.1.3", only(pki.Authentication),
			func(c *reading) bool { return c.bits() == "80/1" },
			func(c *reading) { c.set(keyUsage, true, asn1.BitString{Bytes: []byte{0xa0}, BitLength: 3}) }, // and keyEncipherment
		},
		{
			"authentication: extendedKeyUsage is clientAuth and smartcardLogon", "RFC 5280 §4.2.1.12", only(pki.Authentication),
			func(c *reading) bool { return slices.Equal(c.purposes(), []string{clientAuth, smartcardLogon}) },
			func(c *reading) {
				c.set(extKeyUsage, false, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 2}, {2, 5, 29, 37, 0}})
			},
		},
		{
			"authentication: subjectAltName is one user principal name", "RFC 5280 §4.2.1.6", only(pki.Authentication),
			func(c *reading) bool {
				names := c.altNames()
				return len(names) == 1 && names[0] != "" && c.critical(altName, false)
			},
			func(c *reading) {
				var list []asn1.RawValue
				c.into(altName, &list)
				c.set(altName, false, append(list, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte("a@example.org")}))
			},
		},
		{
			"authentication: which is user id @ suffix", "", only(pki.Authentication),
			func(c *reading) bool {
				return !slices.ContainsFunc(c.altNames(), func(upn string) bool {
					return upn != "" && upn != c.asked.SerialNumber+"@care.example.org"
				})
			},
			func(c *reading) {
				e, _ := c.extension(altName)
				c.set(altName, false, asn1.RawValue{FullBytes: bytes.Replace(e.Value, []byte(c.asked.SerialNumber), []byte("000000000001"), 1)})
			},
		},
		{
			"signing: keyUsage is nonRepudiation alone", "RFC 5280 §4.2.1.3", only(pki.Signing),
			func(c *reading) bool { return c.bits() == "40/2" },
			func(c *reading) { c.set(keyUsage, true, asn1.BitString{Bytes: []byte{0xc0}, BitLength: 2}) },
		},
		{
			"signing: no extendedKeyUsage", "RFC 5280 §4.2.1.12", only(pki.Signing),
			func(c *reading) bool { return c.purposes() == nil },
			func(c *reading) { c.set(extKeyUsage, false, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 4}}) },
		},
		{
			"signing: no subjectAltName", "RFC 5280 §4.2.1.6", only(pki.Signing),
			func(c *reading) bool { return c.altNames() == nil },
			func(c *reading) {
				c.set(altName, false, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte("a@example.org")}})
			},
		},
		{
			"only a responder's has no check", "RFC 6960 §4.2.2.2.1", leafUses,
			func(c *reading) bool {
				e, found := c.extension(ocspNoCheck)
				return found == (c.use == pki.Responder) && (!found || bytes.Equal(e.Value, asn1.NullBytes))
			},
			func(c *reading) { c.set(ocspNoCheck, false, asn1.NullRawValue) },
		},
		{
			"responder: extendedKeyUsage is OCSPSigning alone, keyUsage digitalSignature", "RFC 6960 §4.2.2.2", only(pki.Responder),
			func(c *reading) bool { return c.bits() == "80/1" && slices.Equal(c.purposes(), []string{ocspSigning}) },
			func(c *reading) {
				c.set(extKeyUsage, false, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 9}, {1, 3, 6, 1, 5, 5, 7, 3, 2}})
			},
		},
		{
			"responder: it ends within 30 days, as it can't be revoked", "RFC 6960 §4.2.2.2.1", only(pki.Responder),
			func(c *reading) bool {
				notBefore, notAfter := dates(c)
				return notAfter.Sub(notBefore) < 30*24*time.Hour
			},
			func(c *reading) {
				notBefore, _ := dates(c)
				shift(&c.tbs.Validity.NotAfter, notBefore.AddDate(1, 0, 0))
			},
		},
		{
			"CA: cA is true, and an issuing CA has no CA below it", "RFC 5280 §4.2.1.9", caUses,
			func(c *reading) bool {
				e, _ := c.extension(constraints)
				want := []byte{0x30, 3, 1, 1, 0xff}
				if c.use == issuingCA {
					want = []byte{0x30, 6, 1, 1, 0xff, 2, 1, 0}
				}
				return bytes.Equal(e.Value, want)
			},
			func(c *reading) { c.set(constraints, true, struct{ CA bool }{true}) },
		},
		{
			"CA: keyUsage is keyCertSign and cRLSign alone", "RFC 5280 §4.2.1.3", caUses,
			func(c *reading) bool { return c.bits() == "06/7" },
			func(c *reading) { c.set(keyUsage, true, asn1.BitString{Bytes: []byte{0x86}, BitLength: 7}) },
		},
	}
}

func keyRules() []rule {
	weak := func(public any) func(*reading) {
		return func(c *reading) {
			der, err := x509.MarshalPKIXPublicKey(public)
			if err != nil {
				panic(err)
			}
			c.tbs.Key = asn1.RawValue{FullBytes: der}
		}
	}
	modulus := func(bits uint) *big.Int { // odd, and else of no importance here
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.SetBit(n, 0, 1)
	}
	return []rule{
		{
			"EC keys are on P-256, P-384 or P-521", "RFC 5480 §2.1.1.1", allUses,
			func(c *reading) bool {
				k, ok := c.key().(*ecdsa.PublicKey)
				return !ok || slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve)
			},
			func(c *reading) {
				key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
				if err != nil {
					panic(err)
				}
				weak(key.Public())(c)
			},
		},
		{
			"RSA keys have 2048 to 8192 bits", "RFC 3279 §2.3.1", allUses,
			func(c *reading) bool {
				k, ok := c.key().(*rsa.PublicKey)
				return !ok || k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
			},
			weak(&rsa.PublicKey{N: modulus(2047), E: 65537}),
		},
		{
			"an RSA exponent is 65537 or more", "RFC 3279 §2.3.1", allUses,
			func(c *reading) bool {
				k, ok := c.key().(*rsa.PublicKey)
				return !ok || k.E >= 65537
			},
			weak(&rsa.PublicKey{N: modulus(2048), E: 3}),
		},
		{
			"an RSA exponent is odd", "RFC 3279 §2.3.1", allUses,
			func(c *reading) bool {
				k, ok := c.key().(*rsa.PublicKey)
				return !ok || k.E%2 == 1
			},
			weak(&rsa.PublicKey{N: modulus(2048), E: 65538}),
		},
		{
			"a key is RSA or EC", "RFC 3279 §2.3", allUses,
			func(c *reading) bool {
				switch c.key().(type) {
				case *rsa.PublicKey, *ecdsa.PublicKey:
					return true
				}
				return false
			},
			func(c *reading) { // Ed25519
				c.tbs.Key = sequence(asn1.RawValue{FullBytes: []byte{0x30, 5, 6, 3, 0x2b, 0x65, 0x70}}, asn1.BitString{Bytes: make([]byte, 32), BitLength: 256})
			},
		},
		{
			"no other certificate has the key", "", allUses,
			func(c *reading) bool {
				return !slices.ContainsFunc(c.before, func(o *reading) bool { return bytes.Equal(o.tbs.Key.FullBytes, c.tbs.Key.FullBytes) })
			},
			func(c *reading) { c.tbs.Key = c.before[0].tbs.Key },
		},
	}
}

type authorityKeyID struct {
	ID []byte `asn1:"optional,tag:0"`
}

type access struct {
	Method   asn1.ObjectIdentifier
	Location asn1.RawValue
}

func (a access) is(method, url string) bool {
	return a.Method.String() == method && a.Location.Tag == 6 && string(a.Location.Bytes) == url
}

type point struct {
	Name struct {
		Full []asn1.RawValue `asn1:"optional,tag:0"`
	} `asn1:"optional,tag:0"`
}

func (c *reading) points() []point {
	var list []point
	c.into(distribution, &list)
	return list
}

func (c *reading) base() string { return "http://pki.example.org" }

func (c *reading) listURL() string {
	shards := int64(c.config.Shards)
	if shards == 0 {
		shards = 16
	}
	return fmt.Sprintf("%s/crl/%d.crl", c.base(), new(big.Int).Mod(new(big.Int).Abs(c.tbs.Serial), big.NewInt(shards)))
}

// critical is true for an extension that is absent if it isn't to be critical:
// other rules say where one must be.
func (c *reading) critical(oid string, want bool) bool {
	e, found := c.extension(oid)
	return found && e.Critical == want || !found && !want
}

// bits are keyUsage as its bytes and their number of bits.
func (c *reading) bits() string {
	var b asn1.BitString
	c.into(keyUsage, &b)
	return fmt.Sprintf("%x/%d", b.Bytes, b.BitLength)
}

func (c *reading) purposes() []string {
	var list []asn1.ObjectIdentifier
	if !c.into(extKeyUsage, &list) {
		return nil
	}
	names := []string{}
	for _, oid := range list {
		names = append(names, oid.String())
	}
	return names
}

// altNames are the user principal names, and "" for any other name; nil without
// the extension.
func (c *reading) altNames() []string {
	var list []asn1.RawValue
	if !c.into(altName, &list) {
		return nil
	}
	names := []string{}
	for _, raw := range list {
		var other struct {
			Form  asn1.ObjectIdentifier
			Value string `asn1:"explicit,tag:0,utf8"`
		}
		if _, err := asn1.UnmarshalWithParams(raw.FullBytes, &other, "tag:0"); err != nil || other.Form.String() != upnForm {
			other.Value = ""
		}
		names = append(names, other.Value)
	}
	return names
}

// key is nil for one that crypto/x509 doesn't take.
func (c *reading) key() any {
	public, err := x509.ParsePKIXPublicKey(c.tbs.Key.FullBytes)
	if err != nil {
		return nil
	}
	return public
}
