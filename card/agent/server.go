// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

const (
	protocolPath = "/card/v1/"
	// maxAnswer bounds a server's answer: a pair of certificates is under 8 KiB.
	maxAnswer = 256 << 10
)

// errUnreachable is a server that gave no usable answer: whether it did what
// it was asked is unknown.
var errUnreachable = errors.New("agent: the server gave no answer")

// server speaks the agent's side of the card protocol to one base URL.
type server struct {
	base string
	http *http.Client
}

// post sends in and reads the answer into out (nil for 204). The encoded body is
// cleared. An error is the server's *wardkey.Refusal, or wraps errUnreachable.
func (s server) post(ctx context.Context, path, bearer string, in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	sent := &body{text: text}
	defer sent.erase()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+protocolPath+path, nil)
	if err != nil {
		return err
	}
	request.GetBody, request.ContentLength = sent.open, int64(len(text))
	request.Body, _ = sent.open() // never fails
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	defer outside(ctx)()
	response, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }() // read to its end or given up
	if response.StatusCode/100 != 2 {
		refusal, err := wardkey.ParseRefusal(response)
		if err != nil {
			return fmt.Errorf("%w: %w", errUnreachable, err)
		}
		return refusal
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%w: reading %s: %w", errUnreachable, path, err)
	}
	return nil
}

// withoutURL keeps a failed request's cause and drops its address, which the
// log line names by itself.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// answered is what a proof earned.
type answered struct {
	Result     string `json:"result"`
	Presence   string `json:"presence"`
	LeaseEvery int    `json:"leaseEvery"`
	LeaseFor   int    `json:"leaseFor"`
	Act        string `json:"act"`
}

// actView is an act as its handle shows it.
type actView struct {
	Act          string        `json:"act"`
	Kind         Kind          `json:"kind"`
	Card         string        `json:"card"`
	Keys         []keyPlan     `json:"keys"`
	Holder       string        `json:"holder"`
	Locked       bool          `json:"locked"`
	SOPINs       []sealedSOPIN `json:"soPins"`
	Certificates [][]byte      `json:"certificates"`
}

type keyPlan struct {
	Use       string `json:"use"`
	ID        []byte `json:"id"`
	Algorithm string `json:"algorithm"`
}

type reset struct {
	Reset      string        `json:"reset"`
	Candidates []sealedSOPIN `json:"candidates"`
}

func (s server) nonce(ctx context.Context, purpose Kind) (string, error) {
	var out struct {
		Nonce string `json:"nonce"`
	}
	err := s.post(ctx, "nonce", "", map[string]Kind{"purpose": purpose}, &out)
	return out.Nonce, err
}

func (s server) answer(ctx context.Context, jws string) (answered, error) {
	var out answered
	err := s.post(ctx, "answer", "", map[string]string{"jws": jws}, &out)
	return out, err
}

func (s server) act(ctx context.Context, handle string, key *agentKey) (*actView, error) {
	out := new(actView)
	err := s.post(ctx, "act", handle, map[string][]byte{"agentKey": key.public}, out)
	return out, err
}

func (s server) requests(ctx context.Context, handle string, csrs [][]byte) ([][]byte, error) {
	var out struct {
		Certificates [][]byte `json:"certificates"`
	}
	err := s.post(ctx, "act/requests", handle, map[string][][]byte{"csrs": csrs}, &out)
	return out.Certificates, err
}

func (s server) confirm(ctx context.Context, handle, jws string) error {
	return s.post(ctx, "act/confirm", handle, map[string]string{"jws": jws}, nil)
}

// takeUnlock opens the reset of an unlock at a desk.
func (s server) takeUnlock(ctx context.Context, handle string, key *agentKey) (*reset, error) {
	out := new(reset)
	err := s.post(ctx, "act/unlock", handle, map[string][]byte{"agentKey": key.public}, out)
	return out, err
}

func (s server) startUnlock(ctx context.Context, handle, card, channel string) (request, message string, err error) {
	var out struct{ Request, Message string }
	err = s.post(ctx, "unlock/start", handle, map[string]string{"card": card, "channel": channel}, &out)
	return out.Request, out.Message, err
}

// digits is a code on its way out: JSON text that can be cleared.
type digits []byte

func (d digits) MarshalJSON() ([]byte, error) {
	for _, c := range d {
		if c < '0' || c > '9' {
			return nil, errForm
		}
	}
	return append(append([]byte{'"'}, d...), '"'), nil
}

// String shows nothing.
func (d digits) String() string { return "…" }

func (s server) redeem(ctx context.Context, request, card string, code digits, key *agentKey) (*reset, error) {
	out := new(reset)
	err := s.post(ctx, "unlock/redeem", "", struct {
		Request  string `json:"request"`
		Card     string `json:"card"`
		Code     digits `json:"code"`
		AgentKey []byte `json:"agentKey"`
	}{request, card, code, key.public}, out)
	return out, err
}

func (s server) opened(ctx context.Context, token string, generation int64) (sealedSOPIN, error) {
	var out sealedSOPIN
	err := s.post(ctx, "reset/opened", token, map[string]int64{"generation": generation}, &out)
	return out, err
}

func (s server) resetDone(ctx context.Context, token string) error {
	return s.post(ctx, "reset/confirm", token, struct{}{}, nil)
}

// patiently repeats a call that is safe to repeat while the server gives no
// answer, with growing pauses, until ctx ends or Config.Patience does.
func (a *Agent) patiently(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.config.Patience)
	defer cancel()
	defer outside(ctx)()
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := call(ctx)
		if !errors.Is(err, errUnreachable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// baseURL checks and normalises a server's or page's address: https, or http
// to a loopback host; scheme, host and port alone, as a browser writes an
// origin.
func baseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("agent: %q is not scheme://host[:port]", text)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && loopbackHost(u.Hostname()):
	default:
		return "", fmt.Errorf("agent: %q must be https (http only to a loopback address)", text)
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host, nil
}

// pageURL says why an address is none that a person may be sent to.
func pageURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname()))) {
		return fmt.Errorf("agent: page %q must be an absolute https address (http only to a loopback host)", text)
	}
	return nil
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
