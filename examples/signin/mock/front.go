// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"embed"
	"net/http"

	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
)

//go:embed templates/*.html
var templates embed.FS

// frontPage tells an application's developer what is here.
type frontPage struct {
	pages.Base
	Issuer, Discovery string
	Clients           []string
	Cards             []entry.VirtualCard
	Faults            []Fault
}

func (*frontPage) Template() string { return "mock.html" }

func (w *world) front(site *pages.Site, mux *http.ServeMux) error {
	m, err := site.Module(templates, "templates/*.html")
	if err != nil {
		return err
	}
	m.Handle(mux, "GET /{$}", func(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
		cards, err := w.Cards(r.Context())
		p := &frontPage{
			Base: pages.Base{Title: "Test sign-in"}, Issuer: w.config.Issuer, Discovery: w.config.discovery(), Cards: cards, Faults: Faults(),
		}
		for _, c := range w.config.Clients {
			p.Clients = append(p.Clients, c.ID)
		}
		return pages.Answer{View: p, Body: map[string]any{"issuer": p.Issuer, "personas": w.config.People}}, err
	})
	return nil
}
