// SPDX-License-Identifier: Apache-2.0

package pages_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

// sample is a page with the forms that can go wrong.
const sample = `{{define "sample.html"}}{{template "top" .}}<h1>Sample</h1>
<form method="post" action="/contacts"><input type="hidden" name="of" value="one"><label for="m1">Mobile</label><input id="m1" name="mobile" value="kept"></form>
<details><summary>Two</summary><form method="post" action="/contacts"><input type="hidden" name="of" value="two">
<label for="m2">Mobile</label><input id="m2" name="mobile" value="kept">
<label for="p2">Password</label><input id="p2" name="password" type="password">
<label for="t2">Text</label><textarea id="t2" name="text">kept</textarea>
<label for="s2">List</label><select id="s2" name="list"><option value="a" selected>A</option><option>b</option></select>
<label for="c2">Box</label><input id="c2" name="box" type="checkbox" value="true" checked>
<button formaction="/other">Other</button></form></details>
{{template "end" .}}{{end}}`

type samplePage struct{ pages.Base }

func (*samplePage) Template() string { return "sample.html" }

// mount serves the sample; POST /contacts changes the mobile of the person of the
// session, POST /app registers an authenticator app, and POST /other always refuses.
func mount(s *pages.Site, mux *http.ServeMux) error {
	m, err := s.Module(fstest.MapFS{"sample.html": {Data: []byte(sample)}}, "*.html")
	if err != nil {
		return err
	}
	m.Handle(mux, "GET /sample", func(http.ResponseWriter, *http.Request) (pages.Answer, error) {
		return pages.Answer{View: &samplePage{pages.Base{Title: "Sample"}}}, nil
	})
	m.Handle(mux, "GET /mine", func(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
		_, err := m.Session(r)
		return pages.Answer{View: &samplePage{pages.Base{Title: "Mine"}}}, err
	})
	m.Handle(mux, "POST /contacts", func(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
		var in struct{ Of, Password, Text, List, Box, Mobile string }
		if err := m.Read(w, r, &in); err != nil {
			return pages.Answer{}, err
		}
		me, err := m.Holder(r)
		if err != nil {
			return pages.Answer{}, err
		}
		return pages.Answer{}, m.SetContacts(r.Context(), me, me.Profile(), pages.Contacts{Mobile: &in.Mobile})
	})
	m.Handle(mux, "POST /app", func(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
		me, err := m.Holder(r)
		if err != nil {
			return pages.Answer{}, err
		}
		_, err = m.Care.RegisterAuthenticator(r.Context(), me, careid.NewAuthenticator{Profile: me.Profile(), Kind: careid.KindAuthenticatorApp})
		return pages.Answer{}, err
	})
	m.Handle(mux, "POST /other", func(http.ResponseWriter, *http.Request) (pages.Answer, error) {
		return pages.Answer{}, m.Refuse("request.invalid")
	})
	return nil
}

func TestRefusedForm(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	nurse := s.SignedIn(s.Nurse)
	shown := nurse.Submit("/sample", "/contacts", url.Values{
		"of": {"two"}, "mobile": {"<07700>"}, "password": {"herons"}, "text": {"typed & kept"}, "list": {"b"}, "box": {"true"},
	})
	require.Equal(t, http.StatusUnprocessableEntity, shown.Status)
	t.Run("everything typed is there, in the form that it was typed into", func(t *testing.T) {
		for _, kept := range []string{
			`id="m1" name="mobile" value="kept"`, `id="m2" name="mobile" value="&lt;07700&gt;"`, `>typed &amp; kept</textarea>`,
			`<option selected="">b</option>`, `value="true" checked=""`, `<details open="">`,
		} {
			require.Contains(t, shown.Body, kept)
		}
		require.NotContains(t, shown.Body, "herons", "a password is typed again")
	})
	t.Run("the refusal stands above and takes the focus", func(t *testing.T) {
		main := shown.Body[strings.Index(shown.Body, `<main id="main">`):]
		summary := main[:strings.Index(main, "<h1>")]
		for _, part := range []string{`role="alert" tabindex="-1" autofocus=""`, "What to do next", "<code>contact.mobile</code>", `href="#m2"`} {
			require.Contains(t, summary, part)
		}
		require.Contains(t, shown.Body, "<title>Not done: ")
	})
	t.Run("a button that posts elsewhere finds its form", func(t *testing.T) {
		shown := nurse.Submit("/sample", "/other", url.Values{"of": {"two"}, "mobile": {"07"}})
		require.Equal(t, http.StatusBadRequest, shown.Status)
		require.Contains(t, shown.Body, `id="m2" name="mobile" value="07"`)
	})
	t.Run("without a page that it came from, the refusal has its own", func(t *testing.T) {
		shown := nurse.Post("/nowhere", "/contacts", url.Values{"mobile": {"07"}})
		require.Contains(t, shown.Body, "That can’t be done")
		require.Contains(t, shown.Body, "<code>contact.mobile</code>")
	})
}

