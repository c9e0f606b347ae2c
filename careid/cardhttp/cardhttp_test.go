// SPDX-License-Identifier: Apache-2.0

package cardhttp_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

func TestConfig(t *testing.T) {
	for _, server := range []string{"", "care.example", "http://care.example", "https://care.example/", "https://care.example/x", "ftp://care.example", "https://"} {
		_, err := cardhttp.New(cardhttp.Config{Service: &service{}, Server: server})
		require.Error(t, err, server)
	}
	for _, server := range []string{"https://care.example", "https://care.example:8443", "http://127.0.0.1:80", "http://localhost:1", "http://[::1]:1"} {
		_, err := cardhttp.New(cardhttp.Config{Service: &service{}, Server: server})
		require.NoError(t, err, server)
	}
	_, err := cardhttp.New(cardhttp.Config{Server: "https://care.example"})
	require.Error(t, err)
}

func TestStrictBodies(t *testing.T) {
	p := start(t, nil)
	for name, body := range map[string]string{
		"unknown member":  `{"purpose":"signin","origin":"x"}`,
		"wrong type":      `{"purpose":7}`,
		"not JSON":        `purpose=signin`,
		"two values":      `{"purpose":"signin"}{}`,
		"an array":        `[]`,
		"cut off":         `{"purpose":"sig`,
		"nothing at all ": ` `,
	} {
		t.Run(name, func(t *testing.T) {
			a := p.agent(t, "nonce", body)
			require.Equal(t, 400, a.StatusCode)
			require.Equal(t, "http.malformed", rule(a))
		})
	}
	t.Run("too large", func(t *testing.T) {
		a := p.agent(t, "nonce", `{"purpose":"`+strings.Repeat("x", 70<<10)+`"}`)
		require.Equal(t, 413, a.StatusCode)
	})
	t.Run("another media type", func(t *testing.T) {
		require.Equal(t, 400, p.agent(t, "nonce", `{"purpose":"signin"}`, "Content-Type", "text/plain").StatusCode)
	})
	t.Run("no token", func(t *testing.T) {
		for _, path := range []string{"lease", "removed", "act", "act/requests", "act/confirm", "unlock/start", "reset/opened", "reset/confirm"} {
			a := p.agent(t, path, `{}`)
			require.Equal(t, 401, a.StatusCode, path)
			require.Equal(t, "http.bearer", rule(a))
		}
	})
	t.Run("no GET", func(t *testing.T) {
		require.Equal(t, 405, p.do(t, nil, http.MethodGet, cardhttp.Path+"nonce", "").StatusCode)
	})
}

func TestWire(t *testing.T) {
	p := start(t, nil)
	for path, want := range map[string]string{
		"nonce":        `{"nonce":"n"}`,
		"answer":       `{"result":"r","presence":"p","leaseEvery":10,"leaseFor":30,"act":"h"}`,
		"act":          `{"act":"a","kind":"issue","card":"","keys":[{"use":"authentication","id":"AQ=="}]}`,
		"act/requests": `{"certificates":["AQ==","Ag=="]}`,
		"reset/opened": `{"generation":2,"sealed":null}`,
	} {
		body := map[string]string{"nonce": `{"purpose":"signin"}`, "answer": `{"jws":"j"}`, "act/requests": `{"csrs":["AQ==","Ag=="]}`, "reset/opened": `{"generation":1}`}[path]
		if body == "" {
			body = "{}"
		}
		a := p.agent(t, path, body, "Authorization", "Bearer x")
		require.Equal(t, 200, a.StatusCode, path)
		require.JSONEq(t, want, a.body, path)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	}
	for _, path := range []string{"lease", "removed", "act/confirm", "reset/confirm"} {
		require.Equal(t, 204, p.agent(t, path, map[bool]string{true: `{"jws":"j"}`, false: `{}`}[path == "act/confirm"], "Authorization", "Bearer x").StatusCode, path)
	}
}

// A handle or a presence that leaked into a page is of no use to it.
func TestPagesAreNotAgents(t *testing.T) {
	p := start(t, nil)
	for _, header := range []string{"Origin", "Sec-Fetch-Site"} {
		a := p.agent(t, "act", `{}`, "Authorization", "Bearer x", header, "https://app.example")
		require.Equal(t, 403, a.StatusCode)
		require.Equal(t, "http.browser", rule(a))
	}
}

