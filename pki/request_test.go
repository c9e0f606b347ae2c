// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// forged wraps a public key that has no usable private key into a request whose
// signature is another's.
func forged(t *testing.T, spki []byte) *x509.CertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	csr, err := pkitest.Request(key)
	require.NoError(t, err)
	var outer struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err = asn1.Unmarshal(csr.Raw, &outer)
	require.NoError(t, err)
	var head struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes asn1.RawValue `asn1:"tag:0"`
	}
	_, err = asn1.Unmarshal(outer.Info.FullBytes, &head)
	require.NoError(t, err)
	head.Key = asn1.RawValue{FullBytes: spki}
	info, err := asn1.Marshal(head)
	require.NoError(t, err)
	outer.Info = asn1.RawValue{FullBytes: info}
	der, err := asn1.Marshal(outer)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	return parsed
}

func spkiOf(t *testing.T, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return der
}

// rocaModulus is a product of two numbers of the faulty generator's form,
// k·M + (65537^a mod M).
func rocaModulus() *big.Int {
	m := big.NewInt(1)
	for p := int64(2); p <= 701; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	number := func(k, a int64) *big.Int {
		n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m)
		k2 := new(big.Int).Lsh(big.NewInt(k), uint(1024-m.BitLen()-5))
		return n.Add(n, k2.Mul(k2, m))
	}
	return new(big.Int).Mul(number(47, 1234567), number(61, 7654321))
}

func TestWeakKeys(t *testing.T) {
	t.Run("threat022", func(t *testing.T) {
		h := newHouse(t)
		good := requests(t)
		refused := func(want error, csr *x509.CertificateRequest) {
			t.Helper()
			for i := range 2 {
				pair := []*x509.CertificateRequest{good[0], good[1]}
				pair[i] = csr
				_, err := h.Issue(t.Context(), "weak", person(), pair)
				require.ErrorIs(t, err, want)
			}
		}
		n2048 := new(big.Int).Lsh(big.NewInt(1), 2047)
		n2048.Add(n2048, big.NewInt(0x3d1))
		for _, public := range []crypto.PublicKey{
			&rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(105)), E: 65537},
			&rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1)), E: 65537}, // 2047 bits
			&rsa.PublicKey{N: n2048, E: 1},
			&rsa.PublicKey{N: n2048, E: 3},
			&rsa.PublicKey{N: n2048, E: 65538},
			&rsa.PublicKey{N: new(big.Int).Mul(n2048, big.NewInt(751)), E: 65537},
			&rsa.PublicKey{N: new(big.Int).Lsh(n2048, 1), E: 65537},
			&rsa.PublicKey{N: rocaModulus(), E: 65537},
		} {
			refused(pki.ErrWeakKey, forged(t, spkiOf(t, public)))
		}
		p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
		require.NoError(t, err)
		csr, err := pkitest.Request(p224)
		require.NoError(t, err)
		refused(pki.ErrWeakKey, csr)
		_, ed, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		csr, err = pkitest.Request(ed)
		require.NoError(t, err)
		refused(pki.ErrWeakKey, csr)

		// A key on a list of compromised ones, as either of the pair.
		listed := requests(t)
		known := sha256.Sum256(listed[1].RawSubjectPublicKeyInfo)
		wary := newHouse(t, func(c *pki.Config) {
			c.Compromised = func(spki [sha256.Size]byte) bool { return spki == known }
		})
		for _, pair := range [][]*x509.CertificateRequest{listed, {listed[1], listed[0]}} {
			_, err = wary.Issue(t.Context(), "listed", person(), pair)
			require.ErrorIs(t, err, pki.ErrWeakKey)
			_, err = wary.ledger.Act(t.Context(), "listed")
			require.ErrorIs(t, err, pki.ErrUnknownAct)
		}
		wary.issue("unlisted")

		// A key that was seen before, alone, by anyone, at renewal, or the CA's own.
		_, err = h.Issue(t.Context(), "twice", person(), []*x509.CertificateRequest{good[0], good[0]})
		require.ErrorIs(t, err, pki.ErrKeyReused)
		old, err := h.Issue(t.Context(), "first", person(), good)
		require.NoError(t, err)
		h.clock.Set(old[0].NotAfter)
		for i := range 2 {
			pair := requests(t)
			pair[i] = good[1-i]
			other := person()
			other.SerialNumber = "555000000018"
			_, err = h.Issue(t.Context(), "reuse", other, pair)
			require.ErrorIs(t, err, pki.ErrKeyReused)
			_, err = h.Renew(t.Context(), "reuse", old, pair)
			require.ErrorIs(t, err, pki.ErrKeyReused)
		}
		_, err = h.Status(t.Context(), old[0].SerialNumber)
		require.NoError(t, err)
	})
	t.Run("accepted", func(t *testing.T) {
		h := newHouse(t)
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			ec, err := ecdsa.GenerateKey(curve, rand.Reader)
			require.NoError(t, err)
			r, err := rsa.GenerateKey(rand.Reader, 2048)
			require.NoError(t, err)
			a, err := pkitest.Request(ec)
			require.NoError(t, err)
			b, err := pkitest.Request(r)
			require.NoError(t, err)
			_, err = h.Issue(t.Context(), curve.Params().Name, person(), []*x509.CertificateRequest{a, b})
			require.NoError(t, err)
		}
	})
}

