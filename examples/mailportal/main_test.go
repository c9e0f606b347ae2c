// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

const (
	asha   = "asha.patel@nhs.net"
	secret = "wet-otter-lamp-9"
)

// start runs the command and returns its address and how to stop it, which also
// happens when the test ends.
func start(t *testing.T, args ...string) (address string, stop func()) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	out, printed := io.Pipe()
	var errs bytes.Buffer // read when the command has ended
	status := make(chan int, 1)
	go func() {
		status <- command(ctx, append(args, "-listen", "127.0.0.1:0"), printed, &errs)
		_ = printed.Close() // of a pipe: never fails
	}()
	stop = sync.OnceFunc(func() {
		interrupt()
		require.Zero(t, <-status, errs.String())
		require.Empty(t, errs.String())
	})
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
	}
	address, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	require.True(t, ready, line)
	return address, stop
}

// person is somebody who fills in forms.
type person struct {
	t    *testing.T
	at   string
	http http.Client
}

func someone(t *testing.T, at string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &person{t, at, http.Client{Jar: jar}}
}

func (p *person) post(path string, fields url.Values) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.at+path, strings.NewReader(fields.Encode()))
	require.NoError(p.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.send(r)
}

func (p *person) get(path, accept string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.at+path, nil)
	require.NoError(p.t, err)
	r.Header.Set("Accept", accept)
	return p.send(r)
}

func (p *person) send(r *http.Request) string {
	p.t.Helper()
	got, err := p.http.Do(r)
	require.NoError(p.t, err)
	defer func() { _ = got.Body.Close() }() // read to its end below
	body, err := io.ReadAll(got.Body)
	require.NoError(p.t, err)
	require.Less(p.t, got.StatusCode, 400, string(body))
	return string(body)
}

// firstLogin takes an account from its site's registration to its own password and
// questions.
func (p *person) firstLogin(ods string) {
	p.t.Helper()
	p.post("/register", url.Values{"applicant": {"Mo Reed"}, "name": {"Mill House"}, "ods": {ods}})
	p.post("/apply", url.Values{"site": {ods}, "applicant": {"Mo Reed"}, "name": {"Asha Patel"}, "address": {asha}, "mobile": {"07700 900123"}, "purpose": {"care"}})
	var texts []struct{ To, Body string }
	require.Eventually(p.t, func() bool {
		require.NoError(p.t, json.Unmarshal([]byte(p.get("/phone", "application/json")), &texts))
		return len(texts) > 0
	}, time.Minute, 20*time.Millisecond)
	_, password, _ := strings.Cut(texts[0].Body, "\n")
	p.post("/signin", url.Values{"address": {asha}, "password": {password}})
	p.post("/first/password", url.Values{"new": {secret}})
	p.post("/first/questions", url.Values{"question": {"First pet?", "First school?", "First street?"}, "answer": {"rex the dog", "hill top", "mill lane"}})
	p.post("/first/policy", url.Values{"version": {"1"}})
}

// What was done is still there after the program was stopped, and the desk's
// questions still fit.
func TestRestart(t *testing.T) {
	db := filepath.Join(t.TempDir(), "mail.db")
	at, stop := start(t, "-db", db)
	p := someone(t, at)
	p.firstLogin("VLX12")
	key, err := os.ReadFile(db + ".key")
	require.NoError(t, err)
	require.Len(t, strings.TrimSpace(string(key)), 64)
	stop()

	at, _ = start(t, "-db", db)
	p = someone(t, at)
	p.post("/signin", url.Values{"address": {asha}, "password": {secret}})
	require.Contains(t, p.get("/account", "text/html"), `<span class="state">active</span>`)
	require.Contains(t, p.get("/desk?address="+asha, "text/html"), "characters ")
	require.Contains(t, p.get("/phone", "text/html"), "There is no text yet", "texts are in memory alone")
	same, err := os.ReadFile(db + ".key")
	require.NoError(t, err)
	require.Equal(t, key, same)
}

func TestOnPostgreSQL(t *testing.T) {
	var folder string
	require.NoError(t, postgrestest.Open(t).QueryRow("SHOW unix_socket_directories").Scan(&folder))
	at, _ := start(t, "-db", "postgres://wardkey@/postgres?sslmode=disable&host="+url.QueryEscape(folder))
	p := someone(t, at)
	p.firstLogin("VLX34")
	require.Contains(t, p.get("/account", "text/html"), `<span class="state">active</span>`)
	require.Contains(t, p.get("/desk?address="+asha, "text/html"), "be checked by their characters here", "no key, no questions")
}

// A password that is on the list is nobody's choice.
func TestBreached(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	require.NoError(t, os.WriteFile(list, fmt.Appendf(nil, "%X:3\r\n", sha1.Sum([]byte("a-breached-sentence"))), 0o600))
	at, _ := start(t, "-db", filepath.Join(dir, "mail.db"), "-breached", list)
	p := someone(t, at)
	p.firstLogin("VLX12")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/account/password", strings.NewReader(url.Values{"current": {secret}, "new": {"a-breached-sentence"}}.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := p.http.Do(r)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }() // the refusal is all of it
	no, err := wardkey.ParseRefusal(got)
	require.NoError(t, err)
	require.Equal(t, "mail.password.form", no.Rule)
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	lost := filepath.Join(dir, "lost.db")
	require.NoError(t, os.WriteFile(lost, nil, 0o600))
	torn := filepath.Join(dir, "torn.db")
	require.NoError(t, os.WriteFile(torn+".key", []byte("beef"), 0o600))
	fresh := filepath.Join(dir, "fresh.db")
	for says, args := range map[string][]string{
		"is a loopback one":             {"-listen", ":8488", "-db", fresh},
		"whoever reaches":               {"-listen", "192.0.2.1:80", "-db", fresh},
		"-listen here":                  {"-listen", "here", "-db", fresh},
		"is not understood":             {"please"},
		"flag provided but not defined": {"-what"},
		"is not on this machine":        {"-listen", "127.0.0.1:0", "-smtp", "192.0.2.1:25", "-db", fresh},
		"lost.db has no key":            {"-listen", "127.0.0.1:0", "-db", lost},
		"torn.db.key is no key":         {"-listen", "127.0.0.1:0", "-db", torn},
		"the password has no place":     {"-listen", "127.0.0.1:0", "-db", "postgres://ward:hunter2@127.0.0.1/mail"},
		"-breached":                     {"-listen", "127.0.0.1:0", "-db", fresh, "-breached", dir},
		"no such file or directory":     {"-listen", "127.0.0.1:0", "-db", filepath.Join(dir, "nowhere", "mail.db")},
	} {
		t.Run(says, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.NotZero(t, command(t.Context(), args, &out, &errs))
			require.Contains(t, errs.String(), says)
			require.NotContains(t, errs.String(), "hunter2")
			require.Empty(t, out.String())
		})
	}
	t.Run("a key from the environment", func(t *testing.T) {
		t.Setenv(keyVariable, "not one")
		_, err := deskKey(fresh)
		require.ErrorContains(t, err, keyVariable)
		t.Setenv(keyVariable, strings.Repeat("ab", 32))
		key, err := deskKey("postgres://db.example/mail")
		require.NoError(t, err)
		require.Len(t, key, 32)
	})
	var out, errs bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"-help"}, &out, &errs))
}
