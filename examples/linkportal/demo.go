// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/linking"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/mailbox"
)

//go:embed templates/*.html
var templates embed.FS

// demo is the hospital of the program and its pages.
type demo struct {
	*pages.Module
	base     string
	now      func() time.Time // the machine's clock; default time.Now
	hospital *careidtest.Hospital
	mail     *mailbox.Mailbox
	people   []careidtest.Person
	handler  http.Handler
}

func (d *demo) withDefaults() {
	if d.now == nil {
		d.now = time.Now
	}
}

// openDemo founds the hospital. Its cards are never pulled, so no session depends on one being there.
func openDemo(ctx context.Context, base string) (*demo, error) {
	d := &demo{base: base}
	d.withDefaults()
	var err error
	if d.hospital, err = careidtest.Open(careidtest.Config{Binding: careid.BindingKeep}); err != nil {
		return nil, err
	}
	d.people = []careidtest.Person{d.hospital.Nurse, d.hospital.RAAgent, d.hospital.Sponsor}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.close(ctx))
	}
	return d, nil
}

func (d *demo) open(ctx context.Context) (err error) {
	h := d.hospital
	if d.now().Before(h.Clock.Now()) {
		return errors.New("the clock of this machine is before the day on which the demonstration's hospital was founded")
	}
	d.tick()
	if d.mail, err = mailbox.Open(ctx, mailbox.Config{DB: h.DB, Sender: h.Inbox, Now: h.Clock.Now}); err != nil {
		return err
	}
	config := h.Config
	config.Servers, config.Origins, config.Mail = append(config.Servers, d.base), append(config.Origins, d.base), d.mail
	if h.Service, err = careid.New(config); err != nil {
		return err
	}
	return d.serve()
}

// serve makes the pages.
func (d *demo) serve() error {
	h := d.hospital
	cards, err := cardhttp.New(cardhttp.Config{Service: h.Service, Server: d.base, SignInPage: signInPath, Now: h.Clock.Now, Wall: h.Wall.Now})
	if err != nil {
		return err
	}
	book, err := careid.Rules()
	if err != nil {
		return err
	}
	site, err := pages.New(pages.Config{
		Name: "Link portal", Care: h.Service, Cards: cards, Book: book, Base: d.base, Now: h.Clock.Now, After: "/links",
		MailPassword: pages.PasswordOf(d.mail.Accounts),
		Places:       []pages.Place{{Path: "/links", Name: "Links"}, {Path: "/mail", Name: "Mail account"}, {Path: "/messages", Name: "Messages"}},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	if err := site.Routes(mux); err != nil {
		return err
	}
	links, err := linking.New(linking.Config{Site: site, MailAccount: d.mail.Account})
	if err != nil {
		return err
	}
	links.Routes(mux)
	if err := d.mail.Routes(site, mux); err != nil {
		return err
	}
	if d.Module, err = site.Module(templates, "templates/*.html"); err != nil {
		return err
	}
	d.Handle(mux, "GET /{$}", d.front)
	d.Handle(mux, "POST "+signInPath, d.signIn)
	d.Handle(mux, "GET /messages", d.messages)
	inside := site.Handler(mux)
	d.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.tick()
		if r.Method == http.MethodGet && r.URL.Path == signInPath {
			http.Redirect(w, r, "/", http.StatusSeeOther) // the people are on the front page, and not at a card service
			return
		}
		inside.ServeHTTP(w, r)
	})
	return nil
}

// tick sets both clocks of the hospital by the machine's.
func (d *demo) tick() {
	now := d.now()
	d.hospital.Wall.Set(now)
	d.hospital.Clock.Set(now)
}

// close gives everything back.
func (d *demo) close(ctx context.Context) error {
	var err error
	if d.mail != nil {
		err = d.mail.Close(ctx)
	}
	return errors.Join(err, d.hospital.Close())
}

const signInPath = "/signin"

type frontPage struct {
	pages.Base
	People []careidtest.Person
}

func (*frontPage) Template() string { return "front.html" }

func (d *demo) front(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	return pages.Answer{View: &frontPage{Base: pages.Base{Title: "Start"}, People: d.people}, Body: map[string]string{"program": "linkportal"}}, nil
}

// signIn has a card of the hospital sign in, in place of its reader and its holder's passcode. A session that this
// browser still has ends, as with a card.
func (d *demo) signIn(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ UserID string }
	if err := d.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	at := slices.IndexFunc(d.people, func(p careidtest.Person) bool { return p.Profile.ID == in.UserID })
	if at < 0 {
		return pages.Answer{}, d.Refuse("request.invalid")
	}
	got, err := d.hospital.SignIn(r.Context(), d.people[at].Card)
	if err != nil {
		return pages.Answer{}, err
	}
	if token := d.Cards.Token(r); token != "" {
		if err := d.Care.SignOut(r.Context(), token); err != nil && wardkey.RuleOf(err) == "" {
			return pages.Answer{}, err
		}
	}
	http.SetCookie(w, d.Cards.SessionCookie(got.Token))
	return pages.Answer{Next: "/links"}, nil
}

type messagesPage struct {
	pages.Base
	Messages []careidtest.Message
}

func (*messagesPage) Template() string { return "messages.html" }

// messages are all that were sent, the newest first; the oldest are of the hospital's founding.
func (d *demo) messages(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	all := d.hospital.Inbox.All()
	slices.Reverse(all)
	return pages.Answer{View: &messagesPage{Base: pages.Base{Title: "Messages"}, Messages: all}, Body: all}, nil
}
