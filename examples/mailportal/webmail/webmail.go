// SPDX-License-Identifier: Apache-2.0

// Package webmail is the pages of a mail portal: what mailpolicy.Accounts
// decides, for the people whom it is about.
//
//	p, err := webmail.New(webmail.Config{Base: "http://127.0.0.1:8488", Accounts: accounts})
//	http.Serve(listener, p.Handler())
//
// The portal stands at an address of its own; a program with several sites gives
// it a listener beside the others. A site is registered at /register and applies
// for accounts at /apply. A holder signs in at /signin, takes the three steps of a
// first login at /first, and then has their account at /account, their site with
// its shared mailbox at /site and a message to write at /compose. Who can't get in
// goes to /recover. /help has the desks and their order. Config.Desk adds the page
// of the administration service, Config.Phone that of a telephone which gets the
// texts: both are for demonstrations, as whoever reaches them may use them.
//
// # What is decided, and where
//
// Every "no", every limit on an account's tries and every state comes from package mailpolicy
// and is shown with its rule, its source and the next step; a form that was
// refused comes back with what was typed, but for passwords and answers. A
// session is a cookie that no script reads, under a new token at each sign-in.
// Forms of other sites are refused before they are read. The portal itself bounds
// how often one address tries to sign in or to recover, whoever's account it is.
//
// This is a demonstration of the accounts and not of who is at the keyboard: /register
// and /apply ask for a name and believe it, so whoever reaches them registers a site
// and fills its accounts, and /desk and /phone are open to whoever reaches those. A
// portal in earnest puts its own sign-in before them, and gives mailpolicy the Actor
// whom that knows.
//
// Sign out ends this browser's session; on the page of the account stands a button
// that ends all of the holder's.
//
// Where several errors would tell who has an account, mailpolicy gives one, and
// the pages add nothing to it. A recovery shows the holder's questions to whoever
// knows the address: that is the published procedure.
//
// # Writing a message
//
// While somebody writes, a script posts the recipients and the subject and shows
// what mailpolicy.Decide says of them: of each recipient what happens, why, by
// which rule and what can be done instead. Without the script a button asks the
// same. What is asked about is the message in the form in which it would go out,
// and it is decided again when it goes. It is handed to a mail gateway on this
// machine (Config.SMTP) that encrypts what is to be encrypted, as package
// mailpolicy/gateway does; where there is none, nothing can be sent.
//
// The portal has no inbox and writes no answers of its own, so it knows of no
// message that came encrypted, and does not set mailpolicy.Message.Encrypted. A
// subject that shows by itself that it answers one, such as "Re: [...]", is warned
// about all the same.
//
// A program that does not ask for text/html posts the same forms, and gets JSON
// or application/problem+json.
package webmail

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/style"
	"github.com/wardkey-sdk/wardkey/examples/internal/tries"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Config says what stands behind the pages. Base and Accounts are needed.
type Config struct {
	Base     string               // the portal's own address, such as http://127.0.0.1:8488
	Accounts *mailpolicy.Accounts // decides about accounts
	// PolicyVersion is the acceptable use policy that is shown: the one that Accounts has. Default "1".
	PolicyVersion string
	// SMTP is the address of the mail gateway, on this machine: the way there is not encrypted. "": nothing is sent.
	SMTP string
	// Device is whose computer people sit at, as far as that is known: it says how the box "This is a private computer"
	// begins.
	Device mailpolicy.Device
	// Desk is who acts at /desk: the administration service. The zero Actor: there is no such page.
	Desk mailpolicy.Actor
	// Phone shows its texts at /phone. Nil: there is no such page.
	Phone *Phone

	Now  func() time.Time // the calendar, as Accounts reads it; default time.Now
	Wall func() time.Time // measures how often somebody tries; default time.Now
	Log  *slog.Logger     // nil is silent
}

func (c Config) withDefaults() Config {
	if c.PolicyVersion == "" {
		c.PolicyVersion = "1"
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

// Portal is the pages.
type Portal struct {
	Config
	rules     *wardkey.Rulebook // of this package
	templates *template.Template
	tries     *tries.Sources
}

// New checks the configuration.
func New(c Config) (*Portal, error) {
	c = c.withDefaults()
	base, err := url.Parse(c.Base)
	if err != nil || base.Scheme == "" || base.Host == "" || base.Path != "" {
		return nil, errors.New("webmail: Base is not an address such as http://127.0.0.1:8488")
	}
	if c.Accounts == nil {
		return nil, errors.New("webmail: Config needs Accounts")
	}
	if c.SMTP != "" && !onThisMachine(c.SMTP) {
		return nil, fmt.Errorf("webmail: the mail gateway %s is not on this machine, and the way there is not encrypted", c.SMTP)
	}
	p := &Portal{Config: c}
	if p.rules, err = wardkey.ParseRulebook(rulesJSON); err != nil {
		return nil, err
	}
	if p.tries, err = tries.Of(p.rules, c.Now()); err != nil {
		return nil, err
	}
	p.templates, err = template.New("").Funcs(words()).ParseFS(templateFiles, "templates/*.html")
	return p, err
}

func onThisMachine(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Handler is the whole portal.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show(p.front))
	mux.HandleFunc("GET /help", p.show(p.help))
	p.registerRoutes(mux)
	p.signInRoutes(mux)
	p.accountRoutes(mux)
	p.recoverRoutes(mux)
	p.siteRoutes(mux)
	p.composeRoutes(mux)
	if p.Desk != (mailpolicy.Actor{}) {
		p.deskRoutes(mux)
	}
	if p.Phone != nil {
		mux.HandleFunc("GET /phone", p.phone)
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /assets/style.css", style.Serve)
	if assets, err := fs.Sub(assetFiles, "assets"); err == nil { // the folder is built in
		mux.Handle("GET /assets/{file}", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, p.rules.Refuse("page.unknown")) })

	sameSite := http.NewCrossOriginProtection()
	sameSite.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, p.rules.Refuse("origin.refused")) }))
	return p.guarded(sameSite.Handler(mux))
}

// guarded sets what every answer carries and turns away other host names, such as
// one that somebody's DNS points at this machine.
func (p *Portal) guarded(next http.Handler) http.Handler {
	_, host, _ := strings.Cut(p.Base, "://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.Host != host {
			wardkey.WriteProblem(w, p.rules.Refuse("host.refused"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
