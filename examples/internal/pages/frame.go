// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

// View is what one page shows; a struct that embeds Base has Frame.
type View interface {
	Template() string
	Frame() *Base
}

// Base is what every page shows around its own part. Title is the page's own,
// Told may be set, the rest is filled in.
type Base struct {
	Title   string
	Told    string
	Site    string
	Page    string // the template's name, for the page's script
	Agents  string // where the workstations' card services are, with blanks between
	Idle    int    // seconds after which a session that is left locks; 0 never
	Now     time.Time
	Session *careid.Session
	Places  []Place
}

// Frame is the Base itself.
func (b *Base) Frame() *Base { return b }

// Place is an entry of the page's head.
type Place struct {
	Path, Name string
	Here       bool
}

// refusalPage tells a "no".
type refusalPage struct {
	Base
	Refusals wardkey.Refusals
	Back     string
	SignIn   bool // what helps is to sign in
}

func (*refusalPage) Template() string { return "refusal.html" }

// render writes a page whole or, if its template fails, an error alone.
func (m *Module) render(w http.ResponseWriter, r *http.Request, status int, v View) {
	m.frame(r, v)
	var body bytes.Buffer
	if err := m.templates.ExecuteTemplate(&body, v.Template(), v); err != nil {
		m.Log.Error("page failed", "page", v.Template(), "cause", err)
		http.Error(w, "This page could not be made.", http.StatusInternalServerError)
		return
	}
	writePage(w, status, body.Bytes())
}

func writePage(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone; there is nobody left to tell
}

func (m *Module) frame(r *http.Request, v View) {
	b := v.Frame()
	b.Site, b.Now = m.Name, m.Now()
	b.Page = strings.TrimSuffix(v.Template(), ".html")
	b.Agents = strings.Join(m.Agents, " ")
	if session, err := m.Session(r); err == nil {
		b.Session = session
		b.Idle = m.idle(b.Now)
	}
	if b.Told == "" {
		b.Told = told(r)
	}
	b.Places = make([]Place, len(m.Places))
	for i, p := range m.Places {
		p.Here = p.Path == r.URL.Path || p.Path != "/" && strings.HasPrefix(r.URL.Path, p.Path+"/")
		b.Places[i] = p
	}
}

// idle is after how many seconds a session that is left locks, 0 for never: a
// limit as long as a session is none.
func (m *Module) idle(now time.Time) int {
	limit, err := m.Book.Duration("session.idle", now)
	if whole, wholeErr := m.Book.Duration("session.max", now); err != nil || wholeErr != nil || limit >= whole {
		return 0
	}
	return int(limit.Seconds())
}
