// SPDX-License-Identifier: Apache-2.0

package cardprotocol

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:generate go run generate.go

//go:embed vectors.json
var vectors []byte

// Vectors are made once by generate.go and never edited. Their keys are for
// tests alone.
type Vectors struct {
	// Issuer is the certificate (DER) that the proofs' certificates chain to.
	Issuer []byte `json:"issuer"`
	// Proofs are well made.
	Proofs []Proof `json:"proofs"`
	// Refused are proofs that a server refuses by their form, type,
	// certificate or signature, whatever its state is.
	Refused []Refused `json:"refused"`
	Binds   []Bind    `json:"binds"`
	Sealed  []Sealed  `json:"sealed"`
}

// Claims are those of a proof.
type Claims struct {
	Audience string `json:"aud"`
	Origin   string `json:"origin"`
	Nonce    string `json:"nonce"`
	Purpose  string `json:"purpose"`
	Act      string `json:"act"`
	Bind     string `json:"bind"`
	IssuedAt int64  `json:"iat"`
}

// Proof is one signed answer. Key is PKCS#8, Certificate DER.
type Proof struct {
	Name        string `json:"name"`
	Algorithm   string `json:"alg"`
	Key         []byte `json:"key"`
	Certificate []byte `json:"certificate"`
	Claims      Claims `json:"claims"`
	JWS         string `json:"jws"`
}

// Refused is a proof that must not pass.
type Refused struct {
	Name string `json:"name"`
	Why  string `json:"why"`
	JWS  string `json:"jws"`
}

// Bind is a cookie's value and the claim made of it.
type Bind struct {
	Cookie string `json:"cookie"`
	Bind   string `json:"bind"`
}

// Sealed is a security officer PIN on its way to an agent. AgentPrivate and
// AgentKey are an X25519 pair, 32 bytes each.
type Sealed struct {
	AgentPrivate []byte `json:"agentPrivate"`
	AgentKey     []byte `json:"agentKey"`
	Sealed       []byte `json:"sealed"`
	SOPIN        []byte `json:"soPin"`
}

// Read returns the vectors.
func Read() (*Vectors, error) {
	v := new(Vectors)
	if err := json.Unmarshal(vectors, v); err != nil {
		return nil, fmt.Errorf("cardprotocol: vectors: %w", err)
	}
	return v, nil
}
