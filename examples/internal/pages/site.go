// SPDX-License-Identifier: Apache-2.0

// Package pages is what the pages of the examples share: the frame, one
// stylesheet, the script that speaks with the card service of a workstation,
// the session of a browser, and the way in which a "no" is told.
//
//	site, err := pages.New(pages.Config{Name: "Ward desk", Care: care, Cards: cards, Book: book, Base: base, Agents: agents})
//	desk, err := site.Module(templates)                 // a set of pages with templates of its own
//	desk.Handle(mux, "GET /desk", desk.overview)
//	http.Serve(listener, site.Handler(mux))
//
// Beside a card, people sign in with what Config has: security keys, Windows
// Hello, or a mail account and an authenticator app. Any of them shows again who
// a person is where that is asked; a session by card asks for the card alone.
//
// Every address serves a person and a program: whoever asks for text/html gets
// a page, anybody else JSON; a POST takes a form or JSON. A refusal is told to a
// program as application/problem+json. A person whose form was refused gets the
// page of that form again, with the refusal above and everything typed still in
// it; where the session is locked or the card was shown too long ago, the page
// of the card comes between, and then what was asked for goes on.
package pages

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/examples/internal/style"
	"github.com/wardkey-sdk/wardkey/examples/internal/tries"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed assets
var assetFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// Config is what stands behind the pages. Name, Care, Cards, Book and Base are
// needed.
type Config struct {
	Name   string            // of the site, as the frame shows it
	Care   *careid.Service   // decides everything
	Cards  *cardhttp.Handler // sessions and tickets; mounted by Routes
	Book   *wardkey.Rulebook // careid's in force, which also speaks for card and pki
	Base   string            // the site's own address, such as http://127.0.0.1:8480
	Agents []string          // card services that a page may speak with, the first one by default
	Places []Place           // entries of the frame
	After  string            // where a sign-in leads; default /

	// Readers tells which card is in which reader, for a server that has them beside it. Nil: the page asks the agents.
	Readers Readers

	// Keys signs in with security keys and Windows Hello: a handler of package careid/webauthn for this site, mounted by
	// Routes. Nil: there is no such way here.
	Keys http.Handler
	// MailPassword refuses a password that is not that of a mail account, and counts the tries of each account. Beside it
	// the code of an authenticator app signs in. Nil: there is no such way here.
	MailPassword func(ctx context.Context, address string, password []byte) error

	Now  func() time.Time // the calendar; default time.Now
	Wall func() time.Time // measures how often somebody tries; default time.Now
	Log  *slog.Logger     // nil is silent
}

func (c Config) withDefaults() Config {
	if c.After == "" {
		c.After = "/"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Site is what all modules of one program share.
type Site struct {
	Config

	rules     *wardkey.Rulebook // of this package
	tries     *tries.Sources
	templates *template.Template
	inside    http.Handler // what Handler was given, for showing a page again
}

// New checks the configuration.
func New(c Config) (*Site, error) {
	c = c.withDefaults()
	base, err := url.Parse(c.Base)
	if err != nil || base.Scheme == "" || base.Host == "" || base.Path != "" {
		return nil, errors.New("pages: Base is not an address such as http://127.0.0.1:8480")
	}
	if c.Name == "" || c.Care == nil || c.Cards == nil || c.Book == nil {
		return nil, errors.New("pages: Config needs Name, Care, Cards and Book")
	}
	s := &Site{Config: c}
	if s.rules, err = wardkey.ParseRulebook(rulesJSON); err != nil {
		return nil, err
	}
	if s.tries, err = tries.Of(s.rules, c.Now()); err != nil {
		return nil, err
	}
	s.templates, err = template.New("").Funcs(words()).ParseFS(templateFiles, "templates/*.html")
	return s, err
}

// Module is a set of pages with templates of its own beside the shared ones.
type Module struct {
	*Site
	templates *template.Template
}

// Module reads the templates of a set of pages.
func (s *Site) Module(files fs.FS, patterns ...string) (*Module, error) {
	t, err := s.templates.Clone()
	if err != nil {
		return nil, err
	}
	if t, err = t.ParseFS(files, patterns...); err != nil {
		return nil, err
	}
	return &Module{Site: s, templates: t}, nil
}

// Routes adds what all sites have: signing in and out, the card protocol, the
// stylesheet and the scripts.
func (s *Site) Routes(mux *http.ServeMux) error {
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return err
	}
	own := &Module{Site: s, templates: s.templates}
	own.signInRoutes(mux)
	own.wayRoutes(mux)
	mux.Handle(cardhttp.Path, s.Cards)
	mux.HandleFunc("GET /assets/style.css", style.Serve)
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	own.Handle(mux, "/", func(http.ResponseWriter, *http.Request) (Answer, error) {
		return Answer{}, s.Refuse("page.unknown")
	})
	return nil
}

// Handler is the whole site. Pages of other sites can't post to any address of
// it, nor can a name that somebody's DNS points at this machine. It is called
// once.
func (s *Site) Handler(mux *http.ServeMux) http.Handler {
	own := &Module{Site: s, templates: s.templates}
	sameSite := http.NewCrossOriginProtection()
	sameSite.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own.Fail(w, r, s.Refuse("origin.refused"))
	}))
	s.inside = mux
	return s.guarded(sameSite.Handler(mux))
}

// guarded sets what every answer carries and turns away other host names.
func (s *Site) guarded(next http.Handler) http.Handler {
	_, host, _ := strings.Cut(s.Base, "://")
	_, port, _ := net.SplitHostPort(host)
	ours := []string{"localhost:" + port, "127.0.0.1:" + port} // a person may have typed the one for the other
	agents := strings.Join(s.Agents, " ")
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self' " + agents + "; connect-src 'self' " + agents +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
		switch {
		case r.Host == host:
			next.ServeHTTP(w, r)
		case slices.Contains(ours, r.Host) && r.Method == http.MethodGet && r.URL.Opaque == "": // such as x:@evil.example/
			http.Redirect(w, r, s.Base+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		default:
			wardkey.WriteProblem(w, s.Refuse("host.refused"))
		}
	})
}

// Refuse is a refusal of this package's own.
func (s *Site) Refuse(id string) *wardkey.Refusal { return s.rules.Refuse(id) }
