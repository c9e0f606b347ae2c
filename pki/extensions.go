// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/sha1" // #nosec G505 -- key identifiers only, RFC 5280 §4.2.1.2 (1)
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
)

// Every extension is encoded here, and not left to the signer, so that what
// comes back can be compared byte for byte.

var (
	oidSubjectKeyID       = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidCRLNumber          = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidBasicConstraints   = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidIssuingDistPoint   = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCRLDistPoints      = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidCertPolicies       = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidAuthorityKeyID     = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtendedKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAuthorityInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidAccessOCSP         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidAccessCAIssuers    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidOCSPNoCheck        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidClientAuth         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	oidOCSPSigning        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
	oidSmartcardLogon     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
	oidUserPrincipalName  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	bitDigitalSignature   = asn1.BitString{Bytes: []byte{0x80}, BitLength: 1}
	bitContentCommitment  = asn1.BitString{Bytes: []byte{0x40}, BitLength: 2}
	emptyBasicConstraints = []byte{0x30, 0x00} // cA FALSE is the default, so absent
)

// extension is one extension whose value is encoded by encoding/asn1; raw is
// used instead where it is set.
type extension struct {
	oid      asn1.ObjectIdentifier
	critical bool
	value    any
	raw      []byte
}

func encode(list []extension) ([]pkix.Extension, error) {
	out := make([]pkix.Extension, 0, len(list))
	for _, e := range list {
		if e.raw == nil {
			var err error
			if e.raw, err = asn1.Marshal(e.value); err != nil {
				return nil, fmt.Errorf("pki: extension %v: %w", e.oid, err)
			}
		}
		out = append(out, pkix.Extension{Id: e.oid, Critical: e.critical, Value: e.raw})
	}
	return out, nil
}

type authorityKeyID struct {
	ID []byte `asn1:"optional,tag:0"`
}

type accessDescription struct {
	Method   asn1.ObjectIdentifier
	Location asn1.RawValue
}

type policyInformation struct {
	ID asn1.RawValue
}

type distributionPoint struct {
	Name distributionPointName `asn1:"optional,tag:0"`
}

type distributionPointName struct {
	FullName []asn1.RawValue `asn1:"optional,tag:0"`
}

type issuingDistributionPoint struct {
	Name distributionPointName `asn1:"optional,tag:0"`
}

func uriName(u string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(u)}
}

// keyBits are the bits of a subject public key, without its algorithm: what key
// identifiers and the names in OCSP are made of.
func keyBits(spki []byte) ([]byte, error) {
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, fmt.Errorf("pki: public key: %w", err)
	}
	return info.Key.RightAlign(), nil
}

// keyID is the SHA-1 of the subject public key's bits. RFC 5280 §4.2.1.2 (1).
func keyID(spki []byte) ([]byte, error) {
	bits, err := keyBits(spki)
	sum := sha1.Sum(bits) // #nosec G401
	return sum[:], err
}

// upnName is the SubjectAltName with one otherName, the user principal name.
func upnName(upn string) ([]byte, error) {
	text, err := asn1.MarshalWithParams(upn, "utf8")
	if err != nil {
		return nil, err
	}
	explicit, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text})
	if err != nil {
		return nil, err
	}
	oid, err := asn1.Marshal(oidUserPrincipalName)
	if err != nil {
		return nil, err
	}
	other := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(oid, explicit...)}
	return asn1.Marshal([]asn1.RawValue{other})
}

func policyList(policies []x509.OID) ([]policyInformation, error) {
	var out []policyInformation
	for _, p := range policies {
		der, err := p.MarshalBinary()
		if err != nil {
			return nil, err
		}
		out = append(out, policyInformation{asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagOID, Bytes: der}})
	}
	return out, nil
}

