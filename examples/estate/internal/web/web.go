// SPDX-License-Identifier: Apache-2.0

// Package web is what the estate shows: its pages, the JSON beside them, and
// the rooms' own handlers under one address.
//
//	site, err := web.New(web.Config{Rooms: rooms, Log: log})
//	http.Serve(listener, site)
//
// Every address serves a person and a program: whoever asks for text/html gets
// a page, anybody else JSON; a POST takes a form or JSON. A refusal is a page
// with its rule, its source and the next steps, or application/problem+json.
//
// The control addresses (/api, /clock) ask for no session: they are the hand
// that moves cards and calendars of the demonstration, and the reason why the
// estate listens on this machine alone.
package web

import (
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed assets
var assetFiles embed.FS

// Config is what the pages show. All but Log are needed.
type Config struct {
	Rooms *rooms.Rooms
	Log   *slog.Logger // nil is silent
}

// Site is the estate's web server as a handler.
type Site struct {
	rooms     *rooms.Rooms
	log       *slog.Logger
	rules     *wardkey.Rulebook // the estate's own
	sentences *wardkey.Rulebook // careid's, which also speaks for pki
	pages     *pages
	handler   http.Handler
}

// New makes the pages.
func New(c Config) (*Site, error) {
	if c.Rooms == nil {
		return nil, errors.New("web: Config needs Rooms")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	rules, err := wardkey.ParseRulebook(rulesJSON)
	if err != nil {
		return nil, err
	}
	sentences, err := careid.Rules()
	if err != nil {
		return nil, err
	}
	parsed, err := parsePages()
	if err != nil {
		return nil, err
	}
	s := &Site{rooms: c.Rooms, log: c.Log, rules: rules, sentences: sentences, pages: parsed}
	if s.handler, err = s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes joins the addresses. Pages of other sites can't post to any of them,
// nor can a name that somebody's DNS points at this machine.
func (s *Site) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	s.controlRoutes(mux)
	s.auditRoutes(mux)
	s.signInRoutes(mux)
	s.holderRoutes(mux)
	s.deskRoutes(mux)
	s.applyRoutes(mux)
	s.mailRoutes(mux)
	mux.Handle("/card/v1/", s.rooms.Cards)
	mux.Handle("/ocsp", s.rooms.CA.OCSPHandler())
	mux.Handle("/ocsp/", s.rooms.CA.OCSPHandler())
	mux.Handle("/crl/", s.rooms.CA.PublishHandler())
	mux.Handle("/aia/", s.rooms.CA.PublishHandler())
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", s.serve(s.ready))
	mux.HandleFunc("/", s.serve(func(http.ResponseWriter, *http.Request) (answer, error) {
		return answer{}, s.rules.Refuse("page.unknown")
	}))

	sameSite := http.NewCrossOriginProtection()
	sameSite.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, s.rules.Refuse("origin.refused"))
	}))
	return s.guarded(sameSite.Handler(mux)), nil
}

// guarded sets what every answer carries and turns away other host names.
func (s *Site) guarded(next http.Handler) http.Handler {
	host := strings.TrimPrefix(s.rooms.Addresses.Web, "http://")
	_, port, _ := net.SplitHostPort(host)
	agents := s.rooms.Addresses.Agent + " " + s.rooms.Addresses.Ward
	policy := "default-src 'none'; style-src 'self'; script-src 'self' " + agents + "; connect-src 'self' " + agents +
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
		case r.Host == "localhost:"+port && r.Method == http.MethodGet:
			http.Redirect(w, r, s.rooms.Addresses.Web+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		default:
			wardkey.WriteProblem(w, s.rules.Refuse("host.refused"))
		}
	})
}

func (s *Site) ready(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.rooms.Ready(r.Context()); err != nil {
		return answer{}, s.rules.Refuse("not.ready").Because(err)
	}
	return answer{}, nil
}
