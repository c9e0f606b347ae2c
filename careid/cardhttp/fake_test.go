// SPDX-License-Identifier: Apache-2.0

package cardhttp_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

// service is the domain's answers by hand; the domain itself meets these
// handlers in careidtest.
type service struct {
	redeemed  string // the cookie that Redeem was given
	taken     string // the handle and the key that TakeUnlock was given
	signedOut []string
	started   func() (*careid.UnlockStarted, error)
	session   error
	code      string
}

func (s *service) Nonce(context.Context, careid.Purpose) (string, error) { return "n", nil }
func (s *service) Answer(context.Context, string) (*careid.Answered, error) {
	return &careid.Answered{Result: "r", Presence: "p", LeaseEvery: 10 * time.Second, LeaseFor: 30 * time.Second, OpenAct: "h"}, nil
}

func (s *service) Redeem(_ context.Context, _ string, cookie []byte) (*careid.SignedIn, error) {
	s.redeemed = string(cookie)
	return &careid.SignedIn{Token: "new-token", Session: careid.Session{ExpiresAt: time.Unix(1780000000, 0).UTC()}}, nil
}
func (s *service) Lease(context.Context, string) error   { return nil }
func (s *service) Removed(context.Context, string) error { return nil }
func (s *service) Session(_ context.Context, token string) (*careid.Session, error) {
	if s.session != nil {
		return nil, s.session
	}
	if token != "new-token" {
		return nil, &wardkey.Refusal{Rule: "session.none", Status: 401, Public: "You are not signed in."}
	}
	return &careid.Session{Name: "Ada Nurse"}, nil
}

func (s *service) SignOut(_ context.Context, token string) error {
	s.signedOut = append(s.signedOut, token)
	return nil
}

func (s *service) OpenHandle(context.Context, string, []byte) (*careid.ActView, error) {
	return &careid.ActView{Act: "a", Kind: careid.Issue, Keys: []careid.KeyPlan{{Use: careid.Authentication, ID: []byte{1}}}}, nil
}

func (s *service) Requests(context.Context, string, [][]byte) ([]*x509.Certificate, error) {
	return []*x509.Certificate{{Raw: []byte{1}}, {Raw: []byte{2}}}, nil
}
func (s *service) Confirm(context.Context, string, string) error { return nil }
func (s *service) TakeUnlock(_ context.Context, handle string, agentKey []byte) (*careid.Reset, error) {
	s.taken = handle + " " + string(agentKey)
	return &careid.Reset{Token: "reset", Candidates: []careid.SealedSOPIN{{Generation: 1, Sealed: []byte{1}}}}, nil
}

func (s *service) OpenUnlock(context.Context, []byte) (string, error) {
	return "unlock-handle", nil
}

func (s *service) StartUnlock(context.Context, careid.UnlockStart) (*careid.UnlockStarted, error) {
	return s.started()
}

func (s *service) RedeemUnlock(_ context.Context, u careid.UnlockCode) (*careid.Reset, error) {
	s.code = string(u.Code)
	return &careid.Reset{Token: "reset"}, nil
}

func (s *service) ResetOpened(context.Context, string, int64) (careid.SealedSOPIN, error) {
	return careid.SealedSOPIN{Generation: 2}, nil
}
func (s *service) ResetConfirm(context.Context, string) error { return nil }

// place is a server with the handler, one page and one protected app.
type place struct {
	*httptest.Server
	service *service
	handler *cardhttp.Handler
	log     *bytes.Buffer
}

func start(t *testing.T, change func(*cardhttp.Config)) *place {
	t.Helper()
	p := &place{service: &service{}, log: &bytes.Buffer{}}
	p.Server = httptest.NewUnstartedServer(nil)
	c := cardhttp.Config{
		Service: p.service, Server: "http://" + p.Listener.Addr().String(), SignInPage: "/signin",
		UnlockAnswer: time.Millisecond, Log: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&c)
	}
	var err error
	p.handler, err = cardhttp.New(c)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(cardhttp.Path, p.handler)
	mux.HandleFunc("/signin", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, p.handler.SignInTicket(w, r).JSON())
	})
	mux.Handle("/ward", p.handler.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := cardhttp.SessionOf(r)
		_, _ = io.WriteString(w, "Hello "+s.Name)
	})))
	p.Config.Handler = mux
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// answer is an answer whose body was read.
type answer struct {
	*http.Response
	body string
}

func (p *place) do(t *testing.T, client *http.Client, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, p.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if client == nil {
		client = p.Client()
	}
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp, string(text)}
}

func (p *place) agent(t *testing.T, path, body string, headers ...string) answer {
	t.Helper()
	return p.do(t, nil, http.MethodPost, cardhttp.Path+path, body, headers...)
}

// browser keeps cookies and doesn't follow redirects.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func rule(a answer) string {
	_, after, _ := strings.Cut(a.body, `"rule":"`)
	id, _, _ := strings.Cut(after, `"`)
	return id
}
