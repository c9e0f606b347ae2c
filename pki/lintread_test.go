// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// The lints read DER by themselves: neither pki's encoder nor crypto/x509's idea
// of a certificate stands between them and the bytes.

type tbsCertificate struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  asn1.RawValue
	Issuer     asn1.RawValue
	Validity   validity
	Subject    asn1.RawValue
	Key        asn1.RawValue
	IssuerID   asn1.BitString   `asn1:"optional,tag:1"`
	SubjectID  asn1.BitString   `asn1:"optional,tag:2"`
	Extensions []pkix.Extension `asn1:"optional,explicit,tag:3"`
}

type validity struct{ NotBefore, NotAfter asn1.RawValue }

type outerCertificate struct {
	TBS       asn1.RawValue
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

// made is what a test knows about a certificate without looking at it.
type made struct {
	label  string
	use    pki.Use // or rootCA, issuingCA
	asked  pkix.Name
	at     time.Time // when it was issued
	config pki.ProfileConfig
	chain  []*x509.Certificate
	before []*reading // the ledger's others
}

// The certificates that no act makes.
const (
	rootCA    pki.Use = "root"
	issuingCA pki.Use = "issuing"
)

// reading is a certificate as it was read, with what is known about it.
type reading struct {
	made
	tbs   tbsCertificate
	outer asn1.RawValue // the algorithm beside the signature
	der   []byte
}

func readCertificate(t *testing.T, m made, der []byte) reading {
	t.Helper()
	var outer outerCertificate
	rest, err := asn1.Unmarshal(der, &outer)
	require.NoError(t, err, m.label)
	require.Empty(t, rest)
	c := reading{made: m, outer: outer.Algorithm, der: der}
	_, err = asn1.Unmarshal(outer.TBS.FullBytes, &c.tbs)
	require.NoError(t, err, m.label)
	return c
}

// signed encodes a reading again, under a signature of the issuing key.
func (c reading) signed(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	tbs, err := asn1.Marshal(c.tbs)
	require.NoError(t, err)
	return wrap(t, tbs, c.outer, key)
}

func wrap(t testing.TB, tbs []byte, algorithm asn1.RawValue, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	sum := sha256.Sum256(tbs)
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	require.NoError(t, err)
	der, err := asn1.Marshal(outerCertificate{
		TBS: asn1.RawValue{FullBytes: tbs}, Algorithm: algorithm,
		Signature: asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	require.NoError(t, err)
	return der
}

func (c *reading) extension(oid string) (pkix.Extension, bool) {
	i := slices.IndexFunc(c.tbs.Extensions, func(e pkix.Extension) bool { return e.Id.String() == oid })
	if i < 0 {
		return pkix.Extension{}, false
	}
	return c.tbs.Extensions[i], true
}

// into decodes an extension that must be there, whole.
func (c *reading) into(oid string, value any) bool {
	e, found := c.extension(oid)
	if !found {
		return false
	}
	rest, err := asn1.Unmarshal(e.Value, value)
	return err == nil && len(rest) == 0
}

// set puts an extension in place of the one that is there, or adds it.
func (c *reading) set(oid string, critical bool, value any) {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err) // a table of this file is wrong
	}
	e := pkix.Extension{Critical: critical, Value: der}
	c.drop(oid)
	parsed, err := x509.ParseOID(oid)
	if err != nil {
		panic(err)
	}
	raw, err := parsed.MarshalBinary()
	if err != nil {
		panic(err)
	}
	if _, err := asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(raw))}, raw...), &e.Id); err != nil {
		panic(err)
	}
	c.tbs.Extensions = append(c.tbs.Extensions, e)
}

func (c *reading) drop(oid string) {
	c.tbs.Extensions = slices.DeleteFunc(slices.Clone(c.tbs.Extensions), func(e pkix.Extension) bool { return e.Id.String() == oid })
}

