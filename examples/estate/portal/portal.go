// SPDX-License-Identifier: Apache-2.0

// Package portal is a clinical portal as a demonstration, in the place of the
// Spine portal: it lets in whoever has shown what it asks for, and tells others
// why not and what would do.
//
//	p, err := portal.New(site)
//	p.Routes(mux)
package portal

import (
	"embed"
	"net/http"
	"strconv"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed templates/*.html
var templates embed.FS

// Portal is the page /portal.
type Portal struct {
	*pages.Module
	rules *wardkey.Rulebook
}

// New reads the templates.
func New(site *pages.Site) (*Portal, error) {
	rules, err := wardkey.ParseRulebook(rulesJSON)
	if err != nil {
		return nil, err
	}
	m, err := site.Module(templates, "templates/*.html")
	return &Portal{m, rules}, err
}

// Routes adds the page to a mux.
func (p *Portal) Routes(mux *http.ServeMux) { p.Handle(mux, "GET /portal", p.show) }

type portalPage struct {
	pages.Base
	Level careid.AAL // that the session has
	Name  string     // of the real one
}

func (*portalPage) Template() string { return "portal.html" }

// show lets a session in by its level alone: by which authenticator it was
// reached is not asked.
func (p *Portal) show(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	session, err := p.Session(r)
	if err != nil {
		return pages.Answer{}, err
	}
	asked, err := p.rules.Int("portal.aal", p.Now())
	if err != nil {
		return pages.Answer{}, err
	}
	if int(session.AAL) < asked {
		return pages.Answer{}, p.Book.Refuse("signin.weaker", "level", strconv.Itoa(asked))
	}
	name, err := careid.ServiceName(p.Book, careid.SpinePortal, p.Now())
	return pages.Answer{
		View: &portalPage{Base: pages.Base{Title: "Clinical portal"}, Level: session.AAL, Name: name},
		Body: map[string]any{"userID": session.Profile, "aal": session.AAL},
	}, err
}
