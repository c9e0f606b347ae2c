// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertionLife is that of a client assertion. The national service takes up to
// five minutes, and so do its clients' own assertions.
const assertionLife = 5 * time.Minute

// keysFresh is how long a provider may keep a copy of the JWKS: a new key has to
// be published that long before it signs. An hour is what the national service's
// guidance calls reasonable for discovery.
const keysFresh = time.Hour

// Keys are the keys by which the application authenticates itself
// (private_key_jwt), and their rotation. They are safe for concurrent use.
//
// All keys are published from when they are added. The one that signs is that
// which began last; the one before stays published for an hour more. To rotate,
// add the next key on every server, with a From at least an hour ahead: nothing
// has to be restarted, and no assertion is refused.
type Keys struct {
	alg  string
	hash crypto.Hash
	wall func() time.Time

	mu   sync.Mutex
	keys []clientKey // in order of from
}

type clientKey struct {
	signer crypto.Signer
	public jose.JSONWebKey
	from   time.Time
}

// NewKeys has none yet. alg is RS256, RS384 or RS512, as registered; wall is the
// clock of the wire, nil the machine's.
func NewKeys(alg string, wall func() time.Time) (*Keys, error) {
	hashes := map[string]crypto.Hash{"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512}
	k := &Keys{alg: alg, hash: hashes[alg], wall: wall}
	if k.hash == 0 {
		return nil, fmt.Errorf("relyingparty: %q is none of RS256, RS384 and RS512", alg)
	}
	return k.withDefaults(), nil
}

func (k *Keys) withDefaults() *Keys {
	if k.wall == nil {
		k.wall = time.Now
	}
	return k
}

// Add publishes a key that signs from from on, until a later one begins. The zero
// time is for the first key. Its id, the kid, is its thumbprint (RFC 7638). It
// fails for a key that is no RSA key of 2048 bits or more, one that was added
// before, and a from that another key has.
func (k *Keys) Add(signer crypto.Signer, from time.Time) (kid string, err error) {
	public, ok := signer.Public().(*rsa.PublicKey)
	if !ok || public.N.BitLen() < 2048 {
		return "", errors.New("relyingparty: a client key is RSA of at least 2048 bits")
	}
	jwk := jose.JSONWebKey{Key: public, Use: "sig", Algorithm: k.alg}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.ContainsFunc(k.keys, func(c clientKey) bool { return c.public.KeyID == jwk.KeyID || c.from.Equal(from) }) {
		return "", errors.New("relyingparty: this key was added before, or another begins then")
	}
	k.keys = append(k.keys, clientKey{signer, jwk, from})
	slices.SortFunc(k.keys, func(a, b clientKey) int { return a.from.Compare(b.from) })
	return jwk.KeyID, nil
}

// current is the key that signs now, and those that are published now.
func (k *Keys) current() (signs *clientKey, published []jose.JSONWebKey) {
	now := k.wall()
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, c := range k.keys {
		if !c.from.After(now) {
			signs = &c
		}
		over := i+1 < len(k.keys) && !k.keys[i+1].from.Add(keysFresh).After(now)
		if !over {
			published = append(published, c.public)
		}
	}
	return signs, published
}

// ServeHTTP is the JSON Web Key Set to be registered. RFC 7517 §5.
func (k *Keys) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, published := k.current()
	body, err := json.Marshal(jose.JSONWebKeySet{Keys: published})
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(keysFresh.Seconds())/2))
	_, _ = w.Write(body) // the provider has gone; it asks again
}

// assertion is signed for one request to the token endpoint. RFC 7523 §3.
func (k *Keys) assertion(client, audience string) (string, error) {
	signs, _ := k.current()
	if signs == nil {
		return "", errors.New("relyingparty: no client key has begun")
	}
	now := k.wall()
	header, err := json.Marshal(map[string]any{"alg": k.alg, "kid": signs.public.KeyID, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": audience, "jti": newSecret(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	h := k.hash.New()
	h.Write([]byte(input))
	signature, err := signs.signer.Sign(rand.Reader, h.Sum(nil), k.hash)
	if err != nil {
		return "", fmt.Errorf("relyingparty: signing a client assertion: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
