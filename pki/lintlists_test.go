// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The same for lists.

type tbsList struct {
	Version    int `asn1:"optional,default:0"`
	Algorithm  asn1.RawValue
	Issuer     asn1.RawValue
	ThisUpdate time.Time
	NextUpdate time.Time        `asn1:"optional"`
	Revoked    []listEntry      `asn1:"optional"`
	Extensions []pkix.Extension `asn1:"optional,explicit,tag:0"`
}

type listEntry struct {
	Serial     *big.Int
	Date       time.Time
	Extensions []pkix.Extension `asn1:"optional"`
}

// listMade is what a test knows about a list without looking at it.
type listMade struct {
	url     string
	shard   int64
	shards  int64
	at      time.Time
	life    time.Duration
	issuer  *x509.Certificate
	revoked []*big.Int // what the ledger has for it
}

type listReading struct {
	listMade
	tbs   tbsList
	outer asn1.RawValue
}

func readList(t *testing.T, m listMade, der []byte) listReading {
	t.Helper()
	var outer outerCertificate
	_, err := asn1.Unmarshal(der, &outer)
	require.NoError(t, err)
	l := listReading{listMade: m, outer: outer.Algorithm}
	_, err = asn1.Unmarshal(outer.TBS.FullBytes, &l.tbs)
	require.NoError(t, err)
	return l
}

func (l listReading) signed(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	tbs, err := asn1.Marshal(l.tbs)
	require.NoError(t, err)
	return wrap(t, tbs, l.outer, key)
}

func (l *listReading) extension(oid string) pkix.Extension {
	for _, e := range l.tbs.Extensions {
		if e.Id.String() == oid {
			return e
		}
	}
	return pkix.Extension{}
}

// edit changes an extension that is there.
func (l *listReading) edit(oid string, change func(*pkix.Extension)) {
	l.tbs.Extensions = slices.Clone(l.tbs.Extensions)
	for i := range l.tbs.Extensions {
		if l.tbs.Extensions[i].Id.String() == oid {
			change(&l.tbs.Extensions[i])
		}
	}
}

// editFirst changes the first entry.
func (l *listReading) editFirst(change func(*listEntry)) {
	l.tbs.Revoked = slices.Clone(l.tbs.Revoked)
	change(&l.tbs.Revoked[0])
}

// every is true of a rule that holds for all entries.
func (l *listReading) every(holds func(listEntry) bool) bool {
	return !slices.ContainsFunc(l.tbs.Revoked, func(e listEntry) bool { return !holds(e) })
}

const (
	listNumber = "2.5.29.20"
	listScope  = "2.5.29.28"
	listReason = "2.5.29.21"
)

type listRule struct {
	name, clause string
	holds        func(*listReading) bool
	bad          func(*listReading)
}