func TestUnlockStartTellsNothing(t *testing.T) {
	p := start(t, nil)
	outcomes := map[string]func() (*careid.UnlockStarted, error){
		"sent":      func() (*careid.UnlockStarted, error) { return &careid.UnlockStarted{Request: "0123456789abcdef"}, nil },
		"unknown":   refused("unlock.card", 404),
		"cancelled": refused("card.cancelled", 403),
		"expired":   refused("cert.expired", 403),
		"nobody":    refused("contact.none", 403),
		"too often": refused("unlock.limit", 429),
		"broken": func() (*careid.UnlockStarted, error) {
			return &careid.UnlockStarted{Request: "fedcba9876543210"}, errors.New("disk")
		},
	}
	request := regexp.MustCompile(`"request":"[0-9a-f]{16}"`)
	t.Run("threat008", func(t *testing.T) {
		var first string
		for name, outcome := range outcomes {
			p.service.started = outcome
			a := p.agent(t, "unlock/start", `{"card":"1","channel":"email"}`, "Authorization", "Bearer h")
			a.Header.Del("Date")
			seen := fmt.Sprint(a.StatusCode, a.Header, request.ReplaceAllString(a.body, "R"))
			if first == "" {
				first = seen
				require.Equal(t, 202, a.StatusCode)
				require.Contains(t, a.body, "Registration Authority")
			}
			require.Equal(t, first, seen, name)
		}
	})
}

func refused(id string, status int) func() (*careid.UnlockStarted, error) {
	return func() (*careid.UnlockStarted, error) {
		return &careid.UnlockStarted{Request: "aaaaaaaaaaaaaaaa"}, &wardkey.Refusal{Rule: id, Status: status, Public: "no"}
	}
}

func TestUnlockAtADesk(t *testing.T) {
	p := start(t, nil)
	a := p.agent(t, "act/unlock", `{"agentKey":"a2V5"}`, "Authorization", "Bearer handle")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "handle key", p.service.taken)
	require.JSONEq(t, `{"reset":"reset","candidates":[{"generation":1,"sealed":"AQ=="}]}`, a.body)
	p.service.taken = ""
	for _, bad := range []answer{
		p.agent(t, "act/unlock", `{"agentKey":"a2V5"}`),
		p.agent(t, "act/unlock", `{"agentKey":"a2V5","passcode":"1234"}`, "Authorization", "Bearer handle"),
	} {
		require.Contains(t, []int{400, 401}, bad.StatusCode)
		require.Empty(t, p.service.taken)
	}
}

func TestCodeIsDigitsAndStaysOutOfLogs(t *testing.T) {
	p := start(t, nil)
	good := `{"request":"q","card":"1","code":"83145927","agentKey":"AQ=="}`
	require.Equal(t, 200, p.agent(t, "unlock/redeem", good).StatusCode)
	require.Equal(t, "83145927", p.service.code)
	t.Run("threat043", func(t *testing.T) {
		for _, bad := range []string{
			`{"request":"q","card":"1","code":83145927,"agentKey":"AQ=="}`,
			`{"request":"q","card":"1","code":"83145927 ","agentKey":"AQ=="}`,
			`{"request":"q","card":"1","code":"83145927","agentKey":83145927}`,
			`{"request":"q","card":"1","code":"83145927","83145927":1}`,
		} {
			a := p.agent(t, "unlock/redeem", bad)
			require.Equal(t, 400, a.StatusCode)
			require.NotContains(t, a.body, "83145927")
		}
		require.NotEmpty(t, p.log.String())
		require.NotContains(t, p.log.String(), "83145927")
	})
}

func TestRates(t *testing.T) {
	now := time.Unix(1780000000, 0)
	p := start(t, func(c *cardhttp.Config) {
		c.Wall = func() time.Time { return now }
		c.Source = func(r *http.Request) string { return r.Header.Get("X-Test-Source") }
	})
	p.service.started = func() (*careid.UnlockStarted, error) { return &careid.UnlockStarted{Request: "q"}, nil }
	card := 0
	try := func(source string) answer { // of another card each time
		card++
		return p.agent(t, "unlock/start", fmt.Sprintf(`{"card":"%d","channel":"text"}`, card), "Authorization", "Bearer h", "X-Test-Source", source)
	}
	t.Run("threat009", func(t *testing.T) {
		let := 0
		for range 200 {
			if try("flood").StatusCode == 202 {
				let++
			}
		}
		require.Equal(t, 60, let, "two hundred profiles, one place")
	})
	for range 60 {
		require.Equal(t, 202, try("a").StatusCode)
	}
	a := try("a")
	require.Equal(t, 429, a.StatusCode)
	require.Equal(t, "http.rate", rule(a))
	require.NotEmpty(t, a.Header.Get("Retry-After"))
	require.Equal(t, 202, try("b").StatusCode)
	now = now.Add(2 * time.Second)
	require.Equal(t, 202, try("a").StatusCode)
	require.Equal(t, 429, try("a").StatusCode)
}

