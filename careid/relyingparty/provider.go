// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// discoveryFresh is how long discovery is kept: the national service's
	// guidance calls up to an hour reasonable. The keys are forgotten with it, so
	// that one which was withdrawn stops working.
	discoveryFresh = time.Hour
	// retryAfter bounds how often a provider that doesn't answer is asked, and how
	// often its keys are read because of a kid that nobody knows.
	retryAfter = 5 * time.Second
	// providerTimeout is that of one request to the provider.
	providerTimeout = 10 * time.Second
	// maxAnswer bounds what is read of it.
	maxAnswer = 1 << 20
)

// asymmetric are the algorithms that a provider's tokens may have at all.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

// provider is what discovery told.
type provider struct {
	*oidc.Provider
	tokens *oidc.IDTokenVerifier
	// tellsIssuer: its responses always carry iss. RFC 9207 §3.
	tellsIssuer bool
	read        time.Time
}

// providers reads discovery once an hour.
type providers struct {
	mu     sync.Mutex
	last   *provider
	err    error
	failed time.Time
}

// provider is the one of the last hour. It fails with what made discovery fail,
// for retryAfter without asking again.
func (rp *RelyingParty) provider(ctx context.Context) (*provider, error) {
	p := &rp.providers
	p.mu.Lock()
	defer p.mu.Unlock()
	now := rp.config.Wall()
	if p.last != nil && now.Sub(p.last.read).Abs() < discoveryFresh {
		return p.last, nil
	}
	if p.err != nil && now.Sub(p.failed).Abs() < retryAfter {
		return nil, p.err
	}
	found, err := rp.discover(ctx, now)
	if err != nil {
		p.last, p.err, p.failed = nil, rp.book.Refuse("rp.provider").Because(err).RetryAfter(now.Add(retryAfter)), now
		return nil, p.err
	}
	p.last, p.err = found, nil
	return found, nil
}

func (rp *RelyingParty) discover(ctx context.Context, now time.Time) (*provider, error) {
	// The answer serves others too, so it doesn't end with who asked first.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), rp.client)
	found, err := oidc.NewProvider(ctx, rp.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovery: %.300s", err) // which may hold the whole answer
	}
	var told struct {
		Keys        string `json:"jwks_uri"`
		TellsIssuer bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := found.Claims(&told); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	for _, endpoint := range []string{found.Endpoint().AuthURL, found.Endpoint().TokenURL, found.UserInfoEndpoint(), told.Keys} {
		if _, err := address(endpoint); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	keys := &providerKeys{address: told.Keys, client: rp.client, wall: rp.config.Wall, algorithms: rp.config.Algorithms}
	return &provider{
		Provider: found, tellsIssuer: told.TellsIssuer, read: now,
		tokens: oidc.NewVerifier(rp.config.Issuer, keys, &oidc.Config{
			ClientID: rp.config.ClientID, SupportedSigningAlgs: rp.config.Algorithms, Now: rp.config.Wall,
			SkipExpiryCheck: true, // checked beside the other times
		}),
	}, nil
}

// providerKeys are the keys that a provider publishes. Unlike package oidc's own
// set, it asks for a kid, minds use and alg, and doesn't read the keys anew for
// each token with a made-up kid.
type providerKeys struct {
	address    string
	client     *http.Client
	wall       func() time.Time
	algorithms []string

	mu   sync.Mutex
	keys []jose.JSONWebKey
	read time.Time
}

// VerifySignature is oidc.KeySet's: the payload of a token that is signed by the
// key which its kid names.
func (k *providerKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
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

func (k *providerKeys) named(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	find := func() int {
		return slices.IndexFunc(k.keys, func(key jose.JSONWebKey) bool { return kid != "" && key.KeyID == kid })
	}
	if now := k.wall(); find() < 0 && now.Sub(k.read).Abs() >= retryAfter {
		k.read = now
		if err := k.fetch(ctx); err != nil {
			return jose.JSONWebKey{}, fmt.Errorf("the provider's keys: %w", err)
		}
	}
	if i := find(); i >= 0 {
		return k.keys[i], nil
	}
	return jose.JSONWebKey{}, errors.New("the token names no key that the provider publishes")
}

func (k *providerKeys) fetch(ctx context.Context) error {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, k.address, nil)
	if err != nil {
		return err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		return err
	}
	k.keys = nil
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && key.Valid() && key.IsPublic() { // others are for others: RFC 7517 §5
			k.keys = append(k.keys, key)
		}
	}
	return nil
}

// newClient reaches the provider: no redirects, in bounded time, and no more of an
// answer than maxAnswer.
func newClient(next http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: bounded{next}, Timeout: providerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type bounded struct{ next http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = &limited{resp.Body, maxAnswer}
	}
	return resp, err
}

var errLarge = errors.New("relyingparty: the provider's answer is larger than 1 MiB")

type limited struct {
	io.ReadCloser
	left int
}

// Read is io.Reader's.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLarge
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// withQuery adds parameters to an endpoint that may have some already.
func withQuery(endpoint string, q url.Values) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", err
	}
	all := u.Query()
	for name, values := range q {
		all[name] = values
	}
	u.RawQuery = all.Encode()
	return u.String(), nil
}
