// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/wardkey-sdk/wardkey"
)

// again shows the page that a refused form was on, as it is now, with the
// refusal above and everything that was typed in its place. It says whether it
// did; where the form's page is not to be had, the refusal has its own.
func (m *Module) again(w http.ResponseWriter, r *http.Request, typed form, err error) bool {
	if typed.fields == nil || m.inside == nil || r.Header.Get("Referer") == "" {
		return false
	}
	from, parseErr := url.Parse(m.Base + back(r))
	if parseErr != nil {
		return false
	}
	page := r.Clone(r.Context())
	page.Method, page.URL, page.RequestURI, page.Body, page.ContentLength = http.MethodGet, from, from.RequestURI(), http.NoBody, 0
	page.Header.Del("Content-Type")
	var shown recorder
	m.inside.ServeHTTP(&shown, page)
	if shown.status != http.StatusOK || !strings.HasPrefix(shown.Header().Get("Content-Type"), "text/html") {
		return false
	}
	refusals := m.noted(r, err)
	body, ok := m.refilled(shown.body.Bytes(), r.URL.Path, typed.fields, refusals)
	if !ok {
		return false
	}
	writePage(w, statusOf(refusals), body)
	return true
}

// recorder keeps an answer that is not to be sent as it is.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(data)
}

// refilled writes what was typed into the form of a page that posts to path,
// and the refusals above. It is not ok where the page has no such form.
func (m *Module) refilled(page []byte, path string, typed url.Values, refusals wardkey.Refusals) ([]byte, bool) {
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return nil, false
	}
	target := formFor(root, path, typed)
	main := element(root, atom.Main)
	if target == nil || main == nil {
		return nil, false
	}
	first := fill(target, typed)
	for n := target.Parent; n != nil; n = n.Parent {
		if n.DataAtom == atom.Details {
			set(n, "open", "")
		}
	}
	var above bytes.Buffer
	if err := m.templates.ExecuteTemplate(&above, "summary", struct {
		Refusals wardkey.Refusals
		Field    string
	}{refusals, first}); err != nil {
		return nil, false
	}
	nodes, err := html.ParseFragment(&above, main)
	if err != nil {
		return nil, false
	}
	before := main.FirstChild
	for _, n := range nodes {
		main.InsertBefore(n, before)
	}
	if title := element(root, atom.Title); title != nil && title.FirstChild != nil {
		title.FirstChild.Data = "Not done: " + title.FirstChild.Data
	}
	var out bytes.Buffer
	if err := html.Render(&out, root); err != nil {
		return nil, false
	}
	return out.Bytes(), true
}

// formFor finds the form that posts to path. Of several, as a list of cards has
// them, it is the one whose hidden fields say what was sent.
func formFor(root *html.Node, path string, typed url.Values) *html.Node {
	for n := range root.Descendants() {
		if n.DataAtom != atom.Form || !strings.EqualFold(value(n, "method"), "post") {
			continue
		}
		posts, ours := value(n, "action") == path, true
		for c := range n.Descendants() {
			posts = posts || c.DataAtom == atom.Button && value(c, "formaction") == path
			ours = ours && (value(c, "type") != "hidden" || value(c, "value") == typed.Get(value(c, "name")))
		}
		if posts && ours {
			return n
		}
	}
	return nil
}

// fill writes the values into a form's controls and returns the id of the first
// one that a person fills in. A password is typed again.
func fill(target *html.Node, typed url.Values) (first string) {
	for n := range target.Descendants() {
		name := value(n, "name")
		sent, there := typed[name]
		if name == "" || !there && n.DataAtom != atom.Input {
			continue
		}
		switch n.DataAtom {
		case atom.Input:
			fillInput(n, sent)
			if value(n, "type") == "hidden" {
				continue
			}
		case atom.Textarea:
			for n.FirstChild != nil {
				n.RemoveChild(n.FirstChild)
			}
			n.AppendChild(&html.Node{Type: html.TextNode, Data: sent[0]})
		case atom.Select:
			for o := range n.Descendants() {
				if o.DataAtom == atom.Option {
					mark(o, "selected", slices.Contains(sent, optionValue(o)))
				}
			}
		default:
			continue
		}
		if first == "" {
			first = value(n, "id")
		}
	}
	return first
}

func fillInput(n *html.Node, sent []string) {
	switch value(n, "type") {
	case "hidden", "password", "submit", "button":
	case "radio", "checkbox":
		mark(n, "checked", slices.Contains(sent, value(n, "value")))
	default:
		if len(sent) > 0 {
			set(n, "value", sent[0])
		}
	}
}

// optionValue is what choosing an option sends: its value, else its text.
func optionValue(o *html.Node) string {
	if i := attribute(o, "value"); i >= 0 {
		return o.Attr[i].Val
	}
	if o.FirstChild != nil {
		return strings.TrimSpace(o.FirstChild.Data)
	}
	return ""
}

func attribute(n *html.Node, name string) int {
	return slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func value(n *html.Node, name string) string {
	if i := attribute(n, name); i >= 0 {
		return n.Attr[i].Val
	}
	return ""
}

func set(n *html.Node, name, to string) {
	if i := attribute(n, name); i >= 0 {
		n.Attr[i].Val = to
		return
	}
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: to})
}

// mark sets an attribute that is there or not.
func mark(n *html.Node, name string, is bool) {
	if is {
		set(n, name, "")
	} else if i := attribute(n, name); i >= 0 {
		n.Attr = slices.Delete(n.Attr, i, i+1)
	}
}

func element(root *html.Node, name atom.Atom) *html.Node {
	for n := range root.Descendants() {
		if n.DataAtom == name {
			return n
		}
	}
	return nil
}
