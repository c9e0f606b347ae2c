// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// fresh is how long what was read serves: reading goes through every pair in
// force, so a page that is loaded often must not do it each time.
const fresh = 2 * time.Second

// page shows what ends when. It names people, so it is shown on this machine
// alone, and only under the name of the address that is listened on: a name that
// somebody's DNS points here is another.
type page struct {
	ca    *authority
	hosts map[string]bool // empty: the address is not a loopback one
	now   func() time.Time
	log   *slog.Logger
	text  *template.Template
	style []byte

	mu     sync.Mutex
	seen   *overview
	seenAt time.Time
}

// shown is what the template gets.
type shown struct {
	*overview
	Plot     plot
	Window   int // days
	Name     string
	Said     statement
	Below    string // the path of the base
	KeyPlace string
	Ends     time.Time
	RootName string
	RootEnds time.Time
	Lists    int
}

func newPage(ca *authority, address string, now func() time.Time, log *slog.Logger) (*page, error) {
	p := &page{ca: ca, hosts: map[string]bool{}, now: now, log: log}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		p.hosts[address], p.hosts["localhost:"+port] = true, true
	}
	if p.style, err = assets.ReadFile("assets/style.css"); err != nil {
		return nil, err
	}
	p.text, err = template.New("").Funcs(template.FuncMap{
		"day":   func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"month": func(t time.Time) string { return t.UTC().Format("Jan 2006") },
		"stamp": func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05") },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"add":   func(a, b float64) float64 { return a + b },
		"sub":   func(a, b float64) float64 { return a - b },
		"count": count,
	}).ParseFS(assets, "assets/page.html")
	return p, err
}

// count is a number with its word.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	switch {
	case !p.hosts[r.Host]:
		http.Error(w, "Not found. What ends when is shown on the machine of the CA alone.", http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
	case r.URL.Path == "/style.css":
		h.Set("Content-Type", "text/css; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.style))
	case r.URL.Path == "/":
		p.show(w, r)
	default:
		http.NotFound(w, r)
	}
}

// show writes the page whole or, if something fails, an error alone.
func (p *page) show(w http.ResponseWriter, r *http.Request) {
	v, err := p.read(r.Context())
	var body bytes.Buffer
	if err == nil {
		err = p.text.ExecuteTemplate(&body, "page.html", v)
	}
	if err != nil {
		p.log.Error("page failed", "cause", err)
		http.Error(w, "This page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body.Bytes()) // the client has gone; there is nobody left to tell
}

func (p *page) read(ctx context.Context) (*shown, error) {
	o, err := p.overview(ctx)
	if err != nil {
		return nil, err
	}
	opens, closes := p.ca.Profile().Window(o.Now)
	window := closes.Sub(opens)
	issuing, root := p.ca.Chain()[0], p.ca.Chain()[len(p.ca.Chain())-1]
	return &shown{
		overview: o, Plot: draw(o, window), Window: int(window.Hours() / 24), Name: issuing.Subject.CommonName,
		Said: p.ca.said, Below: p.ca.said.below(), KeyPlace: p.ca.keyPlace, Ends: issuing.NotAfter, RootName: root.Subject.CommonName, RootEnds: root.NotAfter, Lists: shards,
	}, nil
}

// overview reads the ledger, or gives what was read just now.
func (p *page) overview(ctx context.Context) (*overview, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now().UTC().Truncate(time.Second)
	if p.seen != nil && now.Sub(p.seenAt).Abs() < fresh {
		return p.seen, nil
	}
	horizon := now.AddDate(3, 0, 1).Sub(now) // no pair in force ends later
	o, err := look(now, p.ca.Profile(), p.ca.Chain()[0], p.ca.Expiring(ctx, horizon))
	if err == nil {
		p.seen, p.seenAt = o, now
	}
	return o, err
}
