// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/signin/mock"
)

// national is the path of the national service's issuer.
const national = "/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare"

// serve serves a mock at an issuer with that path, and its control port.
func serve(t *testing.T, path string, now func() time.Time) (issuer string, control *httptest.Server) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public := httptest.NewUnstartedServer(nil)
	issuer = "http://" + public.Listener.Addr().String() + path
	m, err := mock.Open(t.Context(), mock.Config{
		Issuer: issuer, Keys: []openid.Key{{Algorithm: "RS256", Signer: key}}, Now: now,
		Clients: []openid.Client{{ID: "ward", Secret: []byte("ward-secret"), RedirectURIs: []string{"https://ward.example/callback"}, WithoutPKCE: true}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	public.Config.Handler = m
	public.Start()
	t.Cleanup(public.Close)
	control = httptest.NewUnstartedServer(nil)
	control.Config.Handler = m.Control(control.Listener.Addr())
	control.Start()
	t.Cleanup(control.Close)
	return issuer, control
}

// signIn signs somebody in without a page and says where the browser was sent.
func signIn(ctx context.Context, issuer, control, sub string) (*url.URL, error) {
	said, err := http.Post(control+"/persona", "application/json", strings.NewReader(`{"sub":"`+sub+`"}`))
	if err != nil {
		return nil, err
	}
	if err := said.Body.Close(); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/authorize?client_id=ward&response_type=code&scope=openid&redirect_uri=https%3A%2F%2Fward.example%2Fcallback", nil)
	if err != nil {
		return nil, err
	}
	b := http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "ward.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	got, err := b.Do(r)
	if err != nil {
		return nil, err
	}
	if err := got.Body.Close(); err != nil {
		return nil, err
	}
	if to, err := got.Location(); err == nil {
		return to, nil
	}
	return got.Request.URL, nil
}

// The issuer of the national service, path and all.
func TestNationalIssuer(t *testing.T) {
	issuer, control := serve(t, national, nil)
	found, err := oidc.NewProvider(t.Context(), issuer)
	require.NoError(t, err)
	require.Equal(t, issuer+"/access_token", found.Endpoint().TokenURL)
	at, err := signIn(t.Context(), issuer, control.URL, "900000000101")
	require.NoError(t, err)
	require.NotEmpty(t, at.Query().Get("code"))
	require.Equal(t, issuer, at.Query().Get("iss"))
}

// A machine whose clock is years ahead has people whose cards are good, and one that is behind is told so.
func TestMachinesClock(t *testing.T) {
	later := time.Date(2033, 3, 1, 12, 0, 0, 0, time.UTC)
	issuer, control := serve(t, "", func() time.Time { return later })
	at, err := signIn(t.Context(), issuer, control.URL, "900000000101")
	require.NoError(t, err)
	require.NotEmpty(t, at.Query().Get("code"))

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, err = mock.Open(t.Context(), mock.Config{
		Issuer: "http://127.0.0.1:1", Keys: []openid.Key{{Algorithm: "RS256", Signer: key}}, Clients: []openid.Client{{ID: "a"}},
		Now: func() time.Time { return time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC) },
	})
	require.ErrorContains(t, err, "the clock of this machine")
}

// Many at once: every authorization is answered, whoever is signed in by it, while cards go in and out and all begins anew.
func TestManyAtOnce(t *testing.T) {
	issuer, control := serve(t, "", nil)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 5 {
				at, err := signIn(t.Context(), issuer, control.URL, "90000000010"+string(rune('1'+i)))
				if err != nil || at.Path != "/callback" && at.Path != "/login" && at.Path != "/" {
					t.Errorf("%v %v", at, err)
				}
			}
		})
	}
	for path, body := range map[string]string{"/card": `{"do":"pull","sub":"900000000101"}`, "/clock": `{"add":"1h"}`, "/reset": `{}`} {
		all.Go(func() {
			for range 3 {
				got, err := http.Post(control.URL+path, "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				if got.StatusCode != http.StatusOK {
					t.Error(path, got.Status)
				}
				_ = got.Body.Close() // only its status counts
			}
		})
	}
	all.Wait()
	got, err := http.Get(control.URL + "/audit")
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	require.NoError(t, json.NewDecoder(got.Body).Decode(&map[string][]any{}))
}

func TestBase(t *testing.T) {
	for issuer, base := range map[string]string{
		"https://am.example:443" + national: "https://am.example", "https://am.example:8443/x": "https://am.example:8443",
		"http://127.0.0.1:80": "http://127.0.0.1", "http://[::1]:8080/": "http://[::1]:8080",
	} {
		at, err := url.Parse(issuer)
		require.NoError(t, err)
		require.Equal(t, base, mock.Base(at))
	}
}
