// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"embed"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

//go:embed pages
var pageFiles embed.FS

var pageTemplates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

const (
	pickupCookie = "wardkey-pickup"
	// maxForm is more than a passcode and less than an attack.
	maxForm = 4 << 10
)

// desk is the pick-up page.
type desk struct {
	gateway *Gateway
	path    string // of PickupURL, without its last slash
	secure  bool
}

// PickupHandler serves the pages under Config.PickupURL, with the whole path: no
// prefix may be stripped. A link is in the path, so whatever stands before this
// handler must not write paths below it to a log; the handler itself writes none.
// Without a PickupURL it answers 404.
func (g *Gateway) PickupHandler() http.Handler {
	u, err := url.Parse(g.config.PickupURL)
	if err != nil || g.config.PickupURL == "" {
		return http.NotFoundHandler()
	}
	d := &desk{gateway: g, path: strings.TrimRight(u.Path, "/"), secure: u.Scheme == "https"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+d.path+"/style.css", d.style)
	mux.HandleFunc("GET "+d.path+"/{link}", d.with(d.start))
	mux.HandleFunc("POST "+d.path+"/{link}/passcode", d.with(d.passcode))
	mux.HandleFunc("POST "+d.path+"/{link}/open", d.with(d.open))
	mux.HandleFunc("GET "+d.path+"/{link}/message", d.with(d.message))
	mux.HandleFunc("GET "+d.path+"/{link}/message.eml", d.with(d.file))
	mux.HandleFunc("GET "+d.path+"/{link}/part/{n}", d.with(d.part))
	return sealOff(http.NewCrossOriginProtection().Handler(mux))
}

// sealOff sets what every answer under PickupURL says, those of net/http too: no
// copy is kept of it, and its address is told to nobody.
func sealOff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		next.ServeHTTP(w, r)
	})
}

const (
	// pagePolicy allows the page's own style sheet and forms, and nothing else.
	pagePolicy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	// sandbox is for what comes out of a message: no script, no form, nothing
	// fetched.
	sandbox = "sandbox; default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)

// with finds the link.
func (d *desk) with(serve func(http.ResponseWriter, *http.Request, link)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l, ok := parseLink(r.PathValue("link"))
		if !ok {
			d.fail(w, refuse(noParcel))
			return
		}
		defer clear(l.secret)
		serve(w, r, l)
	}
}

func (d *desk) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "pages/style.css")
}

// page is what the templates show.
type page struct {
	Base   string // of the links on the page
	Style  string
	Title  string
	To     string // masked
	Until  string
	Asked  bool // a passcode was sent and may be typed
	Told   string
	Wrong  string
	Header []field
	Texts  []shown
	Files  []part
	Rest   bool // not all of it could be read
}

type field struct{ Name, Value string }

type shown struct {
	part
	Text string
	More bool
	HTML bool
}

func (d *desk) render(w http.ResponseWriter, status int, name string, p page) {
	p.Style = d.path + "/style.css"
	var out bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&out, name, p); err != nil {
		d.gateway.config.Log.Error("mail: a page can't be shown", "cause", err)
		http.Error(w, "This page can't be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // whether it is read or not
}

// fail shows an error that leaves nothing to do on the page.
func (d *desk) fail(w http.ResponseWriter, err error) {
	status, text := d.tell(w, err)
	d.render(w, status, "told.html", page{Title: "No message here", Told: text})
}

// tell is what the page says to an error. Only what is no Refusal is our fault.
func (d *desk) tell(w http.ResponseWriter, err error) (status int, text string) {
	no := firstRefusal(err)
	if no == nil {
		d.gateway.config.Log.Error("mail: the pick-up page", "cause", err)
		return http.StatusInternalServerError, "Something went wrong here. Wait a minute and try again."
	}
	if !no.RetryAt.IsZero() {
		w.Header().Set("Retry-After", no.RetryAt.Format(http.TimeFormat))
	}
	return no.Status, no.Public + " " + strings.Join(no.Next, " ")
}

func (d *desk) base(r *http.Request) string { return d.path + "/" + r.PathValue("link") }

// start asks for nothing and does nothing: mail programs look at links too.
func (d *desk) start(w http.ResponseWriter, r *http.Request, l link) { d.ask(w, r, l, nil) }

// ask shows the form, with what went wrong before.
func (d *desk) ask(w http.ResponseWriter, r *http.Request, l link, before error) {
	p, to, asked, err := d.gateway.look(r.Context(), l)
	if err != nil {
		d.fail(w, err)
		return
	}
	v := page{
		Base: d.base(r), Title: "A message for you", To: masked(to), Until: p.Expires.Format("2 January 2006, 15:04 MST"),
		Asked: asked,
	}
	status := http.StatusOK
	if before != nil {
		status, v.Wrong = d.tell(w, before)
	}
	d.render(w, status, "ask.html", v)
}

func (d *desk) passcode(w http.ResponseWriter, r *http.Request, l link) {
	err := d.gateway.sendPasscode(r.Context(), l)
	switch {
	case wardkey.RuleOf(err) == noParcel:
		d.fail(w, err)
	case err != nil:
		d.ask(w, r, l, err)
	default:
		http.Redirect(w, r, d.base(r), http.StatusSeeOther)
	}
}

func (d *desk) open(w http.ResponseWriter, r *http.Request, l link) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	typed := r.PostFormValue("passcode")
	cookie, err := d.gateway.redeem(r.Context(), l, typed)
	switch {
	case wardkey.RuleOf(err) == noParcel:
		d.fail(w, err)
	case err != nil:
		d.ask(w, r, l, err)
	default:
		http.SetCookie(w, &http.Cookie{
			Name: pickupCookie, Value: cookie, Path: d.base(r), HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteStrictMode,
			MaxAge: int(readerFor.Seconds()),
		})
		http.Redirect(w, r, d.base(r)+"/message", http.StatusSeeOther)
	}
}

