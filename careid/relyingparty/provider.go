// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
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
	keys   *providerKeys
	checks *oidc.Config
	issuer string
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
		Provider: found, tellsIssuer: told.TellsIssuer, read: now, keys: keys, issuer: rp.config.Issuer,
		checks: &oidc.Config{
			ClientID: rp.config.ClientID, SupportedSigningAlgs: rp.config.Algorithms, Now: rp.config.Wall,
			SkipExpiryCheck: true, // checked beside the other times
		},
	}, nil
}

// verify checks a token's signature, issuer and audience. errUnread: nobody knows.
func (p *provider) verify(ctx context.Context, token string) (*oidc.IDToken, error) {
	asked := &keysOnce{providerKeys: p.keys}
	id, err := oidc.NewVerifier(p.issuer, asked, p.checks).Verify(ctx, token)
	if asked.unread != nil {
		return nil, asked.unread
	}
	return id, err
}

// keysOnce are the provider's keys for one token. It keeps why they could not be
// read, which package oidc makes a text of.
type keysOnce struct {
	*providerKeys
	unread error
}

// VerifySignature is oidc.KeySet's.
func (k *keysOnce) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.payload(ctx, token)
	if errors.Is(err, errUnread) {
		k.unread = err
	}
	return payload, err
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