// common returns what all certificates of this authority carry.
func common(issuer *x509.Certificate, spki []byte) ([]extension, error) {
	id, err := keyID(spki)
	if err != nil {
		return nil, err
	}
	return []extension{
		{oid: oidBasicConstraints, critical: true, raw: emptyBasicConstraints},
		{oid: oidSubjectKeyID, value: id},
		{oid: oidAuthorityKeyID, value: authorityKeyID{issuer.SubjectKeyId}},
	}, nil
}

// extensionsFor returns the complete list of extensions of one certificate.
func (p Profile) extensionsFor(issuer *x509.Certificate, userID string, r Record) ([]pkix.Extension, error) {
	list, err := common(issuer, r.PublicKey)
	if err != nil {
		return nil, err
	}
	if r.Use == Responder {
		return encode(append(list,
			extension{oid: oidKeyUsage, critical: true, value: bitDigitalSignature},
			extension{oid: oidExtendedKeyUsage, value: []asn1.ObjectIdentifier{oidOCSPSigning}},
			extension{oid: oidOCSPNoCheck, raw: asn1.NullBytes}))
	}
	list = append(list,
		extension{oid: oidAuthorityInfo, value: []accessDescription{
			{oidAccessOCSP, uriName(p.ocsp)}, {oidAccessCAIssuers, uriName(p.issuerURL())},
		}},
		extension{oid: oidCRLDistPoints, value: []distributionPoint{
			{distributionPointName{[]asn1.RawValue{uriName(p.crlURL(r.Shard))}}},
		}})
	if len(p.policies) > 0 {
		policies, err := policyList(p.policies)
		if err != nil {
			return nil, err
		}
		list = append(list, extension{oid: oidCertPolicies, value: policies})
	}
	switch r.Use {
	case Authentication:
		upn, err := upnName(userID + "@" + p.upnSuffix)
		if err != nil {
			return nil, err
		}
		list = append(list,
			extension{oid: oidKeyUsage, critical: true, value: bitDigitalSignature},
			extension{oid: oidExtendedKeyUsage, value: []asn1.ObjectIdentifier{oidClientAuth, oidSmartcardLogon}},
			extension{oid: oidSubjectAltName, raw: upn})
	case Signing:
		list = append(list, extension{oid: oidKeyUsage, critical: true, value: bitContentCommitment})
	default:
		return nil, fmt.Errorf("pki: unknown use %q", r.Use)
	}
	return encode(list)
}

// encodedKey says which extensions two certificates share, but for their keys'
// identifiers and the person's name.
type encodedKey struct {
	use   Use
	shard int
}

// encodeAll encodes the extensions of every use and shard, for nobody in
// particular: that is a good part of what a certificate costs beside its
// signatures.
func (p Profile) encodeAll(issuer *x509.Certificate) (map[encodedKey][]pkix.Extension, error) {
	all := map[encodedKey][]pkix.Extension{}
	for _, use := range []Use{Authentication, Signing, Responder} {
		for shard := range p.shards {
			exts, err := p.extensionsFor(issuer, "", Record{Use: use, Shard: shard, PublicKey: issuer.RawSubjectPublicKeyInfo})
			if err != nil {
				return nil, err
			}
			all[encodedKey{use, shard}] = exts
		}
	}
	return all, nil
}

// extensionsOf returns the complete list of extensions of one certificate, whose
// key's identifier is id.
func (ca *CA) extensionsOf(userID string, r Record, id []byte) ([]pkix.Extension, error) {
	shared, known := ca.encoded[encodedKey{r.Use, r.Shard}]
	if !known {
		return nil, fmt.Errorf("pki: ledger: %x has use %q and shard %d", r.Serial, r.Use, r.Shard)
	}
	exts := slices.Clone(shared)
	for i, e := range exts {
		var err error
		switch {
		case e.Id.Equal(oidSubjectKeyID):
			exts[i].Value, err = asn1.Marshal(id)
		case e.Id.Equal(oidSubjectAltName):
			exts[i].Value, err = upnName(userID + "@" + ca.profile.upnSuffix)
		}
		if err != nil {
			return nil, fmt.Errorf("pki: extension %v: %w", e.Id, err)
		}
	}
	return exts, nil
}
