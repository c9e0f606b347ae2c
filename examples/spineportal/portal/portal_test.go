// SPDX-License-Identifier: Apache-2.0

package portal_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/spineportal/portal"
)

const (
	base = "http://127.0.0.1:8486"
	desk = "http://127.0.0.1:9443"
)

func config() portal.Config {
	return portal.Config{
		Base: base, Agent: desk, Pages: relyingparty.Pages{Unlock: "http://127.0.0.1:8484/unlock", Renew: "http://127.0.0.1:8484/my"},
		Login: relyingparty.Config{Issuer: "http://127.0.0.1:8484", ClientID: "portal", Secret: clientSecret()},
		Now:   func() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) },
	}
}

// asked is what the portal answers, without a provider.
func asked(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	p, err := portal.New(config())
	require.NoError(t, err)
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, r)
	got := w.Result()
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return got, string(body)
}

func page(t *testing.T, path string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	r.Header.Set("Accept", "text/html")
	got, body := asked(t, r)
	require.Equal(t, http.StatusOK, got.StatusCode, body)
	return body
}

// button is what a program is told of the sign-in button of a workstation.
func button(t *testing.T, declared url.Values) (show bool, rule string) {
	t.Helper()
	_, body := asked(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/button?"+declared.Encode(), nil))
	var a struct {
		Show   bool
		Rule   string
		Source struct{ Document, Date string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &a), body)
	require.NotEmpty(t, a.Source.Document, "a source for %s", body)
	return a.Show, a.Rule
}

func TestButton(t *testing.T) {
	for _, c := range []struct {
		name, system, browser, client string
		show                          bool
		rule                          string
	}{
		{"a PC", "windows-11", "edge", "", true, "system.windows-11"},
		{"a PC with a browser that can't", "windows-10", "firefox", "", true, "system.windows-10"},
		{"an iPad with Safari", "ipados", "safari", "", true, "browsers.ipados"},
		{"an iPad with Chrome", "ipados", "chrome", "", false, "button.hidden"},
		{"a phone", "ios", "safari", "", false, "system.unsupported"},
		{"a Mac", "macos", "safari", "", false, "system.unsupported"},
		{"Outlook", "windows-11", "", "outlook", false, "client.method"},
		{"mail on a phone", "ios", "", "mobile", false, "client.method"},
		{"a program nobody knows", "windows-11", "chrome", "lynx", false, "client.unknown"},
		{"nothing is known", "", "", "", false, "system.unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			declared := url.Values{"system": {c.system}, "browser": {c.browser}, "client": {c.client}}
			show, rule := button(t, declared)
			require.Equal(t, c.show, show)
			require.Equal(t, c.rule, rule)
			body := page(t, "/?"+declared.Encode())
			require.Equal(t, c.show, strings.Contains(body, "Log in with my Care Identity</a>"))
			require.Contains(t, body, "<code>"+c.rule+"</code>", "why, when asked")
		})
	}
}

func TestCheckup(t *testing.T) {
	fine := url.Values{"system": {"windows-11"}, "browser": {"edge"}, "network": {"hscn"}, "credentialManagement": {"yes"}, "card": {"yes"}, "skew": {"-4"}}
	with := func(name, value string) string {
		changed := url.Values{}
		for n, v := range fine {
			changed[n] = v
		}
		changed.Set(name, value)
		return page(t, "/?"+changed.Encode())
	}
	require.Contains(t, page(t, "/?"+fine.Encode()), "Nothing about it keeps a card from working.")
	require.Contains(t, page(t, "/"), "It is not known yet.")
	t.Run("row050", func(t *testing.T) {
		body := with("private", "yes")
		require.Contains(t, body, "A card does not work in a private window.")
		require.Contains(t, body, "<code>browser.private</code>")
	})
	t.Run("row073", func(t *testing.T) {
		require.Contains(t, with("network", "internet"), "<code>network.hscn</code>")
	})
	t.Run("row093", func(t *testing.T) {
		for _, no := range []string{"firefox", "internet-explorer-11"} {
			body := with("browser", no)
			require.Contains(t, body, "Use Chrome or the Chromium version of Edge; on an iPad, Safari.")
			require.Contains(t, body, "<code>browser.unsupported</code>")
			require.Contains(t, body, "2022-11-19")
		}
	})
	require.Contains(t, with("skew", "900"), "<code>device.clock</code>")
	require.Contains(t, with("credentialManagement", "no"), "<code>device.credmgmt</code>")
	require.Contains(t, with("skew", "99999999999999999999"), "Nothing about it keeps a card from working.", "a clock that is no number is unknown")
}