func TestProof(t *testing.T) {
	t.Run("threat023", func(t *testing.T) {
		h := newHouse(t)
		good := requests(t)
		flipped := bytes.Clone(good[0].Raw)
		flipped[len(flipped)-1] ^= 1
		broken, err := x509.ParseCertificateRequest(flipped)
		require.NoError(t, err)
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		byHand := *good[0]
		byHand.Raw = broken.Raw // what the fields say doesn't count
		for _, csr := range []*x509.CertificateRequest{broken, forged(t, spkiOf(t, stranger.Public())), &byHand, nil, {}} {
			for i := range 2 {
				pair := requests(t)
				pair[i] = csr
				_, err := h.Issue(t.Context(), "proof", person(), pair)
				require.ErrorIs(t, err, pki.ErrProof)
			}
		}
		for _, n := range []int{0, 1, 3} {
			_, err := h.Issue(t.Context(), "proof", person(), append(requests(t), requests(t)...)[:n])
			require.ErrorIs(t, err, pki.ErrProof)
		}
	})
}

func TestRequestContentsAreIgnored(t *testing.T) {
	t.Run("threat024", func(t *testing.T) {
		h := newHouse(t)
		plain := h.issue("plain")
		pair := requests(t)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		constraints, err := asn1.Marshal(struct{ CA bool }{true})
		require.NoError(t, err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject:        pkix.Name{CommonName: "Root", SerialNumber: "000000000000", Organization: []string{"Other"}},
			DNSNames:       []string{"example.org"},
			EmailAddresses: []string{"other@example.org"},
			IPAddresses:    []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtraExtensions: []pkix.Extension{
				{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: constraints},
				{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 2, 4}},
				{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0}},
				{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: []byte{0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0}},
				{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}},
			},
		}, key)
		require.NoError(t, err)
		pair[0], err = x509.ParseCertificateRequest(der)
		require.NoError(t, err)
		certs, err := h.Issue(t.Context(), "injected", person(), pair)
		require.NoError(t, err)
		require.Equal(t, plain[0].RawSubject, certs[0].RawSubject)
		require.Len(t, certs[0].Extensions, len(plain[0].Extensions))
		for i, e := range certs[0].Extensions {
			want := plain[0].Extensions[i]
			require.Equal(t, want.Id, e.Id)
			require.Equal(t, want.Critical, e.Critical)
			switch e.Id.String() {
			case "2.5.29.14", "2.5.29.31": // its own key, its own shard
			default:
				require.Equal(t, want.Value, e.Value, e.Id.String())
			}
		}
	})
}

