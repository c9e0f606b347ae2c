// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysFor   = time.Hour   // how long a client's list is believed, as the national service's clients do with ours
	keysAgain = time.Minute // how soon it is read again, whatever is asked for
	maxKeys   = 256 << 10   // bytes of a list: dozens of keys with their certificates
)

// clientKeys are the keys that a client signs assertions with.
type clientKeys struct {
	uri  string
	http *http.Client

	reading sync.Mutex // held by who reads the list anew
	triedAt time.Time  // Wall, of the last try; zero before

	mu     sync.Mutex
	kept   jose.JSONWebKeySet
	goodAt time.Time // Wall, when kept was read; zero before
}

func (p *Provider) clientKeys(c Client) (*clientKeys, error) {
	switch {
	case len(c.KeySet) > 0 && c.KeysURI != "":
		return nil, errors.New("it has both keys and an address of keys")
	case len(c.KeySet) > 0:
		k := &clientKeys{}
		if err := json.Unmarshal(c.KeySet, &k.kept); err != nil {
			return nil, fmt.Errorf("its keys: %w", err)
		}
		if k.kept = signing(k.kept); len(k.kept.Keys) == 0 {
			return nil, errors.New("none of its keys is an RSA key of 2048 bits for signatures")
		}
		return k, nil
	case c.KeysURI == "":
		return nil, errors.New("it has no keys")
	}
	if err := checkURI(c.KeysURI); err != nil {
		return nil, err
	}
	return &clientKeys{uri: c.KeysURI, http: outbound(p.config, c.KeysURI)}, nil
}

// signing leaves the keys that may verify assertions.
func signing(set jose.JSONWebKeySet) jose.JSONWebKeySet {
	var usable jose.JSONWebKeySet
	for _, k := range set.Keys {
		key, ok := k.Key.(*rsa.PublicKey)
		if ok && key.N.BitLen() >= 2048 && (k.Use == "" || k.Use == "sig") {
			usable.Keys = append(usable.Keys, k)
		}
	}
	return usable
}

// find is the key of that kid; without one, the client's only key. Who asks need not be the client: a name that nobody
// knows, and a reading that fails or is broken off, take nothing from those that are known.
func (k *clientKeys) find(ctx context.Context, kid string, wall time.Time) (*rsa.PublicKey, error) {
	key := k.known(kid, wall)
	if key == nil && k.uri != "" {
		if err := k.afresh(ctx, kid, wall); err != nil {
			return nil, err
		}
		key = k.known(kid, wall)
	}
	if key == nil {
		return nil, errors.New("the client has no such key")
	}
	return key, nil
}

// known is the key of that kid on a list that may still be believed.
func (k *clientKeys) known(kid string, wall time.Time) *rsa.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.uri != "" && (k.goodAt.IsZero() || wall.Sub(k.goodAt) >= keysFor) {
		return nil
	}
	return k.pick(kid)
}

// afresh reads the list once more, for all who wait for it.
func (k *clientKeys) afresh(ctx context.Context, kid string, wall time.Time) error {
	k.reading.Lock()
	defer k.reading.Unlock()
	if k.known(kid, wall) != nil { // somebody else has read it meanwhile
		return nil
	}
	if !k.triedAt.IsZero() && wall.Sub(k.triedAt) < keysAgain {
		return errors.New("the client's keys were read just now")
	}
	k.triedAt = wall
	set, err := k.read(context.WithoutCancel(ctx)) // patience bounds it
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept, k.goodAt = set, wall
	return nil
}

func (k *clientKeys) pick(kid string) *rsa.PublicKey {
	found := k.kept.Keys
	if kid != "" {
		found = k.kept.Key(kid)
	}
	if len(found) != 1 {
		return nil
	}
	key, _ := found[0].Key.(*rsa.PublicKey)
	return key
}

func (k *clientKeys) read(ctx context.Context) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.uri, nil)
	if err != nil {
		return set, err
	}
	answer, err := k.http.Do(r)
	if err != nil {
		return set, fmt.Errorf("the client's keys: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return set, fmt.Errorf("the client's keys: status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeys+1))
	if err != nil || len(body) > maxKeys {
		return set, fmt.Errorf("the client's keys: too long or cut off: %w", err)
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return set, fmt.Errorf("the client's keys: %w", err)
	}
	return signing(set), nil
}
