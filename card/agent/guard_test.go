// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

func TestConfig(t *testing.T) {
	good := agent.Config{Module: &card.Module{}, Servers: []string{"https://care.example"}, Origins: []string{"https://app.example"}}
	_, err := agent.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*agent.Config){
		"no module":             func(c *agent.Config) { c.Module = nil },
		"no server":             func(c *agent.Config) { c.Servers = nil },
		"no origin":             func(c *agent.Config) { c.Origins = nil },
		"http elsewhere":        func(c *agent.Config) { c.Servers = []string{"http://care.example"} },
		"a path":                func(c *agent.Config) { c.Servers = []string{"https://care.example/x"} },
		"a user":                func(c *agent.Config) { c.Servers = []string{"https://a@care.example"} },
		"any origin":            func(c *agent.Config) { c.Origins = []string{"*"} },
		"null origin":           func(c *agent.Config) { c.Origins = []string{"null"} },
		"an origin's slash":     func(c *agent.Config) { c.Origins = []string{"https://app.example/"} },
		"an origin's port":      func(c *agent.Config) { c.Origins = []string{"https://app.example:443"} },
		"an origin in capitals": func(c *agent.Config) { c.Origins = []string{"https://App.example"} },
	} {
		t.Run("threat065/"+name, func(t *testing.T) {
			c := good
			change(&c)
			_, err := agent.New(c)
			require.Error(t, err)
		})
	}
}

// ask sends one request to the agent.
func (d *desk) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, d.http.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := d.http.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

func (d *desk) page(t *testing.T, o agent.Opened) string {
	t.Helper()
	at, err := url.Parse(o.Page)
	require.NoError(t, err)
	_, body := d.ask(t, http.MethodGet, at.Path, "")
	return body
}

func TestHost(t *testing.T) {
	d := newDesk(t, nil)
	at, err := url.Parse(d.http.URL)
	require.NoError(t, err)
	for host, status := range map[string]int{
		"127.0.0.1:" + at.Port(): 200, "localhost:" + at.Port(): 200, "[::1]:" + at.Port(): 200,
		"evil.example:" + at.Port(): 421, "evil.example": 421, "127.0.0.1": 421, "127.0.0.1:1": 421,
		"localhost.evil.example:" + at.Port(): 421, "127.0.0.1.nip.io:" + at.Port(): 421,
	} {
		resp, _ := d.ask(t, http.MethodGet, "/v1/status", "", "Origin", origin, "Host", host)
		require.Equal(t, status, resp.StatusCode, host)
	}
	t.Run("not over loopback", func(t *testing.T) {
		w := httptest.NewRecorder() // no connection at all
		d.http.Config.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, d.http.URL+"/v1/status", nil))
		require.Equal(t, 421, w.Code)
	})
}

func TestOrigins(t *testing.T) {
	d := newDesk(t, nil)
	for _, from := range []string{"", "null", "https://evil.example", "https://app.example.evil", "https://app.example:8443", "http://app.example", "HTTPS://APP.EXAMPLE"} {
		for _, path := range []string{"/v1/status", "/v1/events", "/v1/agent.js", "/v1/tasks/x"} {
			resp, body := d.ask(t, http.MethodGet, path, "", "Origin", from)
			require.Equal(t, 403, resp.StatusCode, from+path)
			require.Contains(t, body, "origin.refused")
			require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
		}
		resp, _ := d.ask(t, http.MethodOptions, "/v1/tasks", "", "Origin", from, "Access-Control-Request-Method", "POST")
		require.Equal(t, 403, resp.StatusCode)
	}
	resp, _ := d.ask(t, http.MethodOptions, "/v1/tasks", "", "Origin", origin, "Access-Control-Request-Method", "POST")
	require.Equal(t, 204, resp.StatusCode)
	require.Equal(t, origin, resp.Header.Get("Access-Control-Allow-Origin"))
	resp, body := d.ask(t, http.MethodGet, "/v1/agent.js", "", "Origin", origin)
	require.Equal(t, 200, resp.StatusCode)
	require.Contains(t, body, "export class Agent")
	require.Equal(t, string(agent.Script()), body)
}

