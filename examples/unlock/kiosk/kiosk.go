// SPDX-License-Identifier: Apache-2.0

// Package kiosk is the page at which somebody with a locked card unlocks it,
// with a code that goes to a contact on their profile. Nobody signs in for it,
// and it says the same whatever is true of the card: the start of an unlock
// tells a stranger nothing.
//
//	k, err := kiosk.New(site)
//	k.Routes(mux)
package kiosk

import (
	"embed"
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

//go:embed templates/*.html
var templates embed.FS

// Kiosk is the pages /unlock and /unlock/help.
type Kiosk struct{ *pages.Module }

// New reads the templates.
func New(site *pages.Site) (*Kiosk, error) {
	m, err := site.Module(templates, "templates/*.html")
	return &Kiosk{m}, err
}

// Routes adds the pages to a mux.
func (k *Kiosk) Routes(mux *http.ServeMux) {
	k.Handle(mux, "GET /unlock", k.unlock)
	k.Handle(mux, "GET /unlock/help", k.help)
}

func (k *Kiosk) unlock(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	t, err := k.Cards.UnlockTicket(w, r)
	if err != nil {
		return pages.Answer{}, err
	}
	if !pages.Browser(r) {
		return pages.Answer{Body: pages.Named(t)}, nil
	}
	page, err := k.ForCard(r, pages.CardPage{
		Heading: "Unlock your card", Button: "Unlock",
		Lead: "Put the card into a reader of this workstation. A code goes to the e-mail address or the mobile number on your profile; keep it in sight, and this page open.",
		Then: "/?told=unlocked", Help: "/unlock/help",
	}, t, "")
	return pages.Answer{View: page}, err
}

// helpPage is what to do where no code comes. It is one text for everybody.
type helpPage struct {
	pages.Base
	Policy careid.Policy
	Add    []string // how a contact gets onto a profile
	Desk   []string // how the desk unlocks
}

func (*helpPage) Template() string { return "unlockhelp.html" }

func (k *Kiosk) help(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	p := &helpPage{Base: pages.Base{Title: "No code came"}}
	now := k.Now()
	var err error
	if p.Policy, err = careid.PolicyAt(k.Book, now); err != nil {
		return pages.Answer{}, err
	}
	if p.Add, _, err = careid.Route(k.Book, careid.AddEmail, now); err != nil {
		return pages.Answer{}, err
	}
	p.Desk, _, err = careid.Route(k.Book, careid.UnlockStaffCard, now)
	return pages.Answer{View: p, Body: map[string]any{"addContact": p.Add, "atTheDesk": p.Desk}}, err
}
