// SPDX-License-Identifier: Apache-2.0

package entry_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// callback is the application's, where nobody listens: browsers of these tests stop there.
const callback = "https://ward.example/callback"

// hospital is one whose people sign in at the pages.
type hospital struct {
	*pagestest.Site
	t *testing.T
}

// Read implements openid.Records once the hospital is there.
func (h *hospital) Read(ctx context.Context, fn func(context.Context, *careid.Tx) error) error {
	return h.Store.Read(ctx, fn)
}

func (h *hospital) wall() time.Time {
	if h.Site == nil {
		return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) // it is being built, and opens then
	}
	return h.Wall.Now()
}

func open(t *testing.T, rules string) *hospital {
	h := &hospital{t: t}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "openid.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	mount := func(site *pages.Site, mux *http.ServeMux) error {
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Now: site.Now, Wall: h.wall})
		if err != nil {
			return err
		}
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		clients := []openid.Client{{ID: "ward", Name: "The ward list", Secret: []byte("a secret of 16 bytes"), RedirectURIs: []string{callback}, WithoutPKCE: true}}
		provider, err := openid.New(openid.Config{
			Issuer: site.Base + "/issuer", Service: site.Care, Records: h, Store: store, Keys: []openid.Key{{Algorithm: "RS256", Signer: key}},
			Clients: clients, SignIn: entry.Path, SessionToken: site.Cards.Token, Now: site.Now, Wall: h.wall,
		})
		if err != nil {
			return err
		}
		mux.Handle("/issuer/", provider.Handler())
		e, err := entry.New(entry.Config{Site: site, Provider: provider, Clients: clients})
		if err == nil {
			e.Routes(mux)
		}
		return err
	}
	h.Site = pagestest.Open(t, pagestest.Config{Mount: mount, Rules: rules, Models: models(t), Mail: true, Agents: []string{"http://127.0.0.1:9443"}, People: []careidtest.Persona{
		{Given: "Noor", Family: "Rahman", Position: "Ward nurse"}, careidtest.RenewalDue(),
	}})
	return h
}

// person is somebody at a browser of their own, which goes nowhere but to the hospital.
type person struct {
	*hospital
	http *http.Client
}

