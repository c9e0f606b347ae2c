// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

const (
	maxPage = 1 << 20
	maxHops = 20
)

// browser is one person's browser: its cookies are its own.
type browser struct {
	checker *Checker
	client  http.Client
	jar     *jar
}

// jar lets a loopback host have cookies with Secure over http, as browsers do.
type jar struct{ *cookiejar.Jar }

func (j jar) SetCookies(u *url.URL, cookies []*http.Cookie) { j.Jar.SetCookies(trusted(u), cookies) }
func (j jar) Cookies(u *url.URL) []*http.Cookie             { return j.Jar.Cookies(trusted(u)) }

func trusted(u *url.URL) *url.URL {
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		secure := *u
		secure.Scheme = "https"
		return &secure
	}
	return u
}

func (c *Checker) browser() *browser {
	cookies, _ := cookiejar.New(nil) // never fails
	b := &browser{checker: c, jar: &jar{cookies}}
	b.client = http.Client{
		Jar: b.jar, Timeout: c.config.Timeout, Transport: c.config.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// page is where a browser ended: a page of the application, or on its way to the
// provider with an authorization request.
type page struct {
	status  int
	body    string
	at      string
	request url.Values // nil where it is a page
}

var errTooFar = errors.New("more than 20 redirects")

// open follows redirects until there are none, or one leads to the provider.
func (b *browser) open(ctx context.Context, address string) (page, error) {
	for range maxHops {
		resp, body, err := b.get(ctx, address)
		if err != nil {
			return page{}, err
		}
		to, err := resp.Location()
		if resp.StatusCode < 300 || resp.StatusCode > 399 || err != nil {
			return page{status: resp.StatusCode, body: body, at: address}, nil
		}
		address = to.String()
		if where, query, _ := strings.Cut(address, "?"); where == b.checker.at(authorizePath) {
			request, err := url.ParseQuery(query)
			if err != nil {
				return page{}, fmt.Errorf("the authorization request is no query: %w", err)
			}
			return page{at: where, request: request}, nil
		}
	}
	return page{}, errTooFar
}

func (b *browser) get(ctx context.Context, address string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	req.Header.Set("User-Agent", "Mozilla/5.0 (wardkey rpcheck)")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	return resp, string(body), err
}

// begin opens the application's login address, and gives the authorization
// request that it leads to.
func (b *browser) begin(ctx context.Context, app Application) (url.Values, error) {
	p, err := b.open(ctx, app.Login)
	if err != nil {
		return nil, err
	}
	if p.request == nil {
		return nil, fmt.Errorf("%s ends at %s with status %d, not at the provider's %s: is the application configured with the issuer %s?",
			app.Login, p.at, p.status, b.checker.at(authorizePath), b.checker.issuer)
	}
	return p.request, b.checker.checkRequest(p.request)
}

// signedIn says whether this browser gets the page of a signed-in person.
func (b *browser) signedIn(ctx context.Context, app Application) (bool, error) {
	p, err := b.open(ctx, app.Protected)
	if err != nil {
		return false, err
	}
	return p.request == nil && p.status/100 == 2 && strings.Contains(p.body, app.Expect), nil
}

// copy is another browser with the same cookies.
func (b *browser) copy(app Application) *browser {
	other := b.checker.browser()
	for _, address := range []string{app.Login, app.Protected} {
		if u, err := url.Parse(address); err == nil {
			var cookies []*http.Cookie
			for _, k := range b.jar.Cookies(u) {
				cookies = append(cookies, &http.Cookie{Name: k.Name, Value: k.Value, Path: "/", Secure: strings.HasPrefix(k.Name, "__")})
			}
			other.jar.SetCookies(u, cookies)
		}
	}
	return other
}
