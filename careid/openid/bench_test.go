// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

const (
	flows   = 256 // a round
	callers = 64
)

// flow is one sign-in, as far as browser, card and client have prepared it.
type flow struct {
	proof, cookie, assertion string
}

// bench is a provider over HTTP on loopback, in a hospital, each with a database in a file of its own.
type bench struct {
	*testing.B
	*careidtest.Hospital
	issuer string
	client *http.Client
}

// BenchmarkFlow measures whole sign-ins at a client, 64 at once: the card's answer and the session, authorize, code, token
// by private_key_jwt, userinfo, all over HTTP and durable, against the cryptography alone that there must be: an RS256
// signature, and the verification of the card's signature and of the client's. What card and client sign for it is their
// work, and outside the time.
func BenchmarkFlow(b *testing.B) {
	s := newBench(b)
	var took, bare time.Duration
	rounds := 0
	for b.Loop() {
		b.StopTimer()
		ready := make([]flow, flows)
		for i := range ready {
			ready[i] = s.prepare()
		}
		b.StartTimer()
		took += atOnce(b, ready, s.play)
		b.StopTimer()
		bare += s.bare()
		b.StartTimer()
		rounds++
	}
	n := float64(rounds * flows)
	benchline.Report(b, "openid.flow", n/took.Seconds(), n/bare.Seconds(), "flows/s", true, 0.25)
}

func newBench(b *testing.B) *bench {
	b.Helper()
	s := &bench{B: b, Hospital: careidtest.New(b, careidtest.Config{})}
	db, err := sqlkit.OpenSQLite(filepath.Join(b.TempDir(), "openid.db"))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	store, err := sqlstore.Open(b.Context(), sqlstore.Config{DB: db, Now: s.Clock.Now, Wall: s.Wall.Now})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	b.Cleanup(server.Close)
	s.issuer = server.URL + "/realm"
	provider, err := openid.New(openid.Config{
		Issuer: s.issuer, Service: s.Service, Records: s.Store, Store: store, SignIn: "/signin", SessionToken: cookieOf,
		Keys: []openid.Key{{Algorithm: "RS256", Signer: signingKey()}},
		Clients: []openid.Client{{
			ID: "signer", Method: openid.PrivateKeyJWT, RedirectURIs: []string{redirect}, KeySet: keySet(map[string]*rsa.PrivateKey{"k1": clientKey()}),
		}},
		Now: s.Clock.Now, Wall: s.Wall.Now,
	})
	require.NoError(b, err)
	handler = provider.Handler()
	s.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: callers},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	b.Cleanup(s.client.CloseIdleConnections)
	return s
}

// prepare does the card's and the client's part.
func (s *bench) prepare() flow {
	f := flow{cookie: rand.Text()}
	var err error
	f.proof, err = s.Proof(s.Context(), s.Nurse.Card, careidtest.Claims{Bind: f.cookie})
	require.NoError(s, err)
	now := s.Wall.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS512, Key: clientKey()}, new(jose.SignerOptions).WithHeader("kid", "k1"))
	require.NoError(s, err)
	f.assertion, err = jwt.Signed(signer).Claims(map[string]any{
		"iss": "signer", "sub": "signer", "aud": s.issuer + "/access_token", "jti": rand.Text(), "exp": now.Add(5 * time.Minute).Unix(),
	}).Serialize()
	require.NoError(s, err)
	return f
}

// play signs in with the card, at the client, and asks who it is.
func (s *bench) play(f *flow) error {
	ctx := context.Background()
	answer, err := s.Service.Answer(ctx, f.proof)
	if err != nil {
		return err
	}
	in, err := s.Service.Redeem(ctx, answer.Result, []byte(f.cookie))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.issuer+"/authorize?"+asked("client_id", "signer").Encode(), nil)
	if err != nil {
		return err
	}
	r.AddCookie(&http.Cookie{Name: cookie, Value: in.Token})
	to, err := s.ask(r, nil)
	if err != nil {
		return err
	}
	back, err := url.Parse(to.Get("Location"))
	if err != nil {
		return err
	}
	form := asserting(back.Query().Get("code"), f.assertion)
	r, err = http.NewRequestWithContext(ctx, http.MethodPost, s.issuer+"/access_token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var tokens struct {
		Access string `json:"access_token"`
	}
	if _, err := s.ask(r, &tokens); err != nil {
		return err
	}
	r, err = http.NewRequestWithContext(ctx, http.MethodGet, s.issuer+"/userinfo", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+tokens.Access)
	var info struct{ Sub string }
	if _, err = s.ask(r, &info); err == nil && info.Sub != s.Nurse.Profile.ID {
		err = errors.New("userinfo is of somebody else")
	}
	return err
}

func (s *bench) ask(r *http.Request, into any) (http.Header, error) {
	got, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode >= 400 {
		return nil, fmt.Errorf("%s: %d %s %w", r.URL.Path, got.StatusCode, body, err)
	}
	if into != nil {
		err = json.Unmarshal(body, into)
	}
	return got.Header, err
}

// bare does the cryptography of as many flows and nothing else.
func (s *bench) bare() time.Duration {
	message := sha256.Sum256([]byte("a message"))
	card, ok := s.Nurse.Card.Keys[0].(*ecdsa.PrivateKey)
	require.True(s, ok)
	bySignature, err := ecdsa.SignASN1(rand.Reader, card, message[:])
	require.NoError(s, err)
	byClient, err := rsa.SignPKCS1v15(nil, clientKey(), crypto.SHA256, message[:])
	require.NoError(s, err)
	return atOnce(s.B, make([]flow, flows), func(*flow) error {
		if !ecdsa.VerifyASN1(&card.PublicKey, message[:], bySignature) {
			return errors.New("the card's signature is bad")
		}
		_, signed := rsa.SignPKCS1v15(nil, signingKey(), crypto.SHA256, message[:])
		return errors.Join(signed, rsa.VerifyPKCS1v15(&clientKey().PublicKey, crypto.SHA256, message[:], byClient))
	})
}

// atOnce runs a job for each flow, 64 at once, and returns how long they took.
func atOnce(b *testing.B, all []flow, job func(*flow) error) time.Duration {
	b.Helper()
	errs := make([]error, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				errs[i] = job(&all[i])
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	require.NoError(b, errors.Join(errs...))
	return took
}
