// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

const maxBody = 1 << 20

// Answer is what an endpoint says when it does not refuse. A program gets Body
// as JSON; a browser gets the page View, or is sent on to the page at Next, else
// to the one that the form was on.
type Answer struct {
	Status int // for a program; 0 is 200, or 204 without a body
	Body   any
	View   View
	Next   string
}

// Endpoint does what one address is for. It may set cookies and headers; the
// answer or the refusal is written for it.
type Endpoint func(w http.ResponseWriter, r *http.Request) (Answer, error)

// Handle puts an endpoint at an address.
func (m *Module) Handle(mux *http.ServeMux, pattern string, e Endpoint) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		typed, err := m.typed(w, r)
		var a Answer
		if err == nil {
			defer clear(typed.body)
			a, err = e(w, r)
		}
		switch {
		case err == nil && !Browser(r):
			writeJSON(w, a.Status, a.Body)
		case err == nil && a.View != nil:
			m.render(w, r, http.StatusOK, a.View)
		case err == nil:
			http.Redirect(w, r, nextOf(a, r), http.StatusSeeOther)
		case m.stepUp(w, r, typed, err):
		case m.again(w, r, typed, err):
		default:
			m.Fail(w, r, err)
		}
	})
}

func nextOf(a Answer, r *http.Request) string {
	if a.Next != "" {
		return a.Next
	}
	return back(r)
}

// Browser tells a person's browser from a program: only the former asks for
// HTML.
func Browser(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// back is the page of ours that a form was on, else the front page.
func back(r *http.Request) string {
	from, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || from.Host != r.Host || !strings.HasPrefix(from.Path, "/") || strings.HasPrefix(from.Path, "//") {
		return "/"
	}
	return from.RequestURI()
}

// form is what a person has sent, kept so that it is not lost by a refusal.
type form struct {
	fields url.Values
	body   []byte // what fields were read from; cleared when the answer is written
}

// typed keeps a browser's form and leaves the body to be read once more.
func (m *Module) typed(w http.ResponseWriter, r *http.Request) (form, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || !Browser(r) || kind != formType {
		return form{}, nil
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return form{}, m.Refuse("request.invalid").Because(err)
	}
	fields, err := url.ParseQuery(string(data))
	if err != nil {
		clear(data)
		return form{}, m.Refuse("request.invalid").Because(errForm) // err quotes it
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return form{fields, data}, nil
}

// Fail tells a program a problem and a person a page.
func (m *Module) Fail(w http.ResponseWriter, r *http.Request, err error) {
	refusals := m.noted(r, err)
	if !Browser(r) {
		wardkey.WriteProblem(w, refusals)
		return
	}
	status := statusOf(refusals)
	m.render(w, r, status, &refusalPage{
		Base: Base{Title: "That can’t be done"}, Refusals: refusals, Back: back(r),
		SignIn: status == http.StatusUnauthorized && !strings.HasPrefix(refusals[0].Rule, "mail."),
	})
}

// noted writes a refusal into the log. What a person typed is not in it.
func (m *Module) noted(r *http.Request, err error) wardkey.Refusals {
	refusals := m.refusals(err)
	if refusals[0].Rule == internalRule {
		m.Log.Error("request failed", "path", r.URL.Path, "cause", err)
	} else {
		m.Log.Info("refused", "path", r.URL.Path, "rule", refusals[0].Rule, "cause", errors.Unwrap(refusals[0]))
	}
	return refusals
}

func statusOf(refusals wardkey.Refusals) int {
	if status := refusals[0].Status; status >= 400 && status <= 599 {
		return status
	}
	return http.StatusForbidden
}

const internalRule = "internal"

// refusals are all that err holds; what is no refusal becomes one that tells
// nothing of it. An error of card or pki gets its sentence from careid's book.
func (m *Module) refusals(err error) wardkey.Refusals {
	var many wardkey.Refusals
	if errors.As(err, &many) && len(many) > 0 {
		return many
	}
	var one *wardkey.Refusal
	if errors.As(err, &one) {
		return wardkey.Refusals{one}
	}
	if id := wardkey.RuleOf(err); id != "" {
		return wardkey.Refusals{m.Book.Refuse(id).Because(err)}
	}
	return wardkey.Refusals{m.Refuse(internalRule).Because(err)}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Cache-Control", "no-store")
	if body == nil {
		if status == 0 {
			status = http.StatusNoContent
		}
		w.WriteHeader(status)
		return
	}
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client has gone; there is nobody left to tell
}
