// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// provider is a running test server, as its standard output tells of it.
type provider struct {
	issuer, control string
}

// reads waits for the line ready.
func reads(t *testing.T, stdout io.Reader) provider {
	t.Helper()
	var s provider
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		word, value, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "control":
			s.control = value
		case "ready":
			s.issuer = value
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return s
		}
	}
	require.FailNow(t, "the command did not get ready")
	return s
}

// run runs the command in this process until the test ends.
func run(t *testing.T, args ...string) provider {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	var stderr lockedBuffer
	go func() {
		ended <- command(ctx, args, in, &stderr)
		_ = in.Close()
	}()
	t.Cleanup(func() {
		stop()
		require.Zero(t, <-ended, stderr.String())
	})
	return reads(t, out)
}

// lockedBuffer is written by a server and read by its test.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// folder holds the program as a user builds it; it goes with the tests.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "signin"); err != nil {
		panic(err)
	}
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// built is that program, which needs no cgo.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "signin")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	return path, build.Run()
})

// start starts the built program; it ends by SIGTERM, with status 0.
func start(t *testing.T, args ...string) provider {
	t.Helper()
	path, err := built()
	require.NoError(t, err)
	program := exec.Command(path, args...)
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	t.Cleanup(func() {
		require.NoError(t, program.Process.Signal(syscall.SIGTERM))
		require.NoError(t, program.Wait())
	})
	return reads(t, out)
}

// party is a relying party's side that a browser and the provider reach.
type party struct {
	*httptest.Server
	mu   sync.Mutex
	told []string // logout tokens
}

func newParty(t *testing.T) *party {
	p := &party{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /logout", func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, r.PostFormValue("logout_token"))
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><html lang=en><title>Ward list</title><h1>Back at the ward list</h1>")
	})
	mux.HandleFunc("GET /told", func(w http.ResponseWriter, r *http.Request) {
		mine := []string{}
		for _, token := range p.tokens() {
			if claims(t, token)["aud"] == r.URL.Query().Get("client") {
				mine = append(mine, token)
			}
		}
		_ = json.NewEncoder(w).Encode(mine) // the script has gone
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *party) tokens() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.told...)
}

// file writes one for a flag.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// clients is a file with one client, "ward", that a party plays.
func (p *party) clients(t *testing.T) string {
	return file(t, `[{"client_id": "ward", "client_secret": "`+secret+`", "token_endpoint_auth_method": "client_secret_post",
		"redirect_uris": ["`+p.URL+`/callback"], "backchannel_logout_uri": "`+p.URL+`/logout", "wardkey_pkce": false}]`)
}

const secret = "a secret of the ward list"

// says posts to the control port and decodes what it answers.
func (s provider) says(t *testing.T, path, body string) map[string]any {
	t.Helper()
	got, err := http.Post(s.control+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	answer := map[string]any{}
	require.NoError(t, json.NewDecoder(got.Body).Decode(&answer))
	answer["status"] = got.StatusCode
	return answer
}

// tells asks the control port.
func (s provider) tells(t *testing.T, path string, into any) {
	t.Helper()
	got, err := http.Get(s.control + path)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.NoError(t, json.NewDecoder(got.Body).Decode(into))
}

// asking is the address at which a browser begins.
func (s provider) asking(p *party, more ...string) string {
	v := url.Values{
		"client_id": {"ward"}, "redirect_uri": {p.URL + "/callback"}, "response_type": {"code"}, "state": {"st"}, "nonce": {"no"},
		"scope": {"openid profile nationalrbacaccess"},
	}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return s.issuer + "/authorize?" + v.Encode()
}

// visitor keeps cookies and follows redirects to where a person ends.
func visitor(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, Timeout: time.Minute}
}

// goes opens an address and says where the browser ends.
func goes(t *testing.T, b *http.Client, address string) *url.URL {
	t.Helper()
	got, err := b.Get(address)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	return got.Request.URL
}

// redeems turns the code of a callback into tokens.
func (s provider) redeems(t *testing.T, p *party, at *url.URL) map[string]any {
	t.Helper()
	require.NotEmpty(t, at.Query().Get("code"), at.String())
	got, err := http.PostForm(s.issuer+"/access_token", url.Values{
		"grant_type": {"authorization_code"}, "code": {at.Query().Get("code")}, "redirect_uri": {p.URL + "/callback"},
		"client_id": {"ward"}, "client_secret": {secret},
	})
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	tokens := map[string]any{}
	require.NoError(t, json.NewDecoder(got.Body).Decode(&tokens))
	require.Equal(t, http.StatusOK, got.StatusCode, tokens)
	return tokens
}

// info asks userinfo, and says with what status it answered.
func (s provider) info(t *testing.T, tokens map[string]any) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.issuer+"/userinfo", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+tokens["access_token"].(string))
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // read by the decoder
	claims := map[string]any{}
	require.NoError(t, json.NewDecoder(got.Body).Decode(&claims))
	return got.StatusCode, claims
}