// source remembers what went wrong where the message comes from: whatever else
// does is the message's own fault.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// content opens the message for whoever has the cookie, or answers.
func (d *desk) content(w http.ResponseWriter, r *http.Request, l link) (*source, bool) {
	cookie, err := r.Cookie(pickupCookie)
	content := &source{}
	if err == nil {
		content.r, err = d.gateway.open(r.Context(), l, cookie.Value)
	} else {
		err = refuse(notReader)
	}
	switch {
	case wardkey.RuleOf(err) == notReader:
		d.ask(w, r, l, err)
	case err != nil:
		d.fail(w, err)
	}
	return content, err == nil
}

// message shows the header that matters, the texts, and what else is in it.
func (d *desk) message(w http.ResponseWriter, r *http.Request, l link) {
	content, ok := d.content(w, r, l)
	if !ok {
		return
	}
	v, left := page{Base: d.base(r), Title: "Your message"}, maxShown
	header, err := readMessage(content, func(p part) bool {
		if !p.forReader {
			v.Files = append(v.Files, p)
			return true
		}
		s := shown{part: p, HTML: p.Type == "text/html"}
		if !s.HTML {
			s.Text, s.More = p.text(left)
			left = max(0, left-len(s.Text))
		}
		v.Texts = append(v.Texts, s)
		return true
	})
	if content.err != nil {
		d.fail(w, content.err)
		return
	}
	v.Rest = err != nil
	for _, name := range []string{"Subject", "From", "To", "Cc", "Date"} {
		if value := header.Get(name); value != "" {
			v.Header = append(v.Header, field{name, headerText(value)})
		}
	}
	d.render(w, http.StatusOK, "message.html", v)
}

// file is the whole message, for a mail program.
func (d *desk) file(w http.ResponseWriter, r *http.Request, l link) {
	if content, ok := d.content(w, r, l); ok {
		d.hand(w, "message.eml", content)
	}
}

// hand gives out a file that no browser shows or runs. What breaks off, breaks
// the connection: nothing that is damaged looks whole.
func (d *desk) hand(w http.ResponseWriter, name string, content io.Reader) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", sandbox)
	if _, err := io.Copy(w, content); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// part hands out an attachment, or shows a message's own HTML in a sandbox.
func (d *desk) part(w http.ResponseWriter, r *http.Request, l link) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		d.fail(w, refuse(noParcel))
		return
	}
	content, ok := d.content(w, r, l)
	if !ok {
		return
	}
	found := false
	_, err = readMessage(content, func(p part) bool {
		if p.N != n {
			return true
		}
		found = true
		if p.forReader && p.Type == "text/html" {
			text, _ := p.text(maxHTML)
			w.Header().Set("Content-Security-Policy", sandbox)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, formOf(text)) // whether it is read or not
			return false
		}
		name := p.FileName
		if name == "" {
			name = "part-" + strconv.Itoa(p.N)
		}
		d.hand(w, name, p.body)
		return false
	})
	switch {
	case found:
	case err != nil:
		d.fail(w, err)
	default:
		d.fail(w, refuse(noParcel))
	}
}
