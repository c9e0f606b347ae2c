// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// form is an HTML form as a browser understands it.
type form struct {
	action  *url.URL
	preset  url.Values // what goes along unless it is overwritten
	choices map[string][]string
}

// parseForms reads the forms of a page at base.
func parseForms(base *url.URL, page io.Reader) ([]form, error) {
	root, err := html.Parse(page)
	if err != nil {
		return nil, fmt.Errorf("hospital: reading %s: %w", base.Path, err)
	}
	var forms []form
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		action, err := base.Parse(attribute(n, "action"))
		if err != nil || !strings.EqualFold(attribute(n, "method"), "post") {
			continue
		}
		f := form{action: action, preset: url.Values{}, choices: map[string][]string{}}
		for field := range n.Descendants() {
			f.add(field)
		}
		forms = append(forms, f)
	}
	return forms, nil
}

// add takes up one control. A name with choices takes one of them; one with
// the choice "" takes anything.
func (f *form) add(n *html.Node) {
	name := attribute(n, "name")
	if n.Type != html.ElementNode || name == "" {
		return
	}
	value, kind := attribute(n, "value"), strings.ToLower(attribute(n, "type"))
	switch {
	case n.Data == "button", n.Data == "input" && kind == "submit":
		f.choices[name] = append(f.choices[name], value)
	case n.Data == "input" && (kind == "radio" || kind == "checkbox"):
		if value == "" {
			value = "on"
		}
		f.choices[name] = append(f.choices[name], value)
		if has(n, "checked") {
			f.preset.Set(name, value)
		}
	case n.Data == "select":
		for o := range n.Descendants() {
			if o.Type == html.ElementNode && o.Data == "option" {
				f.choices[name] = append(f.choices[name], attribute(o, "value"))
			}
		}
	case n.Data == "input", n.Data == "textarea":
		f.choices[name] = []string{""}
		f.preset.Set(name, value)
	}
}

// fill writes values into the form. It fails where the form has no such field
// or choice, so that nothing is ever sent that the page did not ask for.
func (f form) fill(values map[string]string) (url.Values, error) {
	out := url.Values{}
	for name, preset := range f.preset {
		out[name] = preset
	}
	for name, value := range values {
		choices := f.choices[name]
		if !slices.Contains(choices, value) && !slices.Contains(choices, "") {
			return nil, fmt.Errorf("hospital: the page does not ask for %s", name)
		}
		out.Set(name, value)
	}
	return out, nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