func TestSession(t *testing.T) {
	p := start(t, nil)
	b := browser(t)
	require.Equal(t, 303, p.do(t, b, http.MethodGet, "/ward", "").StatusCode)

	ticket := p.do(t, b, http.MethodGet, "/signin", "")
	require.Contains(t, ticket.body, `"kind":"signin"`)
	require.Contains(t, ticket.body, `"bind":"`)
	pre := ticket.Cookies()[0]
	require.True(t, pre.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, pre.SameSite)
	again := p.do(t, b, http.MethodGet, "/signin", "")
	require.Equal(t, ticket.body, again.body, "the same browser keeps its cookie")

	a := p.do(t, b, http.MethodPost, cardhttp.Path+"session", `{"result":"r"}`)
	require.Equal(t, 200, a.StatusCode)
	require.JSONEq(t, `{"until":"2026-05-28T20:26:40Z","alerts":[]}`, a.body)
	require.Equal(t, pre.Value, p.service.redeemed)

	page := p.do(t, b, http.MethodGet, "/ward", "")
	require.Equal(t, "Hello Ada Nurse", page.body)
	require.Equal(t, "no-store", page.Header.Get("Cache-Control"))

	t.Run("step up", func(t *testing.T) {
		a := p.do(t, b, http.MethodPost, cardhttp.Path+"session", `{"result":"r","purpose":"stepup"}`)
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, "new-token", p.service.redeemed)
		require.Empty(t, p.service.signedOut)
	})
	t.Run("another site's page", func(t *testing.T) {
		for _, path := range []string{cardhttp.Path + "session", "/ward"} {
			a := p.do(t, b, http.MethodPost, path, `{}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
			require.Equal(t, 403, a.StatusCode)
			require.Equal(t, "http.crossorigin", rule(a))
		}
	})
	t.Run("the service is down", func(t *testing.T) {
		p.service.session = errors.New("disk")
		defer func() { p.service.session = nil }()
		a := p.do(t, b, http.MethodGet, "/ward", "")
		require.Equal(t, 500, a.StatusCode)
		require.NotContains(t, a.body, "disk")
	})
	t.Run("sign out", func(t *testing.T) {
		require.Equal(t, 204, p.do(t, b, http.MethodDelete, cardhttp.Path+"session", "").StatusCode)
		require.Equal(t, []string{"new-token"}, p.service.signedOut)
		require.Equal(t, 303, p.do(t, b, http.MethodGet, "/ward", "").StatusCode)
	})
}

func TestFixation(t *testing.T) {
	p := start(t, nil)
	t.Run("threat059", func(t *testing.T) {
		// A cookie planted before the sign-in is ended and replaced.
		b := browser(t)
		p.do(t, b, http.MethodGet, "/signin", "")
		a := p.do(t, b, http.MethodPost, cardhttp.Path+"session", `{"result":"r"}`, "Cookie", "wardkey-session=planted")
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, []string{"planted"}, p.service.signedOut)
		require.Contains(t, fmt.Sprint(a.Cookies()), "wardkey-session=new-token")
		require.Contains(t, fmt.Sprint(a.Cookies()), "wardkey-presession=; Path=/; Max-Age=0")
	})
	t.Run("no pre-session cookie", func(t *testing.T) {
		a := p.do(t, browser(t), http.MethodPost, cardhttp.Path+"session", `{"result":"r"}`)
		require.Equal(t, 401, a.StatusCode)
		require.Equal(t, "session.cookie", rule(a))
	})
}

func TestSecureCookies(t *testing.T) {
	h, err := cardhttp.New(cardhttp.Config{Service: &service{}, Server: "https://care.example"})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.SignInTicket(w, httptest.NewRequest(http.MethodGet, "https://care.example/signin", nil))
	c := w.Result().Cookies()[0]
	require.True(t, strings.HasPrefix(c.Name, "__Host-"))
	require.True(t, c.Secure)
	require.True(t, c.HttpOnly)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	session := h.SessionCookie("token")
	require.Equal(t, "__Host-wardkey-session=token; Path=/; HttpOnly; Secure; SameSite=Lax", session.String())
	r := httptest.NewRequest(http.MethodGet, "https://care.example/ward", nil)
	r.AddCookie(session)
	require.Equal(t, "token", h.Token(r))
}

func TestRulebook(t *testing.T) {
	b, err := cardhttp.Rulebook()
	require.NoError(t, err)
	require.Contains(t, b.IDs(), "http.rate")
}

// An app behind a card: its handler runs only for a live session, and knows who
// is there.
func ExampleHandler_RequireSession() {
	cards, err := cardhttp.New(cardhttp.Config{Service: &service{}, Server: "https://care.example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ward := cards.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person, _ := cardhttp.SessionOf(r)
		fmt.Fprintf(w, "Good morning, %s", person.Name)
	}))

	stranger := httptest.NewRecorder()
	ward.ServeHTTP(stranger, httptest.NewRequest(http.MethodGet, "/ward", nil))
	fmt.Println(stranger.Code)

	nurse := httptest.NewRequest(http.MethodGet, "/ward", nil)
	nurse.AddCookie(cards.SessionCookie("new-token"))
	page := httptest.NewRecorder()
	ward.ServeHTTP(page, nurse)
	fmt.Println(page.Code, page.Body)
	// Output:
	// 401
	// 200 Good morning, Ada Nurse
}
