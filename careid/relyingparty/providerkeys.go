// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// providerKeys are the keys that a provider publishes. Unlike package oidc's own
// set, it asks for a kid, minds use and alg, and doesn't read the keys anew for
// each token with a made-up kid.
type providerKeys struct {
	address    string
	client     *http.Client
	wall       func() time.Time
	algorithms []string

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	read    time.Time     // when they were read last, or could not be
	err     error         // why they could not
	reading chan struct{} // closed when the reading that is under way ends
}

var (
	// errUnread says that the provider's keys could not be read, so that nothing is
	// known of a token.
	errUnread = errors.New("the provider's keys can't be read")
	errNoKey  = errors.New("the token names no key that the provider publishes")
)

// payload is that of a token that is signed by the key which its kid names.
func (k *providerKeys) payload(ctx context.Context, token string) ([]byte, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, a := range k.algorithms {
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Header
	key, err := k.named(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return nil, errors.New("the key that the token names is for something else")
	}
	return jws.Verify(key.Key)
}

// named is the key with an id. Only who asks for one that isn't known waits for the
// provider.
func (k *providerKeys) named(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	if kid == "" {
		return jose.JSONWebKey{}, errNoKey
	}
	k.mu.Lock()
	key, err := k.known(kid)
	if err == nil {
		k.mu.Unlock()
		return key, nil
	}
	ended := k.reading
	if ended == nil {
		if k.wall().Sub(k.read).Abs() < retryAfter {
			k.mu.Unlock()
			return key, err
		}
		ended = make(chan struct{})
		k.reading = ended
		go k.readAgain(context.WithoutCancel(ctx)) // the answer serves others too
	}
	k.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
		return jose.JSONWebKey{}, fmt.Errorf("%w: %w", errUnread, ctx.Err())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known(kid)
}

// known is a key of those that were read last; mu is held.
func (k *providerKeys) known(kid string) (jose.JSONWebKey, error) {
	i := slices.IndexFunc(k.keys, func(key jose.JSONWebKey) bool { return key.KeyID == kid })
	switch {
	case i >= 0:
		return k.keys[i], nil
	case k.err != nil:
		return jose.JSONWebKey{}, fmt.Errorf("%w: %w", errUnread, k.err)
	}
	return jose.JSONWebKey{}, errNoKey
}

// readAgain takes as long as the provider does, at most providerTimeout.
func (k *providerKeys) readAgain(ctx context.Context) {
	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err = err; err == nil {
		k.keys = keys
	}
	k.read = k.wall()
	close(k.reading)
	k.reading = nil
}

func (k *providerKeys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && key.Valid() && key.IsPublic() { // others are for others: RFC 7517 §5
			keys = append(keys, key)
		}
	}
	return keys, nil
}