// uncritical turns an extension's criticality.
func (c *reading) uncritical(oid string) {
	c.tbs.Extensions = slices.Clone(c.tbs.Extensions)
	for i, e := range c.tbs.Extensions {
		if e.Id.String() == oid {
			c.tbs.Extensions[i].Critical = !e.Critical
		}
	}
}

// names are the subject's attributes in order; one of several values counts as
// two.
func (c *reading) names() pkix.RDNSequence {
	var names pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.tbs.Subject.FullBytes, &names); err != nil {
		return nil
	}
	return names
}

func (c *reading) setNames(names pkix.RDNSequence) {
	der, err := asn1.Marshal(names)
	if err != nil {
		panic(err)
	}
	c.tbs.Subject = asn1.RawValue{FullBytes: der}
}

// name returns the one value of an attribute.
func (c *reading) name(oid string) string {
	for _, set := range c.names() {
		for _, a := range set {
			if text, ok := a.Value.(string); ok && a.Type.String() == oid {
				return text
			}
		}
	}
	return ""
}

// rename changes the value of an attribute.
func (c *reading) rename(oid, text string) {
	names := c.names()
	for _, set := range names {
		for i := range set {
			if set[i].Type.String() == oid {
				set[i].Value = text
			}
		}
	}
	c.setNames(names)
}

// when reads a date that is written as RFC 5280 §4.1.2.5 asks.
func when(raw asn1.RawValue) (time.Time, bool) {
	layout := "20060102150405Z"
	if raw.Tag == asn1.TagUTCTime {
		layout = "060102150405Z"
	}
	at, err := time.Parse(layout, string(raw.Bytes))
	if raw.Tag == asn1.TagUTCTime && at.Year() < 1950 {
		return at, false
	}
	return at, err == nil && (raw.Tag == asn1.TagUTCTime) == (at.Year() < 2050)
}

func dates(c *reading) (notBefore, notAfter time.Time) {
	notBefore, _ = when(c.tbs.Validity.NotBefore)
	notAfter, _ = when(c.tbs.Validity.NotAfter)
	return notBefore, notAfter
}

// shift moves a date that is written as UTCTime.
func shift(raw *asn1.RawValue, to time.Time) {
	*raw = asn1.RawValue{Tag: asn1.TagUTCTime, Bytes: []byte(to.UTC().Format("060102150405Z"))}
}

// keyed is an authority whose issuing key a test can sign with by itself.
func keyed(t *testing.T, root, issuing crypto.Signer) *stepca.Authority {
	t.Helper()
	a, err := stepca.Open(t.Context(), stepca.Config{
		RootKey: stepca.Held{Signer: root}, IssuingKey: stepca.Held{Signer: issuing},
		Now: func() time.Time { return start.AddDate(-4, 0, 0) },
	})
	require.NoError(t, err)
	return a
}

// forger returns bad certificates of one use, and bad lists, under signatures
// that are good.
type forger struct {
	pki.Signer
	t        *testing.T
	key      *ecdsa.PrivateKey
	made     made
	bad      func(*reading)
	listMade listMade
	list     func(*listReading)
}

func (f forger) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	der, err := f.Signer.SignCertificate(ctx, template, public)
	if err != nil || f.bad == nil {
		return der, err
	}
	c := readCertificate(f.t, f.made, der)
	if c.looksLike() != f.made.use {
		return der, nil
	}
	f.bad(&c)
	return c.signed(f.t, f.key), nil
}

// looksLike tells the use of a good certificate of an act.
func (c *reading) looksLike() pki.Use {
	if _, found := c.extension(ocspNoCheck); found {
		return pki.Responder
	}
	if _, found := c.extension(altName); found {
		return pki.Authentication
	}
	return pki.Signing
}

func (f forger) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	der, err := f.Signer.SignCRL(ctx, template)
	if err != nil || f.list == nil {
		return der, err
	}
	l := readList(f.t, f.listMade, der)
	if len(l.tbs.Revoked) == 0 {
		return der, nil
	}
	f.list(&l)
	return l.signed(f.t, f.key), nil
}