func (h *hospital) person() person {
	jar, err := cookiejar.New(nil)
	require.NoError(h.t, err)
	return person{h, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "ward.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// send asks as a browser or, with JSON, as a script; at is where that ended.
func (p person) send(method, path, kind, body string) (at *url.URL, text string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, strings.NewReader(body))
	require.NoError(p.t, err)
	r.Header.Set("Accept", "text/html")
	if kind == "application/json" {
		r.Header.Set("Accept", kind)
	}
	if body != "" {
		r.Header.Set("Content-Type", kind)
	}
	got, err := p.http.Do(r)
	require.NoError(p.t, err)
	defer func() { _ = got.Body.Close() }() // read below
	all, err := io.ReadAll(got.Body)
	require.NoError(p.t, err)
	if to, err := got.Location(); err == nil {
		return to, string(all)
	}
	return got.Request.URL, string(all)
}

// begins asks for a sign-in and returns the page of the request that waits.
func (p person) begins(more ...string) string {
	p.t.Helper()
	v := url.Values{"client_id": {"ward"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	at, _ := p.send(http.MethodGet, "/issuer/authorize?"+v.Encode(), "", "")
	return at.RequestURI()
}

// shows has the card do what the page's ticket asks for, as an agent does, and redeems the result as the page does.
func (p person) shows(page string, c *careidtest.Card) {
	p.t.Helper()
	_, text := p.send(http.MethodGet, page, "application/json", "")
	var ticket struct{ Kind, Server string }
	require.NoError(p.t, json.Unmarshal([]byte(text), &ticket), text)
	at, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	wanted := map[string]string{"signin": "wardkey-presession", "stepup": "wardkey-session"}[ticket.Kind]
	var bind string
	for _, cookie := range p.http.Jar.Cookies(at) {
		if cookie.Name == wanted {
			bind = cookie.Value
		}
	}
	jws, err := p.Proof(p.t.Context(), c, careidtest.Claims{Audience: ticket.Server, Origin: p.URL, Purpose: careid.Purpose(ticket.Kind), Bind: bind})
	require.NoError(p.t, err)
	answer, err := p.Care.Answer(p.t.Context(), jws)
	require.NoError(p.t, err)
	_, text = p.send(http.MethodPost, "/card/v1/session", "application/json", `{"result":"`+answer.Result+`","purpose":"`+ticket.Kind+`"}`)
	require.Contains(p.t, text, `"until"`)
}

func TestCard(t *testing.T) {
	h := open(t, "")
	p := h.person()
	page := p.begins()
	_, text := p.send(http.MethodGet, page, "", "")
	require.Contains(t, text, "Sign in to The ward list")
	require.Contains(t, text, "accept the terms")
	p.shows(page, h.Nurse.Card)
	at, _ := p.send(http.MethodGet, page+"&in=1", "", "")
	require.Equal(t, "ward.example", at.Host)
	require.NotEmpty(t, at.Query().Get("code"))
	require.Contains(t, p.begins(), "/callback?code=", "the session goes on")

	t.Run("a fresh sign-in is the card shown once more", func(t *testing.T) {
		page := p.begins("prompt", "login")
		_, text := p.send(http.MethodGet, page, "", "")
		require.Contains(t, text, "Show your card again")
		p.shows(page, h.Nurse.Card)
		at, _ := p.send(http.MethodGet, page+"&in=1", "", "")
		require.NotEmpty(t, at.Query().Get("code"))
	})
	t.Run("or somebody else's", func(t *testing.T) {
		page := p.begins("prompt", "login")
		_, text := p.send(http.MethodGet, strings.Replace(page, "/login?", "/login/other?", 1), "", "")
		require.Contains(t, text, "Sign in as somebody else")
		p.shows(page+"&anew=1", h.People[0].Card)
		at, _ := p.send(http.MethodGet, page, "", "")
		require.NotEmpty(t, at.Query().Get("code"))
	})
	t.Run("who won't, goes back", func(t *testing.T) {
		page := p.begins("prompt", "login")
		at, _ := p.send(http.MethodPost, "/login/refuse", "application/x-www-form-urlencoded", page[strings.Index(page, "request="):])
		require.Equal(t, "access_denied", at.Query().Get("error"))
		_, text := p.send(http.MethodGet, page, "", "")
		require.Contains(t, text, "finished, or waited too long")
	})
}

// A role that is not the person's, or nobody's, is none.
func TestRole(t *testing.T) {
	h := open(t, "")
	p := h.person()
	page := p.begins("scope", "openid selectedrole")
	p.shows(page, h.Nurse.Card)
	_, text := p.send(http.MethodGet, page, "", "")
	require.Contains(t, text, "and you hold none")
	require.Contains(t, text, "Go back without signing in")

	q := h.person()
	page = q.begins("scope", "openid selectedrole")
	q.shows(page, h.People[0].Card)
	_, text = q.send(http.MethodPost, "/login/role", "application/json", `{"request":"`+page[strings.Index(page, "=")+1:]+`","role":"900000000901"}`)
	require.Contains(t, text, "openid.role")
	at, _ := q.send(http.MethodGet, page, "", "")
	require.NotEmpty(t, at.Query().Get("code"), "one role is not asked for")
}

// What a person is told between the sign-in and the application, once.
func TestNews(t *testing.T) {
	h := open(t, `{"sources": {"ours": {"document": "This hospital's own rule", "date": "2026-01-01"}}, "refusals": [], "rules": [
		{"id": "terms.modes", "value": ["explicit"], "unit": "list", "from": "2025-04-02", "zone": "Europe/London", "source": "ours", "tighter": "subset"}]}`)
	p := h.person()
	page := p.begins()
	p.shows(page, h.People[1].Card)
	_, text := p.send(http.MethodGet, page+"&in=1", "", "")
	require.Contains(t, text, "The certificates of this card end in")
	require.Contains(t, text, "I accept them")
	version := text[strings.Index(text, `name="version" value="`)+len(`name="version" value="`):]
	version, _, _ = strings.Cut(version, `"`)
	at, _ := p.send(http.MethodPost, "/login/terms", "application/x-www-form-urlencoded", page[strings.Index(page, "request="):]+"&version="+url.QueryEscape(version))
	require.NotEmpty(t, at.Query().Get("code"))
	accepted, err := h.Care.Acceptances(t.Context(), careid.Operator("test"), h.People[1].Profile.ID)
	require.NoError(t, err)
	require.Equal(t, careid.TermsExplicit, accepted[len(accepted)-1].Mode)
}

// Forms of a page lead to registered addresses alone, and no script runs but the site's and the agent's.
func TestPolicy(t *testing.T) {
	h := open(t, "")
	p := h.person()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+p.begins(), bytes.NewReader(nil))
	require.NoError(t, err)
	r.Header.Set("Accept", "text/html")
	got, err := p.http.Do(r)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	policy := got.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "form-action 'self' https://ward.example;")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "unsafe")
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
}
