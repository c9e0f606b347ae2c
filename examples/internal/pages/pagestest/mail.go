// SPDX-License-Identifier: Apache-2.0

package pagestest

import (
	"context"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// patience is how long a message may take on a busy machine.
const patience = time.Minute

// MailAccount opens a mail account whose holder chooses a password, in the way of
// every holder: by the activation password that comes as a text.
func (s *Site) MailAccount(address, password string) {
	s.t.Helper()
	s.Unactivated(address)
	ctx := context.Background()
	session, err := s.Mail.SignIn(ctx, address, []byte(s.Activation(address)))
	if err == nil {
		err = s.Mail.ChangePassword(ctx, session.Token, []byte(password))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Unactivated opens a mail account that nobody has signed in to.
func (s *Site) Unactivated(address string) {
	s.t.Helper()
	by := mailpolicy.Actor{ID: "test", Role: mailpolicy.AdministrationService}
	_, err := s.Mail.Open(context.Background(), by, mailpolicy.NewAccount{Site: "RWK01", Address: address, Name: "Somebody", Mobile: "07700 900123", Purpose: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Activation waits for the text with the activation password of an account.
func (s *Site) Activation(address string) string {
	s.t.Helper()
	late, done := context.WithTimeout(context.Background(), patience)
	defer done()
	for ; late.Err() == nil; time.Sleep(time.Millisecond) {
		for _, m := range s.Inbox.All() {
			if strings.Contains(m.Body, "to activate "+address) {
				return m.Body[strings.LastIndexByte(m.Body, '\n')+1:]
			}
		}
	}
	s.t.Fatalf("no activation password arrived for %s", address)
	return ""
}

// MailAndApp gives a person a mail account and an authenticator app to sign in by.
func (s *Site) MailAndApp(p careidtest.Person, address, password string) *careidtest.App {
	s.t.Helper()
	s.MailAccount(address, password)
	if _, err := s.Register(context.Background(), p, careid.KindMailAccount, address); err != nil {
		s.t.Fatal(err)
	}
	app, err := s.RegisterApp(context.Background(), p)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Clock.Add(time.Minute) // the code that confirmed it is spent
	return app
}

// Token is the session that the browser has, "" for none.
func (b *Browser) Token() string {
	b.s.t.Helper()
	for _, c := range b.http.Jar.Cookies(b.request("GET", "/", nil).URL) {
		if c.Name == "wardkey-session" {
			return c.Value
		}
	}
	return ""
}

// Session is the session that the browser has.
func (b *Browser) Session() *careid.Session {
	b.s.t.Helper()
	session, err := b.s.Care.Session(context.Background(), b.Token())
	if err != nil {
		b.s.t.Fatal(err)
	}
	return session
}
