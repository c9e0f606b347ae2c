// SPDX-License-Identifier: Apache-2.0

// Command myidentity is a card holder's own page in one program: contacts,
// passcode, renewal, what else they sign in with, what happened to them, and the
// days on which the old service is switched off.
//
//	go run ./examples/myidentity        # prints "ready" and its address
//
// Authenticator apps are registered here, mail accounts, which are opened at /mail,
// and with -models FILE, a list as careid/webauthn.ParseModels reads it, security
// keys and Windows Hello.
//
// Started with the -dir of examples/radesk it knows that hospital's people; by
// itself it begins with nobody, like that. The cards are in the readers of the
// card service (package card/agent) at -agent. With -idle 15m a page that is left
// locks its session.
//
// A demonstration, not affiliated with or approved by the NHS, and never for
// live cards, middleware or services.
package main

import (
	"context"
	"net/http"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/linking"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/mailbox"
	"github.com/wardkey-sdk/wardkey/examples/myidentity/holder"
)

func main() { alone.Main(program()) }

func program() alone.Program {
	var mail *mailbox.Mailbox
	return alone.Program{
		Name: "myidentity", Listen: "127.0.0.1:8482", Title: "Wardkey identity", After: "/my",
		Lead:   "Your own care identity: your card, your contacts, and what happened to them.",
		Places: []pages.Place{{Path: "/my", Name: "My identity"}, {Path: "/passcode", Name: "Passcode"}, {Path: "/mail", Name: "Mail account"}},
		Opened: func(_ context.Context, h *alone.Hospital) error {
			mail = h.Mail
			return nil
		},
		Mount: func(site *pages.Site, mux *http.ServeMux) error { return mount(site, mux, mail) },
	}
}

func mount(site *pages.Site, mux *http.ServeMux, mail *mailbox.Mailbox) error {
	h, err := holder.New(holder.Config{Site: site, MailAccount: mail.Account})
	if err != nil {
		return err
	}
	h.Routes(mux)
	links, err := linking.New(linking.Config{Site: site, MailAccount: mail.Account})
	if err != nil {
		return err
	}
	links.Routes(mux)
	return mail.Routes(site, mux)
}
