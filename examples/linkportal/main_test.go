// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// lines takes what a command prints.
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

// start runs the command until the test ends and returns its address.
func start(t *testing.T) string {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	var out, errs lines
	status := make(chan int, 1)
	go func() { status <- command(ctx, []string{"-listen", "127.0.0.1:0"}, &out, &errs) }()
	t.Cleanup(func() {
		interrupt()
		require.Zero(t, <-status, errs.String())
	})
	require.Eventually(t, func() bool { return strings.HasSuffix(out.String(), "\n") || errs.String() != "" }, time.Minute, 20*time.Millisecond)
	address, ready := strings.CutPrefix(strings.TrimSpace(out.String()), "ready ")
	require.True(t, ready, errs.String())
	return address
}

// visitor is a browser without a window.
type visitor struct {
	t    *testing.T
	at   string
	http *http.Client
}

func newVisitor(t *testing.T, at string) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return visitor{t, at, &http.Client{Jar: jar}}
}

func (v visitor) ask(method, path, accept string, fields url.Values) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.at+path, strings.NewReader(fields.Encode()))
	require.NoError(v.t, err)
	r.Header.Set("Accept", accept)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	got, err := v.http.Do(r)
	require.NoError(v.t, err)
	defer func() { _ = got.Body.Close() }() // read to its end below
	body, err := io.ReadAll(got.Body)
	require.NoError(v.t, err)
	return string(body)
}

func (v visitor) get(path string) string {
	return v.ask(http.MethodGet, path, "text/html", nil)
}

func (v visitor) post(path string, fields url.Values) string {
	return v.ask(http.MethodPost, path, "text/html", fields)
}

const password = "Two-herons-7-by-the-long-pond"

// account opens one and signs this browser in to it.
func (v visitor) account(address string) {
	v.t.Helper()
	require.Contains(v.t, v.post("/mail/accounts", url.Values{"name": {"Asha Patel"}, "address": {address}, "mobile": {"07700 900123"}}), "<li>"+address)
	var activation string
	require.Eventually(v.t, func() bool {
		var messages []struct{ Body string }
		require.NoError(v.t, json.Unmarshal([]byte(v.ask(http.MethodGet, "/messages", "application/json", nil)), &messages))
		for _, m := range messages {
			if strings.Contains(m.Body, "to activate "+address) {
				activation = m.Body[strings.LastIndexByte(m.Body, '\n')+1:]
				return true
			}
		}
		return false
	}, time.Minute, 20*time.Millisecond, "the activation password")
	v.post("/mail/signout", nil)
	require.Contains(v.t, v.post("/mail/signin", url.Values{"address": {address}, "password": {activation}}), "Signed in to <strong>"+address)
}

func fit() url.Values {
	return url.Values{"system": {"windows-10"}, "browser": {"chrome"}, "client": {"browser"}, "network": {"hscn"}, "private": {"no"}, "credentialManagement": {"yes"}}
}

// proven is a link with the password of its account.
func proven(address string, more ...string) url.Values {
	return with(address, append(more, "password", password)...)
}

func with(address string, more ...string) url.Values {
	fields := fit()
	fields.Set("address", address)
	for i := 0; i < len(more); i += 2 {
		fields.Set(more[i], more[i+1])
	}
	return fields
}