func TestRequests(t *testing.T) {
	d := newDesk(t, nil)
	for name, body := range map[string]string{
		"unknown member":   `{"kind":"signin","server":"S","bind":"` + bind + `","sign":"AAAA"}`,
		"no bind":          `{"kind":"signin","server":"S"}`,
		"a bind of words":  `{"kind":"signin","server":"S","bind":"I owe you a thousand pounds"}`,
		"an act of words":  `{"kind":"presence","server":"S","bind":"` + bind + `","act":"I owe you"}`,
		"no such kind":     `{"kind":"sign","server":"S","bind":"` + bind + `"}`,
		"handle at signin": `{"kind":"signin","server":"S","bind":"` + bind + `","handle":"h"}`,
		"issue, no handle": `{"kind":"issue","server":"S"}`,
		"two values":       `{"kind":"passcode"}{}`,
		"no JSON":          `kind=passcode`,
	} {
		t.Run("threat038/"+name, func(t *testing.T) {
			resp, text := d.ask(t, http.MethodPost, "/v1/tasks", strings.ReplaceAll(body, `"S"`, `"`+d.server.URL+`"`), "Origin", origin, "Content-Type", "application/json")
			require.Equal(t, 400, resp.StatusCode, text)
		})
	}
	t.Run("a form can't post it", func(t *testing.T) {
		resp, _ := d.ask(t, http.MethodPost, "/v1/tasks", `{"kind":"passcode"}`, "Origin", origin, "Content-Type", "text/plain")
		require.Equal(t, 400, resp.StatusCode)
	})
	t.Run("another server", func(t *testing.T) {
		r := d.signin()
		r.Server = "https://evil.example"
		_, err := d.Start(t.Context(), r)
		require.ErrorContains(t, err, "server.refused")
	})
	t.Run("too many", func(t *testing.T) {
		var err error
		for range 40 {
			if _, err = d.Start(t.Context(), agent.Request{Kind: agent.Passcode}); err != nil {
				break
			}
		}
		require.ErrorContains(t, err, "task.many")
	})
}

func TestPage(t *testing.T) {
	d := newDesk(t, func(c *agent.Config) { c.Origins = append(c.Origins, "https://other.example") })
	ctx := t.Context()
	d.personalised(0)
	opened, err := d.Start(ctx, d.signin())
	require.NoError(t, err)
	at, err := url.Parse(opened.Page)
	require.NoError(t, err)

	resp, body := d.ask(t, http.MethodGet, at.Path, "")
	require.Contains(t, body, "<strong>"+origin+"</strong> asks for this")
	require.NotContains(t, body, "Nurse")
	require.NotContains(t, body, "<script")
	require.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))

	_, after, _ := strings.Cut(body, `name="csrf" value="`)
	csrf, _, _ := strings.Cut(after, `"`)
	form := url.Values{"csrf": {csrf}, "step": {"passcode"}, "passcode": {"123456"}}.Encode()
	const urlencoded = "application/x-www-form-urlencoded"
	for name, headers := range map[string][]string{
		"from the page that asked": {"Origin", origin, "Content-Type", urlencoded},
		"from no page":             {"Content-Type", urlencoded},
		"as JSON":                  {"Origin", d.http.URL, "Content-Type", "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := d.ask(t, http.MethodPost, at.Path, form, headers...)
			require.Equal(t, 403, resp.StatusCode)
			require.Contains(t, body, "form.invalid")
		})
	}
	t.Run("without its csrf value", func(t *testing.T) {
		for _, f := range []string{"step=passcode&passcode=123456", "csrf=x&step=passcode&passcode=123456", form + "&csrf=" + csrf, "csrf=%zz"} {
			resp, _ := d.ask(t, http.MethodPost, at.Path, f, "Origin", d.http.URL, "Content-Type", urlencoded)
			require.Equal(t, 403, resp.StatusCode, f)
		}
	})
	require.Empty(t, d.server.proofs)

	t.Run("another origin doesn't see it", func(t *testing.T) {
		other := &agent.Client{Base: d.Base, Origin: "https://other.example"}
		_, err := other.Task(ctx, opened.ID)
		require.ErrorContains(t, err, "task.unknown")
		require.ErrorContains(t, other.Cancel(ctx, opened.ID), "task.unknown")
	})
	t.Run("cancelled", func(t *testing.T) {
		task, err := d.Type(ctx, opened, map[string]string{"cancel": "yes"})
		require.NoError(t, err)
		require.Equal(t, "task.cancelled", rule(err, task))
		task, err = d.Type(ctx, opened, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Refused, task.State)
		require.Empty(t, d.server.proofs)
	})
}

func TestCards(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, "card.absent", rule(err, task))
	d.personalised(0)
	d.personalised(1)
	task, err = d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, "card.ambiguous", rule(err, task))
	reader := 1
	r := d.signin()
	r.Reader = &reader
	task, err = d.Run(ctx, r, typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)

	t.Run("readers of this workstation", func(t *testing.T) {
		other := newDesk(t, func(c *agent.Config) { c.Readers = []uint{1} })
		other.personalised(0)
		s, err := other.Status(ctx)
		require.NoError(t, err)
		require.Len(t, s.Readers, 1)
		require.Equal(t, agent.CardAbsent, s.Readers[0].State)
	})
}
