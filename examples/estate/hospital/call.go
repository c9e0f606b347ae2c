// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	req.Header.Set("Accept", "application/json")
	if r.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.origin != "" {
		req.Header.Set("Origin", r.origin)
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("hospital: %s %s: %w", r.method, r.url, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", r.method, req.URL.Path, refusal(resp, data))
	}
	if r.out == nil {
		return nil
	}
	if err := json.Unmarshal(data, r.out); err != nil {
		return fmt.Errorf("hospital: %s %s answered %d with something else: %w", r.method, r.url, resp.StatusCode, err)
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
