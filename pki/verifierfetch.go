// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// FetcherConfig bounds what a Fetcher does.
type FetcherConfig struct {
	// Timeout of one request, its answer included, default 10 seconds.
	Timeout time.Duration
	// MaxBytes of one list, default 64 MiB. OCSP answers have at most 64 KiB.
	MaxBytes int64
	// Keep is how long, by the calendar, a list is used before its server is
	// asked for a newer one, default 5 minutes: so long may a revocation stay
	// unseen. While the server can't be reached, the last list goes on being
	// used, until its nextUpdate.
	Keep time.Duration
	// Transport, default one like http.DefaultTransport that asks for no
	// compression.
	Transport http.RoundTripper

	Now  func() time.Time // the calendar; default time.Now
	Wall func() time.Time // the machine's clock, for pauses after a failure; default time.Now
}

func (c FetcherConfig) withDefaults() FetcherConfig {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.Keep == 0 {
		c.Keep = 5 * time.Minute
	}
	if c.Transport == nil {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableCompression: true, IdleConnTimeout: time.Minute}
		c.Transport = transport
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return c
}

const (
	// maxPoints bounds the addresses of one certificate that are asked.
	maxPoints = 4
	// maxKept bounds how many lists are kept: all shards of one issuing CA at
	// their most, and as many again for others.
	maxKept = 512
	// maxKeptBytes bounds what they take together: a million entries are 49 MB.
	maxKeptBytes = 256 << 20
	// fetchPause is how long, by the machine's clock, an address that failed is
	// left alone, so that a server that hangs doesn't hold up everybody.
	fetchPause = 10 * time.Second
)

// Fetcher takes lists and OCSP answers from where certificates point: it is a
// CRLSource and an OCSPSource. A Verifier asks only about certificates whose
// path to a root holds, so that the addresses are those of trusted issuers.
//
// Only plain http and https addresses are asked, no redirect is followed, and
// anything but 200 OK is an error. Lists are kept in memory as they came, OCSP
// answers aren't. Those who want one list wait for each other's request, for
// Timeout at most, even if their context ends before.
type Fetcher struct {
	client    *http.Client
	maxBytes  int64
	keep      time.Duration
	now, wall func() time.Time
	asking    *keyedMutex // one request for a list at a time

	mu    sync.Mutex
	lists map[string]*keptList
	bytes int // of all lists
}

type keptList struct {
	der     []byte // nil until the first success
	etag    string
	checked time.Time // by the calendar
	failed  error
	retryAt time.Time // by the machine's clock
}

// NewFetcher checks a configuration.
func NewFetcher(c FetcherConfig) (*Fetcher, error) {
	c = c.withDefaults()
	if c.Timeout < 0 || c.MaxBytes < 0 || c.Keep < 0 {
		return nil, errors.New("pki: FetcherConfig: nothing may be negative")
	}
	return &Fetcher{
		client: &http.Client{
			Transport: c.Transport, Timeout: c.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		maxBytes: c.MaxBytes, keep: c.Keep, now: c.Now, wall: c.Wall,
		asking: newKeyedMutex(), lists: map[string]*keptList{},
	}, nil
}

// Ask implements OCSPSource: it posts the request to the first address in the
// certificate that answers. RFC 6960 appendix A.
func (f *Fetcher) Ask(ctx context.Context, cert *x509.Certificate, request []byte) ([]byte, error) {
	addresses := plainAddresses(cert.OCSPServer)
	if len(addresses) == 0 {
		return nil, errors.New("the certificate names no responder that can be asked")
	}
	var errs []error
	for _, address := range addresses {
		der, err := f.post(ctx, address, request)
		if err == nil {
			return der, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// post asks one responder, unless it failed a moment ago.
func (f *Fetcher) post(ctx context.Context, address string, request []byte) ([]byte, error) {
	key := "POST " + address
	if before := f.kept(key); before.failed != nil && f.wall().Before(before.retryAt) {
		return nil, before.failed
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	der, _, err := f.do(r, maxOCSPResponse)
	if err != nil && ctx.Err() == nil {
		f.store(key, keptList{failed: err, retryAt: f.wall().Add(fetchPause)})
	}
	return der, err
}

// Lists implements CRLSource: it returns what stands at the certificate's
// distribution points, and an error only if there is nothing at any.
func (f *Fetcher) Lists(ctx context.Context, cert, _ *x509.Certificate) ([][]byte, error) {
	addresses := plainAddresses(cert.CRLDistributionPoints)
	if len(addresses) == 0 {
		return nil, errors.New("the certificate names no list that can be fetched")
	}
	var errs []error
	var lists [][]byte
	for _, address := range addresses {
		der, err := f.list(ctx, address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		lists = append(lists, der)
	}
	if len(lists) == 0 {
		return nil, errors.Join(errs...)
	}
	return lists, nil
}

// list returns the list at an address, kept or fetched.
func (f *Fetcher) list(ctx context.Context, address string) ([]byte, error) {
	defer f.asking.lock(address)()
	kept := f.kept(address)
	age := f.now().Sub(kept.checked)
	if kept.der != nil && age >= 0 && age < f.keep {
		return kept.der, nil
	}
	if kept.failed == nil || !f.wall().Before(kept.retryAt) {
		kept = f.renew(ctx, address, kept)
	}
	if kept.der != nil {
		return kept.der, nil // its nextUpdate decides
	}
	return nil, kept.failed
}

// renew fetches a list; whoever gives up waiting doesn't make the address a
// failed one.
func (f *Fetcher) renew(ctx context.Context, address string, kept keptList) keptList {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		kept.failed = err
		return kept
	}
	if kept.etag != "" {
		r.Header.Set("If-None-Match", kept.etag)
	}
	der, etag, err := f.do(r, f.maxBytes)
	switch {
	case errors.Is(err, errNotModified) && kept.der != nil:
		kept.checked, kept.failed = f.now(), nil
	case err == nil:
		kept = keptList{der: der, etag: etag, checked: f.now()}
	default:
		kept.failed, kept.retryAt = err, f.wall().Add(fetchPause)
		if ctx.Err() != nil {
			return kept
		}
	}
	f.store(address, kept)
	return kept
}

func (f *Fetcher) kept(address string) keptList {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.lists[address]; k != nil {
		return *k
	}
	return keptList{}
}

// store keeps a list, and makes room by dropping any others.
func (f *Fetcher) store(address string, k keptList) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(address)
	for other := range f.lists {
		if len(f.lists) < maxKept && f.bytes+len(k.der) <= maxKeptBytes {
			break
		}
		f.drop(other)
	}
	f.lists[address] = &k
	f.bytes += len(k.der)
}

func (f *Fetcher) drop(address string) {
	if k := f.lists[address]; k != nil {
		f.bytes -= len(k.der)
		delete(f.lists, address)
	}
}

var errNotModified = errors.New("not modified")

// do returns the body of a 200, bounded.
func (f *Fetcher) do(r *http.Request, limit int64) (body []byte, etag string, err error) {
	response, err := f.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return nil, "", errNotModified
	default:
		return nil, "", fmt.Errorf("%s answers %s", r.URL.Redacted(), response.Status)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, "", err
	case int64(len(body)) > limit:
		return nil, "", fmt.Errorf("%s sends more than %d bytes", r.URL.Redacted(), limit)
	}
	return body, response.Header.Get("ETag"), nil
}

// plainAddresses are the first few addresses that may be asked.
func plainAddresses(all []string) []string {
	var out []string
	for _, s := range all {
		u, err := url.Parse(s)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || len(out) == maxPoints {
			continue
		}
		out = append(out, s)
	}
	return out
}