func listRules() []listRule {
	return []listRule{
		{
			"version 2", "RFC 5280 §5.1.2.1",
			func(l *listReading) bool { return l.tbs.Version == 1 },
			func(l *listReading) { l.tbs.Version = 2 },
		},
		{
			"one signature algorithm, inside and out", "RFC 5280 §5.1.1.2",
			func(l *listReading) bool { return bytes.Equal(l.outer.FullBytes, l.tbs.Algorithm.FullBytes) },
			func(l *listReading) { l.tbs.Algorithm = sequence(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}) },
		},
		{
			"the issuer is the issuing CA", "RFC 5280 §5.1.2.3",
			func(l *listReading) bool { return bytes.Equal(l.tbs.Issuer.FullBytes, l.issuer.RawSubject) },
			func(l *listReading) { l.tbs.Issuer = asn1.RawValue{FullBytes: []byte{0x30, 0}} },
		},
		{
			"thisUpdate is now", "RFC 5280 §5.1.2.4",
			func(l *listReading) bool { return l.tbs.ThisUpdate.Equal(l.at) },
			func(l *listReading) { l.tbs.ThisUpdate = l.tbs.ThisUpdate.Add(time.Second) },
		},
		{
			"nextUpdate is there, and CRLLife later at most", "RFC 5280 §5.1.2.5",
			func(l *listReading) bool {
				return l.tbs.NextUpdate.After(l.tbs.ThisUpdate) && !l.tbs.NextUpdate.After(l.at.Add(l.life))
			},
			func(l *listReading) { l.tbs.NextUpdate = time.Time{} },
		},
		{
			"a number, positive and of 20 bytes at most", "RFC 5280 §5.2.3",
			func(l *listReading) bool {
				e := l.extension(listNumber)
				var n *big.Int
				_, err := asn1.Unmarshal(e.Value, &n)
				return err == nil && !e.Critical && n.Sign() > 0 && n.BitLen() < 160
			},
			func(l *listReading) { l.edit(listNumber, func(e *pkix.Extension) { e.Critical = true }) },
		},
		{
			"authorityKeyIdentifier is the issuer's", "RFC 5280 §5.2.1",
			func(l *listReading) bool {
				e := l.extension(authorityKey)
				var id authorityKeyID
				_, err := asn1.Unmarshal(e.Value, &id)
				return err == nil && !e.Critical && bytes.Equal(id.ID, l.issuer.SubjectKeyId)
			},
			func(l *listReading) {
				l.edit(authorityKey, func(e *pkix.Extension) { e.Value = append([]byte{0x30, 22, 0x80, 20}, make([]byte, 20)...) })
			},
		},
		{
			"issuingDistributionPoint, critical", "RFC 5280 §5.2.5",
			func(l *listReading) bool { return l.extension(listScope).Critical },
			func(l *listReading) { l.edit(listScope, func(e *pkix.Extension) { e.Critical = false }) },
		},
		{
			"which is the URL in the shard's certificates, and no other limit", "RFC 5280 §5.2.5",
			func(l *listReading) bool {
				var p point
				rest, err := asn1.Unmarshal(l.extension(listScope).Value, &p)
				whole, _ := asn1.Marshal(p)
				return err == nil && len(rest) == 0 && len(p.Name.Full) == 1 && string(p.Name.Full[0].Bytes) == l.url &&
					bytes.Equal(whole, l.extension(listScope).Value)
			},
			func(l *listReading) { // for CA certificates only
				l.edit(listScope, func(e *pkix.Extension) {
					e.Value = append(append([]byte{0x30, e.Value[1] + 3}, e.Value[2:]...), 0x82, 1, 0xff)
				})
			},
		},
		{
			"no extension beside: no delta, nothing indirect", "RFC 5280 §5.2",
			func(l *listReading) bool { return len(l.tbs.Extensions) == 3 },
			func(l *listReading) {
				delta := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
				l.tbs.Extensions = append(slices.Clone(l.tbs.Extensions), delta)
			},
		},
		{
			"no empty list of entries", "RFC 5280 §5.1.2.6",
			func(l *listReading) bool { return l.tbs.Revoked == nil || len(l.tbs.Revoked) > 0 },
			func(l *listReading) { l.tbs.Revoked, l.revoked = []listEntry{}, nil },
		},
		{
			"entries of this shard alone", "RFC 5280 §5.2.5",
			func(l *listReading) bool {
				return l.every(func(e listEntry) bool { return new(big.Int).Mod(e.Serial, big.NewInt(l.shards)).Int64() == l.shard })
			},
			func(l *listReading) {
				foreign := l.tbs.Revoked[0]
				foreign.Serial = new(big.Int).Xor(foreign.Serial, big.NewInt(1))
				l.tbs.Revoked = append(slices.Clone(l.tbs.Revoked), foreign)
			},
		},
		{
			"each serial number once", "RFC 5280 §5.1.2.6",
			func(l *listReading) bool {
				seen := map[string]bool{}
				return l.every(func(e listEntry) bool {
					again := seen[e.Serial.String()]
					seen[e.Serial.String()] = true
					return !again
				})
			},
			func(l *listReading) { l.tbs.Revoked = append(slices.Clone(l.tbs.Revoked), l.tbs.Revoked[0]) },
		},
		{
			"every certificate that the ledger has revoked or on hold", "RFC 5280 §5.1",
			func(l *listReading) bool {
				return !slices.ContainsFunc(l.revoked, func(serial *big.Int) bool {
					return l.every(func(e listEntry) bool { return e.Serial.Cmp(serial) != 0 })
				})
			},
			func(l *listReading) { l.tbs.Revoked = nil },
		},
		{
			"no revocation after thisUpdate", "RFC 5280 §5.1.2.4",
			func(l *listReading) bool {
				return l.every(func(e listEntry) bool { return !e.Date.After(l.tbs.ThisUpdate) })
			},
			func(l *listReading) { l.editFirst(func(e *listEntry) { e.Date = l.at.Add(time.Minute) }) },
		},
		{
			"a reason that exists, is none of 0, 7 and 8, and isn't critical", "RFC 5280 §5.3.1",
			func(l *listReading) bool {
				return l.every(func(e listEntry) bool {
					for _, x := range e.Extensions {
						var reason asn1.Enumerated
						if x.Id.String() != listReason {
							continue
						}
						_, err := asn1.Unmarshal(x.Value, &reason)
						if err != nil || x.Critical || !slices.Contains([]asn1.Enumerated{1, 2, 3, 4, 5, 6, 9, 10}, reason) {
							return false
						}
					}
					return true
				})
			},
			func(l *listReading) {
				l.editFirst(func(e *listEntry) {
					e.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 21}, Value: []byte{10, 1, 8}}}
				})
			},
		},
		{
			"nothing else about an entry", "RFC 5280 §5.3",
			func(l *listReading) bool {
				return l.every(func(e listEntry) bool {
					return len(e.Extensions) == 0 || len(e.Extensions) == 1 && e.Extensions[0].Id.String() == listReason
				})
			},
			func(l *listReading) {
				l.editFirst(func(e *listEntry) { // and an invalidityDate
					e.Extensions = append(slices.Clone(e.Extensions),
						pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: []byte("\x18\x0f20260105090000Z")})
				})
			},
		},
	}
}
