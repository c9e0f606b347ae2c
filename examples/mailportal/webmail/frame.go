// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// maxForm bounds a form, in bytes: more than anybody types.
const maxForm = 1 << 20

// visit is one request.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	form    url.Values       // what was sent; nil where a page is only looked at
	refused wardkey.Refusals // of the form, where its page is shown again
	fresh   string           // the session that this request has opened in place of the browser's
}

// was reports that the form was refused by a rule.
func (v *visit) was(rule string) bool { return len(v.refused) > 0 && v.refused[0].Rule == rule }

// page is what a browser is shown: a template and what it is filled with.
type page struct {
	Template, Title string
	Data            any

	// Filled in by render.
	Account  *mailpolicy.Account // who is signed in, nil for nobody
	Refusals wardkey.Refusals    // of the form that this page shows again
	Told     string
	Now      time.Time
	Phone    bool
	Desk     bool
	path     string
	typed    url.Values
}

// In is what was typed into a field of the form for an address, where that form
// was refused: nothing typed is lost by it.
func (p *page) In(action, name string) string {
	if p.path != action {
		return ""
	}
	return p.typed.Get(name)
}

// InOr is In, or what is known already where that form was not refused.
func (p *page) InOr(action, name, known string) string {
	if p.path != action {
		return known
	}
	return p.typed.Get(name)
}

// InAt is In for one of several fields with the same name, from 1.
func (p *page) InAt(action, name string, n int) string {
	if typed := p.typed[name]; p.path == action && n <= len(typed) {
		return typed[n-1]
	}
	return ""
}

// answer is what comes of a form: a page, or the way to one.
type answer struct {
	Next string
	Page *page
	Body any // for a program; nil is 204
}

type (
	shower func(*visit) (*page, error)
	doer   func(*visit) (answer, error)
)

// show answers with a page. A page that needs a session sends who has none to
// sign in.
func (p *Portal) show(page shower) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		shown, err := page(v)
		switch {
		case err == nil:
			p.render(v, http.StatusOK, shown)
		case wardkey.RuleOf(err) == "mail.session" && pages.Browser(r):
			http.Redirect(w, r, "/signin?told=session", http.StatusSeeOther)
		default:
			p.fail(w, r, err)
		}
	}
}

// counted is a form by which somebody may guess at secrets: of one source so many
// are looked at. Refusal: rate.refused.
func (p *Portal) counted(form doer) doer {
	return func(v *visit) (answer, error) {
		now := p.Wall()
		if !p.tries.Allow(v.r, now) {
			return answer{}, p.rules.Refuse("rate.refused").RetryAfter(now.Add(time.Minute))
		}
		return form(v)
	}
}

// do takes a form. Where it is refused, a person gets the form's page again, with
// the refusal above and what they typed.
func (p *Portal) do(form doer, again shower) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		err := r.ParseForm()
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			p.fail(w, r, p.rules.Refuse("request.large", "limit", strconv.Itoa(maxForm)))
			return
		}
		if err != nil || kind != "application/x-www-form-urlencoded" && len(r.PostForm) == 0 && r.ContentLength != 0 {
			p.fail(w, r, p.rules.Refuse("request.invalid").Because(err))
			return
		}
		v.form = r.PostForm
		a, err := form(v)
		switch {
		case err != nil:
			p.again(v, again, err)
		case !pages.Browser(r):
			writeJSON(w, a.Body)
		case a.Page != nil:
			p.render(v, http.StatusOK, a.Page)
		default:
			http.Redirect(w, r, a.Next, http.StatusSeeOther)
		}
	}
}

// again shows the page of a refused form once more. Where there is none any more,
// such as for a session that is over, the refusal has a page of its own.
func (p *Portal) again(v *visit, page shower, err error) {
	if !pages.Browser(v.r) {
		p.fail(v.w, v.r, err)
		return
	}
	v.refused = p.refusals(v.r, err)
	shown, pageErr := page(v)
	if pageErr != nil {
		_ = p.refusals(v.r, pageErr) // for the log: the person is told what came first
		shown = refusalPage()
	}
	p.render(v, status(v.refused), shown)
}

func refusalPage() *page { return &page{Template: "refusal.html", Title: "That can’t be done"} }

