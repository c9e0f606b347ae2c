// SPDX-License-Identifier: Apache-2.0

// Package portal is the pages of a clinical portal that signs people in at an
// OpenID Provider: Wardkey's or the national service.
//
//	p, err := portal.New(portal.Config{
//		Base: "http://127.0.0.1:8486", Agent: "http://127.0.0.1:9443",
//		Login: relyingparty.Config{Issuer: issuer, ClientID: "portal", Secret: secret},
//	})
//	server := &http.Server{Handler: p.Handler()}
//	server.RegisterOnShutdown(p.HangUp)
//	server.Serve(listener)
//
// The front page has the button "Log in with my Care Identity", or says why it
// has not, for the workstation that is declared: by its card service as far as
// that tells, and by the person. Behind the button is /portal, for level 3 and a
// role. What the card needs is told on both pages, as soon as the card service
// says so. A page whose session the provider has ended, for a pulled card, a sign-out
// there or otherwise, goes to /signed-out by itself: the provider tells the portal by
// back-channel logout, and the portal the pages that can be seen. One in a tab that is
// hidden learns of it when it is shown. Of a sign-out in another tab of this portal
// nobody tells: a page learns of that when it is shown or used next, or once it was
// left for as long as a session may be.
//
// What a browser declares is believed for what that browser's person is shown,
// and for nothing else: who is let in is the provider's word.
package portal

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/internal/style"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Config says where the portal is and who signs its people in. Base and Login's
// Issuer, ClientID and Secret or Keys are needed.
type Config struct {
	Base  string             // the portal's own address, such as http://127.0.0.1:8486
	Agent string             // the card service of the workstation, "" for none
	Pages relyingparty.Pages // where a card is unlocked and renewed

	// Login is the provider and the client. Its RedirectURL, Name and levels, and whether Wardkey's own claims are read,
	// are the portal's to say.
	Login relyingparty.Config

	Now func() time.Time // the calendar; default time.Now
	Log *slog.Logger     // nil is silent
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Login.Now, c.Login.Log = c.Now, c.Log
	return c
}

// Portal is the pages.
type Portal struct {
	Config
	login     *relyingparty.RelyingParty
	endings   endings
	book      *wardkey.Rulebook // careid's
	rules     *wardkey.Rulebook // of this package
	templates *template.Template
	name      string // of the real one
	idle      time.Duration
}

const title = "Clinical portal"

// New checks the configuration. The provider is asked when the first person signs in.
func New(c Config) (*Portal, error) {
	c = c.withDefaults()
	base, err := url.Parse(c.Base)
	if err != nil || base.Scheme == "" || base.Host == "" || base.Path != "" {
		return nil, errors.New("portal: Base is not an address such as http://127.0.0.1:8486")
	}
	if at, err := url.Parse(c.Agent); err != nil || c.Agent != "" && (at.Scheme != "http" || at.Host == "" || at.Path != "" || strings.ContainsAny(c.Agent, " ;,*")) {
		return nil, errors.New("portal: Agent is not an address such as http://127.0.0.1:9443")
	}
	p := &Portal{Config: c, endings: endings{pages: map[*openPage]struct{}{}, hungUp: make(chan struct{})}}
	if err := p.read(); err != nil {
		return nil, err
	}
	login := c.Login
	login.RedirectURL, login.Name = c.Base+"/auth/callback", title
	login.ACRValues = []string{"AAL3_ANY"} // and so the least level is 3, the card's own
	login.WardkeyClaims = true             // the alerts of a sign-in, where the provider tells them
	login.Ended = p.endings.tell
	p.login, err = relyingparty.New(login)
	return p, err
}

// read takes the rulebooks and templates in.
func (p *Portal) read() error {
	var err error
	if p.book, err = careid.Rules(); err != nil {
		return err
	}
	if p.rules, err = wardkey.ParseRulebook(rulesJSON); err != nil {
		return err
	}
	own, err := relyingparty.Rulebook()
	if err != nil {
		return err
	}
	if p.idle, err = own.Duration("rp.session.idle", p.Now()); err != nil {
		return err
	}
	if p.name, err = careid.ServiceName(p.book, careid.SpinePortal, p.Now()); err != nil {
		return err
	}
	p.templates, err = template.New("").Funcs(words()).ParseFS(templateFiles, "templates/*.html")
	return err
}

// Handler is the whole portal.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(p.login.Path(), p.login)
	mux.HandleFunc("GET /{$}", p.front)
	mux.HandleFunc("GET /button", p.button)
	mux.HandleFunc("GET /signed-out", p.signedOut)
	mux.HandleFunc("POST /prompts", p.prompts)
	mux.Handle("GET /portal", p.login.Protect(http.HandlerFunc(p.inside)))
	mux.Handle("GET /portal/ended", p.login.Protect(http.HandlerFunc(p.ended)))
	mux.Handle("POST /portal/prompts", p.login.Protect(http.HandlerFunc(p.prompts)))
	mux.Handle("GET /session", p.login.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /assets/style.css", style.Serve)
	if assets, err := fs.Sub(assetFiles, "assets"); err == nil { // the folder is built in
		mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	}
	script := agent.Script()
	mux.HandleFunc("GET /assets/agent.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(script) // the browser has gone; there is nobody left to tell
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, p.rules.Refuse("page.unknown")) })

	sameSite := http.NewCrossOriginProtection()
	sameSite.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, p.rules.Refuse("origin.refused")) }))
	return p.guarded(sameSite.Handler(mux))
}