// TestAlone is the program from its start: a person, two mail accounts, and a link
// that is made, moved and ended.
func TestAlone(t *testing.T) {
	v := newVisitor(t, start(t))
	front := v.get("/")
	person := regexp.MustCompile(`value="(\d{12})"><button class="quiet">Asha Patel`).FindStringSubmatch(front)
	require.NotNil(t, person, front)
	require.Contains(t, v.get("/signin"), "Sign in with the card of")
	require.Contains(t, v.post("/signin", url.Values{"userID": {"000000000000"}}), "<code>request.invalid</code>")
	require.Contains(t, v.post("/signin", url.Values{"userID": {person[1]}}), "not signed in to a mail account")

	const first, second = "asha.patel@nhs.net", "asha.patel2@nhs.net"
	v.account(first)
	require.Contains(t, v.get("/links/preflight?"+with(first).Encode()), "<code>mail.aup</code>")
	require.Contains(t, v.get("/links/preflight?"+with("nobody.there@nhs.net").Encode()), "<code>mail.inactive</code>")
	v.post("/mail/policy", nil)
	require.Contains(t, v.get("/links/preflight?"+with(first).Encode()), "Nothing is missing")
	require.Contains(t, v.post("/mail/password", url.Values{"password": {"short"}}), "<code>mail.password.form</code>")
	require.Contains(t, v.post("/links", proven(first)), "<code>mail.password.wrong</code>", "none was chosen yet")
	v.post("/mail/password", url.Values{"password": {password}})
	require.Contains(t, v.post("/links", with(first)), "<code>mail.password.wrong</code>")
	require.Contains(t, v.post("/links", proven(first)), "It opens <strong>"+first)

	t.Run("one browser has one mail session", func(t *testing.T) {
		signIn := url.Values{"address": {first}, "password": {password}}
		at, err := url.Parse(v.at)
		require.NoError(t, err)
		v.post("/mail/signin", signIn)
		before := v.http.Jar.Cookies(at)
		require.Contains(t, v.post("/mail/signin", signIn), "Signed in to <strong>"+first)
		left := newVisitor(t, v.at)
		left.http.Jar.SetCookies(at, before)
		require.NotContains(t, left.get("/mail"), "Signed in to <strong>")
	})

	v.account(second)
	v.post("/mail/password", url.Values{"password": {password}})
	require.Contains(t, v.post("/links/relink", proven(second, "from", first)), "<code>mail.aup</code>")
	v.post("/mail/policy", nil)
	require.Contains(t, v.post("/links/relink", proven(second, "from", first)), "It opens <strong>"+second)
	require.NotContains(t, v.post("/links/unlink", url.Values{"address": {second}}), "It opens <strong>")
	require.Contains(t, v.post("/signout", nil), "You are signed out")
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{{"-listen", ":8487"}, {"-listen", "192.0.2.1:80"}, {"-listen", "here"}, {"please"}, {"-what"}} {
		var out, errs bytes.Buffer
		require.NotZero(t, command(t.Context(), args, &out, &errs))
		require.NotEmpty(t, errs.String())
	}
	var out, errs bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"-help"}, &out, &errs))
}

// TestInChromium looks at the pages with a real browser's rules, and with axe-core.
func TestInChromium(t *testing.T) {
	at := start(t)
	tab := browser.New(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...))
	}
	look := func(name string) {
		t.Helper()
		if folder := os.Getenv("PORTAL_PICTURES"); folder != "" {
			png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, "link-"+name+".png"), png, 0o644))
		}
		t.Run("accessible: "+name, func(t *testing.T) { browser.Accessible(t, tab) })
	}
	do(chromedp.Navigate(at), chromedp.WaitVisible("footer"))
	look("front")
	do(chromedp.Navigate(at+"/mail"), chromedp.WaitVisible("#name"), chromedp.SendKeys("#name", "Asha Patel"), chromedp.SendKeys("#opens", "asha.patel@nhs.net"),
		chromedp.SendKeys("#mobile", "07700 900123"), chromedp.Click(`form[action="/mail/accounts"] button`), chromedp.WaitVisible("#desk ~ ul"))
	v := newVisitor(t, at)
	var secret string
	require.Eventually(t, func() bool {
		found := regexp.MustCompile(`as it appears\.\\n([^"]+)"`).FindStringSubmatch(v.ask(http.MethodGet, "/messages", "application/json", nil))
		if found != nil {
			secret = found[1]
		}
		return found != nil
	}, time.Minute, 20*time.Millisecond)
	do(chromedp.SendKeys("#address", "asha.patel@nhs.net"), chromedp.SendKeys("#password", secret), chromedp.Click(`form[action="/mail/signin"] button`), chromedp.WaitVisible("#new"))
	look("mail")
	do(chromedp.Navigate(at+"/messages"), chromedp.WaitVisible("footer"))
	look("messages")
	do(chromedp.Navigate(at), chromedp.WaitVisible("#people"), chromedp.Click(`form[action="/signin"] button`), chromedp.WaitVisible("#system"))
	look("links")
	do(chromedp.SendKeys("#password", password), chromedp.Click(`#link button.quiet`), chromedp.WaitVisible("#missing"))
	address, err := chromedp.Run(tab, chromedp.Location())
	require.NoError(t, err)
	require.Contains(t, address, "/links/preflight?address=")
	require.NotContains(t, address, password)
	look("missing")
}
