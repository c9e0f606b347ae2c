// SPDX-License-Identifier: Apache-2.0

package cardhttp_test

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

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// fifteen is an organisation's limit for sessions that nobody uses.
const fifteen = `{"sources": {"Trust": {"document": "Workstation policy", "date": "2026-01-01"}}, "rules": [
	{"id": "session.idle", "value": 15, "unit": "minutes", "from": "2026-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}], "refusals": []}`

// app is a hospital's web application behind cards, whose page for contacts asks for a fresh proof.
type app struct {
	*careidtest.Hospital
	http.Handler
	token string
}

func newApp(t *testing.T) *app {
	t.Helper()
	h := careidtest.New(t, careidtest.Config{})
	book, err := careid.Rules()
	require.NoError(t, err)
	c := h.Config
	c.Rules, err = book.Overlay([]byte(fifteen))
	require.NoError(t, err)
	h.Service, err = careid.New(c)
	require.NoError(t, err)
	cards, err := cardhttp.New(cardhttp.Config{Service: h.Service, Server: careidtest.Server, SignInPage: "/signin", StepUpPage: "/stepup", Wall: h.Wall.Now})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(cardhttp.Path, cards)
	mux.HandleFunc("GET /stepup", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, cards.StepUpTicket(r).JSON()+" "+cardhttp.Next(r))
	})
	mux.Handle("GET /ward", cards.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "ward")
	})))
	mux.Handle("POST /contact", cards.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		self, err := h.Service.Actor(r.Context(), cards.Token(r), careid.Holder, "")
		if err == nil {
			err = h.Service.SetContact(r.Context(), self, h.Nurse.Profile.ID, careid.Contact{Email: "asha@nhs.net"})
		}
		if err != nil {
			wardkey.WriteProblem(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})))
	a := &app{Hospital: h, Handler: mux}
	in, err := h.SignIn(t.Context(), h.Nurse.Card)
	require.NoError(t, err)
	a.token = in.Token
	return a
}

// ask sends a request of a page of the app, and keeps the session's cookie as a browser does.
func (a *app) ask(t *testing.T, method, path, body string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, careidtest.Server+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if a.token != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-wardkey-session", Value: a.token})
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	got := w.Result()
	for _, c := range got.Cookies() {
		if c.Name == "__Host-wardkey-session" {
			a.token = c.Value
		}
	}
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return got, string(text)
}

// refusedBy asks for a problem of that rule.
func refusedBy(t *testing.T, r *http.Response, body, rule string) {
	t.Helper()
	require.Equal(t, http.StatusUnauthorized, r.StatusCode, body)
	require.Contains(t, body, "urn:wardkey:rule:"+rule)
}

// stepUp does what the page's script and the agent do with a ticket.
func (a *app) stepUp(t *testing.T, ticket string) {
	t.Helper()
	var told cardhttp.Ticket
	require.NoError(t, json.Unmarshal([]byte(ticket), &told))
	require.Equal(t, careid.StepUp, told.Kind)
	before := a.token
	answer, err := a.Answer(t.Context(), a.Nurse.Card, careidtest.Claims{Purpose: told.Kind, Audience: told.Server, Bind: before})
	require.NoError(t, err)
	_, err = a.Answer(t.Context(), a.Sponsor.Card, careidtest.Claims{Purpose: told.Kind, Audience: told.Server, Bind: before})
	require.Equal(t, "proof.purpose", wardkey.RuleOf(err), "another's card")
	got, body := a.ask(t, http.MethodPost, cardhttp.Path+"session", `{"purpose":"stepup","result":"`+answer.Result+`"}`)
	require.Equal(t, http.StatusOK, got.StatusCode, body)
	require.NotEqual(t, before, a.token, "a new id")
	_, err = a.Service.Session(t.Context(), before)
	require.Equal(t, "session.ended", wardkey.RuleOf(err))
}

func TestStepUp(t *testing.T) {
	a := newApp(t)
	t.Run("a script refused for want of a fresh proof", func(t *testing.T) {
		a.Clock.Add(6 * time.Minute)
		got, body := a.ask(t, http.MethodPost, "/contact", "")
		refusedBy(t, got, body, "session.stale")
		got, ticket := a.ask(t, http.MethodPost, cardhttp.Path+"stepup", "")
		require.Equal(t, http.StatusOK, got.StatusCode)
		a.stepUp(t, ticket)
		got, body = a.ask(t, http.MethodPost, "/contact", "")
		require.Equal(t, http.StatusNoContent, got.StatusCode, body)
	})
	t.Run("a page of a session that was left", func(t *testing.T) {
		a.Clock.Add(15 * time.Minute)
		got, body := a.ask(t, http.MethodPost, "/contact", "")
		refusedBy(t, got, body, "session.locked")
		got, _ = a.ask(t, http.MethodGet, "/ward?bed=7&side=l", "")
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		page, err := url.Parse(got.Header.Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "/stepup", page.Path)
		got, body = a.ask(t, http.MethodGet, page.String(), "")
		require.Equal(t, http.StatusOK, got.StatusCode)
		ticket, next, _ := strings.Cut(body, " ")
		require.Equal(t, "/ward?bed=7&side=l", next)
		a.stepUp(t, ticket)
		_, body = a.ask(t, http.MethodGet, next, "")
		require.Equal(t, "ward", body)
	})
	t.Run("no other site asks", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, careidtest.Server+cardhttp.Path+"stepup", nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		require.Equal(t, http.StatusForbidden, w.Code)
	})
	t.Run("without a session", func(t *testing.T) {
		a.token = ""
		got, body := a.ask(t, http.MethodPost, cardhttp.Path+"stepup", "")
		require.GreaterOrEqual(t, got.StatusCode, 400)
		require.Contains(t, body, "session.cookie")
		got, _ = a.ask(t, http.MethodGet, "/ward", "")
		require.Equal(t, "/signin", got.Header.Get("Location"))
	})
}

func TestNext(t *testing.T) {
	for next, want := range map[string]string{
		"/ward?bed=7": "/ward?bed=7", "/": "/", "": "/", "ward": "/", "//evil.example/x": "/", "/\\evil.example": "/", "https://evil.example": "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/", "/%zz": "/",
	} {
		r := httptest.NewRequest(http.MethodGet, "/stepup?"+url.Values{"next": {next}}.Encode(), nil)
		require.Equal(t, want, cardhttp.Next(r), "%q", next)
	}
}
