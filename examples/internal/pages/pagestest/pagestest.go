// SPDX-License-Identifier: Apache-2.0

// Package pagestest is for the tests of pages: a hospital of careidtest behind
// pages that are served over HTTP, and people at their browsers.
//
//	s := pagestest.Open(t, pagestest.Config{Mount: mount})
//	nurse := s.SignedIn(s.Nurse)
//	page := nurse.Submit("/my", "/my/contacts", url.Values{"mobile": {"07700 900456"}})
package pagestest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/mailbox"
)

// Config says what is served. Mount is needed.
type Config struct {
	Mount  func(*pages.Site, *http.ServeMux) error
	People []careidtest.Persona
	Rules  string // an overlay of careid's rulebook, or ""
	Agents []string
	Models []webauthn.Model // of approved keys; some: the pages are at localhost, and take keys
	Mail   bool             // there are mail accounts, and they sign in with an app
	Log    *slog.Logger     // of the pages; nil is silent
}

// Site is a hospital with pages.
type Site struct {
	*careidtest.Hospital
	URL     string
	Handler http.Handler     // what is served there
	Care    *careid.Service  // the one behind the pages
	Mail    *mailbox.Mailbox // nil without Config.Mail

	t testing.TB
}

// Open builds the hospital and serves its pages for the time of the test.
func Open(t testing.TB, c Config) *Site {
	t.Helper()
	h := careidtest.New(t, careidtest.Config{People: c.People})
	s := &Site{Hospital: h, t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.URL = server.URL
	var err error
	if len(c.Models) > 0 {
		s.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	}
	if c.Mail {
		if s.Mail, err = mailbox.Open(t.Context(), mailbox.Config{DB: h.DB, Sender: h.Inbox, Now: h.Clock.Now}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Mail.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	if s.Handler, err = s.handler(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// handler makes a second service on the hospital's store, at home at the address
// that the pages are served at.
func (s *Site) handler(c Config) (http.Handler, error) {
	h, base := s.Hospital, s.URL
	book, err := careid.Rules()
	if err != nil {
		return nil, err
	}
	if c.Rules != "" {
		if book, err = book.Overlay([]byte(c.Rules)); err != nil {
			return nil, err
		}
	}
	config := h.Config
	config.Servers, config.Origins, config.Rules = append(config.Servers, base), append(config.Origins, base), book
	if s.Care, err = careid.New(config); err != nil {
		return nil, err
	}
	cards, err := cardhttp.New(cardhttp.Config{Service: s.Care, Server: base, SignInPage: "/signin", Now: h.Clock.Now, Wall: h.Wall.Now})
	if err != nil {
		return nil, err
	}
	shown := pages.Config{Name: "Pages under test", Care: s.Care, Cards: cards, Book: book, Base: base, Agents: c.Agents, Now: h.Clock.Now, Wall: h.Wall.Now, Log: c.Log}
	if len(c.Models) > 0 {
		shown.Keys, err = webauthn.New(webauthn.Config{
			Service: s.Care, Sessions: cards, RPID: "localhost", Origins: []string{base}, Models: c.Models, Rules: book, Now: h.Clock.Now, Wall: h.Wall.Now,
		})
		if err != nil {
			return nil, err
		}
	}
	if s.Mail != nil {
		shown.MailPassword = pages.PasswordOf(s.Mail.Accounts)
	}
	site, err := pages.New(shown)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	if err := site.Routes(mux); err != nil {
		return nil, err
	}
	if err := c.Mount(site, mux); err != nil {
		return nil, err
	}
	return site.Handler(mux), nil
}

// Browser is one person's, or nobody's.
type Browser struct {
	s    *Site
	http *http.Client
}

// Stranger is a browser in which nobody is signed in.
func (s *Site) Stranger() *Browser {
	jar, _ := cookiejar.New(nil) // it never fails without options
	return &Browser{s, &http.Client{Jar: jar}}
}

// SignedIn is the browser of somebody who has just signed in with their card.
func (s *Site) SignedIn(p careidtest.Person) *Browser {
	s.t.Helper()
	in, err := s.SignIn(context.Background(), p.Card)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.With(in.Token)
}

// SignedInWith is the browser of somebody who has just signed in without a card.
func (s *Site) SignedInWith(uses ...careid.Use) *Browser {
	s.t.Helper()
	in, err := s.Care.SignInWith(context.Background(), uses...)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.With(in.Token)
}

// With is a browser whose cookie says that this is its session.
func (s *Site) With(token string) *Browser {
	s.t.Helper()
	b := s.Stranger()
	at, err := url.Parse(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	b.http.Jar.SetCookies(at, []*http.Cookie{{Name: "wardkey-session", Value: token, Path: "/"}})
	return b
}

// Page is what a browser shows.
type Page struct {
	Status int
	Path   string // with its query, where the browser has ended
	Body   string
	Header http.Header
}

// Get opens a page.
func (b *Browser) Get(path string) Page {
	b.s.t.Helper()
	return b.send(b.request(http.MethodGet, path, nil))
}

// Submit opens a page, fills in its form for an address and sends it as a browser
// does. A field that the form doesn't have fails the test.
func (b *Browser) Submit(page, action string, fields url.Values) Page {
	b.s.t.Helper()
	shown := b.Get(page)
	sent, err := filled(shown.Body, action, fields)
	if err != nil {
		b.s.t.Fatalf("%s, which is %d: %v\n%s", page, shown.Status, err, shown.Body)
	}
	return b.Post(page, action, sent)
}

// Post sends a form that was on a page.
func (b *Browser) Post(page, action string, fields url.Values) Page {
	b.s.t.Helper()
	r := b.request(http.MethodPost, action, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.s.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Referer", b.s.URL+page)
	return b.send(r)
}

// JSON asks as a program does and decodes the answer into out.
func (b *Browser) JSON(method, path string, out any) {
	b.s.t.Helper()
	r := b.request(method, path, nil)
	r.Header.Set("Accept", "application/json")
	resp, err := b.http.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read by the decoder
	if resp.StatusCode >= http.StatusBadRequest {
		b.s.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		b.s.t.Fatal(err)
	}
}

// Refused asks as a program does and returns the rule of the refusal, "" for none.
func (b *Browser) Refused(method, path string, body io.Reader) string {
	b.s.t.Helper()
	r := b.request(method, path, body)
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it is needed
	if resp.StatusCode < http.StatusBadRequest {
		return ""
	}
	no, err := wardkey.ParseRefusal(resp)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return no.Rule
}

func (b *Browser) request(method, path string, body io.Reader) *http.Request {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, b.s.URL+path, body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return r
}

func (b *Browser) send(r *http.Request) Page {
	b.s.t.Helper()
	resp, err := b.http.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return Page{resp.StatusCode, resp.Request.URL.RequestURI(), string(body), resp.Header}
}

// filled are the fields of a page's form for an address: what it has by itself,
// and over it what a person fills in.
func filled(page, action string, fields url.Values) (url.Values, error) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return nil, err
	}
	why := fmt.Errorf("there is no form for %s", action)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		sent, posts := controls(n, action)
		if !posts {
			continue
		}
		missing := false
		for name, values := range fields {
			if _, there := sent[name]; !there {
				why, missing = fmt.Errorf("the form for %s has no field %s", action, name), true
			}
			if hidden := sent[name]; len(hidden) > 1 && !slices.Equal(hidden[1:], values) {
				why, missing = fmt.Errorf("no form for %s says %s=%s", action, name, values), true
			}
			sent[name] = values
		}
		if !missing {
			for name, values := range sent {
				if len(values) > 1 { // a hidden field, marked by controls
					sent[name] = values[1:]
				} else if values[0] == unchecked {
					sent.Del(name)
				}
			}
			return sent, nil
		}
	}
	return nil, why
}

// unchecked is the value of a box that is not ticked.
const unchecked = "\x00"

// controls are a form's fields with what they hold. A hidden field has two
// values, the second of which is its own.
func controls(form *html.Node, action string) (url.Values, bool) {
	values, posts := url.Values{}, attribute(form, "action") == action
	for n := range form.Descendants() {
		name, value := attribute(n, "name"), attribute(n, "value")
		posts = posts || n.Data == "button" && attribute(n, "formaction") == action
		switch kind := attribute(n, "type"); {
		case n.Type != html.ElementNode || name == "":
		case kind == "hidden":
			values[name] = []string{"", value}
		case n.Data == "button", kind == "checkbox" || kind == "radio":
			if _, there := values[name]; has(n, "checked") {
				values.Set(name, value)
			} else if !there {
				values.Set(name, unchecked)
			}
		case n.Data == "select":
			values.Set(name, chosen(n))
		case n.Data == "textarea" && n.FirstChild != nil:
			values.Set(name, n.FirstChild.Data)
		default:
			values.Set(name, value)
		}
	}
	return values, posts
}

// chosen is what a list holds before anybody chooses.
func chosen(list *html.Node) string {
	first, some := "", false
	for o := range list.Descendants() {
		if o.Data != "option" {
			continue
		}
		value := attribute(o, "value")
		if value == "" && o.FirstChild != nil && !has(o, "value") {
			value = o.FirstChild.Data
		}
		if has(o, "selected") {
			return value
		}
		if !some {
			first, some = value, true
		}
	}
	return first
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
