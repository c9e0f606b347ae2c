// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
)

// soPINInfo binds a sealed PIN to its use (RFC 9180 §5.1).
const soPINInfo = "wardkey/so-pin/v1"

// agentKey opens what a server sealed for one act. It is made for that act,
// lives in this process's memory only and is dropped with it.
type agentKey struct {
	private hpke.PrivateKey
	public  []byte
}

func newAgentKey() (*agentKey, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &agentKey{private: private, public: key.PublicKey().Bytes()}, nil
}

// sealedSOPIN is a security officer PIN as the server sends it.
type sealedSOPIN struct {
	Generation int64  `json:"generation"`
	Sealed     []byte `json:"sealed"`
}

var errSOPIN = errors.New("agent: a sealed security officer PIN does not open with this act's key")

// open returns the PIN; the caller clears it.
func (k *agentKey) open(s sealedSOPIN) ([]byte, error) {
	pin, err := hpke.Open(k.private, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(soPINInfo), s.Sealed)
	if err != nil {
		return nil, fmt.Errorf("%w (generation %d)", errSOPIN, s.Generation)
	}
	if len(pin) == 0 {
		return nil, errSOPIN
	}
	return pin, nil
}
