// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Page is a page as a browser shows it, whatever its status: a "no" is a page too.
type Page struct {
	Status int
	Raw    []byte
	b      *Browser
	at     *url.URL
}

// Open goes to a page by its whole address, through every redirect.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	return b.show(req)
}

// Post sends a form to a whole address as its page would, without looking for the
// form there: what somebody does who leaves the page out.
func (b *Browser) Post(ctx context.Context, address string, fields url.Values) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
	return b.show(req)
}

func (b *Browser) show(req *http.Request) (*Page, error) {
	req.Header.Set("Accept", "text/html")
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	return &Page{Status: resp.StatusCode, Raw: raw, b: b, at: resp.Request.URL}, nil
}

// Send fills in the form of the page whose address ends so, and sends it. It fails
// where the page has no such form, or the form no such field.
func (p *Page) Send(ctx context.Context, action string, fields map[string]string) (*Page, error) {
	forms, err := parseForms(p.at, bytes.NewReader(p.Raw))
	if err != nil {
		return nil, err
	}
	for _, f := range forms {
		if !strings.HasSuffix(f.action.Path, action) {
			continue
		}
		values, err := f.fill(fields)
		if err != nil {
			return nil, err
		}
		return p.b.Post(ctx, f.action.String(), values)
	}
	return nil, fmt.Errorf("hospital: the page has no form for %s, and says %q", action, p.Says())
}

// Follow opens the link of the page whose address ends so.
func (p *Page) Follow(ctx context.Context, end string) (*Page, error) {
	root, err := html.Parse(bytes.NewReader(p.Raw))
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "a" {
			continue
		}
		to, err := p.at.Parse(attribute(n, "href"))
		if err == nil && strings.HasSuffix(to.Path, end) {
			return p.b.Open(ctx, to.String())
		}
	}
	return nil, fmt.Errorf("hospital: the page has no link to %s, and says %q", end, p.Says())
}

// Says is the text of the page's main part, without its markup.
func (p *Page) Says() string {
	root, err := html.Parse(bytes.NewReader(p.Raw))
	if err != nil {
		return ""
	}
	var words []string
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "main" {
			root = n
		}
	}
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}