// guarded sets what every answer carries and turns away other host names.
func (p *Portal) guarded(next http.Handler) http.Handler {
	_, host, _ := strings.Cut(p.Base, "://")
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src " + strings.TrimSpace("'self' "+p.Agent) +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if r.Host != host {
			wardkey.WriteProblem(w, p.rules.Refuse("host.refused"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

type insidePage struct {
	frame
	Claims  relyingparty.Claims
	Role    relyingparty.Role
	Prompts template.HTML
	Real    string
}

// inside is what the sign-in is for.
func (p *Portal) inside(w http.ResponseWriter, r *http.Request) {
	claims, _ := relyingparty.ClaimsOf(r.Context()) // Protect let this through
	role, _ := claims.Role()
	prompts := p.list(claims, nil)
	if !browser(r) {
		writeJSON(w, map[string]any{
			"userID": claims.Subject, "name": claims.Name, "role": role.RoleID, "roleCode": role.Code, "aal": claims.AuthenticationLevel, "prompts": prompts,
		})
		return
	}
	told, err := prompts.HTML()
	if err != nil {
		p.fail(w, r, err)
		return
	}
	f := p.frame("portal")
	f.Who, f.Ask = claims.Name, "/portal/prompts"
	p.render(w, r, http.StatusOK, "portal.html", &insidePage{f, claims, role, told, p.name})
}

// list is what a person should do about their card.
func (p *Portal) list(claims relyingparty.Claims, status *relyingparty.AgentStatus) relyingparty.PromptList {
	return relyingparty.Prompts(relyingparty.Situation{Alerts: claims.Alerts, Agent: status, Now: p.Now()}, p.Pages)
}

// maxStatus bounds what a card service says of itself: some sixteen readers.
const maxStatus = 64 << 10

// prompts turns the status that a page got from its card service into what the person is told.
func (p *Portal) prompts(w http.ResponseWriter, r *http.Request) {
	var status relyingparty.AgentStatus
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxStatus)).Decode(&status); err != nil {
		p.fail(w, r, p.rules.Refuse("request.invalid").Because(err))
		return
	}
	claims, _ := relyingparty.ClaimsOf(r.Context()) // nobody's, on the front page
	list := p.list(claims, &status)
	if !browser(r) {
		writeJSON(w, list)
		return
	}
	fragment, err := list.HTML()
	if err != nil {
		p.fail(w, r, err)
		return
	}
	writePage(w, http.StatusOK, []byte(fragment))
}

type signedOutPage struct {
	frame
	Steps  []string
	Source wardkey.Source
}

// signedOut is where a page goes whose session has ended.
func (p *Portal) signedOut(w http.ResponseWriter, r *http.Request) {
	steps, ground, err := careid.Route(p.book, careid.SigningOut, p.Now())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.render(w, r, http.StatusOK, "signedout.html", &signedOutPage{p.frame("signedout"), steps, ground.Source})
}

// browser tells a person's browser from a program: only the former asks for HTML.
func browser(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

func writeJSON(w http.ResponseWriter, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // the program has gone; there is nobody left to tell
}

// render writes a page whole or, if its template fails, an error alone.
func (p *Portal) render(w http.ResponseWriter, r *http.Request, status int, name string, page any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, name, page); err != nil {
		p.Log.ErrorContext(r.Context(), "page failed", "page", name, "cause", err)
		http.Error(w, "This page could not be made.", http.StatusInternalServerError)
		return
	}
	writePage(w, status, body.Bytes())
}

func writePage(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser has gone; there is nobody left to tell
}

type refusalPage struct {
	frame
	Refusal *wardkey.Refusal
}

// fail tells a program a problem and a person a page.
func (p *Portal) fail(w http.ResponseWriter, r *http.Request, err error) {
	var no *wardkey.Refusal
	if !errors.As(err, &no) {
		p.Log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "cause", err)
		no = p.rules.Refuse("internal").Because(err)
	}
	if !browser(r) {
		wardkey.WriteProblem(w, no)
		return
	}
	p.render(w, r, no.Status, "refusal.html", &refusalPage{p.frame("refusal"), no})
}

// frame is what every page shows around its own part.
type frame struct {
	Page  string
	Who   string // is signed in, "" where the page doesn't know
	Agent string
	Ask   string // where the page turns its card service's status into prompts
	Idle  int    // seconds after which a session that is left ends
	Now   time.Time
}

func (p *Portal) frame(page string) frame {
	return frame{Page: page, Agent: p.Agent, Ask: "/prompts", Idle: int(p.idle.Seconds()), Now: p.Now()}
}
