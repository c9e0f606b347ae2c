// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// algorithms are RS256, which every provider signs with, and those that clients are registered for.
func algorithms(clients []openid.Client) []string {
	all := []string{"RS256"}
	for _, c := range clients {
		if c.IDTokenAlgorithm != "" && !slices.Contains(all, c.IDTokenAlgorithm) {
			all = append(all, c.IDTokenAlgorithm)
		}
	}
	return all
}

// newKey makes a key that fits an algorithm of package openid.
func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "RS256", "RS384", "RS512", "PS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("id_token_signed_response_alg %q: no key signs it", algorithm)
}

// signing is one key for each algorithm that the clients want, by whoever makes or keeps them.
func signing(clients []openid.Client, key func(algorithm string) (crypto.Signer, error)) ([]openid.Key, error) {
	var keys []openid.Key
	for _, algorithm := range algorithms(clients) {
		signer, err := key(algorithm)
		if err != nil {
			return nil, err
		}
		keys = append(keys, openid.Key{Algorithm: algorithm, Signer: signer})
	}
	return keys, nil
}