func TestSizes(t *testing.T) {
	t.Run("threat064", func(t *testing.T) {
		h := newHouse(t)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		names := make([]string, 10_000)
		for i := range names {
			names[i] = fmt.Sprintf("host%d.example.org", i)
		}
		for _, template := range []*x509.CertificateRequest{
			{DNSNames: names},
			{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, 1<<20)}}},
		} {
			der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
			require.NoError(t, err)
			csr, err := x509.ParseCertificateRequest(der)
			require.NoError(t, err)
			_, err = h.Issue(t.Context(), "large", person(), []*x509.CertificateRequest{requests(t)[0], csr})
			require.ErrorIs(t, err, pki.ErrProof)
		}
		deep := bytes.Repeat([]byte{0x30, 0x80}, 1<<10)
		for _, body := range [][]byte{deep, make([]byte, 1<<20), bytes.Repeat([]byte{0x30}, 4<<10)} {
			require.Equal(t, ocsp.MalformedRequestErrorResponse, h.ask(body))
		}
	})
}

// repeating gives the same bytes for a while.
type repeating struct{ reads, same int }

func (r *repeating) Read(p []byte) (int, error) {
	r.reads++
	clear(p)
	p[0] = 1
	if r.reads > r.same {
		p[1] = byte(r.reads)
	}
	return len(p), nil
}

func TestSerials(t *testing.T) {
	t.Run("threat027", func(t *testing.T) {
		stuck := newHouse(t, func(c *pki.Config) { c.Rand = &repeating{same: 1 << 30} })
		_, err := stuck.Issue(t.Context(), "stuck", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrSerialTaken)
		_, err = stuck.ledger.Act(t.Context(), "stuck")
		require.ErrorIs(t, err, pki.ErrUnknownAct)

		source := &repeating{same: 3} // the first draw collides with itself
		h := newHouse(t, func(c *pki.Config) { c.Rand = source })
		first := h.issue("first")
		require.NotEqual(t, first[0].SerialNumber, first[1].SerialNumber)
		source.reads = 2 // the next draw repeats what stands in the ledger
		second := h.issue("second")
		seen := map[string]bool{}
		for _, c := range append(first, second...) {
			require.False(t, seen[c.SerialNumber.String()])
			seen[c.SerialNumber.String()] = true
		}
		zero := newHouse(t, func(c *pki.Config) { c.Rand = bytes.NewReader(make([]byte, 64)) })
		_, err = zero.Issue(t.Context(), "zero", person(), requests(t))
		require.ErrorIs(t, err, pki.ErrSerialTaken)
	})
	t.Run("128 bits", func(t *testing.T) {
		h := newHouse(t)
		var or big.Int
		for i := range 20 {
			for _, c := range h.issue(string(rune('a' + i))) {
				or.Or(&or, c.SerialNumber)
			}
		}
		require.Equal(t, 128, or.BitLen())
	})
}

func TestRules(t *testing.T) {
	for err, rule := range map[error]string{
		pki.ErrExpired: "cert.expired", pki.ErrRevoked: "cert.revoked", pki.ErrHeld: "cert.held",
		pki.ErrUnknownCertificate: "cert.unknown", pki.ErrSuperseded: "cert.superseded",
		pki.ErrTooEarly: "renewal.early", pki.ErrTooLate: "renewal.late", pki.ErrWeakKey: "key.weak",
		pki.ErrKeyReused: "key.reused", pki.ErrProof: "key.proof", pki.ErrSubject: "subject.invalid",
		pki.ErrReason: "reason.invalid", pki.ErrActConflict: "act.conflict", pki.ErrSignerUnavailable: "signer.unavailable",
	} {
		var ruled interface{ Rule() string }
		require.True(t, errors.As(err, &ruled))
		require.Equal(t, rule, ruled.Rule())
	}
	err := error(&pki.RenewalError{Err: pki.ErrTooEarly})
	var ruled interface{ Rule() string }
	require.True(t, errors.As(err, &ruled))
	require.Equal(t, "renewal.early", ruled.Rule())
}
