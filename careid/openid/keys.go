// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Key signs what the provider says.
type Key struct {
	// ID is the kid. Default: the key's thumbprint (RFC 7638).
	ID string
	// Algorithm is RS256, RS384, RS512, PS256, ES256 or ES384.
	Algorithm string
	// Signer holds it: a key in memory, or in a hardware module. RSA keys have 2048 bits at least.
	Signer crypto.Signer
	// From is when it begins to sign, by Wall; the zero time is always. It is published before that.
	From time.Time
}

// keyRing are keys in one state of the rotation.
type keyRing struct {
	keys []ringKey
	jwks []byte
}

type ringKey struct {
	Key
	signer jose.Signer // of ID tokens
	logout jose.Signer // of logout tokens
}

// SetKeys replaces the keys: what is given is published, and of each algorithm the one that began last signs. To rotate,
// add a key that begins later than clients may have cached the list (an hour), and take the old one away when
// nothing that it signed is still looked at. It fails without a key that has begun
// for RS256 and for each algorithm that a client is registered for, and changes nothing then.
func (p *Provider) SetKeys(keys []Key) error {
	p.changes.Lock()
	defer p.changes.Unlock()
	ring := &keyRing{}
	var public jose.JSONWebKeySet
	for _, k := range keys {
		one, jwk, err := newRingKey(k)
		if err != nil {
			return fmt.Errorf("openid: key %q: %w", k.ID, err)
		}
		if len(public.Key(one.ID)) > 0 {
			return fmt.Errorf("openid: two keys have the id %q", one.ID)
		}
		ring.keys, public.Keys = append(ring.keys, one), append(public.Keys, jwk)
	}
	if _, err := ring.signing(string(jose.RS256), p.config.Wall()); err != nil {
		return err
	}
	for id, c := range *p.clients.Load() {
		if _, err := ring.signing(c.algorithm, p.config.Wall()); err != nil {
			return fmt.Errorf("openid: client %q: %w", id, err)
		}
	}
	var err error
	if ring.jwks, err = json.Marshal(public); err != nil {
		return err
	}
	p.keys.Store(ring)
	return nil
}

func newRingKey(k Key) (ringKey, jose.JSONWebKey, error) {
	fail := func(err error) (ringKey, jose.JSONWebKey, error) { return ringKey{}, jose.JSONWebKey{}, err }
	if k.Signer == nil {
		return fail(errors.New("it has no Signer"))
	}
	if err := fits(k.Signer.Public(), k.Algorithm); err != nil {
		return fail(err)
	}
	jwk := jose.JSONWebKey{Key: k.Signer.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
	if k.ID == "" {
		thumb, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			return fail(err)
		}
		k.ID = base64.RawURLEncoding.EncodeToString(thumb)
		jwk.KeyID = k.ID
	}
	one := ringKey{Key: k}
	var err error
	if one.signer, err = k.typed("JWT"); err != nil {
		return fail(err)
	}
	one.logout, err = k.typed("logout+jwt")
	return one, jwk, err
}

// typed signs JWTs whose header has that typ.
func (k Key) typed(typ jose.ContentType) (jose.Signer, error) {
	var key any = k.Signer
	switch k.Signer.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
	default:
		key = cryptosigner.Opaque(k.Signer)
	}
	options := new(jose.SignerOptions).WithType(typ).WithHeader("kid", k.ID)
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: key}, options)
}

// fits says whether a public key is of an algorithm, and long enough.
func fits(public crypto.PublicKey, algorithm string) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return fmt.Errorf("an RSA key of %d bits is too short", key.N.BitLen())
		}
		switch algorithm {
		case "RS256", "RS384", "RS512", "PS256":
			return nil
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && key.Curve.Params().BitSize == 256 || algorithm == "ES384" && key.Curve.Params().BitSize == 384 {
			return nil
		}
	}
	return fmt.Errorf("a %T does not sign %q", public, algorithm)
}

// signing is the key that signs an algorithm at a time.
func (r *keyRing) signing(algorithm string, at time.Time) (ringKey, error) {
	var best ringKey
	for _, k := range r.keys {
		if k.Algorithm == algorithm && !k.From.After(at) && (best.signer == nil || k.From.After(best.From)) {
			best = k
		}
	}
	if best.signer == nil {
		return best, fmt.Errorf("openid: no key signs %s yet", algorithm)
	}
	return best, nil
}

// algorithms are those that tokens can be signed with now.
func (r *keyRing) algorithms(at time.Time) []string {
	var all []string
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "ES256", "ES384"} {
		if _, err := r.signing(algorithm, at); err == nil {
			all = append(all, algorithm)
		}
	}
	return all
}

// sign makes an ID token or a logout token.
func (p *Provider) sign(m Message, algorithm string, claims map[string]any) (string, error) {
	key, err := p.keys.Load().signing(algorithm, p.config.Wall())
	if err != nil {
		return "", err
	}
	signer := key.signer
	if m == LogoutToken {
		signer = key.logout
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// keysMaxAge is how long clients may keep the list of keys: less than the hour that they keep the discovery document.
const keysMaxAge = "max-age=300"

func (p *Provider) serveKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", keysMaxAge)
	_, _ = w.Write(p.keys.Load().jwks)
}
