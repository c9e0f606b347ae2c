// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// formTags are the elements that give a text its form. They are kept without
// their attributes, so that nothing leads, connects or sends anywhere: a content
// security policy stops neither a link with a referrer policy of its own nor a
// connection that is opened ahead, and both tell an address of the link's page.
var formTags = map[atom.Atom]bool{
	atom.P: true, atom.Br: true, atom.Hr: true, atom.Div: true, atom.Span: true, atom.Pre: true, atom.Blockquote: true,
	atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true,
	atom.B: true, atom.Strong: true, atom.I: true, atom.Em: true, atom.U: true, atom.S: true, atom.Sub: true, atom.Sup: true, atom.Code: true,
	atom.Ul: true, atom.Ol: true, atom.Li: true, atom.Dl: true, atom.Dt: true, atom.Dd: true,
	atom.Table: true, atom.Caption: true, atom.Thead: true, atom.Tbody: true, atom.Tfoot: true, atom.Tr: true, atom.Th: true, atom.Td: true,
}

// silentTags are those whose text is not for a reader.
var silentTags = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Title: true, atom.Iframe: true, atom.Noembed: true, atom.Noframes: true, atom.Noscript: true,
}

// formOf returns the text of a message's own HTML with nothing but its form.
func formOf(text string) string {
	var out strings.Builder
	out.WriteString("<!doctype html>\n")
	z := html.NewTokenizer(strings.NewReader(text))
	silent := atom.Atom(0)
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		if kind == html.TextToken && silent == 0 {
			out.WriteString(html.EscapeString(string(z.Text())))
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken && kind != html.EndTagToken {
			continue
		}
		name, _ := z.TagName()
		tag := atom.Lookup(name)
		switch {
		case silent != 0:
			if kind == html.EndTagToken && tag == silent {
				silent = 0
			}
		case kind == html.StartTagToken && silentTags[tag]:
			silent = tag
		case kind == html.EndTagToken && formTags[tag]:
			out.WriteString("</" + tag.String() + ">")
		case formTags[tag]:
			out.WriteString("<" + tag.String() + ">")
		}
	}
	return out.String()
}
