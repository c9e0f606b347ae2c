// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/signin/mock"
)

const secret = "a secret between two programs of a test"

// environment has the secret, and nothing else.
func environment(name string) string {
	if name == "SPINEPORTAL_SECRET" {
		return secret
	}
	return ""
}

// lines takes what a command prints, and waits for a line of it.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the command until it is stopped, or the test ends.
func start(t *testing.T, listen, issuer string) (stop func()) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	var out, errs lines
	status := make(chan int, 1)
	go func() {
		status <- command(ctx, []string{"-issuer", issuer, "-client-id", "portal", "-listen", listen}, environment, &out, &errs)
	}()
	stop = sync.OnceFunc(func() {
		interrupt()
		require.Zero(t, <-status, errs.String())
		require.NotContains(t, out.String()+errs.String(), secret)
	})
	t.Cleanup(stop)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "ready http://"+listen) || errs.String() != "" }, time.Minute, 20*time.Millisecond)
	require.Empty(t, errs.String())
	return stop
}

// free is an address that nobody listened at a moment ago: the provider has to know it before the portal has it.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// TestSignsInAtTheTestServer is the command against examples/signin -test: a
// persona signs in, and a pulled card ends the session in the portal.
func TestSignsInAtTheTestServer(t *testing.T) {
	listen := free(t)
	clients, err := openid.ParseClients([]byte(`[{"client_id":"portal","client_name":"Clinical portal","client_secret":"` + secret + `",
		"token_endpoint_auth_method":"client_secret_post","redirect_uris":["http://` + listen + `/auth/callback"],
		"backchannel_logout_uri":"http://` + listen + `/auth/backchannel-logout"}]`))
	require.NoError(t, err)
	var provider http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { provider.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	m, err := mock.Open(t.Context(), mock.Config{Issuer: server.URL, Clients: clients, Keys: []openid.Key{{Algorithm: "RS256", Signer: key}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	provider = m
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	control := httptest.NewUnstartedServer(m.Control(l.Addr()))
	require.NoError(t, control.Listener.Close())
	control.Listener = l
	control.Start()
	t.Cleanup(control.Close)
	tell := func(path, body string) {
		t.Helper()
		got, err := http.Post(control.URL+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.Less(t, got.StatusCode, 300, path)
	}
	stop := start(t, listen, server.URL)

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	open := func(path, accept string) (int, string, *url.URL) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listen+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept", accept)
		got, err := browser.Do(r)
		require.NoError(t, err)
		defer func() { _ = got.Body.Close() }() // read to its end below
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		return got.StatusCode, string(body), got.Request.URL
	}
	status, body, at := open("/portal", "text/html")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, server.URL, at.Scheme+"://"+at.Host, "the provider's page: %s", body)

	tell("/persona", `{"sub":"900000000102","role":"900000000903"}`)
	status, body, at = open("/portal", "text/html")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "http://"+listen+"/portal", at.String())
	require.Contains(t, body, "Good day, Tomas")
	require.Contains(t, body, "<code>S0010:G0020:R0260</code>")
	require.Contains(t, body, "at level 3")

	listens := func() io.Reader {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listen+"/portal/ended", nil)
		require.NoError(t, err)
		stream, err := browser.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = stream.Body.Close() }) // read to its end below
		require.Equal(t, http.StatusOK, stream.StatusCode)
		require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
		return stream.Body
	}
	stream := listens()
	tell("/card", `{"do":"pull","sub":"900000000102"}`)
	told, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.Equal(t, "event: ended\ndata: session\n\n", string(told))
	require.Eventually(t, func() bool {
		status, _, _ := open("/session", "application/json")
		return status == http.StatusUnauthorized
	}, time.Minute, 20*time.Millisecond)

	tell("/card", `{"do":"insert","sub":"900000000102"}`)
	tell("/persona", `{"sub":"900000000102","role":"900000000903"}`)
	status, body, _ = open("/portal", "text/html")
	require.Equal(t, http.StatusOK, status, body)
	stream = listens()
	browser.Jar, err = cookiejar.New(nil) // another's
	require.NoError(t, err)
	t.Run("a sign-in that doesn't say how is refused", func(t *testing.T) {
		tell("/fault", `{"name":"missing-acr"}`)
		tell("/persona", `{"sub":"900000000102"}`)
		status, body, _ := open("/portal", "text/html")
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "rp.acr.missing")
	})
	stop()
	told, err = io.ReadAll(stream)
	require.NoError(t, err, "the stream was ended, and not cut off after a while")
	require.Empty(t, told)
}

func TestCommandRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no client":            {[]string{}, "-client-id is missing"},
		"another machine's":    {[]string{"-client-id", "portal", "-listen", "192.0.2.1:80"}, "on this machine alone"},
		"all addresses":        {[]string{"-client-id", "portal", "-listen", ":8486"}, "on this machine alone"},
		"no address":           {[]string{"-client-id", "portal", "-listen", "here"}, "not an address"},
		"a word too many":      {[]string{"-client-id", "portal", "please"}, "not understood"},
		"an issuer in clear":   {[]string{"-client-id", "portal", "-listen", "127.0.0.1:0", "-issuer", "http://care.example"}, "Issuer"},
		"an agent that is all": {[]string{"-client-id", "portal", "-listen", "127.0.0.1:0", "-agent", "*"}, "Agent"},
	} {
		t.Run("threat065/"+name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.NotZero(t, command(t.Context(), c.args, environment, &out, &errs))
			require.Contains(t, errs.String(), c.says)
			require.NotContains(t, errs.String(), secret)
		})
	}
	var out, errs bytes.Buffer
	require.Equal(t, 2, command(t.Context(), []string{"-client-id", "portal"}, func(string) string { return "" }, &out, &errs))
	require.Contains(t, errs.String(), "SPINEPORTAL_SECRET")
	require.Zero(t, command(t.Context(), []string{"-help"}, environment, &out, &errs))
}
