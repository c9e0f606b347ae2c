// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/x509"
	"encoding/json"
	"net/http"

	"github.com/wardkey-sdk/wardkey/card"
)

// SignProof signs the claims of a vector, given as JSON.
func SignProof(text []byte, key crypto.Signer, certificate *x509.Certificate) (string, error) {
	var c claims
	if err := json.Unmarshal(text, &c); err != nil {
		return "", err
	}
	return c.sign(key, certificate)
}

// OpenSealed opens a vector's sealed PIN.
func OpenSealed(private, sealed []byte) ([]byte, error) {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	opener, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return (&agentKey{private: opener}).open(sealedSOPIN{Sealed: sealed})
}

// ServeUser makes the agent one of another user.
func (a *Agent) ServeUser(user int) { a.user = user }

// Within is within, for a call that says yes.
func Within(ctx context.Context, ask func() bool) (bool, error) {
	return within(ctx, func() (bool, error) { return ask(), nil })
}

// LoginSO tries the PINs as an act's candidates, and returns how many are left to
// be tried another time.
func LoginSO(ctx context.Context, c *card.Card, pins ...string) (left int, err error) {
	key, err := newAgentKey()
	if err != nil {
		return 0, err
	}
	var list []sealedSOPIN
	for i, pin := range pins {
		sealed, err := hpke.Seal(key.private.PublicKey(), hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(soPINInfo), []byte(pin))
		if err != nil {
			return 0, err
		}
		list = append(list, sealedSOPIN{Generation: int64(i + 1), Sealed: sealed})
	}
	so, _, _, err := loginSO(ctx, c, key, &list)
	if err == nil {
		so.Close()
	}
	return len(list), err
}

// ReadForm reads a form and clears it, after a copy was taken as strings.
func ReadForm(r *http.Request) (map[string]string, error) {
	f, err := readForm(r)
	defer f.clear()
	text := map[string]string{}
	for name, value := range f {
		text[name] = string(value)
	}
	return text, err
}
