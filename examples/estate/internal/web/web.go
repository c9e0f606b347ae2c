// SPDX-License-Identifier: Apache-2.0

// Package web is what the estate shows: its own pages, those of the other
// examples, the JSON beside them, and the rooms' own handlers under one address.
//
//	site, err := web.New(web.Config{Rooms: rooms, Log: log})
//	http.Serve(listener, site)
//
// The desk, the kiosk, the holder's page, the pages of the sign-in and the link
// portal are mounted as they are. Package pages says how a person and a program
// are answered. The clinical portal is a handler of its own, for another address.
//
// The control addresses (/api, /clock) ask for no session: they are the hand
// that moves cards and calendars of the demonstration, and the reason why the
// estate listens on this machine alone.
package web

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/myidentity/holder"
	"github.com/wardkey-sdk/wardkey/examples/radesk/desk"
	"github.com/wardkey-sdk/wardkey/examples/unlock/kiosk"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed pages/*.html
var pageFiles embed.FS

// Config is what the pages show. All but Log are needed.
type Config struct {
	Rooms *rooms.Rooms
	Log   *slog.Logger // nil is silent
}

// Site is the estate's web server as a handler.
type Site struct {
	*pages.Module
	rooms   *rooms.Rooms
	rules   *wardkey.Rulebook // the estate's own
	handler http.Handler
}

// New makes the pages.
func New(c Config) (*Site, error) {
	if c.Rooms == nil {
		return nil, errors.New("web: Config needs Rooms")
	}
	rules, err := wardkey.ParseRulebook(rulesJSON)
	if err != nil {
		return nil, err
	}
	book, err := careid.Rules()
	if err != nil {
		return nil, err
	}
	s := &Site{rooms: c.Rooms, rules: rules}
	shared, err := pages.New(pages.Config{
		Name: "Wardkey estate", Care: c.Rooms.Care, Cards: c.Rooms.Cards, Book: book, Base: c.Rooms.Addresses.Web, After: "/my",
		Agents: []string{c.Rooms.Addresses.Agent, c.Rooms.Addresses.Ward}, Readers: s.readers,
		Keys: c.Rooms.Keys, MailPassword: pages.PasswordOf(c.Rooms.Mail), Now: c.Rooms.Clock.Now, Wall: c.Rooms.Wall, Log: c.Log,
		Places: []pages.Place{
			{Path: "/", Name: "Estate"},
			{Path: "/my", Name: "My card"},
			{Path: "/desk", Name: "Desk"},
			{Path: "/mail", Name: "Mail"},
			{Path: "/inbox", Name: "Inbox"},
			{Path: "/audit", Name: "Audit"},
		},
	})
	if err != nil {
		return nil, err
	}
	if s.Module, err = shared.Module(pageFiles, "pages/*.html"); err != nil {
		return nil, err
	}
	s.rooms.Refused = s.authorizationRefused
	s.handler, err = s.routes(shared)
	return s, err
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes joins the addresses.
func (s *Site) routes(shared *pages.Site) (http.Handler, error) {
	mux := http.NewServeMux()
	if err := shared.Routes(mux); err != nil {
		return nil, err
	}
	s.controlRoutes(mux)
	s.auditRoutes(mux)
	s.mailRoutes(mux)
	registration, err := desk.New(shared)
	if err != nil {
		return nil, err
	}
	registration.Routes(mux)
	unlock, err := kiosk.New(shared)
	if err != nil {
		return nil, err
	}
	unlock.Routes(mux)
	own, err := holder.New(holder.Config{Site: shared, MailAccount: s.mailAccount})
	if err != nil {
		return nil, err
	}
	own.Routes(mux)
	if err := s.providerRoutes(shared, mux); err != nil {
		return nil, err
	}
	mux.Handle("/ocsp", s.rooms.CA.OCSPHandler())
	mux.Handle("/ocsp/", s.rooms.CA.OCSPHandler())
	mux.Handle("/crl/", s.rooms.CA.PublishHandler())
	mux.Handle("/aia/", s.rooms.CA.PublishHandler())
	s.Handle(mux, "GET /readyz", s.ready)
	return s.besidePickup(shared.Handler(mux)), nil
}

// mailAccount is the address of the mail account that this browser is signed in
// to.
func (s *Site) mailAccount(r *http.Request) (string, error) {
	account, err := s.rooms.Mail.Session(r.Context(), mailToken(r))
	return account.Address, err
}

func (s *Site) ready(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	if err := s.rooms.Ready(r.Context()); err != nil {
		return pages.Answer{}, s.rules.Refuse("not.ready").Because(err)
	}
	return pages.Answer{}, nil
}
