// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"net/http"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed templates/*.html
var templates embed.FS

// front is the pages that each program has beside its own.
type front struct {
	*pages.Module
	hospital *Hospital
	program  Program
	rules    *wardkey.Rulebook
	key      string // of the page of the first RA manager
}

// handler joins the program's pages with the front ones. first is the address at
// which the first RA manager is made, "" where there is one.
func (p Program) handler(ctx context.Context, h *Hospital) (handler http.Handler, first string, err error) {
	site, err := pages.New(pages.Config{
		Name: p.Title, Care: h.Care, Cards: h.Cards, Book: h.Book, Base: h.config.Base, Agents: []string{h.config.Agent},
		Keys: h.keys(), MailPassword: pages.PasswordOf(h.Mail.Accounts),
		Places: append(p.Places, pages.Place{Path: "/messages", Name: "Messages"}), After: p.After, Now: h.config.Now, Log: h.config.Log,
	})
	if err != nil {
		return nil, "", err
	}
	mux := http.NewServeMux()
	if err := site.Routes(mux); err != nil {
		return nil, "", err
	}
	if err := p.Mount(site, mux); err != nil {
		return nil, "", err
	}
	f := &front{hospital: h, program: p, key: rand.Text()}
	if f.rules, err = wardkey.ParseRulebook(rulesJSON); err != nil {
		return nil, "", err
	}
	if f.Module, err = site.Module(templates, "templates/*.html"); err != nil {
		return nil, "", err
	}
	f.routes(mux)
	founded, err := f.founded(ctx)
	if err == nil && !founded {
		first = h.config.Base + "/first?key=" + f.key
	}
	return site.Handler(mux), first, err
}

func (f *front) routes(mux *http.ServeMux) {
	f.Handle(mux, "GET /{$}", f.home)
	f.Handle(mux, "GET /messages", f.messages)
	f.Handle(mux, "GET /first", f.first)
	f.Handle(mux, "POST /first", f.found)
	f.Handle(mux, "GET /readyz", f.ready)
	mux.Handle("/ocsp", f.hospital.CA.OCSPHandler())
	mux.Handle("/ocsp/", f.hospital.CA.OCSPHandler())
	mux.Handle("/crl/", f.hospital.CA.PublishHandler())
	mux.Handle("/aia/", f.hospital.CA.PublishHandler())
}

// founded says whether there is somebody with a card.
func (f *front) founded(ctx context.Context) (bool, error) {
	operator := careid.Operator(f.program.Name)
	people, err := f.Care.Profiles(ctx, operator)
	if err != nil || len(people) != 1 {
		return len(people) > 1, err
	}
	cards, err := f.Care.Cards(ctx, operator, people[0].ID)
	for _, c := range cards {
		if !c.IssuedAt.IsZero() {
			return true, err
		}
	}
	return false, err
}

type homePage struct {
	pages.Base
	Lead string
}

func (*homePage) Template() string { return "front.html" }

func (f *front) home(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	return pages.Answer{View: &homePage{Base: pages.Base{Title: "Start"}, Lead: f.program.Lead}, Body: map[string]string{"program": f.program.Name}}, nil
}

type messagesPage struct {
	pages.Base
	Messages []Message
}

func (*messagesPage) Template() string { return "messages.html" }

func (f *front) messages(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	all := f.hospital.Outbox.Messages()
	return pages.Answer{View: &messagesPage{Base: pages.Base{Title: "Messages"}, Messages: all}, Body: all}, nil
}

// firstPage asks who the first RA manager is.
type firstPage struct {
	pages.Base
	Key string
}

func (*firstPage) Template() string { return "first.html" }

func (f *front) first(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	key := r.URL.Query().Get("key")
	if err := f.unlocked(key); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{View: &firstPage{Base: pages.Base{Title: "The first RA manager"}, Key: key}, Body: map[string]string{}}, nil
}

// unlocked is for whoever reads the terminal: making the first RA manager needs
// nobody else's leave.
func (f *front) unlocked(key string) error {
	if subtle.ConstantTimeCompare([]byte(key), []byte(f.key)) != 1 {
		return f.rules.Refuse("first.key")
	}
	return nil
}

func (f *front) found(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Key, GivenName, FamilyName, Organisation, Email, Mobile, Card string }
	if err := f.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	if err := f.unlocked(in.Key); err != nil {
		return pages.Answer{}, err
	}
	founded, err := f.Care.Bootstrap(r.Context(), careid.Founder{
		Given: in.GivenName, Family: in.FamilyName, Organisation: in.Organisation, Email: in.Email, Mobile: in.Mobile, Card: in.Card,
	})
	if err != nil {
		return pages.Answer{}, err
	}
	t := f.Cards.ActTicket(r, &founded.Act)
	if !pages.Browser(r) {
		return pages.Answer{Status: http.StatusCreated, Body: map[string]any{"userID": founded.Profile.ID, "ticket": pages.Named(t)}}, nil
	}
	page, err := f.ForCard(r, pages.CardPage{
		Heading: "Issue the first card", Button: "Begin", Then: "/?told=issued",
		Lead: "Choose the reader with the blank card. At the window that the card service opens, choose a passcode.",
	}, t, in.Card)
	return pages.Answer{View: page}, err
}

// ready is true while the database answers.
func (f *front) ready(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	_, err := f.Care.Applications(r.Context(), careid.Operator(f.program.Name))
	if err != nil {
		err = f.rules.Refuse("not.ready").Because(err)
	}
	return pages.Answer{}, err
}
