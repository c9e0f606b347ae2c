// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

const maxBody = 1 << 20

// answer is what an endpoint says when it does not refuse. A program gets body
// as JSON; a browser gets the page view, or is sent on to the page at next.
type answer struct {
	status int // for a program; 0 is 200, or 204 without a body
	body   any
	view   view
	next   string
}

// endpoint does what one address is for. It may set cookies and headers; the
// answer or the refusal is written for it.
type endpoint func(w http.ResponseWriter, r *http.Request) (answer, error)

func (s *Site) serve(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := e(w, r)
		switch {
		case err != nil:
			s.refuse(w, r, err)
		case !browser(r):
			writeJSON(w, a.status, a.body)
		case a.view != nil:
			s.render(w, r, http.StatusOK, a.view)
		default:
			next := a.next
			if next == "" {
				next = back(r)
			}
			http.Redirect(w, r, next, http.StatusSeeOther)
		}
	}
}

// browser tells a person's browser from a program: only the former asks for
// HTML.
func browser(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// back is the page of ours that a form was on, else the front page.
func back(r *http.Request) string {
	from, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || from.Host != r.Host || !strings.HasPrefix(from.Path, "/") || strings.HasPrefix(from.Path, "//") {
		return "/"
	}
	return from.RequestURI()
}

// refuse tells a program a problem and a person a page.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusals := s.refusals(err)
	if refusals[0].Rule == internalRule {
		s.log.Error("request failed", "path", r.URL.Path, "cause", err)
	} else {
		s.log.Info("refused", "path", r.URL.Path, "rule", refusals[0].Rule, "cause", errors.Unwrap(refusals[0]))
	}
	if !browser(r) {
		wardkey.WriteProblem(w, refusals)
		return
	}
	status := refusals[0].Status
	if status < 400 || status > 599 {
		status = http.StatusForbidden
	}
	s.render(w, r, status, &refusalPage{
		base: base{Title: "That can’t be done"}, Refusals: refusals, Back: back(r), SignIn: status == http.StatusUnauthorized && !strings.HasPrefix(refusals[0].Rule, "mail."),
	})
}

const internalRule = "internal"

// refusals are all that err holds; what is no refusal becomes one that tells
// nothing of it. An error of card or pki gets its sentence from careid's book.
func (s *Site) refusals(err error) wardkey.Refusals {
	var many wardkey.Refusals
	if errors.As(err, &many) && len(many) > 0 {
		return many
	}
	var one *wardkey.Refusal
	if errors.As(err, &one) {
		return wardkey.Refusals{one}
	}
	if id := wardkey.RuleOf(err); id != "" {
		return wardkey.Refusals{s.sentences.Refuse(id).Because(err)}
	}
	return wardkey.Refusals{s.rules.Refuse(internalRule).Because(err)}
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

// read decodes a JSON body or an HTML form into a struct; a form's names are
// the JSON members, with dots and numbers for what is inside, such as
// "documents.0.kind". A field of a form is always text, for a flag "true". An
// empty body leaves the struct as it is.
func (s *Site) read(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return s.rules.Refuse("request.invalid").Because(err)
	}
	defer clear(data)
	if kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return s.rules.Refuse("request.invalid").Because(err)
		}
		clear(data)
		object, err := nested(form)
		if err != nil {
			return s.rules.Refuse("request.invalid").Because(err)
		}
		if data, err = json.Marshal(object); err != nil {
			return s.rules.Refuse("request.invalid").Because(err)
		}
	} else if len(data) > 0 && kind != "application/json" {
		return s.rules.Refuse("request.invalid")
	}
	if len(data) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		return s.rules.Refuse("request.invalid").Because(errors.New("the body has another form")) // its text may hold a secret
	}
	return nil
}

// maxDepth is how far a field's name goes inward: "documents.0.kind" is 3. The
// bound keeps a long name of dots from becoming half a million objects.
const maxDepth = 3

var errForm = errors.New("web: the names of the form's fields don't fit together")

// nested makes a form's dotted names into objects and lists. A field that is
// empty is empty text, which is how somebody takes a value away; inside objects
// and lists, where it is a line that was not filled in, it is left out.
func nested(form url.Values) (map[string]any, error) {
	root := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(form)) { // "a" before "a.b"
		values := form[name]
		depth := strings.Count(name, ".")
		if depth >= maxDepth {
			return nil, errForm
		}
		if values[0] == "" && depth > 0 {
			continue
		}
		at := root
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			if at[part] == nil {
				at[part] = map[string]any{}
			}
			inner, ok := at[part].(map[string]any)
			if !ok {
				return nil, errForm
			}
			at = inner
		}
		at[parts[len(parts)-1]] = values[0]
	}
	listed(root)
	return root, nil
}

// listed turns objects whose members are 0, 1, 2 … into lists.
func listed(object map[string]any) {
	for name, value := range object {
		inner, ok := value.(map[string]any)
		if !ok {
			continue
		}
		listed(inner)
		list := make([]any, 0, len(inner))
		for i := range len(inner) {
			if v, ok := inner[strconv.Itoa(i)]; ok {
				list = append(list, v)
			}
		}
		if len(list) == len(inner) && len(list) > 0 {
			object[name] = list
		}
	}
}

// flag is yes or no: JSON's true and false, or a form's "true" and "".
type flag bool

// UnmarshalJSON takes those four.
func (f *flag) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `true`, `"true"`:
		*f = true
	case `false`, `""`:
		*f = false
	default:
		return errForm
	}
	return nil
}

// secret is a password on its way in. It can be cleared and shows nothing.
type secret []byte

// UnmarshalJSON takes a JSON string.
func (s *secret) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*s = []byte(text)
	return nil
}

// String shows nothing.
func (secret) String() string { return "…" }