// fail tells a program a problem and a person a page.
func (p *Portal) fail(w http.ResponseWriter, r *http.Request, err error) {
	v := &visit{w: w, r: r, refused: p.refusals(r, err)}
	if !pages.Browser(r) {
		wardkey.WriteProblem(w, v.refused)
		return
	}
	p.render(v, status(v.refused), refusalPage())
}

// refusals are what a person is told of an error: nothing but "internal" of one
// that is no refusal.
func (p *Portal) refusals(r *http.Request, err error) wardkey.Refusals {
	var many wardkey.Refusals
	var one *wardkey.Refusal
	switch {
	case errors.As(err, &many) && len(many) > 0:
	case errors.As(err, &one):
		many = wardkey.Refusals{one}
	default:
		p.Log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "cause", err)
		return wardkey.Refusals{p.rules.Refuse("internal").Because(err)}
	}
	p.Log.InfoContext(r.Context(), "refused", "path", r.URL.Path, "rule", many[0].Rule, "cause", errors.Unwrap(many[0]))
	return many
}

func status(refusals wardkey.Refusals) int {
	if s := refusals[0].Status; s >= 400 && s <= 599 {
		return s
	}
	return http.StatusForbidden
}

// render writes a page whole or, if its template fails, an error alone.
func (p *Portal) render(v *visit, status int, shown *page) {
	shown.Refusals, shown.Now, shown.Told = v.refused, p.Now(), told(v.r)
	shown.Phone, shown.Desk = p.Phone != nil, p.Desk != (mailpolicy.Actor{})
	shown.path, shown.typed = v.r.URL.Path, v.form
	if account, err := p.Accounts.Session(v.r.Context(), v.token()); err == nil {
		shown.Account = &account
	}
	p.write(v, status, shown.Template, shown)
}

func (p *Portal) write(v *visit, status int, template string, data any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, template, data); err != nil {
		p.Log.ErrorContext(v.r.Context(), "page failed", "page", template, "cause", err)
		http.Error(v.w, "This page could not be made.", http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body.Bytes()) // the browser has gone; there is nobody left to tell
}

func writeJSON(w http.ResponseWriter, body any) {
	if body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // the program has gone; there is nobody left to tell
}

// told is the line that a page shows once after something was done; only these
// words can be asked for.
func told(r *http.Request) string {
	return map[string]string{
		"session":    "You are not signed in. Sign in first.",
		"out":        "You are signed out in this browser.",
		"everywhere": "You are signed out, in this browser and everywhere else.",
		"site":       "The site is registered. Apply for its accounts now.",
		"applied":    "The account is applied for. Its activation password is on its way as a text to that number.",
		"step":       "Done. Take the next step.",
		"ready":      "All three steps are done. The account can send, and use Teams.",
		"password":   "The password is changed. All your other sessions have ended.",
		"mobile":     "The mobile number is changed.",
		"hidden":     "The number is out of the directory. Recovery goes on using it.",
		"shown":      "The number is in the directory.",
		"gone":       "The number is deleted. You can’t recover this account yourself any more.",
		"computer":   "Done.",
		"unlocked":   "The account is open again. Sign in with the password that you had.",
		"reset":      "The password is set. Sign in with it.",
		"shared":     "The shared mailbox is open, and you own it.",
		"members":    "The users of the shared mailbox are changed.",
		"leaver":     "The account is marked as leaving. Another site can take it over now.",
		"sent":       "The message is with the mail gateway, for each recipient as decided.",
		"desk":       "Done.",
	}[r.URL.Query().Get("told")]
}

func words() template.FuncMap {
	return template.FuncMap{"when": when, "fixer": fixer, "join": strings.Join, "can": mailpolicy.State.Can, "capital": capital, "verdict": verdict}
}

func when(t time.Time) string { return t.In(pages.Zone()).Format("2 Jan 2006, 15:04") }

// capital begins a line of its own.
func capital(text any) string {
	words := fmt.Sprint(text)
	return strings.ToUpper(words[:min(1, len(words))]) + words[min(1, len(words)):]
}

// fixer is a role as a sentence begins with it.
func fixer(role string) string {
	if name, ok := map[string]string{
		"holder": "You yourself", "sender": "You yourself, as the sender", "helpdesk": "The help desk",
		"local-administrator": "A Local Administrator of your organisation", "system": "The people who run this portal",
	}[role]; ok {
		return name
	}
	return role
}
