// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

//go:embed pages/*.html
var pageFiles embed.FS

// view is what one page shows. Its template is named after it.
type view interface {
	template() string
	frame() *base
}

// base is what every page shows around its own part.
type base struct {
	Title   string
	Page    string // the template's name, for the page's script
	Agents  string // where the workstations' card services are, with blanks between
	Now     time.Time
	Session *careid.Session
	Places  []place
	Told    string
}

func (b *base) frame() *base { return b }

// place is an entry of the page's head.
type place struct {
	Path, Name string
	Here       bool
}

// refusalPage tells a "no".
type refusalPage struct {
	base
	Refusals wardkey.Refusals
	Back     string
	SignIn   bool // what helps is to sign in
}

func (*refusalPage) template() string { return "refusal.html" }

type pages struct{ templates *template.Template }

func parsePages() (*pages, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"long": long, "short": short, "day": day, "stamp": stamp,
		"fixer": fixer, "fixers": func() map[string]string { return fixerNames }, "roleName": roleName, "stateWord": stateWord,
		"first": firstLine, "lines": pieces,
	}).ParseFS(pageFiles, "pages/*.html")
	return &pages{t}, err
}

// render writes a page whole or, if its template fails, an error alone.
func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	b := v.frame()
	b.Page = strings.TrimSuffix(v.template(), ".html")
	b.Agents = s.rooms.Addresses.Agent + " " + s.rooms.Addresses.Ward
	b.Now = s.rooms.Clock.Now()
	if session, err := s.session(r); err == nil {
		b.Session = session
	}
	if b.Told == "" {
		b.Told = told(r)
	}
	b.Places = []place{{Path: "/", Name: "Estate"}, {Path: "/my", Name: "My card"}, {Path: "/desk", Name: "Desk"}, {Path: "/mail", Name: "Mail"}, {Path: "/inbox", Name: "Inbox"}}
	for i, p := range b.Places {
		b.Places[i].Here = p.Path == r.URL.Path
	}
	var body bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&body, v.template(), v); err != nil {
		s.log.Error("page failed", "page", v.template(), "cause", err)
		http.Error(w, "This page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client has gone; there is nobody left to tell
}

// told is the line that a page shows once after something was done; only these
// words can be asked for.
func told(r *http.Request) string {
	return map[string]string{
		"signed-out": "You are signed out.",
		"ended":      "Your session has ended, because the card left its reader or its time was over.",
		"unlocked":   "The card is unlocked and has its new passcode.",
		"passcode":   "The passcode is changed.",
		"renewed":    "The card has new certificates.",
		"issued":     "The card is issued.",
		"done":       "Done.",
		"sent":       "The message is on its way: see the inbox for what arrived.",
		"invited":    "The invitation is sent: see the inbox.",
		"submitted":  "Thank you. Your application is with the Registration Authority.",
		"linked":     "Your card is linked to the mail account.",
		"unlinked":   "The link is ended.",
	}[r.URL.Query().Get("told")]
}

func zone() *time.Location {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return time.UTC
	}
	return london
}

func long(t time.Time) string  { return t.In(zone()).Format("Monday 2 January 2006, 15:04:05") }
func short(t time.Time) string { return t.In(zone()).Format("2 Jan 2006, 15:04") }
func day(t time.Time) string   { return t.In(zone()).Format("2 Jan 2006") }
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

var fixerNames = map[string]string{
	"holder": "You yourself", "ra-manager": "An RA manager", "ra-agent": "A Registration Authority agent", "sponsor": "A sponsor",
	"local-administrator": "A Local Administrator of your organisation", "helpdesk": "The help desk", "sender": "The sender",
	"system": "The people who run this service",
}

func fixer(role string) string {
	if name, ok := fixerNames[role]; ok {
		return name
	}
	return role
}

var roleNames = map[string]string{
	"ra-manager": "RA manager", "advanced-ra-agent": "Advanced RA agent", "ra-agent": "RA agent", "sponsor": "Sponsor",
	"id-checker": "ID checker", "local-smartcard-administrator": "Local Smartcard Administrator", "holder": "Card holder",
}

func roleName(role string) string {
	if name, ok := roleNames[role]; ok {
		return name
	}
	return role
}

var stateWords = map[string]string{
	"present": "in the reader", "finalTry": "one try left", "ends-soon": "ends soon", "ordered": "being issued",
	"verified": "unbroken", "broken": "broken",
}

func stateWord(state any) string {
	text := toText(state)
	if word, ok := stateWords[text]; ok {
		return word
	}
	return text
}

func toText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case careid.CardState:
		return string(v)
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// piece is a stretch of a message, a link where it is an address of a web page.
type piece struct{ Text, Link string }

// pieces cuts a message at its web addresses.
func pieces(body string) []piece {
	var out []piece
	for body != "" {
		i := strings.Index(body, "http://127.0.0.1:")
		if i < 0 {
			return append(out, piece{Text: body})
		}
		if i > 0 {
			out = append(out, piece{Text: body[:i]})
		}
		link := body[i:]
		if end := strings.IndexAny(link, " \n\t<>\""); end >= 0 {
			link = link[:end]
		}
		out = append(out, piece{Text: link, Link: link})
		body = body[i+len(link):]
	}
	return out
}
