// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
)

// request is what is taken from a certificate request: its key, once it has
// signed. Everything else in it is ignored: subject, attributes, extensions.
type request struct {
	der    []byte // of the whole request, for the act's fingerprint
	public crypto.PublicKey
	spki   []byte
}

// maxRequest is the most bytes of a request that are looked at. One with an
// RSA-8192 key and nothing else has about two thousand.
const maxRequest = 16 << 10

// readRequest checks proof of possession and the key. The request is parsed
// again from its bytes, so that no field set by hand counts. RFC 2986 §3.
func readRequest(csr *x509.CertificateRequest) (request, error) {
	if csr == nil {
		return request{}, fmt.Errorf("%w: no request", ErrProof)
	}
	if len(csr.Raw) > maxRequest {
		return request{}, fmt.Errorf("%w: the request has more than %d bytes", ErrProof, maxRequest)
	}
	parsed, err := x509.ParseCertificateRequest(csr.Raw)
	if err != nil {
		return request{}, fmt.Errorf("%w: the request can't be read", ErrProof)
	}
	if err := checkKey(parsed.PublicKey); err != nil {
		return request{}, err
	}
	if !strongSignature(parsed.SignatureAlgorithm) || parsed.CheckSignature() != nil {
		return request{}, ErrProof
	}
	spki, err := x509.MarshalPKIXPublicKey(parsed.PublicKey)
	if err != nil {
		return request{}, fmt.Errorf("%w: the key can't be encoded", ErrWeakKey)
	}
	return request{der: parsed.Raw, public: parsed.PublicKey, spki: spki}, nil
}

func strongSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		return true
	}
	return false
}

// checkKey accepts P-256, P-384 and P-521, and RSA of 2048 to 8192 bits whose
// exponent is odd, 65537 to 2^31-1, and whose modulus shows no small factor and
// no ROCA structure (CVE-2017-15361). It can't see every weak key: two keys that
// share a factor, or one from a bad generator, pass.
func checkKey(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("%w: curves P-256, P-384 and P-521 are accepted", ErrWeakKey)
	case *rsa.PublicKey:
		return checkRSA(k)
	}
	return fmt.Errorf("%w: ECDSA and RSA are accepted", ErrWeakKey)
}

func checkRSA(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < 2048 || bits > 8192:
		return fmt.Errorf("%w: RSA keys have 2048 to 8192 bits", ErrWeakKey)
	case k.E < 65537 || k.E&1 == 0:
		return fmt.Errorf("%w: an RSA exponent is odd and at least 65537", ErrWeakKey)
	}
	roca := true
	var rest, modulus big.Int
	for p := int64(2); p < 752; p++ {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		r := rest.Mod(k.N, modulus.SetInt64(p)).Int64()
		if r == 0 {
			return fmt.Errorf("%w: the RSA modulus has a small factor", ErrWeakKey)
		}
		if p > 2 && p <= 167 && !generated(r, p) {
			roca = false
		}
	}
	if roca {
		return fmt.Errorf("%w: the RSA modulus has the ROCA structure", ErrWeakKey)
	}
	return nil
}

// generated reports whether r is a power of 65537 modulo p. The faulty
// generator made only moduli for which this holds at every small prime; for
// others it holds at all of them about once in 2^150.
func generated(r, p int64) bool {
	for power := int64(1); ; {
		if power == r {
			return true
		}
		if power = power * 65537 % p; power == 1 {
			return false
		}
	}
}
