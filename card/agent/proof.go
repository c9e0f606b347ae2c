// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 and SHA-384 are asked for by number
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// proofType keeps a proof from being read as any other signed thing.
const proofType = "wardkey-card+jwt"

// claims are those of a proof; internal/cardprotocol says what each means.
type claims struct {
	Audience string `json:"aud"`
	Origin   string `json:"origin"`
	Nonce    string `json:"nonce"`
	Purpose  string `json:"purpose"`
	Act      string `json:"act"`
	Bind     string `json:"bind"`
	IssuedAt int64  `json:"iat"`
}

type proofHeader struct {
	Algorithm string   `json:"alg"`
	Type      string   `json:"typ"`
	X5C       [][]byte `json:"x5c"`
}

// errKeyKind is a card key that no algorithm of the protocol fits.
var errKeyKind = errors.New("agent: the card's key is neither P-256, P-384 nor RSA")

// sign makes the compact JWS of c with the card's key (RFC 7515 §7.1).
func (c claims) sign(key crypto.Signer, certificate *x509.Certificate) (string, error) {
	algorithm, hash, err := algorithmOf(key.Public())
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(proofHeader{Algorithm: algorithm, Type: proofType, X5C: [][]byte{certificate.Raw}})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	digest := hash.New()
	digest.Write([]byte(input))
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), hash)
	if err != nil {
		return "", err
	}
	if curve, ok := key.Public().(*ecdsa.PublicKey); ok {
		if signature, err = fixedLength(signature, curve.Params().BitSize); err != nil {
			return "", err
		}
	}
	return input + "." + b64.EncodeToString(signature), nil
}

func algorithmOf(public crypto.PublicKey) (string, crypto.Hash, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return "ES256", crypto.SHA256, nil
		case elliptic.P384():
			return "ES384", crypto.SHA384, nil
		}
	case *rsa.PublicKey:
		return "RS256", crypto.SHA256, nil
	}
	return "", 0, errKeyKind
}

// fixedLength turns the DER signature of a crypto.Signer into r||s
// (RFC 7518 §3.4).
func fixedLength(der []byte, bits int) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	size := (bits + 7) / 8
	if err != nil || len(rest) != 0 || pair.R.Sign() <= 0 || pair.S.Sign() <= 0 ||
		pair.R.BitLen() > bits || pair.S.BitLen() > bits {
		return nil, fmt.Errorf("agent: the card made a malformed signature: %w", errors.Join(err))
	}
	out := make([]byte, 2*size)
	pair.R.FillBytes(out[:size])
	pair.S.FillBytes(out[size:])
	return out, nil
}