func TestStepUp(t *testing.T) {
	const overlay = `{"sources": {"Trust": {"document": "The ward's own", "date": "2026-01-01"}}, "refusals": [], "rules": [
		{"id": "session.idle", "value": 15, "unit": "minutes", "from": "2026-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}]}`
	t.Run("a card that was shown too long ago is shown again, and the form goes on", func(t *testing.T) {
		s := pagestest.Open(t, pagestest.Config{Mount: mount})
		nurse := s.SignedIn(s.Nurse)
		s.Clock.Add(time.Hour)
		shown := nurse.Submit("/sample", "/contacts", url.Values{"of": {"one"}, "mobile": {"07700 900456"}})
		require.Equal(t, http.StatusUnauthorized, shown.Status)
		for _, part := range []string{
			`data-purpose="stepup"`, `<form id="again" method="post" action="/contacts" hidden>`, `name="mobile" value="07700 900456"`, "Show your card again",
		} {
			require.Contains(t, shown.Body, part)
		}
		require.Equal(t, "session.stale", nurse.Refused(http.MethodPost, "/contacts", strings.NewReader(`{"mobile":"07700 900456"}`)), "a program is told")
	})
	t.Run("a password is in no page: its form is filled in again", func(t *testing.T) {
		s := pagestest.Open(t, pagestest.Config{Mount: mount})
		nurse := s.SignedIn(s.Nurse)
		s.Clock.Add(time.Hour)
		shown := nurse.Submit("/sample", "/contacts", url.Values{"of": {"two"}, "mobile": {"07700 900456"}, "password": {"herons"}})
		require.Equal(t, http.StatusUnauthorized, shown.Status)
		require.NotContains(t, shown.Body, "herons")
		require.NotContains(t, shown.Body, `id="again"`)
		require.Contains(t, shown.Body, `data-then="/sample"`)
	})
	t.Run("a page that was left asks for the card and leads back to itself", func(t *testing.T) {
		s := pagestest.Open(t, pagestest.Config{Mount: mount, Rules: overlay})
		nurse := s.SignedIn(s.Nurse)
		require.Contains(t, nurse.Get("/mine").Body, `data-idle="900"`)
		s.Clock.Add(15 * time.Minute)
		shown := nurse.Get("/mine?tab=2")
		require.Equal(t, http.StatusUnauthorized, shown.Status)
		require.Contains(t, shown.Body, "your session is locked")
		require.Contains(t, shown.Body, `data-then="/mine?tab=2"`)
		require.Equal(t, "session.locked", nurse.Refused(http.MethodGet, "/session", nil))
	})
	t.Run("nobody signed in is sent to sign in", func(t *testing.T) {
		s := pagestest.Open(t, pagestest.Config{Mount: mount})
		shown := s.Stranger().Get("/mine")
		require.Equal(t, http.StatusUnauthorized, shown.Status)
		require.Contains(t, shown.Body, `<a class="button" href="/signin">Sign in</a>`)
	})
}

func TestSite(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, Agents: []string{"http://127.0.0.1:9443"}})
	nurse := s.SignedIn(s.Nurse)
	t.Run("row048", func(t *testing.T) {
		shown := nurse.Submit("/sample", "/signout", url.Values{})
		require.Equal(t, "/signed-out", shown.Path)
		var at int
		for _, step := range []string{"Sign out of NHSmail Portal and O365.", "Close all browser tabs and windows.", "Sign out of the device."} {
			next := strings.Index(shown.Body, "<li>"+step+"</li>")
			require.Greater(t, next, at, step)
			at = next
		}
		require.Equal(t, 3, strings.Count(shown.Body[strings.Index(shown.Body, `<ol class="steps">`):], "<li>"))
		require.Equal(t, "session.ended", nurse.Refused(http.MethodGet, "/session", nil))
		require.Equal(t, "/signed-out", nurse.Post("/sample", "/signout", nil).Path, "once more is fine")
	})
	t.Run("what every answer carries", func(t *testing.T) {
		resp, err := http.Get(s.URL + "/sample")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		policy := resp.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "script-src 'self' http://127.0.0.1:9443;")
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	})
	t.Run("another site or name gets nothing", func(t *testing.T) {
		for header, value := range map[string]string{"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"} {
			r, err := http.NewRequest(http.MethodPost, s.URL+"/signout", nil)
			require.NoError(t, err)
			r.Header.Set(header, value)
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			no, err := wardkey.ParseRefusal(resp)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, "origin.refused", no.Rule)
		}
		r, err := http.NewRequest(http.MethodGet, s.URL+"/sample", nil)
		require.NoError(t, err)
		r.Host = "rebound.test"
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode)

		for target, leads := range map[string]string{"/sample?a=b": s.URL + "/sample?a=b", "x:@evil.example/": ""} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
			r.Host = strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "localhost", 1)
			w := httptest.NewRecorder()
			s.Handler.ServeHTTP(w, r)
			require.Equal(t, leads, w.Header().Get("Location"), target)
		}
	})
	t.Run("a configuration that can't stand is refused", func(t *testing.T) {
		for _, base := range []string{"", "127.0.0.1:80", "http://127.0.0.1:80/below"} {
			_, err := pages.New(pages.Config{Base: base})
			require.Error(t, err)
		}
		_, err := pages.New(pages.Config{Base: "http://127.0.0.1:80"})
		require.ErrorContains(t, err, "needs Name, Care, Cards and Book")
	})
}
