// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"context"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- key identifiers only, RFC 5280 §4.2.1.2 (1)
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	digitalSignature    = asn1.BitString{Bytes: []byte{0x80}, BitLength: 1}
)

// bend makes the pairs that package pki would not: it has them signed and
// recorded as any other, behind the authority's back.
func (ca *CA) bend(ctx context.Context, today time.Time) error {
	tomorrow := func(c *x509.Certificate) error {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(24*time.Hour), c.NotAfter.Add(24*time.Hour)
		return nil
	}
	otherUse := func(c *x509.Certificate) error {
		server := slices.ContainsFunc(c.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(oidExtendedKeyUsage) })
		if server {
			return setExtension(c, oidExtendedKeyUsage, []asn1.ObjectIdentifier{oidServerAuth})
		}
		return setExtension(c, oidKeyUsage, digitalSignature)
	}
	var errs [2]error
	ca.pairs[NotYetValid], errs[0] = ca.bentPair(ctx, today, tomorrow)
	ca.pairs[WrongPurpose], errs[1] = ca.bentPair(ctx, today, otherUse)
	return errors.Join(errs[:]...)
}

// bentPair copies the good pair, for the same person, with one thing changed.
func (ca *CA) bentPair(ctx context.Context, today time.Time, edit func(*x509.Certificate) error) (Pair, error) {
	good := ca.pairs[Good]
	keys, csrs, err := Requests()
	if err != nil {
		return Pair{}, err
	}
	id := fmt.Sprintf("pkitest-bent-%d", ca.next())
	act := pki.Act{
		ID: id, Kind: pki.ActIssue, Issuer: ca.KeyID(), Fingerprint: []byte(id), Subject: good.Certificates[0].RawSubject,
		UserID: good.UserID, Lineage: id, Generation: 1, Opened: today.UTC().Truncate(time.Second),
	}
	var templates []*x509.Certificate
	for i, model := range good.Certificates {
		template, r, err := ca.copyOf(ctx, model, csrs[i].RawSubjectPublicKeyInfo)
		if err == nil {
			template.RawSubject = act.Subject
			err = edit(template)
		}
		if err != nil {
			return Pair{}, err
		}
		r.NotBefore, r.NotAfter = template.NotBefore, template.NotAfter
		templates, act.Records = append(templates, template), append(act.Records, r)
	}
	return ca.record(ctx, act, templates, Pair{UserID: good.UserID, Keys: keys}, csrs)
}

// record opens an act, has its certificates signed and commits it.
func (ca *CA) record(ctx context.Context, act pki.Act, templates []*x509.Certificate, p Pair, csrs []*x509.CertificateRequest) (Pair, error) {
	act, err := ca.Ledger.OpenAct(ctx, act, nil)
	if err != nil {
		return Pair{}, err
	}
	for i, template := range templates {
		if act.Records[i].DER, err = ca.Authority.SignCertificate(ctx, template, csrs[i].PublicKey); err != nil {
			return Pair{}, err
		}
		cert, err := x509.ParseCertificate(act.Records[i].DER)
		if err != nil {
			return Pair{}, err
		}
		p.Certificates = append(p.Certificates, cert)
	}
	_, err = ca.Ledger.CommitAct(ctx, act, act.Opened)
	return p, err
}

// copyOf is a template that says what a certificate says, with another key and a
// serial number in the same shard.
func (ca *CA) copyOf(ctx context.Context, model *x509.Certificate, spki []byte) (*x509.Certificate, pki.Record, error) {
	s, err := ca.Status(ctx, model.SerialNumber)
	if err != nil {
		return nil, pki.Record{}, err
	}
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, pki.Record{}, err
	}
	raw[15] = byte(model.SerialNumber.Bits()[0]) // shards are the low bits
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(raw[:]), NotBefore: model.NotBefore, NotAfter: model.NotAfter,
		ExtraExtensions: slices.Clone(model.Extensions),
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, pki.Record{}, err
	}
	sum := sha1.Sum(info.Key.RightAlign()) // #nosec G401
	template.SubjectKeyId = sum[:]
	return template, pki.Record{
		Serial: new(big.Int).Set(template.SerialNumber), Use: s.Use, Shard: s.Shard, PublicKey: spki,
	}, setExtension(template, oidSubjectKeyID, sum[:])
}

func setExtension(c *x509.Certificate, oid asn1.ObjectIdentifier, value any) error {
	i := slices.IndexFunc(c.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
	if i < 0 {
		return fmt.Errorf("pkitest: the certificate has no extension %v", oid)
	}
	der, err := asn1.Marshal(value)
	c.ExtraExtensions[i].Value = der
	return err
}
