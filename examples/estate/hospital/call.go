// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// maxAnswer bounds what is read of any answer; an inbox with a few e-mails is
// the largest.
const maxAnswer = 16 << 20

// request is one JSON call.
type request struct {
	method, url string
	in          any    // nil sends no body
	out         any    // nil reads no body
	origin      string // the page that asks; "" for a client that is no browser
	bearer      string // an agent's credential; "" for none
}

// do sends r and decodes the answer. A refusal comes back as wardkey's own.
func do(ctx context.Context, client *http.Client, r request) error {
	var body io.Reader
	if r.in != nil {
		data, err := json.Marshal(r.in)
		if err != nil {
			return fmt.Errorf("hospital: %s %s: %w", r.method, r.url, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	if r.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.origin != "" {
		req.Header.Set("Origin", r.origin)
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	return send(client, req, r.out)
}

// send sends a request whose answer is to be JSON and decodes it into out; nil
// reads no body.
func send(client *http.Client, req *http.Request, out any) error {
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("hospital: %s %s: %w", req.Method, req.URL, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, refusal(resp, data))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("hospital: %s %s answered %d with something else: %w", req.Method, req.URL, resp.StatusCode, err)
	}
	return nil
}

// refusal reads a problem: one refusal, or several where the body has them
// under "also".
func refusal(resp *http.Response, data []byte) error {
	resp.Body = io.NopCloser(bytes.NewReader(data))
	first, err := wardkey.ParseRefusal(resp)
	if err != nil {
		text := strings.TrimSpace(string(data[:min(len(data), 200)]))
		return fmt.Errorf("status %d: %q: %w", resp.StatusCode, text, err)
	}
	var more struct {
		Also []*wardkey.Refusal `json:"also"`
	}
	if json.Unmarshal(data, &more) != nil || len(more.Also) == 0 {
		return first
	}
	return append(wardkey.Refusals{first}, more.Also...)
}

// control is a call without a session to the estate's web address.
func (h *Hospital) control(ctx context.Context, method, path string, in, out any) error {
	return do(ctx, h.http, request{method: method, url: h.config.Web + path, in: in, out: out})
}

// Protocol is a call of the card protocol, as an agent makes it, to a path under
// /card/v1: for an agent that is not the workstation's, such as a thief's.
func (h *Hospital) Protocol(ctx context.Context, path, bearer string, in, out any) error {
	return do(ctx, h.http, request{method: http.MethodPost, url: h.config.Web + "/card/v1/" + path, in: in, out: out, bearer: bearer})
}

// web is a call with this browser's cookies to the estate's web address.
func (b *Browser) web(ctx context.Context, method, path string, in, out any) error {
	return do(ctx, b.http, request{method: method, url: b.h.config.Web + path, in: in, out: out})
}

// PostForm sends the fields of a page's form with this browser's cookies, empty
// ones too, as a person's browser does.
func (b *Browser) PostForm(ctx context.Context, path string, fields url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.h.config.Web+path, strings.NewReader(fields.Encode()))
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(b.http, req, nil)
}

// Page is the page at a path as this browser shows it.
func (b *Browser) Page(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.h.config.Web+path, nil)
	if err != nil {
		return "", fmt.Errorf("hospital: %w", err)
	}
	req.Header.Set("Accept", "text/html")
	resp, err := b.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return string(page), err
}

// await asks look again and again until it is satisfied, fails or patience
// ends; then the error names what was waited for.
func (h *Hospital) await(ctx context.Context, what string, look func(context.Context) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, h.config.Patience)
	defer cancel()
	tick := time.NewTicker(h.config.Step)
	defer tick.Stop()
	for {
		done, err := look(ctx)
		if err == nil && done {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w for %s, %s long", errWaited, what, h.config.Patience)
		case <-tick.C:
		}
	}
}