func TestPages(t *testing.T) {
	t.Run("row031", func(t *testing.T) {
		for _, path := range []string{"/", "/signed-out"} {
			require.Contains(t, page(t, path), "A demonstration, for professionals.")
		}
	})
	t.Run("row048", func(t *testing.T) {
		body := page(t, "/signed-out")
		require.Contains(t, body, "<ol class=\"steps\"><li>Sign out of NHSmail Portal and O365.</li><li>Close all browser tabs and windows.</li><li>Sign out of the device.</li></ol>")
	})
	get := func(path, host, accept string) (*http.Response, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+path, nil)
		r.Header.Set("Accept", accept)
		return asked(t, r)
	}
	got, body := get("/nowhere", "127.0.0.1:8486", "text/html")
	require.Equal(t, http.StatusNotFound, got.StatusCode)
	require.Contains(t, body, "<code>page.unknown</code>")
	got, _ = get("/", "evil.example:8486", "text/html")
	require.Equal(t, http.StatusMisdirectedRequest, got.StatusCode)
	for _, path := range []string{"/session", "/portal/ended"} {
		got, body = get(path, "127.0.0.1:8486", "application/json")
		require.Equal(t, http.StatusUnauthorized, got.StatusCode)
		require.Contains(t, body, "rp.session")
	}
	got, _ = get("/", "127.0.0.1:8486", "text/html")
	require.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self' "+desk+"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		got.Header.Get("Content-Security-Policy"))
}

func TestPrompts(t *testing.T) {
	const locked = `{"version":1,"system":"windows-11","readers":[{"reader":0,"name":"desk","state":"locked","notAfter":"2026-12-31T11:59:59Z","renewalOpen":true}]}`
	post := func(body, origin, accept string) (*http.Response, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/prompts", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", accept)
		r.Header.Set("Origin", origin)
		return asked(t, r)
	}
	got, body := post(locked, base, "text/html")
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Contains(t, body, `<a href="http://127.0.0.1:8484/unlock">Unlock it here</a>`)
	require.Contains(t, body, "in 40 days")
	got, body = post(locked, base, "application/json")
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.JSONEq(t, `["unlock","renew"]`, kinds(t, body))
	got, body = post(`{"version":1,"readers":[{"state":"absent"}]}`, base, "text/html")
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Empty(t, body)
	got, body = post(`{"readers":7}`, base, "application/json")
	require.Equal(t, http.StatusBadRequest, got.StatusCode)
	require.Contains(t, body, "request.invalid")
	got, _ = post(`{"readers":[`+strings.Repeat(`{"state":"absent"},`, 8000)+`{}]}`, base, "application/json")
	require.Equal(t, http.StatusBadRequest, got.StatusCode)
	got, body = post(locked, "https://evil.example", "application/json")
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Contains(t, body, "origin.refused")
}

func kinds(t *testing.T, body string) string {
	t.Helper()
	var list []struct{ Kind string }
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	var names []string
	for _, p := range list {
		names = append(names, p.Kind)
	}
	text, err := json.Marshal(names)
	require.NoError(t, err)
	return string(text)
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*portal.Config){
		"no address":                  func(c *portal.Config) { c.Base = "" },
		"an address with a path":      func(c *portal.Config) { c.Base += "/portal" },
		"an agent that opens the CSP": func(c *portal.Config) { c.Agent = "http://*" },
		"an agent that adds to it":    func(c *portal.Config) { c.Agent = "http://127.0.0.1:9443 https://evil.example" },
		"no secret":                   func(c *portal.Config) { c.Login.Secret = nil },
		"a provider in clear":         func(c *portal.Config) { c.Login.Issuer = "http://care.example" },
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			change(&c)
			_, err := portal.New(c)
			require.Error(t, err)
		})
	}
}
